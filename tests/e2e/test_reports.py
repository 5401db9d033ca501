"""Reports, exports and reconciliation of a server that has run: what the
provider counted, what the ledger has, and what other programs read in it."""

import csv
import datetime
import decimal
import io
import json
import os
import shutil
import unittest

import harness

DIFFERS = 7
MANDATORY = """BilledCost BillingAccountId BillingAccountName BillingCurrency
    BillingPeriodEnd BillingPeriodStart ChargeCategory ChargeClass
    ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost
    EffectiveCost InvoiceIssuerName ListCost PricingQuantity PricingUnit
    ProviderName PublisherName ServiceCategory ServiceName""".split()
NEVER_NULL = set(MANDATORY) - {'ChargeClass', 'PricingQuantity', 'PricingUnit'}
DATE = r'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$'
NUMBER = r'^-?(0|[1-9][0-9]*)([.][0-9]*[1-9])?$'
EXACT = decimal.Context(prec=60)


def day_of(row):
    return row['ts_start'][:10]


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.need('tollgate', 'tollgatectl', 'tollgate-ledger')
        cls.mock = harness.Mock()
        cls.addClassCleanup(cls.mock.stop)
        cls.gateway = harness.Gateway(cls.mock)
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.account('acme', '10.00')
        secret = cls.gateway.key('acme', name='first')
        for i in range(6):
            model = 'gpt-4o' if i % 2 else 'gpt-4o-mini'
            answer = cls.gateway.chat(
                secret, f'hello @@tokens={100 + i},{10 + i} @@cached=40',
                model=model)
            assert answer.status == 200
        harness.wait_until(lambda: len(cls.gateway.report()) == 6)

    def tool(self, *args, status=0):
        return self.gateway.run_tool(self.gateway.ledger_program, '-p',
                                     self.gateway.folder, *args,
                                     status=status)

    def rows(self, *args, status=0):
        text = self.tool(*args, status=status).stdout
        return list(csv.DictReader(io.StringIO(text, newline='')))

    def write(self, name, text):
        path = self.gateway.path(name)
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(text)
        return path

    def bill(self, change=lambda rows: rows):
        """The provider's bill: by day and model, in OpenAI's shape."""
        buckets = {}
        for row in self.gateway.report():
            start = int(datetime.datetime.fromisoformat(
                day_of(row) + 'T00:00:00+00:00').timestamp())
            sums = buckets.setdefault((start, row['model_served']), [0] * 4)
            cached = int(row['cached_input_tokens'])
            for i, n in enumerate((int(row['input_tokens']) + cached, cached,
                                   int(row['output_tokens'])
                                   + int(row['reasoning_tokens']), 1)):
                sums[i] += n
        data = [{'start_time': start, 'results': [{
            'object': 'organization.usage.completions.result',
            'model': model, 'input_tokens': n[0], 'input_cached_tokens': n[1],
            'output_tokens': n[2], 'num_model_requests': n[3]}]}
                for (start, model), n in sorted(buckets.items())]
        return json.dumps({'object': 'page', 'data': change(data),
                           'has_more': False})

    def test_the_usage_of_the_provider_matches(self):
        path = self.write('usage.json', self.bill())
        done = self.tool('reconcile', '--invoice', path)
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertIn(' 0 missing, 0 extra, 0 wrong_class, 0 wrong_price;',
                      done.stderr)

    def test_a_changed_class_is_found_and_exits_7(self):
        def change(data):
            data[0]['results'][0]['input_cached_tokens'] += 1
            return data
        path = self.write('changed.json', self.bill(change))
        out = self.gateway.path('diff.csv')
        self.tool('reconcile', '--invoice', path, '-o', out, status=DIFFERS)
        with open(out, encoding='utf-8', newline='') as stream:
            row, = csv.DictReader(stream)
        self.assertEqual(row['status'], 'wrong_class')
        for end in ('.sha256', '.meta.json'):
            self.assertTrue(os.path.exists(out + end))
        lines = self.tool('reconcile', '--invoice', path, '--format', 'json',
                          status=DIFFERS).stdout.splitlines()
        self.assertEqual(json.loads(lines[-1])['summary']['wrong_class'], 1)

    def test_channels_add_up_to_the_requests(self):
        requests = self.gateway.report()
        channels = self.rows('report', 'channels')
        for ours, theirs in (('charged_usd', 'charge_usd'),
                             ('our_cost_usd', 'upstream_cost_usd')):
            self.assertEqual(
                sum(harness.nano(row[ours]) for row in channels),
                sum(harness.nano(row[theirs]) for row in requests))
        self.assertEqual({row['channel'] for row in channels}, {'mock'})
        path = self.write('beside.json', self.bill())
        for row in self.rows('report', 'channels', '--invoice', path):
            self.assertEqual(row['invoiced_unit'], 'tokens')

    # -- FOCUS

    def check_focus_row(self, row):
        """What FOCUS 1.2 asks of a row, without its validator."""
        for name in NEVER_NULL:
            self.assertNotEqual(row[name], '', name)
        for name in row:
            if name.endswith(('PeriodStart', 'PeriodEnd')):
                self.assertRegex(row[name], DATE)
            elif name.endswith(('Cost', 'Price', 'Quantity')) and row[name]:
                self.assertRegex(row[name], NUMBER)
        self.assertIn(row['ChargeCategory'],
                      ('Usage', 'Purchase', 'Credit', 'Adjustment', 'Tax'))
        self.assertIn(row['ChargeClass'], ('', 'Correction'))
        self.assertIn(row['ChargeFrequency'],
                      ('One-Time', 'Recurring', 'Usage-Based'))
        self.assertLessEqual(row['BillingPeriodStart'],
                             row['ChargePeriodStart'])
        self.assertLess(row['ChargePeriodStart'], row['ChargePeriodEnd'])
        self.assertLessEqual(row['ChargePeriodEnd'], row['BillingPeriodEnd'])
        if row['ChargeCategory'] in ('Usage', 'Purchase'):
            quantity = decimal.Decimal(row['PricingQuantity'])
            for kind in ('List', 'Contracted'):
                self.assertEqual(
                    EXACT.multiply(quantity,
                                   decimal.Decimal(row[kind + 'UnitPrice'])),
                    decimal.Decimal(row[kind + 'Cost']))
        self.assertEqual(row['SkuPriceId'] == '', row['PricingQuantity'] == '')

    def test_focus_rows_conform_and_add_up(self):
        charged = sum(harness.nano(row['charge_usd'])
                      for row in self.gateway.report())
        for how in ('--daily', '--hourly'):
            rows = self.rows('export', 'focus', how, '--issuer', 'Reseller')
            self.assertFalse(set(MANDATORY) - set(rows[0]))
            for row in rows:
                self.check_focus_row(row)
            self.assertEqual(sum(harness.nano(row['EffectiveCost'])
                                 for row in rows), charged)
            self.assertEqual(sum(harness.nano(row['BilledCost'])
                                 for row in rows), 10 * harness.NANO)
            self.assertEqual({row['ProviderName'] for row in rows},
                             {'Reseller'})
        self.tool('export', 'focus', '--daily', '--hourly', status=2)

    # -- the journal

    def hledger(self, path, *args):
        if not shutil.which('hledger'):
            self.skipTest('hledger is not installed')
        return self.gateway.run_tool('hledger', '-f', path, *args).stdout

    def test_hledger_finds_the_books_in_order(self):
        path = self.gateway.path('ledger.journal')
        self.tool('export', 'journal', '-o', path)
        self.hledger(path, 'check')
        account, = [row for row in self.gateway.report('accounts')
                    if row['account_name'] == 'acme']
        said = self.hledger(path, 'balance', '-N', '--flat',
                            'liabilities:prepaid:acme')
        self.assertEqual(-harness.nano(said.split()[0]),
                         harness.nano(account['closing_balance']))
        # Without -N: all accounts together, which is nothing.
        self.assertEqual(self.hledger(path, 'balance').split()[-1], '0')

    def test_hledger_sees_a_balance_that_is_wrong(self):
        if not shutil.which('hledger'):
            self.skipTest('hledger is not installed')
        text = self.tool('export', 'journal').stdout
        at = text.rindex(' =  -')
        path = self.write('wrong.journal', text[:at] + ' =  -1' + text[at + 5:])
        done = self.gateway.run_tool('hledger', '-f', path, 'check',
                                     status=None)
        self.assertNotEqual(done.returncode, 0)

    # -- invoices

    def test_an_invoice_of_an_open_month_is_a_draft(self):
        month = day_of(self.gateway.report()[0])[:7]
        account, = [row for row in self.gateway.report('accounts')
                    if row['account_name'] == 'acme']
        found = json.loads(self.tool('invoice', '--account', 'acme',
                                     '--month', month).stdout)
        self.assertEqual(found['status'], 'draft')
        self.assertEqual(found['usage_total'], account['usage_charges'])
        self.assertEqual(sum(harness.nano(line['amount'])
                             for line in found['lines']),
                         harness.nano(account['usage_charges']))
        self.assertEqual(found['closing_balance'], account['closing_balance'])
        page = self.tool('invoice', '--account', 'acme', '--month', month,
                         '--format', 'html').stdout
        self.assertIn(found['number'], page)

    def test_an_invoice_of_a_month_that_is_over_is_final(self):
        args = ('invoice', '--account', 'acme', '--month', '2001-01',
                '--zone', 'Europe/Berlin')
        found = json.loads(self.tool(*args).stdout)
        self.assertEqual(found['status'], 'final')
        self.assertEqual(found['period_start'], '2000-12-31T23:00:00Z')
        self.assertEqual(found['total'], '0.00')
        self.assertEqual(self.tool(*args).stdout, self.tool(*args).stdout)
        for wrong in (['invoice', '--account', 'acme'],
                      ['invoice', '--month', '2001-01'],
                      [*args, '--format', 'csv'],
                      ['report', 'requests', '--format', 'html']):
            self.tool(*wrong, status=2)

    def test_a_bill_that_cannot_be_read_is_said(self):
        path = self.write('broken.csv', 'request_id,cost\na,b\n')
        said = self.tool('reconcile', '--invoice', path, status=1).stderr
        self.assertIn('row 2: a cost is not a number', said)
        self.tool('reconcile', '--invoice', '/nonexistent', status=1)
        self.tool('reconcile', status=2)
        self.tool('reconcile', '--invoice', path, '--tolerance', '-1',
                  status=2)


if __name__ == '__main__':
    unittest.main()
