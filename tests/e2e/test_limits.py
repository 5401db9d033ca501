"""Limits admit exactly their number, over any number of workers."""

import collections
import time
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness


class Limits(unittest.TestCase):
    workers = 4

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(cls.mock, workers=cls.workers)
        cls.gate.account('a', '1000')

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.mock.stop()

    def tearDown(self):
        self.mock.reset()

    def storm(self, key, count, **fields):
        """Statuses of `count` requests at once, each on a connection."""
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(count):
                swarm.add(client.request(
                    'POST', '/v1/chat/completions',
                    client.chat('hello', **fields), key))
            self.assertTrue(swarm.run())
        return [task.answer for task in swarm.tasks]

    def test_requests_per_minute(self):
        key = self.gate.key('a', rpm=60)
        start = time.monotonic()
        answers = self.storm(key, 200)
        seconds = time.monotonic() - start
        statuses = collections.Counter(a.status for a in answers)
        # one comes back each second while the storm lasts
        self.assertGreaterEqual(statuses[200], 60)
        self.assertLessEqual(statuses[200], 61 + seconds)
        self.assertEqual(statuses[200] + statuses[429], 200)
        refused = next(a for a in answers if a.status == 429)
        self.assertEqual(refused.error()['type'], 'rate_limit_error')
        self.assertGreaterEqual(int(refused.headers['retry-after']), 1)
        self.assertEqual(
            refused.headers['x-ratelimit-limit-requests'], '60')
        self.assertEqual(
            refused.headers['x-ratelimit-remaining-requests'], '0')

    def test_tokens_per_minute_count_what_was_used(self):
        key = self.gate.key('a', tpm=6000)
        first = self.gate.chat(key, '@@tokens=2000,1000', max_tokens=100)
        self.assertEqual(first.status, 200)
        self.assertEqual(first.headers['x-ratelimit-limit-tokens'], '6000')
        second = self.gate.chat(key, '@@tokens=2000,1000', max_tokens=100)
        self.assertEqual(second.status, 200)
        # a hundred come back each second
        third = self.gate.chat(key, max_tokens=5500)
        self.assertEqual(third.status, 429)
        self.assertIn('tokens', third.error()['message'])

    def test_concurrency(self):
        key = self.gate.key('a', concurrency=7)
        self.mock.script('@@hold')
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(100):
                swarm.add(client.request('POST', '/v1/chat/completions',
                                         client.chat('hello'), key))
            self.assertTrue(swarm.run(lambda: swarm.answered >= 93))
            self.mock.wait(lambda tally: tally['holding'] == 7)
            self.mock.release()
            self.assertTrue(swarm.run())
        statuses = collections.Counter(t.answer.status for t in swarm.tasks)
        self.assertEqual(statuses, {200: 7, 429: 93})
        self.assertEqual(self.gate.chat(key).status, 200)

    def test_a_key_without_limits_says_none(self):
        answer = self.gate.chat(self.gate.key('a'))
        self.assertFalse([name for name in answer.headers
                          if name.startswith('x-ratelimit')])


class OneWorker(Limits):
    workers = 1


if __name__ == '__main__':
    unittest.main()
