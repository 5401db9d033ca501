"""Reports, exports and reconciliation of a server that has run: what the
provider counted, what the ledger has, and what other programs read in it."""

import csv
import datetime
import io
import json
import os
import unittest

import harness

DIFFERS = 7


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
