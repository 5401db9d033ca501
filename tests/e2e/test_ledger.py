"""The ledger's own tools beside a running server: copies, restoring them,
rebuilding."""

import json
import os
import shutil
import threading
import unittest

try:
    from tests.e2e import harness
except ImportError:
    import harness


class Load:
    """Requests of one key, one after the other, until the end."""

    def __init__(self, gate, key):
        self.gate, self.key, self.answered = gate, key, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            if self.gate.chat(self.key, '@@tokens=10,5').status == 200:
                self.answered += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Backup(unittest.TestCase):
    def restore(self, gate, copy, mock):
        """A server of its own on the copy."""
        other = harness.Gateway(mock, start=False)
        shutil.copytree(copy, other.path('state'))
        other.start()
        return other

    def test_a_copy_under_load_is_whole_and_can_be_served_from(self):
        with harness.Mock() as mock, harness.Gateway(mock) as gate:
            gate.account('a', '10')
            key = gate.key('a')
            copies = [gate.path(f'copy-{i}') for i in range(3)]
            with Load(gate, key) as load:
                for i, copy in enumerate(copies):
                    harness.wait_until(lambda i=i: load.answered > 20 * i)
                    said = gate.ledger('backup', copy)
                    self.assertIn('balanced: ', said)
            gate.verify()
            counts = []
            for copy in copies:
                with open(os.path.join(copy, 'backup.json'),
                          encoding='utf-8') as stream:
                    counts.append(json.load(stream)['last_entry'])
            self.assertEqual(counts, sorted(counts))
            self.assertGreater(counts[2], counts[0])
            with self.restore(gate, copies[2], mock) as other:
                self.assertEqual(other.chat(key).status, 200)
                harness.wait_until(other.settled)
                self.assertEqual(other.verify()[0], counts[2] + 1)

    def test_an_older_ledger_is_not_served_with_newer_shared_memory(self):
        with harness.Mock() as mock, harness.Gateway(mock) as gate:
            gate.account('a', '10')
            key = gate.key('a')
            copy = gate.path('copy')
            gate.ledger('backup', copy)
            self.assertEqual(gate.chat(key).status, 200)
            gate.kill_all()
            shutil.rmtree(gate.path('state'))
            shutil.copytree(copy, gate.path('state'))
            gate.start(ready=False)
            self.assertEqual(gate.process.wait(harness.SLOW), 5)
            self.assertIn('remove state.shm', gate.errors())
            os.unlink(gate.path('run', 'state.shm'))
            gate.start()
            self.assertEqual(gate.chat(key).status, 200)
            harness.wait_until(gate.settled)
            gate.verify()


class Rebuild(unittest.TestCase):
    def test_a_running_server_is_not_rebuilt(self):
        with harness.Mock() as mock, harness.Gateway(mock) as gate:
            gate.account('a', '10')
            self.assertEqual(gate.ledger('rebuild', status=1), '')
            gate.stop()
            self.assertIn('balanced: 1 entries', gate.ledger('rebuild'))
            gate.start()
            gate.verify()


if __name__ == '__main__':
    unittest.main()
