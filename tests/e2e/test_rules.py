"""Who pays what: each rule against the real server, to the nano-USD, and
every charge recomputed from the ledger. The rules in words: docs/billing.md."""

import os
import re
import signal
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

BYTES_PER_TOKEN = 4
ROW = harness.PRICES['gpt-4o']


def price(prompt, completion, multiplier='1'):
    return harness.cost([(prompt, ROW['input']),
                         (completion, ROW['output'])], multiplier)


def named(entry):
    entry['rule'] = int(entry['rule'][1:] or 0)
    entry['input_tokens'] = entry['input']
    entry['output_tokens'] = entry['output']
    return entry


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway([
            harness.channel(cls.mock, 'first', priority=1, cost='0.5',
                            first_byte_timeout='2s'),
            harness.channel(cls.mock, 'second', priority=2, cost='0.25'),
        ], routing={'cooldown': '0s', 'attempts': 2})
        cls.gate.account('rich', '1000')
        cls.key = cls.gate.key('rich')

    @classmethod
    def tearDownClass(cls):
        cls.gate.verify()
        cls.gate.close()
        cls.mock.stop()

    def entries(self, request_id):
        harness.wait_until(self.gate.settled)
        return [named(entry) for entry in self.gate.dump()
                if 'req_' + entry['request_id'] == request_id]

    def request(self, answer):
        """Its entry; what the report says of it is checked, too."""
        found = [entry for entry in self.entries(
            answer.headers['x-request-id']) if entry['kind'] == 'request']
        self.assertEqual(len(found), 1)
        return found[0]

    def lost(self, answer):
        """The leg of its lost attempt; nobody waits for its commit."""
        return harness.wait_until(lambda: [
            entry for entry in self.entries(answer.headers['x-request-id'])
            if entry['kind'] == 'attempt'])[0]

    def check(self, answer, rule, charge):
        entry = self.request(answer)
        self.assertEqual(entry['rule'], rule)
        self.assertEqual(harness.nano(entry['charge_usd']), charge)
        return entry

    def test_r1_a_whole_answer_costs_its_usage(self):
        answer = self.gate.chat(self.key, '@@tokens=1001,77')
        entry = self.check(answer, 1, price(1001, 77))
        self.assertEqual(harness.nano(entry['upstream_usd']),
                         price(1001, 77, '0.5'))

    def test_r2_an_explicit_zero_costs_nothing(self):
        self.check(self.gate.chat(self.key, '@@usage=zero'), 2, 0)

    def test_r3_without_a_usage_the_gateway_counts(self):
        answer = self.gate.chat(self.key, '@@usage=missing @@chunks=5')
        usage = answer.usage()
        self.assertEqual(usage['completion_tokens'],
                         -(-len(answer.text()) // BYTES_PER_TOKEN))
        self.check(answer, 3, price(usage['prompt_tokens'],
                                    usage['completion_tokens']))

    def test_r4_an_error_costs_nothing(self):
        self.check(self.gate.chat(self.key, '@@status=400'), 4, 0)

    def test_r5_an_answer_that_is_cut_costs_its_output(self):
        for do in ('@@error=10', '@@cut=1500'):
            with self.subTest(do):
                answer = self.gate.chat(self.key, f'@@chunks=20 {do}',
                                        stream=True)
                got = -(-len(answer.text()) // BYTES_PER_TOKEN)
                self.assertGreater(got, 0)
                self.assertIn('error', answer.chunks()[-1])
                self.check(answer, 5, price(0, got))

    def leave(self, gate, key, text, after=600):
        with client.Swarm(gate.url) as swarm:
            task = swarm.add(client.request(
                'POST', '/v1/chat/completions',
                client.chat(text, stream=True), key), stop_at=after)
            self.assertTrue(swarm.run())
        return task.answer

    def test_r6_a_client_that_leaves_pays_what_it_got(self):
        answer = self.leave(self.gate, self.key,
                            '@@chunks=200 @@delay=20')
        entry = self.request(answer)
        self.assertEqual(entry['rule'], 6)
        self.assertEqual(
            harness.nano(entry['charge_usd']),
            price(entry['input_tokens'], entry['output_tokens']))
        self.assertGreaterEqual(
            entry['output_tokens'],
            -(-len(answer.text()) // BYTES_PER_TOKEN))
        self.assertLess(entry['output_tokens'], 200)

    def test_r8_after_a_lost_attempt_the_winner_is_paid_once(self):
        self.mock.script('@@status=500', count=1)
        answer = self.gate.chat(self.key, '@@tokens=1001,77')
        entry = self.check(answer, 8, price(1001, 77))
        self.assertEqual(entry['attempts'], 2)
        self.assertEqual(harness.nano(entry['upstream_usd']),
                         price(1001, 77, '0.25'))
        lost = self.lost(answer)
        self.assertEqual(lost['channel'], 'first')
        self.assertEqual(lost['attempts'], 1)
        self.assertEqual(harness.nano(lost['charge_usd']), 0)
        self.assertEqual(harness.nano(lost['upstream_usd']), 0)

    def test_r8_a_lost_attempt_that_was_at_work_costs_its_input(self):
        self.mock.script('@@first=3000', count=1)
        answer = self.gate.chat(self.key, '@@tokens=1001,77', stream=True,
                                stream_options={'include_usage': True})
        self.assertEqual(answer.usage()['prompt_tokens'], 1001)
        self.check(answer, 8, price(1001, 77))
        lost = self.lost(answer)
        self.assertGreater(lost['input_tokens'], 0)
        self.assertEqual(harness.nano(lost['upstream_usd']),
                         price(lost['input_tokens'], 0, '0.5'))

    def test_r9_what_is_not_the_answer_is_broken_off(self):
        answer = self.gate.chat(self.key, '@@chunks=20 @@badchunk=10',
                                stream=True)
        got = -(-len(answer.text()) // BYTES_PER_TOKEN)
        self.assertGreater(got, 0)
        self.check(answer, 9, price(0, got))

    def test_r12_a_stream_ends_at_the_hold(self):
        self.gate.account('poor', harness.usd(price(0, 1400)))
        answer = self.gate.chat(
            self.gate.key('poor'), '@@chunks=4000 @@size=40 @@nolimit',
            stream=True)
        entry = self.request(answer)
        self.assertEqual(entry['rule'], 12)
        self.assertEqual(entry['output_tokens'],
                         -(-len(answer.text()) // BYTES_PER_TOKEN))
        self.assertEqual(harness.nano(entry['charge_usd']),
                         price(entry['input_tokens'],
                               entry['output_tokens']))

    def test_r14_a_usage_above_the_hold_costs_the_hold(self):
        self.gate.account('short', '0.01')
        answer = self.gate.chat(self.gate.key('short'),
                                '@@tokens=500000,9000', max_tokens=10)
        self.assertEqual(answer.status, 200)
        entry = self.request(answer)
        self.assertEqual(entry['rule'], 14)
        self.assertEqual(entry['charge_usd'], entry['hold_usd'])
        self.assertLess(harness.nano(entry['charge_usd']),
                        price(500000, 9000))


class Others(unittest.TestCase):
    """What needs a server of its own."""

    entries = Rules.entries
    request = Rules.request
    lost = Rules.lost
    leave = Rules.leave

    def test_r7_the_rest_is_read_at_the_operators_cost(self):
        with harness.Mock() as mock, harness.Gateway([
                harness.channel(mock, 'mock', on_client_gone='drain',
                                cost='0.5')]) as self.gate:
            self.gate.account('a', '10')
            answer = self.leave(
                self.gate, self.gate.key('a'),
                '@@tokens=1001,77 @@chunks=60 @@delay=20')
            leg = self.lost(answer)
            entry = self.request(answer)
            self.assertEqual(entry['rule'], 7)
            self.assertEqual(harness.nano(entry['upstream_usd']), 0)
            self.assertEqual(
                harness.nano(entry['charge_usd']),
                price(entry['input_tokens'], entry['output_tokens']))
            self.assertEqual(leg['input_tokens'], 1001)
            self.assertEqual(leg['output_tokens'], 77)
            self.assertEqual(harness.nano(leg['upstream_usd']),
                             price(1001, 77, '0.5'))
            self.assertEqual(mock.tally(0)['aborted'], 0)
            self.gate.verify()

    def test_r13_of_a_dead_worker_the_client_pays_what_it_got(self):
        with harness.Mock() as mock, harness.Gateway(
                mock, workers=1) as self.gate:
            self.gate.account('a', '10')
            with client.Swarm(self.gate.url) as swarm:
                task = swarm.add(client.request(
                    'POST', '/v1/chat/completions', client.chat(
                        '@@chunks=40 @@hold_at=20', stream=True),
                    self.gate.key('a')))
                self.assertTrue(swarm.run(
                    lambda: task.answer.raw.count(b'data: ') >= 20))
                for pid in self.gate.pids:
                    os.kill(pid, signal.SIGKILL)
                self.assertTrue(swarm.run())
            entry = harness.wait_until(lambda: [
                named(entry) for entry in self.gate.dump()
                if entry['kind'] == 'request'])[0]
            self.assertEqual(entry['rule'], 13)
            self.assertLessEqual(
                entry['output_tokens'],
                -(-len(task.answer.text()) // BYTES_PER_TOKEN))
            self.assertEqual(
                harness.nano(entry['charge_usd']),
                price(entry['input_tokens'], entry['output_tokens']))
            self.gate.verify()

    def test_r5_may_be_free(self):
        with harness.Mock() as mock, harness.Gateway(
                mock, billing={'failed_answer': 'free'}) as self.gate:
            self.gate.account('a', '10')
            answer = self.gate.chat(self.gate.key('a'),
                                    '@@chunks=20 @@error=10', stream=True)
            entry = self.request(answer)
            self.assertEqual(entry['rule'], 5)
            self.assertEqual(harness.nano(entry['charge_usd']), 0)
            self.gate.verify()

    def test_tiers_later_prices_discounts(self):
        models = ({'name': 'gpt-4o', 'input': '1', 'output': '4',
                   'tiers': [{'above': 1000, 'input': '2',
                              'output': '6'}]},
                  {'name': 'gpt-4o', 'input': '9', 'output': '9',
                   'effective_from': '2099-01-01T00:00:00Z'},
                  *harness.MODELS[1:])
        with harness.Mock() as mock, harness.Gateway(
                mock, models=models) as self.gate:
            self.gate.account('a', '10')
            key = self.gate.key('a')
            for prompt, dollars in ((1000, ('1', '4')), (1001, ('2', '6'))):
                answer = self.gate.chat(key, f'@@tokens={prompt},10')
                entry = self.request(answer)
                self.assertEqual(
                    harness.nano(entry['charge_usd']),
                    harness.cost([(prompt, dollars[0]), (10, dollars[1])]))
            self.gate.verify()


class Manual(unittest.TestCase):
    """The examples of docs/billing.md, by its own formula."""

    def test_the_examples_add_up(self):
        with open(os.path.join(harness.ROOT, 'docs', 'billing.md'),
                  encoding='utf-8') as stream:
            text = stream.read()
        found = re.findall(
            r'^    \(([^)]*)\)(?: x ([0-9.]+))? = ([0-9.]+) USD$', text, re.M)
        self.assertGreaterEqual(len(found), 6)
        for classes, multiplier, result in found:
            pairs = [part.split(' x ') for part in classes.split(' + ')]
            pairs = [(int(tokens.replace(' ', '')), dollars)
                     for tokens, dollars in pairs]
            with self.subTest(classes):
                self.assertEqual(harness.cost(pairs, multiplier or '1'),
                                 harness.nano(result))


if __name__ == '__main__':
    unittest.main()
