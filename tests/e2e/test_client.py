"""What a customer sees of his own money: balance, usage, receipts, and that
a repeated request is not paid twice."""

import base64
import csv
import datetime
import io
import json
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


def with_key(key, name, text='hello', **fields):
    """The bytes of a chat request with an Idempotency-Key."""
    return client.request('POST', '/v1/chat/completions',
                          client.chat(text, **fields), key,
                          headers=(('Idempotency-Key', name),))


class Repeats(unittest.TestCase):
    def setUp(self):
        self.mock = harness.Mock()
        self.gate = harness.Gateway(self.mock)
        self.gate.account('a', '100')
        self.key = self.gate.key('a')

    def tearDown(self):
        self.gate.close()
        self.mock.stop()

    def ask(self, name, text='hello', key=None, **fields):
        return self.gate.ask(
            'POST', '/v1/chat/completions', client.chat(text, **fields),
            key or self.key, headers=(('Idempotency-Key', name),))

    def patient(self, name, **fields):
        """The status once it does not run any more: an error may reach the
        client before its entry is committed."""
        def look():
            answer = self.ask(name, **fields)
            running = answer.status == 409 and (
                answer.error()['code'] == 'idempotency_in_progress')
            return None if running else answer.status
        return harness.wait_until(look, what='the end of a request')

    def asked(self):
        return self.mock.tally(0)['requests']

    def test_a_settled_request_is_not_paid_twice(self):
        first = self.ask('k-1')
        self.assertEqual(first.status, 200, first.body)
        charge = first.headers['x-tollgate-charge-usd']
        # Until its slot is free it counts as running.
        self.assertEqual(self.patient('k-1'), 409)
        for _ in range(3):
            again = self.ask('k-1')
            self.assertEqual(again.status, 409, again.body)
            self.assertEqual(again.error()['code'],
                             'idempotency_already_settled')
            self.assertEqual(again.headers['x-tollgate-charge-usd'], charge)
            self.assertEqual(again.headers['x-should-retry'], 'false')
            self.assertIn(first.headers['x-request-id'],
                          again.error()['message'])
        self.assertEqual(self.asked(), 1)
        entry = [row for row in self.gate.dump()
                 if row['seq'] == int(again.headers['x-tollgate-entry'])]
        self.assertEqual(entry[0]['txn'], again.headers['x-tollgate-txn'])
        other = self.ask('k-1', 'another body')
        self.assertEqual(other.status, 422)
        self.assertEqual(other.error()['code'], 'idempotency_key_reused')
        # Another key of a customer is another scope.
        sister = self.gate.key('a')
        self.assertEqual(self.ask('k-1', key=sister).status, 200)
        self.assertEqual(self.ask('k-2').status, 200)
        self.gate.verify()
        # Cold: the shared memory is gone.
        self.gate.stop()
        os.unlink(self.gate.path('run', 'state.shm'))
        self.gate.start()
        self.assertEqual(self.ask('k-1').status, 409)
        self.assertEqual(self.ask('k-3').status, 200)

    def test_streams_count_too_and_failures_may_be_repeated(self):
        first = self.ask('s-1', stream=True)
        self.assertEqual(first.status, 200)
        self.assertEqual(self.ask('s-1', stream=True).status, 409)
        self.mock.script('@@status=400')
        self.assertEqual(self.ask('f-1').status, 400)
        self.assertEqual(self.patient('f-1'), 400)
        self.mock.script()
        self.assertEqual(self.patient('f-1'), 200)
        self.assertEqual(self.patient('f-1'), 409)
        # Nothing was held for it: the key is as new.
        poor = self.gate.key('a', budget='0.000001/total')
        self.assertEqual(self.ask('p-1', key=poor).status, 402)
        self.assertEqual(self.ask('p-1', key=poor).status, 402)

    def test_bad_keys_are_refused(self):
        for name in ('', 'x' * 256, 'caf\xe9'):
            answer = self.ask(name)
            self.assertEqual(answer.status, 400, name)
            self.assertEqual(answer.error()['code'],
                             'idempotency_key_invalid')
        self.assertEqual(self.ask('x' * 255).status, 200)
        twice = self.gate.ask(
            'POST', '/v1/chat/completions', client.chat('hello'), self.key,
            headers=(('Idempotency-Key', 'a'), ('idempotency-key', 'b')))
        self.assertEqual(twice.status, 400)

    def test_of_fifty_at_once_one_runs(self):
        for round_ in range(4):
            with client.Swarm(self.gate.url) as swarm:
                for _ in range(50):
                    swarm.add(with_key(self.key, f'r-{round_}',
                                       stream=bool(round_ % 2)))
                self.assertTrue(swarm.run())
            statuses = [task.answer.status for task in swarm.tasks]
            self.assertEqual(statuses.count(200), 1, statuses)
            self.assertEqual(statuses.count(409), 49, statuses)
        self.assertEqual(self.asked(), 4)
        harness.wait_until(self.gate.settled)
        self.gate.verify()

    def test_after_a_kill_it_runs_once_more_or_is_known(self):
        self.mock.script('@@hold')
        with client.Swarm(self.gate.url) as swarm:
            for i in range(20):
                swarm.add(with_key(self.key, f'k-{i}', stream=True))
            self.assertTrue(swarm.run(lambda: swarm.sent == 20))
            self.mock.wait(lambda tally: tally['holding'] == 20)
            # While it runs nobody else does.
            for i in range(20):
                answer = self.ask(f'k-{i}', stream=True)
                self.assertEqual(answer.status, 409)
                self.assertEqual(answer.error()['code'],
                                 'idempotency_in_progress')
                self.assertEqual(answer.headers['retry-after'], '1')
            for worker in self.gate.workers():
                os.kill(worker['pid'], signal.SIGKILL)
            self.assertTrue(swarm.run())
        self.mock.script()
        self.mock.release()
        self.gate.wait_ready()

        # Nothing was delivered, so nothing was charged: it may run.
        for status in (200, 409):
            self.assertEqual([self.patient(f'k-{i}', stream=True)
                              for i in range(20)], [status] * 20)
        harness.wait_until(self.gate.settled)
        self.gate.verify()

    def test_without_the_admin_process_nobody_runs(self):
        pid = child(self.gate, 'tollgate-admin')
        os.kill(pid, signal.SIGSTOP)
        try:
            answer = self.ask('a-1')
            self.assertEqual(answer.status, 503)
            self.assertEqual(answer.error()['code'], 'history_unavailable')
            # Those that ask for nothing of it do.
            self.assertEqual(self.gate.chat(self.key).status, 200)
        finally:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.asked(), 1)
        harness.wait_until(lambda: self.ask('a-1').status == 200)
        self.assertEqual(self.ask('a-1').status, 409)


class Receipts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(
            cls.mock, groups=[{'name': 'default', 'multiplier': '1.7'}])
        cls.gate.account('a', '100')
        cls.key = cls.gate.key('a')
        page = cls.gate.ask('GET', '/v1/receipts/key').json()
        cls.public = cls.gate.path('public.pem')
        with open(cls.public, 'w', encoding='ascii') as stream:
            stream.write(page['pem'])
        cls.page = page

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.mock.stop()

    def chat(self, text='a secret canary', **fields):
        return self.gate.ask(
            'POST', '/v1/chat/completions', client.chat(text, **fields),
            self.key, headers=(('x-tollgate-receipt', '1'),))

    def check(self, text, *args, status=0, public=None):
        path = self.gate.path('receipt.txt')
        with open(path, 'w', encoding='ascii') as stream:
            stream.write(text)
        done = self.gate.run_tool(
            self.gate.ledger_program, *args, 'receipt', path,
            '--public-key', public or self.public, status=status)
        return done

    def in_ledger(self):
        return ('-d', self.gate.path('state'))

    def payload(self, receipt):
        part = receipt.split('.')[0]
        return json.loads(base64.urlsafe_b64decode(part + '=' * 3))

    def test_an_answer_carries_its_receipt(self):
        answer = self.chat()
        receipt = answer.headers['x-tollgate-receipt']
        said = self.check(receipt, *self.in_ledger()).stdout
        self.assertIn('valid: signed by ' + self.page['key_id'], said)
        fields = self.payload(receipt)
        self.assertEqual(fields['request_id'], answer.headers['x-request-id'])
        self.assertEqual(harness.nano(fields['charge_usd']),
                         harness.nano(answer.headers['x-tollgate-charge-usd']))
        self.assertEqual(fields['multiplier'], '1.7')
        self.assertEqual(fields['usd_per_million']['output'], '10.00')
        usage = answer.usage()
        self.assertEqual(fields['tokens']['input'], usage['prompt_tokens'])
        self.assertEqual(harness.nano(fields['charge_usd']), harness.cost(
            [(fields['tokens'][name], price)
             for name, price in fields['usd_per_million'].items()], '1.7'))
        entry = [row for row in self.gate.dump()
                 if row['seq'] == fields['entry']][0]
        self.assertEqual(entry['txn'], fields['txn'])
        self.assertNotIn('canary', json.dumps(fields))
        # The line of the header, as curl -i shows it, does as well.
        self.check('x-tollgate-receipt: ' + receipt + '\r\n')
        self.check(receipt, public=self.raw_key())

    def raw_key(self):
        path = self.gate.path('public.b64')
        with open(path, 'w', encoding='ascii') as stream:
            stream.write(self.page['public_key'])
        return path

    def test_a_stream_carries_it_before_its_end(self):
        for _ in range(5):
            answer = self.chat(stream=True,
                               stream_options={'include_usage': True})
            self.assertEqual(answer.events()[-1], '[DONE]')
            comments = [text for kind, text in client.parse_sse(answer.body)
                        if kind == 'comment' and 'receipt' in text]
            self.assertEqual(len(comments), 1)
            said = self.check(': ' + comments[0] + '\n', *self.in_ledger())
            fields = self.payload(comments[0].split()[-1])
            self.assertIn('valid', said.stdout)
            self.assertEqual(fields['request_id'],
                             answer.headers['x-request-id'])
            self.assertEqual(float(fields['charge_usd']),
                             answer.usage()['cost'])

    def test_many_at_once_get_their_own(self):
        request = client.request(
            'POST', '/v1/chat/completions', client.chat('hello', stream=True),
            self.key, headers=(('x-tollgate-receipt', 'true'),))
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(60):
                swarm.add(request)
            self.assertTrue(swarm.run())
        for task in swarm.tasks:
            receipts = [text.split()[-1] for kind, text
                        in client.parse_sse(task.answer.body)
                        if kind == 'comment' and 'receipt' in text]
            self.assertEqual(self.payload(receipts[0])['request_id'],
                             task.answer.headers['x-request-id'])

    def test_who_does_not_ask_gets_none(self):
        self.assertNotIn('x-tollgate-receipt',
                         self.gate.chat(self.key).headers)
        self.assertNotIn(b'receipt',
                         self.gate.chat(self.key, stream=True).body)

    def test_forged_and_altered_ones_fail(self):
        receipt = self.chat().headers['x-tollgate-receipt']
        payload, sign = receipt.split('.')
        fields = self.payload(receipt)
        fields['charge_usd'] = '0.01'
        cheap = base64.urlsafe_b64encode(json.dumps(
            fields, separators=(',', ':')).encode()).decode().rstrip('=')
        other = 'B' if sign[0] == 'A' else 'A'
        for text in (cheap + '.' + sign, payload + '.' + other + sign[1:],
                     payload + '.', sign, 'nonsense', '',
                     payload + 'A.' + sign):
            done = self.check(text, status=7)
            self.assertNotIn('valid', done.stdout)
        other = self.gate.path('other.b64')
        with open(other, 'w', encoding='ascii') as stream:
            stream.write(base64.b64encode(bytes(31) + b'\1').decode())
        self.check(receipt, status=7, public=other)
        self.check(receipt, status=1, public='/nonexistent')
        self.gate.run_tool(self.gate.ledger_program, 'receipt', status=2)

    def test_the_key_file_is_the_signers_alone(self):
        mode = os.stat(self.gate.path('state', 'receipt.key')).st_mode
        self.assertEqual(mode & 0o777, 0o600)
        page = self.gate.admin('/admin/v1/receipts/key').json()
        self.assertEqual(page, self.page)
        before = self.page['key_id']
        self.gate.stop()
        self.gate.start()
        self.assertEqual(self.gate.ask('GET', '/v1/receipts/key')
                         .json()['key_id'], before)


class Balance(unittest.TestCase):
    def test_budgets_have_their_window_and_prices_are_the_keys_own(self):
        tiers = [{'above': 1000, 'input': '5.00', 'output': '20.00'}]
        models = [dict(harness.MODELS[0], tiers=tiers), *harness.MODELS[1:]]
        groups = [{'name': 'default', 'multiplier': '0.5'}]
        with harness.Mock() as mock, harness.Gateway(
                mock, models=models, groups=groups) as gate:
            gate.account('a', '10')
            key = gate.key('a', budget='2.50/day', models='gpt-*')
            found = gate.ask('GET', '/v1/balance', key=key).json()
            self.assertNotIn('prices', found)
            budget = found['key_budget']
            self.assertEqual(budget['window'], 'day')
            self.assertEqual(budget['limit_usd'], 2.5)
            self.assertEqual(budget['ends'], today(1) + 'T00:00:00Z')
            found = gate.ask('GET', '/v1/balance?prices=true', key=key).json()
            rows = {row['model']: row for row in found['prices']}
            self.assertEqual(set(rows), {'gpt-4o', 'gpt-4o-mini'})
            row = rows['gpt-4o']
            self.assertEqual(row['multiplier'], 0.5)
            self.assertEqual(row['usd_per_million']['input'], 2.5)
            self.assertEqual(row['usd_per_million']['output'], 10)
            self.assertEqual(row['tiers'][0]['above_input_tokens'], 1000)
            self.assertEqual(row['tiers'][0]['usd_per_million']['input'], 5)
            self.assertNotIn('tiers', rows['gpt-4o-mini'])


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
