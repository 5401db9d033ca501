"""Faults of an upstream that no client sees: everything that fails before
the first word of an answer moves on to the next channel, and is paid once."""

import time
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

ROW = harness.PRICES['gpt-4o']
FIRST_KEY = 'first-key'

# what the first channel's upstream does to a stream
BEGINNINGS = (
    '@@status=500', '@@status=503', '@@status=429', '@@reset', '@@fin',
    '@@first=60000', '@@headfirst @@first=60000', '@@error=0', '@@stall=0',
    '@@badchunk=0', '@@rst=250', '@@cut=250', '@@badhead=garbage', '@@gzip')


def upstream():
    return harness.Mock('--keys', f'{FIRST_KEY},{harness.UPSTREAM_KEY}')


def first_channel(mock, what, **fields):
    """A channel with a model of that name; the mock knows it by its key."""
    return {**harness.channel(mock, 'first', priority=1, keys=[FIRST_KEY],
                              connect_timeout='500ms',
                              first_byte_timeout='300ms',
                              answer_timeout='300ms', idle_timeout='300ms',
                              **fields),
            'models': [{'name': 'gpt-4o', 'upstream': what}]}


def two(mock, what, **fields):
    return [first_channel(mock, 'gpt-4o' + what.replace(' ', ''), **fields),
            harness.channel(mock, 'second', priority=2)]


def comments(answer):
    return [text for kind, text in client.parse_sse(answer.body)
            if kind == 'comment']


class Beginnings(unittest.TestCase):
    """Each of them, streamed and not; one gateway with a route for each."""

    @classmethod
    def setUpClass(cls):
        cls.mock = upstream()
        cls.gate = harness.Gateway(two(cls.mock, ''), routing={
            'cooldown': '0s', 'attempts': 2})
        cls.gate.account('rich', '1000')
        cls.key = cls.gate.key('rich')

    @classmethod
    def tearDownClass(cls):
        cls.gate.verify()
        cls.gate.close()
        cls.mock.stop()

    def script(self, what):
        """The first channel's requests are served so; the breaker forgets
        what was before."""
        self.mock.reset()
        for _ in range(4):
            self.assertEqual(self.gate.chat(self.key).status, 200)
        self.mock.reset()
        self.mock.script(what, key=FIRST_KEY)

    def charge(self, answer):
        harness.wait_until(self.gate.settled)
        rows = [row for row in self.gate.report()
                if row['request_id'] == answer.headers['x-request-id']]
        self.assertEqual(len(rows), 1)
        return harness.nano(rows[0]['charge_usd'])

    def try_one(self, what, stream):
        self.script(what)
        fields = {'stream_options': {'include_usage': True}} if stream else {}
        answer = self.gate.chat(self.key, '@@chunks=5', stream=stream,
                                **fields)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers['x-tollgate-channel'], 'second')
        self.assertEqual(answer.headers['x-tollgate-attempts'], '2')
        self.assertEqual(answer.text(), 't000000 t000001 t000002 t000003 '
                                        't000004 ')
        usage = answer.usage()
        self.assertEqual(self.charge(answer), harness.cost(
            [(usage['prompt_tokens'], ROW['input']),
             (usage['completion_tokens'], ROW['output'])]))

    def test_no_fault_before_the_first_word_is_seen_in_a_stream(self):
        for what in BEGINNINGS:
            with self.subTest(what):
                self.try_one(what, True)

    def test_nor_in_a_whole_answer(self):
        for what in ('@@status=500', '@@status=529', '@@reset', '@@fin',
                     '@@first=60000', '@@cut=40', '@@rst=40',
                     '@@badjson=truncate', '@@badjson=html',
                     '@@badjson=empty', '@@badhead=garbage', '@@gzip'):
            with self.subTest(what):
                self.try_one(what, False)

    def test_one_role_reaches_the_client_and_not_two(self):
        self.script('@@stall=0')
        answer = self.gate.chat(self.key, '@@chunks=3', stream=True)
        roles = [choice['delta']['role'] for chunk in answer.chunks()
                 for choice in chunk['choices'] if 'role' in choice['delta']]
        self.assertEqual(roles, ['assistant'])
        self.assertEqual(len({chunk['id'] for chunk in answer.chunks()}), 1)

    def test_so_it_is_where_the_dialects_differ(self):
        self.script('@@stall=0')
        body = {'model': 'gpt-4o', 'max_tokens': 100, 'stream': True,
                'messages': [{'role': 'user', 'content': '@@chunks=3'}]}
        answer = self.gate.ask('POST', '/v1/messages', body, self.key)
        self.assertEqual(answer.status, 200)
        kinds = [chunk['type'] for chunk in answer.chunks()]
        self.assertEqual(kinds[0], 'message_start')
        self.assertEqual(kinds.count('message_start'), 1)
        self.assertEqual(kinds[-1], 'message_stop')

    def test_after_the_first_word_nobody_takes_over(self):
        self.script('@@chunks=9 @@error=2')
        answer = self.gate.chat(self.key, stream=True)
        self.assertEqual(answer.headers['x-tollgate-channel'], 'first')
        self.assertIn('error', answer.chunks()[-1])
        self.assertEqual(self.mock.tally()['requests'], 1)


class Waiting(unittest.TestCase):
    """A client that waits for long is told so, and loses nothing by it."""

    def gateway(self, mock, channels, **keys):
        gate = harness.Gateway(channels, routing={
            'cooldown': '0s', 'attempts': 2}, **keys)
        self.addCleanup(gate.close)
        gate.account('rich', '1000')
        return gate, gate.key('rich')

    def test_comments_come_before_the_first_word(self):
        with upstream() as mock:
            gate, key = self.gateway(mock, two(mock, '@@stall=0'),
                                     stream={'keepalive': '50ms'})
            answer = gate.chat(key, '@@chunks=3', stream=True)
            self.assertEqual(answer.text(), 't000000 t000001 t000002 ')
            said = comments(answer)
            self.assertIn('keep-alive', said[0])
            # the head was out before it was known who would answer
            self.assertNotIn('x-tollgate-channel', answer.headers)
            self.assertIn('x-tollgate-channel: second', '\n'.join(said))
            gate.verify()

    def test_the_last_error_is_told_when_all_fail(self):
        with upstream() as mock:
            gate, key = self.gateway(mock, two(mock, '@@stall=0')[:1])
            answer = gate.chat(key, stream=True)
            self.assertEqual(answer.status, 504, answer.body)
            self.assertEqual(answer.headers['x-tollgate-channel'], 'first')

    def test_an_error_ends_such_a_stream(self):
        with upstream() as mock:
            gate, key = self.gateway(mock, two(mock, '@@stall=0')[:1],
                                     stream={'keepalive': '50ms'})
            answer = gate.chat(key, stream=True)
            self.assertEqual(answer.status, 200)
            self.assertEqual(len(answer.chunks()), 1)
            self.assertEqual(answer.chunks()[0]['error']['type'],
                             'upstream_error')
            harness.wait_until(gate.settled)
            self.assertEqual(harness.nano(
                gate.report()[0]['charge_usd']), 0)
            gate.verify()

    def test_what_is_held_back_is_bounded(self):
        with upstream() as mock:
            gate, key = self.gateway(mock, two(mock, '@@stall=0'),
                                     stream={'hold_back': '0B'})
            answer = gate.chat(key, stream=True)
            self.assertEqual(answer.headers['x-tollgate-channel'], 'first')
            self.assertIn('error', answer.chunks()[-1])
            gate.verify()


class Budget(unittest.TestCase):
    def test_an_outage_is_not_made_worse_by_retries(self):
        requests, burst = 1200, 500
        with harness.Mock() as mock:
            gate = harness.Gateway([
                harness.channel(mock, name, priority=number)
                for number, name in enumerate(('first', 'second'))
            ], routing={'cooldown': '0s', 'attempts': 2,
                        'retry_budget': '10%'})
            self.addCleanup(gate.close)
            gate.account('rich', '1000')
            key = gate.key('rich')
            mock.script('@@status=500')
            with client.Swarm(gate.url) as swarm:
                for _ in range(requests):
                    swarm.add(client.request(
                        'POST', '/v1/chat/completions',
                        client.chat('hi'), key))
                start = time.monotonic()
                self.assertTrue(swarm.run())
                seconds = time.monotonic() - start
            self.assertEqual({task.answer.status for task in swarm.tasks} -
                             {502, 503}, set())
            self.assertLessEqual(mock.tally()['requests'],
                                 requests * 1.1 + burst + 3 * seconds + 3)
            gate.verify()


if __name__ == '__main__':
    unittest.main()
