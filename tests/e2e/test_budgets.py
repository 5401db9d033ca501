"""Several counters in one hold: budgets, organisations, caps of channels."""

import json
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

OUTPUT = 100


def error_of(answer):
    return json.loads(answer.body)['error']


class Counters(unittest.TestCase):
    """Who refuses, and that nothing sticks to those that did not."""

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(cls.mock)
        cls.gate.account('org', '0.01')
        cls.gate.account('team', '10', '--parent', 'org')
        cls.gate.account('solo', '10')

    @classmethod
    def tearDownClass(cls):
        cls.gate.verify()
        cls.gate.close()
        cls.mock.stop()

    def untouched(self, *accounts):
        for name in accounts:
            shown = self.gate.show(name)
            self.assertEqual(shown['balance'], shown['available'])

    def test_the_organisation_refuses_and_is_named(self):
        key = self.gate.key('team')
        answer = self.gate.chat(key, max_tokens=4000)
        self.assertEqual(answer.status, 402)
        self.assertIn('your organisation', error_of(answer)['message'])
        self.untouched('team', 'org')
        answer = self.gate.chat(key, '@@tokens=10,20', max_tokens=OUTPUT)
        self.assertEqual(answer.status, 200)
        harness.wait_until(self.gate.settled)
        charge = harness.nano(answer.headers['x-tollgate-charge-usd'])
        self.assertEqual(harness.nano(self.gate.show('team')['balance']),
                         harness.nano('10') - charge)
        self.assertEqual(harness.nano(self.gate.show('org')['balance']),
                         harness.nano('0.01') - charge)

    def test_a_budget_per_day_refuses_and_says_until_when(self):
        key = self.gate.key('solo', budget='0.0005/day')
        answer = self.gate.chat(key, max_tokens=4000)
        self.assertEqual((answer.status, error_of(answer)['code']),
                         (402, 'budget_exceeded'))
        self.assertRegex(error_of(answer)['message'],
                         r'per day \(a new one begins at '
                         r'\d{4}-\d\d-\d\dT00:00:00Z\)')
        self.untouched('solo')

    def test_views_show_the_budget(self):
        self.gate.key('solo', '--name', 'monthly', budget='7.5/month')
        rows = self.gate.ctl('key', 'list')['keys']
        row = [r for r in rows if r['name'] == 'monthly'][0]
        self.assertEqual(harness.nano(row['budget']), harness.nano('7.5'))
        self.assertEqual(row['budget_window'], 'month')
        self.assertEqual(harness.nano(row['budget_left']),
                         harness.nano('7.5'))
        self.assertRegex(row['budget_until'], r'^\d{4}-\d\d-01T00:00:00')

    def test_a_bad_window_is_refused(self):
        for budget in ('1/week', '1/', 'x/day', '/day', '-1/day'):
            with self.subTest(budget):
                self.gate.ctl('key', 'create', '--account', 'solo',
                              '--budget', budget, status=1)


class Changes(unittest.TestCase):
    def test_a_budget_that_changes_keeps_what_was_spent(self):
        with harness.Mock() as mock, harness.Gateway(mock) as gate:
            gate.account('a', '10')
            made = gate.ctl('key', 'create', '--account', 'a',
                            '--budget', '1/day')
            number, key = str(made['id']), made['key']
            charge = harness.nano(gate.chat(
                key, '@@tokens=100,100').headers['x-tollgate-charge-usd'])
            harness.wait_until(gate.settled)

            def left(budget, *args):
                gate.ctl('key', 'set', number, '--budget', budget, *args)
                return harness.nano(
                    gate.ctl('key', 'show', number)['budget_left'])
            self.assertEqual(left('3/day'), harness.nano('3') - charge)
            self.assertEqual(left('0.5/day'), harness.nano('0.5') - charge)
            self.assertEqual(left('2/month'), harness.nano('2'))
            self.assertEqual(left('0/month'), 0)
            self.assertEqual(gate.chat(key, max_tokens=10).status, 402)
            gate.verify()
            gate.kill_all()
            gate.start()
            self.assertEqual(gate.chat(key, max_tokens=10).status, 402)
            gate.ctl('key', 'set', number, '--budget', 'none')
            self.assertEqual(gate.chat(key, max_tokens=10).status, 200)
            gate.ctl('key', 'set', number, '--budget', '1/year', status=1)
            gate.verify()


class Zone(unittest.TestCase):
    def test_the_day_of_a_budget_is_that_of_the_zone(self):
        with harness.Mock() as mock, \
                harness.Gateway(mock, time_zone='Asia/Kolkata') as gate:
            gate.account('a', '10')
            gate.key('a', '--name', 'daily', budget='1/day')
            row = gate.ctl('key', 'list')['keys'][0]
            self.assertRegex(row['budget_until'], r'T18:30:00')


class Caps(unittest.TestCase):
    def two_channels(self, first, second, budget):
        return [harness.channel(first, 'first', priority=1,
                                daily_budget=budget),
                harness.channel(second, 'second', priority=2)]

    def shown(self, gate, name):
        rows = gate.ctl('show', 'channels')['channels']
        return [row for row in rows if row['name'] == name][0]

    def test_traffic_moves_on_when_the_cap_is_spent_and_the_books_agree(self):
        with harness.Mock() as first, harness.Mock() as second, \
                harness.Gateway(self.two_channels(first, second, '0.02'),
                                workers=2) as gate:
            gate.account('a', '10')
            key = gate.key('a')
            used = [gate.chat(key, '@@tokens=100,300', max_tokens=400)
                    for _ in range(12)]
            self.assertEqual({a.status for a in used}, {200})
            by = [a.headers['x-tollgate-channel'] for a in used]
            self.assertEqual(set(by), {'first', 'second'})
            self.assertEqual(by, sorted(by))
            harness.wait_until(gate.settled)
            each = harness.cost([(100, '2.50'), (300, '10.00')])
            left = harness.nano('0.02') - each * by.count('first')
            self.assertEqual(
                harness.nano(self.shown(gate, 'first')['daily_left']), left)
            gate.verify()
            # all processes die; shared memory stays
            gate.kill_all()
            gate.start()
            self.assertEqual(
                harness.nano(self.shown(gate, 'first')['daily_left']), left)
            gate.verify()

    def test_a_cap_without_another_channel_is_503(self):
        with harness.Mock() as mock, harness.Gateway(
                [harness.channel(mock, daily_budget='0.001')]) as gate:
            gate.account('a', '10')
            answer = gate.chat(gate.key('a'), max_tokens=4000)
            self.assertEqual(answer.status, 503)
            self.assertIn('retry-after', answer.headers)
            self.assertEqual(mock.tally()['requests'], 0)
            gate.verify()

    def test_failover_gives_the_cap_back_and_books_the_lost_leg(self):
        with harness.Mock() as first, harness.Mock() as second, \
                harness.Gateway(self.two_channels(first, second, '1'),
                                routing={'cooldown': '0s'}) as gate:
            gate.account('a', '10')
            first.script('@@status=500')
            answer = gate.chat(gate.key('a'))
            self.assertEqual(answer.headers['x-tollgate-channel'], 'second')
            harness.wait_until(gate.settled)
            self.assertEqual(
                harness.nano(self.shown(gate, 'first')['daily_left']),
                harness.nano('1'))
            # its commit is waited for by nobody
            legs = harness.wait_until(lambda: [
                e for e in gate.dump() if e['kind'] == 'attempt'])
            self.assertEqual([e['channel'] for e in legs], ['first'])
            gate.verify()

    def test_a_reload_changes_the_cap_and_keeps_what_was_spent(self):
        with harness.Mock() as first, harness.Mock() as second, \
                harness.Gateway(
                    self.two_channels(first, second, '1')) as gate:
            gate.account('a', '10')
            gate.chat(gate.key('a'), '@@tokens=100,300', max_tokens=400)
            harness.wait_until(gate.settled)
            spent = harness.cost([(100, '2.50'), (300, '10.00')])
            gate.configure(channels=self.two_channels(first, second, '2'))
            gate.hup()
            harness.wait_until(
                lambda: harness.nano(self.shown(gate, 'first')['daily_left'])
                == harness.nano('2') - spent)
            gate.verify()


if __name__ == '__main__':
    unittest.main()
