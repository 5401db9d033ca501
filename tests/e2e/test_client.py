"""What a customer sees of his own money: balance, usage, receipts, and that
a repeated request is not paid twice."""

import csv
import datetime
import io
import os
import signal
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness


def today(days=0):
    """A day of UTC, some days from now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(days=days)).strftime('%Y-%m-%d')


def child(gate, name):
    """The pid of a process of the server by its name."""
    for pid in gate.tree():
        with open(f'/proc/{pid}/comm', encoding='ascii') as stream:
            if stream.read().strip() == name:
                return pid
    raise harness.Failed(f'no {name}')


class Usage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(cls.mock)
        cls.gate.account('a', '100')
        cls.gate.account('b', '100')
        cls.key = cls.gate.key('a', name='first')
        cls.sister = cls.gate.key('a', name='second')
        cls.stranger = cls.gate.key('b')
        cls.charges = {}
        for key, model, times in ((cls.key, 'gpt-4o', 3),
                                  (cls.key, 'gpt-4o-mini', 2),
                                  (cls.sister, 'gpt-4o', 4),
                                  (cls.stranger, 'gpt-4o', 5)):
            for _ in range(times):
                answer = cls.gate.chat(key, 'hello', model=model)
                paid = harness.nano(answer.headers['x-tollgate-charge-usd'])
                row = cls.charges.setdefault((key, model), [0, 0])
                row[0] += paid
                row[1] += answer.usage()['prompt_tokens']

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.mock.stop()

    def usage(self, query='', key=None, **more):
        return self.gate.ask('GET', '/v1/usage' + query,
                             key=key or self.key, **more)

    def test_usage_is_by_day_and_model_and_exact_at_once(self):
        answer = self.usage()
        self.assertEqual(answer.status, 200, answer.body)
        found = answer.json()
        self.assertEqual(found['key']['name'], 'first')
        self.assertEqual(found['currency'], 'USD')
        self.assertEqual(found['to'], today())
        self.assertEqual(found['from'], today(-29))
        self.assertIsNone(found['next'])
        rows = {row['model']: row for row in found['data']}
        self.assertEqual(set(rows), {'gpt-4o', 'gpt-4o-mini'})
        for model, requests in (('gpt-4o', 3), ('gpt-4o-mini', 2)):
            charge, prompt = self.charges[self.key, model]
            row = rows[model]
            self.assertEqual(row['day'], today())
            self.assertEqual(row['requests'], requests)
            self.assertEqual(row['failed'], 0)
            self.assertEqual(row['input_tokens'], prompt)
            self.assertIn(f'"charge_usd":{harness.usd(charge)[:3]}',
                          answer.body.decode())
        total = sum(charge for (key, _), (charge, _) in self.charges.items()
                    if key == self.key)
        text = answer.body.decode()
        text = text[text.index('"total"'):]
        text = text[text.index('"charge_usd":') + 13:].split('}')[0]
        self.assertEqual(harness.nano(text), total)

    def test_csv_has_the_same_rows(self):
        for query, headers in (('?format=csv', ()),
                               ('', (('Accept', 'text/csv'),))):
            answer = self.usage(query, headers=headers)
            self.assertEqual(answer.headers['content-type'],
                             'text/csv; charset=utf-8')
            rows = list(csv.DictReader(io.StringIO(answer.body.decode(),
                                                   newline='')))
            self.assertEqual(
                [(row['model'], harness.nano(row['charge_usd']))
                 for row in rows],
                [(model, self.charges[self.key, model][0])
                 for model in ('gpt-4o', 'gpt-4o-mini')])

    def test_grouping_and_pages(self):
        found = self.usage('?group_by=day').json()
        self.assertEqual(len(found['data']), 1)
        self.assertEqual(found['data'][0]['requests'], 5)
        self.assertNotIn('model', found['data'][0])
        found = self.usage('?group_by=key').json()
        self.assertEqual(found['data'][0]['key'], found['key']['id'])
        found = self.usage('?limit=1').json()
        self.assertEqual([row['model'] for row in found['data']], ['gpt-4o'])
        self.assertEqual(found['next'], 1)
        self.assertEqual(found['total']['requests'], 5)
        found = self.usage('?limit=1&after=1').json()
        self.assertEqual([row['model'] for row in found['data']],
                         ['gpt-4o-mini'])
        self.assertIsNone(found['next'])
        self.assertEqual(self.usage('?limit=1&format=csv')
                         .headers['x-tollgate-next'], '1')
        self.assertEqual(self.usage('?after=99').json()['data'], [])

    def test_another_period_has_nothing(self):
        found = self.usage(f'?from={today(-9)}&to={today(-1)}').json()
        self.assertEqual(found['data'], [])
        self.assertEqual(found['total']['requests'], 0)
        self.assertEqual(found['from'], today(-9))

    def test_a_key_sees_its_own_rows_only(self):
        for key, requests in ((self.sister, 4), (self.stranger, 5)):
            found = self.usage(key=key).json()
            self.assertEqual(found['total']['requests'], requests)
        own = self.usage().json()['key']['id']
        for name in ('x-tollgate-key', 'x-tollgate-account'):
            for value in ('0', '1', '2'):
                found = self.usage(headers=((name, value),)).json()
                self.assertEqual(found['key']['id'], own)
                self.assertEqual(found['total']['requests'], 5)
        self.assertEqual(self.gate.ask('GET', '/v1/usage').status, 401)
        self.assertEqual(self.usage(key='tg_nobody').status, 401)

    def test_bad_parameters_are_named(self):
        for query, name in (('?from=yesterday', 'from'), ('?to=1', 'to'),
                            (f'?from={today(1)}', 'from'),
                            ('?from=2020-01-01', 'from'),
                            ('?group_by=account', 'group_by'),
                            ('?format=xml', 'format'), ('?limit=0', 'limit'),
                            ('?limit=10001', 'limit'), ('?after=-', 'after'),
                            ('?account=b', 'account'),
                            ('?limit=1%26x', 'limit')):
            answer = self.usage(query)
            self.assertEqual(answer.status, 400, query)
            self.assertEqual(answer.error()['param'], name, query)

    def test_internal_pages_are_nowhere_else(self):
        path = '/internal/v1/usage'
        self.assertEqual(self.gate.ask('GET', path, key=self.key).status, 404)
        self.assertEqual(self.gate.admin(path).status, 404)

    def test_head_has_no_body(self):
        answer = self.gate.ask('HEAD', '/v1/usage', key=self.key)
        self.assertEqual((answer.status, answer.body), (200, b''))


class AdminGone(unittest.TestCase):
    def test_usage_is_503_while_the_admin_process_is_away(self):
        with harness.Mock() as mock, harness.Gateway(mock) as gate:
            gate.account('a', '10')
            key = gate.key('a')
            self.assertEqual(gate.chat(key).status, 200)
            pid = child(gate, 'tollgate-admin')
            os.kill(pid, signal.SIGSTOP)
            try:
                with client.Swarm(gate.url) as swarm:
                    for _ in range(20):
                        swarm.add(client.request('GET', '/v1/usage', None,
                                                 key))
                    # The others do not wait.
                    self.assertTrue(swarm.run(lambda: swarm.sent == 20))
                    self.assertEqual(gate.chat(key).status, 200)
                    self.assertTrue(swarm.run())
                for task in swarm.tasks:
                    self.assertEqual(task.answer.status, 503)
                    self.assertIn('retry-after', task.answer.headers)
                    self.assertEqual(task.answer.error()['code'],
                                     'history_unavailable')
            finally:
                os.kill(pid, signal.SIGKILL)

            def back():
                answer = gate.ask('GET', '/v1/usage', key=key)
                return answer.status == 200 and answer.json()
            found = harness.wait_until(back, what='the admin process')
            self.assertEqual(found['total']['requests'], 2)
            gate.verify()


if __name__ == '__main__':
    unittest.main()
