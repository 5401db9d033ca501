"""Vectors across dialects; see vectors.py."""

import os
import unittest

try:
    from tests.e2e import harness, vectors
except ImportError:
    import harness
    import vectors


class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = vectors.World()
        cls.pairs = [pair.run() for pair in cls.world.pairs]
        cls.rows = cls.world.ledger()

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def test_every_pair_keeps_what_it_can(self):
        for pair in self.pairs:
            with self.subTest(pair.name):
                self.assertEqual(pair.faults, {})

    def test_the_documentation_tells_what_came_of_it(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            'vectors.json')
        with open(path, encoding='utf-8') as stream:
            told = stream.read()
        self.assertEqual(
            told.splitlines(), vectors.as_text(self.pairs).splitlines(),
            'run tests/e2e/vectors.py --json tests/e2e/vectors.json and '
            'scripts/make-reference')

    def test_the_ledger_is_the_upstreams_tally(self):
        for pair in self.pairs:
            with self.subTest(pair.name):
                rows = [row for row in self.rows.get(pair.model, ())
                        if row['usage_source'] == 'upstream']
                self.assertEqual(
                    sum(int(row['input_tokens']) for row in rows),
                    pair.row()['input'])
                for row in rows:
                    self.assertEqual(int(row['output_tokens'] or 0), 0)

    def test_what_was_estimated_is_marked(self):
        for pair in self.pairs:
            with self.subTest(pair.name):
                rows = [row for row in self.rows.get(pair.model, ())
                        if row['usage_source'] == 'estimated']
                self.assertEqual(len(rows), pair.estimated)
                for row in rows:
                    self.assertGreaterEqual(int(row['input_tokens']), 100)

    def test_what_is_refused_upstream_was_told_to_be(self):
        """A converted request is a good one of its dialect."""
        own = [pair.upstream_model for pair in self.pairs if pair.native]
        refusals = self.world.providers.tally()['refusals']
        self.assertEqual([one for one in refusals
                          if 'told to' not in one['message'] and
                          one['at'][1] not in own], [])

    def test_the_books_balance(self):
        harness.wait_until(self.world.gate.settled)
        self.world.gate.verify()


if __name__ == '__main__':
    unittest.main()
