"""The money of requests: admission, charges, cuts; exact to the nano-USD."""

import collections
import random
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

PRICES = {model['name']: model for model in harness.MODELS}
BYTES_PER_TOKEN = 4


def input_tokens(messages):
    """The gateway's estimate: bytes of the messages' JSON, by 4."""
    return -(-len(messages) // BYTES_PER_TOKEN)


def price(prompt, completion, model='gpt-4o', multiplier='1'):
    row = PRICES[model]
    return harness.cost([(prompt, row['input']),
                         (completion, row.get('output', '0'))], multiplier)


def hold(body, output):
    """What the gateway takes before it asks the upstream."""
    start = body.index(b'"messages":') + len(b'"messages":')
    depth = 0
    for at in range(start, len(body)):
        depth += {ord('['): 1, ord(']'): -1}.get(body[at], 0)
        if depth == 0 and body[at] == ord(']'):
            break
    tokens = input_tokens(body[start:at + 1].strip())
    return price(tokens + tokens // 5 + 1, output)


def body_of(request):
    return request.split(b'\r\n\r\n', 1)[1]


class Admission(unittest.TestCase):
    def admitted(self, workers):
        harness.need_files(4000)
        with harness.Mock() as mock, \
                harness.Gateway(mock, workers=workers) as gate:
            request = client.request(
                'POST', '/v1/chat/completions',
                client.chat('hello', max_tokens=100), 'KEY')
            each = hold(body_of(request), 100)
            fit = 137
            gate.account('a', harness.usd(each * fit + each // 2))
            key = gate.key('a')
            request = client.request(
                'POST', '/v1/chat/completions',
                client.chat('hello', max_tokens=100), key)
            mock.script('@@hold')
            with client.Swarm(gate.url) as swarm:
                for _ in range(1000):
                    swarm.add(request)
                self.assertTrue(swarm.run(
                    lambda: swarm.answered >= 1000 - fit))
                mock.wait(lambda tally: tally['holding'] == fit)
                statuses = collections.Counter(
                    task.answer.status for task in swarm.tasks if task.done)
                self.assertEqual(statuses, {402: 1000 - fit})
                mock.release()
                self.assertTrue(swarm.run())
            answers = [task.answer for task in swarm.tasks
                       if task.answer.status == 200]
            self.assertEqual(len(answers), fit)
            harness.wait_until(gate.settled)
            charged = sum(
                price(answer.usage()['prompt_tokens'],
                      answer.usage()['completion_tokens'])
                for answer in answers)
            rows = [row for row in gate.report() if row['status'] == '200']
            self.assertEqual(len(rows), fit)
            self.assertEqual(
                sum(harness.nano(row['charge_usd']) for row in rows), charged)
            shown = gate.show('a')
            left = each * fit + each // 2 - charged
            self.assertEqual(harness.nano(shown['balance']), left)
            self.assertEqual(harness.nano(shown['available']), left)
            gate.verify()

    def test_exactly_what_fits_is_admitted_with_one_worker(self):
        self.admitted(1)

    def test_exactly_what_fits_is_admitted_with_two_workers(self):
        self.admitted(2)

    def test_exactly_what_fits_is_admitted_with_four_workers(self):
        self.admitted(4)


class Charges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(cls.mock, routing={'cooldown': '0s'})
        cls.gate.account('rich', '1000')
        cls.key = cls.gate.key('rich')

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.mock.stop()

    def balance(self):
        harness.wait_until(self.gate.settled)
        shown = self.gate.show('rich')
        self.assertEqual(shown['balance'], shown['available'])
        return harness.nano(shown['balance'])

    def charge(self, text, **fields):
        """(answer, what it cost)"""
        before = self.balance()
        answer = self.gate.chat(self.key, text, **fields)
        return answer, before - self.balance()

    def test_the_charge_is_the_price_of_the_usage(self):
        answer, charge = self.charge('@@tokens=1001,77')
        self.assertEqual(charge, price(1001, 77))
        self.assertEqual(
            harness.nano(answer.headers['x-tollgate-charge-usd']), charge)
        self.assertIn(b'"cost":' + answer.headers[
            'x-tollgate-charge-usd'].encode(), answer.body)

    def test_cached_and_reasoning_tokens_have_their_own_price(self):
        _, charge = self.charge('@@tokens=1000,50,600,20')
        row = PRICES['gpt-4o']
        self.assertEqual(charge, harness.cost(
            [(400, row['input']), (600, row.get('cache_read', row['input'])),
             (50, row['output'])]))

    def test_an_explicit_zero_costs_nothing(self):
        answer, charge = self.charge('@@usage=zero')
        self.assertEqual((answer.status, charge), (200, 0))

    def test_a_missing_usage_is_estimated_and_says_so(self):
        for usage in ('missing', 'null', 'negative', 'string', 'empty'):
            with self.subTest(usage):
                answer, charge = self.charge(f'@@usage={usage}')
                self.assertEqual(answer.status, 200)
                self.assertTrue(answer.usage()['estimated'])
                self.assertGreater(charge, 0)
                row = self.gate.report()[-1]
                self.assertEqual(row['usage_source'], 'estimated')
                self.assertEqual(charge, price(
                    int(row['input_tokens']), int(row['output_tokens'])))

    def test_a_usage_beyond_the_hold_is_extended_to_or_cut(self):
        _, charge = self.charge('@@tokens=5000,9000', max_tokens=10)
        self.assertEqual(charge, price(5000, 9000))
        self.gate.account('poor', '0.01')
        key = self.gate.key('poor')
        answer = self.gate.chat(key, '@@usage=huge', max_tokens=10)
        self.assertEqual(answer.status, 200)
        harness.wait_until(self.gate.settled)
        shown = self.gate.show('poor')
        self.assertGreater(harness.nano(shown['balance']), 0)
        self.gate.verify()

    def test_errors_cost_nothing(self):
        for do in ('@@status=500', '@@status=429', '@@status=400', '@@reset',
                   '@@badjson=truncate', '@@model=other', '@@gzip'):
            with self.subTest(do):
                answer, charge = self.charge(do)
                self.assertGreaterEqual(answer.status, 400)
                self.assertEqual(charge, 0)

    def test_a_stream_costs_its_usage_and_says_so_at_its_end(self):
        answer, charge = self.charge(
            '@@tokens=500,40', stream=True,
            stream_options={'include_usage': True})
        self.assertEqual(charge, price(500, 40))
        self.assertEqual(answer.usage()['completion_tokens'], 40)
        self.assertIn(harness.usd(charge).rstrip('0').encode(), answer.body)
        self.assertEqual(answer.events()[-1], '[DONE]')

    def test_a_stream_that_breaks_off_costs_its_output_only(self):
        answer, charge = self.charge('@@chunks=20 @@error=10', stream=True)
        self.assertIn('error', answer.chunks()[-1])
        sent = len(answer.text())
        self.assertGreater(sent, 0)
        self.assertEqual(charge, price(0, -(-sent // BYTES_PER_TOKEN)))


class Cuts(unittest.TestCase):
    def test_a_thousand_clients_that_leave_pay_what_they_got(self):
        harness.need_files(4000)
        rng = random.Random(7)
        with harness.Mock() as mock, \
                harness.Gateway(mock, workers=2) as gate:
            gate.account('a', '1000')
            key = gate.key('a')
            plain = gate.chat(key, '@@chunks=100 @@size=4', stream=True)
            whole = len(plain.raw)
            with client.Swarm(gate.url) as swarm:
                for i in range(1000):
                    swarm.add(client.request(
                        'POST', '/v1/chat/completions', client.chat(
                            f'@@chunks=100 @@size=4 @@delay=4 @@tag=t{i}',
                            stream=True), key),
                        stop_at=rng.randrange(1, whole), reset=i % 2 == 0,
                        note=f't{i}')
                self.assertTrue(swarm.run(timeout=200))
            harness.wait_until(gate.settled)
            self.check(gate, mock, swarm)
            gate.verify()

    def check(self, gate, mock, swarm):
        rows = {row['request_id']: row for row in gate.report()}
        for task in swarm.tasks:
            answer = task.answer
            row = rows.get(answer.headers.get('x-request-id'))
            if row is None:
                continue
            charge = harness.nano(row['charge_usd'])
            if answer.status >= 400:      # a disk that stalls
                self.assertEqual(charge, 0)
                continue
            got = len(answer.text()) if answer.body else 0
            sent = mock.record(task.note)
            tokens = input_tokens(b'x' * 200)
            least = price(0, -(-got // BYTES_PER_TOKEN)) if got else 0
            most = max(
                price(tokens + sent['prompt_tokens'],
                      -(-sent['content_bytes'] // BYTES_PER_TOKEN)),
                price(sent['prompt_tokens'], sent['completion_tokens']))
            self.assertLessEqual(least, charge)
            self.assertLessEqual(charge, most)
            self.assertEqual(charge, price(
                int(row['input_tokens']), int(row['output_tokens'])))


class AtZero(unittest.TestCase):
    def test_a_stream_ends_at_the_balance_and_never_beyond(self):
        with harness.Mock() as mock, harness.Gateway(mock) as gate:
            need = price(0, 1400)
            gate.account('a', harness.usd(need))
            key = gate.key('a')
            answer = gate.chat(key, '@@chunks=4000 @@size=40 @@nolimit',
                               stream=True)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.chunks()[-1]['error']['code'],
                             'insufficient_balance')
            harness.wait_until(gate.settled)
            left = harness.nano(gate.show('a')['balance'])
            self.assertGreaterEqual(left, 0)
            row = gate.report()[-1]
            got = -(-len(answer.text()) // BYTES_PER_TOKEN)
            self.assertEqual(int(row['output_tokens']), got)
            gate.verify()


if __name__ == '__main__':
    unittest.main()
