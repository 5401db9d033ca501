"""The ledger's own tools beside a running server: copies, restoring them,
rebuilding."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
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


class Months(unittest.TestCase):
    """A ledger of January and February 2025, made for the purpose."""

    ENTRIES = 30000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='tollgate-')
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.state = os.path.join(self.folder, 'state')
        self.archive = os.path.join(self.folder, 'archive')
        self.file = os.path.join(self.archive, '2025-01')
        os.mkdir(self.archive)
        fill = harness.program('tests/bench/ledger_fill')
        self.tool = harness.program('tollgate-ledger')
        if not fill or not self.tool:
            self.skipTest('not built')
        self.run_program(fill, self.state, str(self.ENTRIES))
        self.ledger('segment', 'export', '--month', '2025-01', '-o', self.file)

    def run_program(self, *command, status=0):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False,
            timeout=harness.SLOW,
            env={**os.environ, 'TOLLGATE_LEDGER_ANY_FS': '1'})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def ledger(self, *args, status=0):
        return self.run_program(self.tool, '-d', self.state, *args,
                                status=status)

    def drop(self):
        return subprocess.Popen(
            [self.tool, '-d', self.state, 'segment', 'drop', '--month',
             '2025-01', self.file], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)

    def test_the_few_lines_of_the_manual_check_a_segment(self):
        docs = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            '..', '..', 'docs', 'ledger-format.md')
        with open(docs, encoding='utf-8') as stream:
            code = re.search(r'begin chain.py.*?```python\n(.*?)```',
                             stream.read(), re.S)[1]
        last = int(self.ledger('segment', 'verify', self.file)
                   .split(' to ')[1].split(',')[0])
        self.assertEqual(
            self.run_program(sys.executable, '-c', code, self.file),
            f'{last} ok\n')
        with open(self.file, 'r+b') as stream:
            stream.seek(-256 * 7 + 100, os.SEEK_END)
            byte = stream.read(1)
            stream.seek(-1, os.SEEK_CUR)
            stream.write(bytes([byte[0] ^ 1]))
        self.assertEqual(
            self.run_program(sys.executable, '-c', code, self.file, status=1),
            f'entry {last - 6} is wrong\n')
        self.assertIn(f'entry {last - 6}:', self.ledger(
            'segment', 'verify', self.file, status=7))

    def test_a_drop_that_is_killed_goes_on(self):
        kills = 0
        for attempt in range(1, 60):
            process = self.drop()
            try:
                process.wait(0.012 * attempt)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            said = process.communicate()[0]
            self.assertIn(f'balanced: {self.ENTRIES} entries',
                          self.ledger('verify'))
            if process.returncode == 0:
                break
            self.assertEqual(process.returncode, -9, said)
        self.assertIn('are dropped; the ledger begins at', said)
        self.assertGreater(kills, 0)
        self.assertIn('with 1 segments', self.ledger(
            'verify', '--recompute', '--segments', self.archive))
        first = int(said.split()[-1])
        self.assertEqual(len(self.ledger('dump').splitlines()),
                         self.ENTRIES - first + 1)
        self.assertIn('balanced', self.ledger('rebuild'))
        rows = list(csv.DictReader(
            self.ledger('report', 'accounts').splitlines()))
        self.assertEqual({row['check'] for row in rows}, {'0.00'})
        self.assertNotIn('0.00', {row['opening_balance'] for row in rows})
        os.unlink(self.file)
        self.assertIn('entry 1: it is in no segment', self.ledger(
            'verify', '--segments', self.archive, status=7))


if __name__ == '__main__':
    unittest.main()
