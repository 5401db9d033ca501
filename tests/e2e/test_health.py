"""What the operator sees of channels that fail, and how they come back."""

import unittest

try:
    from tests.e2e import harness
except ImportError:
    import harness


def two(mock, what=''):
    """The second channel answers when the first one does what it is told."""
    first = harness.channel(mock, 'first', priority=1)
    first['models'] = [{'name': 'gpt-4o', 'upstream': 'gpt-4o' + what}]
    return [first, harness.channel(mock, 'second', priority=2)]


class Health(unittest.TestCase):

    def start(self, channels, **keys):
        gate = harness.Gateway(channels, **keys)
        self.addCleanup(gate.close)
        gate.account('rich', '1000')
        return gate, gate.key('rich')

    @staticmethod
    def row(gate, name):
        return next(row for row in gate.ctl('show', 'channels')['channels']
                    if row['name'] == name)

    def test_one_reset_does_not_cost_the_whole_cooldown(self):
        with harness.Mock() as mock:
            gate, key = self.start(two(mock, '@@reset'),
                                   routing={'cooldown': '1h'})
            self.assertEqual(gate.chat(key).status, 200)
            row = self.row(gate, 'first')
            self.assertEqual((row['refused'], row['last_fault_type']),
                             (1, 'provider_connect'))
            self.assertTrue(row['last_fault'])
            harness.wait_until(lambda: self.row(gate, 'first')['usable'],
                               what='the end of the pause')
            harness.wait_until(
                lambda: self.row(gate, 'first')['error_ratio'] == '1.0',
                what='the ratio')
            gate.verify()

    def test_a_model_that_nobody_can_answer_is_told_once(self):
        with harness.Mock() as mock:
            gate, _ = self.start(two(mock))
            name = 'tollgate_models_without_channel'
            line = 'no channel is left for the model model=gpt-4o\n'
            gate.ctl('channel', 'second', 'drain')
            harness.wait_until(lambda: gate.metrics().get(name) == 2,
                               what='two models without a channel')
            ready = gate.ask('GET', '/readyz')
            self.assertEqual(
                (ready.status, ready.json()),
                (200, {'status': 'ready', 'models_without_channel': 2}))
            self.assertNotIn(line, gate.errors())
            gate.ctl('channel', 'first', 'drain')
            harness.wait_until(lambda: gate.metrics().get(name) == 3,
                               what='three of them')
            self.assertEqual(gate.errors().count(line), 1)
            gate.ctl('channel', 'first', 'up')
            gate.ctl('channel', 'second', 'up')
            harness.wait_until(lambda: gate.metrics().get(name) == 0,
                               what='the end of it')
            self.assertIn('the model has a channel again model=gpt-4o\n',
                          gate.errors())

    def test_the_last_channel_of_a_model_is_kept_though_it_fails(self):
        with harness.Mock() as mock:
            gate, key = self.start(two(mock, '@@status=500'))
            gate.ctl('channel', 'second', 'drain')
            name = 'tollgate_channel_kept{channel="first"}'

            def ask_until(what, reached):
                def asked():
                    self.last = gate.chat(key).status
                    return reached()
                harness.wait_until(asked, every=0.02, what=what)

            ask_until('a kept channel', lambda: gate.metrics().get(name))
            row = self.row(gate, 'first')
            self.assertEqual((row['state'], row['kept'], row['reason']), (
                'degraded', True,
                'it fails, but a model has no other channel'))
            self.assertIn('a channel that fails is kept, a model has no '
                          'other channel=first model=gpt-4o\n',
                          gate.errors())
            # it is still asked
            n = mock.tally()['requests']
            for _ in range(3):
                self.assertGreaterEqual(gate.chat(key).status, 500)
            self.assertEqual(mock.tally()['requests'], n + 3)
            gate.ctl('channel', 'second', 'up')
            # at once: what fails is for those whom nobody else can answer
            self.assertEqual(gate.chat(key).status, 200)
            harness.wait_until(
                lambda: self.row(gate, 'first')['health'] != 'degraded' or
                not self.row(gate, 'first')['kept'], what='the end of it')
            self.assertEqual(gate.metrics()[name], 0)
            gate.verify()

    def test_a_refused_key_is_counted_and_told_once(self):
        with harness.Mock('--keys', harness.UPSTREAM_KEY) as mock:
            gate, key = self.start([harness.channel(
                mock, 'pool', keys=['revoked-key', 'env:TOLLGATE_TEST_KEY'])])
            for _ in range(6):
                self.assertEqual(gate.chat(key).status, 200)
            self.assertEqual(self.row(gate, 'pool')['keys_out'], 1)
            self.assertEqual(gate.metrics()[
                'tollgate_channel_keys_out{channel="pool"}'], 1)
            self.assertEqual(gate.errors().count(
                'a provider refuses a credential channel=pool key=0'), 1)
            self.assertNotIn('revoked-key', gate.errors())


if __name__ == '__main__':
    unittest.main()
