"""Subscription plans and sign-up credit, over kill -9."""

import unittest

import harness

PLANS = [{'name': 'pro', 'fee': '2.00', 'allowance': '5.00', 'rpm': 2,
          'group': 'cheap'},
         {'name': 'dear', 'fee': '50', 'allowance': '60'}]


class Plans(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.addClassCleanup(cls.mock.stop)
        cls.gateway = harness.Gateway(
            cls.mock, plans=PLANS, billing={'signup_credit': '1.00'},
            groups=[{'name': 'default', 'multiplier': '1.0'},
                    {'name': 'cheap', 'multiplier': '0.5'}])
        cls.addClassCleanup(cls.gateway.close)

    def test_a_new_account_is_given_its_credit_unless_not(self):
        made = self.gateway.account('credited')
        self.assertEqual(made['balance'], '1.00')
        made = self.gateway.account('bare', None, '--no-signup-credit')
        self.assertEqual(made['balance'], '0.00')
        row = [row for row in self.gateway.dump()
               if row['kind'] == 'credit'][0]
        self.assertEqual(row['charge_usd'], '-1.00')

    def test_a_plan_begins_at_once_and_only_once(self):
        self.gateway.account('acme', '9.00')
        shown = self.gateway.ctl('account', 'set', 'acme', '--plan', 'pro')
        self.assertEqual(
            (shown['balance'], shown['group'], shown['rpm'], shown['plan'],
             shown['plan_unpaid']), ('13.00', 'cheap', 2, 'pro', False))
        self.gateway.kill_all()
        self.gateway.start()
        self.assertEqual(self.gateway.show('acme')['balance'], '13.00')
        key = self.gateway.key('acme')
        self.assertEqual([self.gateway.chat(key).status for _ in range(3)],
                         [200, 200, 429])
        shown = self.gateway.ctl('account', 'set', 'acme', '--rpm', '100')
        self.assertEqual(shown['rpm'], 100)
        harness.wait_until(self.gateway.settled, what='settling')
        used = 13 - float(self.gateway.show('acme')['balance'])
        shown = self.gateway.ctl('account', 'set', 'acme', '--plan', 'none')
        self.assertEqual((shown['balance'], shown['group']),
                         ('8.00', 'default'))
        self.assertGreater(used, 0)

    def test_without_money_for_the_fee_a_plan_waits(self):
        self.gateway.account('poor', '9.00')
        shown = self.gateway.ctl('account', 'set', 'poor', '--plan', 'dear')
        self.assertEqual((shown['balance'], shown['plan_unpaid']),
                         ('10.00', True))
        self.gateway.ctl('account', 'topup', 'poor', '40',
                         '--idempotency-key', 'more')
        shown = self.gateway.show('poor')
        self.assertEqual((shown['balance'], shown['plan_unpaid']),
                         ('60.00', False))
        self.gateway.verify()

    def test_a_plan_must_be_configured(self):
        self.gateway.account('other')
        done = self.gateway.run_tool(
            self.gateway.control_program, '-p', self.gateway.folder,
            'account', 'set', 'other', '--plan', 'gold', status=1)
        self.assertIn('not in the configuration', done.stderr)


if __name__ == '__main__':
    unittest.main()
