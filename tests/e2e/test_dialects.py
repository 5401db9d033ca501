"""Every client dialect to every upstream dialect; see matrix.py. What is not
built yet is skipped, with the reason."""

import os
import unittest

try:
    from tests.e2e import harness, matrix
except ImportError:
    import harness
    import matrix


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = matrix.World()
        cls.pairs = cls.world.run()
        cls.sums = cls.world.ledger()

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def test_every_pair_keeps_what_it_can(self):
        for pair in self.pairs:
            if pair.missing:
                with self.subTest(pair.name):
                    self.skipTest(pair.missing)
            with self.subTest(pair.name):
                self.assertEqual({
                    scenario: why for scenario, (outcome, why)
                    in pair.outcomes.items() if outcome == 'fail'}, {})

    def test_the_documentation_tells_what_came_of_it(self):
        if any(pair.missing for pair in self.pairs):
            self.skipTest('not all pairs are built')
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            'matrix.json')
        with open(path, encoding='utf-8') as stream:
            told = stream.read()
        self.assertEqual(
            told.splitlines(), matrix.as_text(self.pairs).splitlines(),
            'run tests/e2e/matrix.py --json tests/e2e/matrix.json and '
            'scripts/make-reference')

    def test_the_ledger_is_the_upstreams_tally(self):
        tally = self.world.providers.tally()['upstreams']
        zero = dict.fromkeys(matrix.CLASSES, 0)
        for pair in self.pairs:
            row = tally.get(pair.upstream.name, {}).get(pair.upstream_model)
            if row is None:
                continue
            with self.subTest(pair.name):
                self.assertEqual(
                    self.sums.get(pair.model, zero),
                    {name: row[name] for name in matrix.CLASSES})

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
