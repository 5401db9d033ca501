"""Requests that belong together, over several workers: the hit rate, and a
channel that dies with all that its provider's cache knew."""

import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

NAMES = ('one', 'two', 'three')
ROUTING = {'strategy': 'weighted', 'affinity': ['session', 'prefix']}
SESSIONS = 24
ROUNDS = 5


class Affinity(unittest.TestCase):

    def start(self, workers):
        """A gateway with a channel for each of three upstreams."""
        self.mocks = {name: harness.Mock() for name in NAMES}
        for mock in self.mocks.values():
            self.addCleanup(mock.stop)
        gate = harness.Gateway(
            [harness.channel(mock, name)
             for name, mock in self.mocks.items()],
            workers=workers, routing=ROUTING)
        self.addCleanup(gate.close)
        gate.account('rich', '1000')
        return gate, gate.key('rich')

    def went(self, gate, key, text, session=None, stream=False):
        """The channel that answered, on a connection of its own."""
        headers = [('x-session-id', session)] if session else []
        answer = gate.ask('POST', '/v1/chat/completions',
                          client.chat(text, stream=stream), key,
                          headers=headers)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.headers['x-tollgate-channel']

    @staticmethod
    def rows(gate):
        return {row['name']: row
                for row in gate.ctl('show', 'channels')['channels']}

    def sessions_stay(self, workers):
        gate, key = self.start(workers)
        names = [f's{i}' for i in range(SESSIONS)]
        homes = {name: self.went(gate, key, 'hello', name) for name in names}
        self.assertGreater(len(set(homes.values())), 1)
        for i in range(1, ROUNDS):
            for name in names:
                self.assertEqual(self.went(gate, key, f'turn {i}', name,
                                           stream=i % 2 == 1), homes[name])
        rows = self.rows(gate).values()
        self.assertEqual(sum(row['affinity'] for row in rows),
                         SESSIONS * ROUNDS)
        self.assertEqual(sum(row['affinity_hits'] for row in rows),
                         SESSIONS * (ROUNDS - 1))
        for row in rows:
            if row['affinity']:
                self.assertEqual(row['affinity_hit_percent'],
                                 100 * (ROUNDS - 1) // ROUNDS)
        gate.verify()

    def test_sessions_stay_over_two_workers(self):
        self.sessions_stay(2)

    def test_sessions_stay_over_four_workers(self):
        self.sessions_stay(4)

    def a_prefix_leaves(self, workers):
        gate, key = self.start(workers)
        text = 'You are the clerk of a library. ' * 40
        homes = {self.went(gate, key, text) for _ in range(8)}
        self.assertEqual(len(homes), 1)
        home = homes.pop()
        self.mocks[home].stop()
        # nobody sees it, and they stay together where they went to
        later = [self.went(gate, key, text, stream=i % 2 == 1)
                 for i in range(16)]
        self.assertEqual(len(set(later)), 1, later)
        self.assertNotEqual(later[0], home)
        rows = self.rows(gate)
        self.assertGreaterEqual(rows[later[0]]['affinity_hits'], 15)
        self.assertFalse(rows[home]['usable'])
        self.assertGreaterEqual(rows[home]['refused'], 1)
        # what it is asked is bounded: not each of them
        self.assertLessEqual(rows[home]['refused'], 2 * workers)
        gate.verify()

    def test_a_prefix_leaves_a_channel_that_dies_with_two_workers(self):
        self.a_prefix_leaves(2)

    def test_a_prefix_leaves_a_channel_that_dies_with_four_workers(self):
        self.a_prefix_leaves(4)


if __name__ == '__main__':
    unittest.main()
