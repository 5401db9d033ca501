"""Another program in the master's place: streams, books and limits go on; a
program that does not fit is refused."""

import os
import shutil
import signal
import socket
import ssl
import tempfile
import time
import unittest

import client
import harness
from test_master import alive
from test_reload import Load

# Over an upgrade; the long suite has more.
STREAMS = int(os.environ.get('TOLLGATE_STREAMS', '100'))
USAGE = (100, 20)
HELD = f'hello @@chunks=20 @@hold_at=3 @@tokens={USAGE[0]},{USAGE[1]}'
PRICE = harness.cost([(USAGE[0], '2.50'), (USAGE[1], '10.00')])
# The version of the layout, as it stands in the program.
MAGIC = b'TGSHM\0\0'
LOCK = b'%s/writer.lock'


class Upgrade(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock('--max-connections', '2000', workers=2)

    @classmethod
    def tearDownClass(cls):
        cls.mock.stop()

    def setUp(self):
        self.mock.reset()

    def start(self, upstream=None, port=None, **keys):
        """A server whose program is a file of its own."""
        gate = harness.Gateway(upstream or self.mock, start=False, **keys)
        self.addCleanup(gate.close)
        if port:
            gate.port, gate.url = port, f'http://127.0.0.1:{port}'
        gate.server = shutil.copy(gate.server, gate.path('tollgate'))
        gate.start()
        gate.account('acme', '100.00')
        return gate, gate.key('acme')

    def install(self, gate, program):
        """Puts a program in the place of the one that runs."""
        new = gate.path('tollgate.new')
        if isinstance(program, bytes):
            with open(new, 'wb') as stream:
                stream.write(program)
            os.chmod(new, 0o755)
        else:
            shutil.copy(program, new)
        os.replace(new, gate.server)

    def install_changed(self, gate, old, new):
        """The same program with other bytes wherever these stand."""
        with open(harness.program('tollgate'), 'rb') as stream:
            program = stream.read()
        self.assertIn(old, program)
        self.assertEqual(len(old), len(new))
        self.install(gate, program.replace(old, new))

    def upgrade(self, gate):
        """By signal; until its workers serve."""
        was = gate.ctl('status')['generation']
        lines = gate.errors().count('upgraded was=')
        os.kill(gate.pid, signal.SIGUSR2)
        harness.wait_until(
            lambda: gate.errors().count('upgraded was=') > lines,
            what='an upgrade')
        self.assertGreater(gate.ctl('status')['generation'], was)

    def held_streams(self, gate, key, count):
        """A swarm of streams that wait in their middle."""
        request = client.request('POST', '/v1/chat/completions',
                                 client.chat(HELD, stream=True), key)
        swarm = client.Swarm(gate.url)
        self.addCleanup(swarm.close)
        for _ in range(count):
            swarm.add(request)
        self.assertTrue(swarm.run(
            lambda: self.mock.tally(0)['holding'] >= count))
        return swarm

    def whole(self, swarm):
        for task in swarm.tasks:
            self.assertEqual((task.answer.status, task.answer.ended,
                              task.answer.events()[-1]),
                             (200, 'complete', '[DONE]'))

    def books(self, gate, count, paid='100.00'):
        """So many requests at one price: ledger, balance and upstream agree."""
        harness.wait_until(gate.settled, what='settling')
        rows = gate.report()
        self.assertEqual(len(rows), count)
        charged = sum(harness.nano(row['charge_usd']) for row in rows)
        shown = gate.show('acme')
        self.assertEqual(harness.nano(shown['balance']),
                         harness.nano(paid) - charged)
        self.assertEqual(shown['balance'], shown['available'])
        tally = self.mock.tally(0)
        for kind in ('prompt_tokens', 'completion_tokens'):
            names = {'prompt_tokens': 'input_tokens',
                     'completion_tokens': 'output_tokens'}
            self.assertEqual(sum(int(row[names[kind]]) for row in rows),
                             tally[kind])
        gate.verify()
        return charged

    # -- what goes on

    def streams_go_on(self, workers):
        gate, key = self.start(workers=workers, drain_timeout='5m')
        pid, pids = gate.pid, set(gate.pids)
        swarm = self.held_streams(gate, key, STREAMS)
        for _ in range(2):
            self.upgrade(gate)
            self.assertEqual(gate.chat(
                key, f'hello @@tokens={USAGE[0]},{USAGE[1]}').status, 200)
        self.assertEqual(gate.process.poll(), None)
        self.assertEqual(gate.pid, pid)
        self.assertEqual(pids - set(gate.pids), set())
        self.assertEqual({row['pid'] for row in gate.workers()
                          if row['state'] == 'draining'}, pids)
        self.mock.release()
        self.assertTrue(swarm.run())
        self.whole(swarm)
        count = STREAMS + 2
        self.assertEqual(self.books(gate, count), count * PRICE)
        harness.wait_until(lambda: not pids & set(gate.pids),
                           what='the end of the old workers')
        self.assertNotIn('died', gate.errors())
        self.assertNotIn(' error ', gate.errors())
        with open(gate.path('run', 'tollgate.pid'),
                  encoding='ascii') as stream:
            self.assertEqual(int(stream.read()), pid)

    def test_streams_go_on_with_one_worker(self):
        self.streams_go_on(1)

    def test_streams_go_on_with_two_workers(self):
        self.streams_go_on(2)

    def test_streams_go_on_with_four_workers(self):
        self.streams_go_on(4)

    def test_under_load_no_request_fails_and_no_reload_is_lost(self):
        gate, key = self.start(drain_timeout='5m')
        loads = [Load(gate, key, stream=bool(i % 2)) for i in range(4)]
        try:
            for i in range(4):
                self.upgrade(gate)
                gate.hup()
                gate.hup()
                harness.wait_until(
                    lambda: gate.errors().count('master serving')
                    >= 2 * (i + 1) + 1, what='a reload')
        finally:
            for load in loads:
                load.end()
        self.assertEqual([load.bad for load in loads], [[]] * 4)
        self.books(gate, sum(load.done for load in loads))
        self.assertNotIn('died', gate.errors())

    def test_limits_budgets_and_what_is_held_go_on(self):
        gate, _ = self.start()
        spent = gate.key('acme', rpm=2)
        one = gate.key('acme', concurrency=1)
        poor = gate.key('acme', budget=harness.usd(2 * PRICE) + '/day')
        for key in (spent, spent, poor):
            self.assertEqual(gate.chat(
                key, f'@@tokens={USAGE[0]},{USAGE[1]}',
                max_tokens=USAGE[1]).status, 200)
        swarm = self.held_streams(gate, one, 1)
        before = gate.show('acme')
        self.assertNotEqual(before['balance'], before['available'])
        self.upgrade(gate)
        self.assertEqual(gate.show('acme'), before)
        self.assertEqual(gate.chat(spent).status, 429)
        self.assertEqual(gate.chat(one).status, 429)
        self.assertEqual(gate.chat(poor, max_tokens=1000).status, 402)
        self.mock.release()
        self.assertTrue(swarm.run())
        self.whole(swarm)
        harness.wait_until(gate.settled, what='settling')
        self.assertEqual(gate.chat(one).status, 200)

    def test_what_is_known_of_channels_goes_on(self):
        weak = harness.free_port()
        gate, key = self.start(
            [harness.channel(f'http://127.0.0.1:{weak}', 'weak', priority=1),
             harness.channel(self.mock, 'strong', priority=2),
             harness.channel(self.mock, 'out', priority=3)],
            probe={'interval': '1m'}, routing={'cooldown': '0s'})
        gate.ctl('channel', 'out', 'drain')

        def states():
            gate.chat(key)
            return {row['name']: row['state'] for row in
                    gate.ctl('show', 'channels')['channels']}
        harness.wait_until(lambda: states()['weak'] in ('open', 'half'),
                           what='an open breaker')
        before = states()
        self.upgrade(gate)
        self.assertEqual(states(), before)
        rows = gate.ctl('show', 'channels')['channels']
        self.assertEqual(sum(row['in_flight'] for row in rows), 0)

    def test_tls_and_unix_listeners_and_session_tickets_go_on(self):
        folder = tempfile.mkdtemp(prefix='tollgate-')
        self.addCleanup(shutil.rmtree, folder, True)
        pair = harness.certificate(folder)
        secure, path = harness.free_port(), os.path.join(folder, 'socket')
        port = harness.free_port()
        gate, key = self.start(port=port, listen=[
            {'address': f'127.0.0.1:{port}'},
            {'address': f'127.0.0.1:{secure}', 'certificate': pair[0],
             'private_key': f'file:{pair[1]}'},
            {'address': f'unix:{path}'}])
        context = ssl.create_default_context(cafile=pair[0])
        context.maximum_version = ssl.TLSVersion.TLSv1_2

        def handshake(session=None):
            with socket.create_connection(('127.0.0.1', secure)) as plain, \
                    context.wrap_socket(plain, server_hostname='127.0.0.1',
                                        session=session) as one:
                one.sendall(client.request('GET', '/healthz'))
                self.assertIn(b'200', one.recv(4096))
                return one.session, one.session_reused, one.getpeercert()

        session, _, old = handshake()
        self.upgrade(gate)
        self.assertTrue(handshake(session)[1])
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(path)
            one.sendall(client.request('GET', '/healthz'))
            self.assertIn(b'200', one.recv(4096))
        # A new certificate counts from the next upgrade on.
        harness.certificate(folder)
        context = ssl.create_default_context(cafile=pair[0])
        self.upgrade(gate)
        self.assertNotEqual(handshake()[2], old)
        self.assertEqual(gate.chat(key).status, 200)

    def test_tollgatectl_waits_and_the_service_manager_is_told(self):
        folder = tempfile.mkdtemp(prefix='tollgate-')
        self.addCleanup(shutil.rmtree, folder, True)
        path = os.path.join(folder, 'notify')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(harness.SLOW)
            gate, _ = self.start(environment={'NOTIFY_SOCKET': path})
            self.assertEqual(gate.ctl('upgrade'), {'upgraded': True})
            heard = ''
            while f'MAINPID={gate.pid}' not in heard:
                heard += manager.recv(256).decode() + '\n'
            self.assertIn('RELOADING=1', heard)

    # -- what is refused

    def refused(self, gate, key, pattern):
        """Nothing has changed but a line in the log."""
        pids, lines = gate.pids, gate.errors().count('upgrade refused')
        done = gate.run_tool(gate.control_program, '-p', gate.folder,
                             'upgrade', status=None)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(gate.errors().count('upgrade refused'), lines + 1)
        self.assertRegex(gate.errors(), pattern)
        last = gate.ctl('status')['last_upgrade']
        self.assertEqual(last['result'], 'refused')
        self.assertRegex(last['reason'], pattern)
        self.assertTrue(last['time'])
        self.assertEqual(gate.pids, pids)
        self.assertEqual(gate.chat(key).status, 200)

    def test_a_program_that_does_not_fit_is_refused(self):
        gate, key = self.start()
        good = gate.ctl('status')
        swarm = self.held_streams(gate, key, 10)
        layout = 'takes over, layout 3-00000000deadbeef'
        for program, pattern in (
                (b'#!/bin/sh\nexit 0\n', 'does not know how to take over'),
                (b'#!/bin/sh\necho broken >&2\nexit 9\n',
                 'status 9: broken'),
                (b'#!/bin/sh\nkill -9 $$\n', 'signal 9'),
                (b'#!/bin/sh\necho %s\n' % layout.encode(),
                 'another layout.*deadbeef'),
                (b'no program at all', r'status 12[67]')):
            self.install(gate, program)
            self.refused(gate, key, pattern)
        os.unlink(gate.server)
        self.refused(gate, key, 'No such file')
        self.mock.release()
        self.assertTrue(swarm.run())
        self.whole(swarm)
        self.install(gate, harness.program('tollgate'))
        self.upgrade(gate)
        status = gate.ctl('status')
        self.assertEqual(status['generation'], good['generation'] + 1)
        self.assertEqual((status['last_upgrade']['result'],
                          status['last_upgrade']['reason']),
                         ('upgraded', ''))
        self.assertNotIn('last_upgrade', good)

    def test_another_layout_of_shared_memory_is_refused(self):
        gate, key = self.start()
        with open(gate.server, 'rb') as stream:
            at = stream.read().split(MAGIC)[1][:1]
        self.install_changed(gate, MAGIC + at, MAGIC + b'\x7f')
        self.refused(gate, key, 'shared memory: its layout is another one')

    def test_a_configuration_that_is_wrong_is_refused(self):
        gate, key = self.start()
        keys = dict(gate.keys)
        gate.configure(colour='red')
        self.refused(gate, key, r'tollgate\.conf:\d+: .*colour')
        gate.keys = keys
        gate.configure(workers=3)
        self.refused(gate, key, 'workers: only a restart can change it '
                     r'\(running: 2, in the file: 3\)')
        gate.configure(workers=2)
        self.upgrade(gate)

    def test_a_program_whose_writer_cannot_start_is_taken_back(self):
        gate, key = self.start()
        pid = gate.pid
        swarm = self.held_streams(gate, key, 20)
        self.install_changed(gate, LOCK, LOCK.replace(b'/w', b'/\0'))
        done = gate.run_tool(gate.control_program, '-p', gate.folder,
                             'upgrade', status=None)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn('new ledger writer could not start', done.stderr)
        self.assertIn('the program of before serves again', gate.errors())
        self.assertEqual(gate.pid, pid)
        self.assertEqual(gate.chat(
            key, f'hello @@tokens={USAGE[0]},{USAGE[1]}').status, 200)
        self.mock.release()
        self.assertTrue(swarm.run())
        self.whole(swarm)
        self.assertEqual(self.books(gate, 21), 21 * PRICE)
        # And the next one that fits is taken.
        self.install(gate, harness.program('tollgate'))
        self.upgrade(gate)

    def test_old_workers_go_on_while_no_new_ones_can_start(self):
        gate, key = self.start(worker_timeout='5s')
        pids = gate.pids
        swarm = self.held_streams(gate, key, 10)
        # Only a worker opens it.
        gate.configure(access_log='nowhere/access.log')
        done = gate.run_tool(gate.control_program, '-p', gate.folder,
                             'upgrade', status=None)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn('a new worker could not start', done.stderr)
        self.assertIn('the old workers go on', gate.errors())
        self.assertEqual(gate.chat(
            key, f'hello @@tokens={USAGE[0]},{USAGE[1]}').status, 200)
        self.assertLessEqual(set(pids), set(gate.pids))
        gate.configure(access_log='access.log')
        gate.hup()
        harness.wait_until(
            lambda: 'the program of before serves again' in gate.errors(),
            what='workers of its own')
        self.mock.release()
        self.assertTrue(swarm.run())
        self.whole(swarm)
        self.assertEqual(self.books(gate, 11), 11 * PRICE)
        self.upgrade(gate)
        metrics = gate.metrics()
        self.assertEqual(metrics['tollgate_upgrades_total{result="ok"}'], 1)
        self.assertEqual(
            metrics['tollgate_upgrades_total{result="refused"}'], 1)

    def test_a_program_that_hangs_or_leaves_others_behind_is_refused(self):
        gate, key = self.start()
        left = gate.path('left')
        self.install(gate, b'#!/bin/sh\nsleep 60 &\necho $! >%s\nexit 0\n'
                     % left.encode())
        self.refused(gate, key, 'does not know')
        with open(left, encoding='ascii') as stream:
            pid = int(stream.read())
        harness.wait_until(lambda: not alive(pid), what='its end')
        self.install(gate, b'#!/bin/sh\nyes\n')
        os.kill(gate.pid, signal.SIGUSR2)
        for _ in range(10):
            self.assertEqual(gate.chat(key).status, 200)
        gate.stop(signal.SIGTERM)
        gate.verify()

    def test_a_server_that_stops_is_not_upgraded(self):
        gate, key = self.start(drain_timeout='5m')
        swarm = self.held_streams(gate, key, 2)
        os.kill(gate.pid, signal.SIGTERM)
        os.kill(gate.pid, signal.SIGUSR2)
        time.sleep(0.3)
        self.mock.release()
        self.assertTrue(swarm.run())
        self.whole(swarm)
        self.assertEqual(gate.process.wait(harness.SLOW), 0)
        gate.process = None
        gate.verify()

    def test_a_server_may_be_stopped_at_any_moment_of_an_upgrade(self):
        gate, key = self.start(drain_timeout='5m')
        for at, pause in enumerate((0.005, 0.02, 0.05, 0.1, 0.3)):
            if at:
                gate.start()
            self.mock.reset()
            swarm = self.held_streams(gate, key, 5)
            os.kill(gate.pid, signal.SIGUSR2)
            time.sleep(pause)
            os.kill(gate.pid, signal.SIGTERM)
            time.sleep(0.05)
            self.mock.release()
            self.assertTrue(swarm.run())
            self.whole(swarm)
            self.assertEqual(gate.process.wait(harness.SLOW), 0)
            gate.process = None
            gate.verify()
        self.assertEqual(len(gate.report()), 25)

    # -- what dies on the way

    def test_the_master_may_die_at_any_moment_of_an_upgrade(self):
        gate, key = self.start()
        for pause, alone in ((0, True), (0.005, False), (0.02, True),
                             (0.06, False), (0.1, True)):
            loads = [Load(gate, key, stream=bool(i % 2)) for i in range(2)]
            harness.wait_until(lambda: loads[0].done > 2, what='load')
            for load in loads:
                load.stopping = True
            os.kill(gate.pid, signal.SIGUSR2)
            time.sleep(pause)
            if alone:
                gate.process.kill()
                gate.process.wait(harness.SLOW)
            else:
                gate.kill_all()
            for load in loads:
                load.end()
            gate.start()
            self.assertEqual(gate.chat(key).status, 200)
            harness.wait_until(gate.settled, what='settling')
            gate.verify()

    def test_the_writer_and_the_workers_may_die_meanwhile(self):
        gate, key = self.start()
        for role in ('writer', 'worker', 'admin'):
            os.kill(gate.pid, signal.SIGUSR2)
            for pid in harness.children_of(gate.pid):
                try:
                    with open(f'/proc/{pid}/comm',
                              encoding='ascii') as stream:
                        name = stream.read().strip()
                    if name == 'tollgate-' + role:
                        os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass

            def settled():
                rows = gate.workers()
                return len(rows) == 2 and all(
                    row['state'] == 'ready' for row in rows)
            harness.wait_until(lambda: gate.errors().count(
                'upgraded was=') >= 1, what='an upgrade')
            harness.wait_until(
                lambda: gate.run_tool(
                    gate.control_program, '-p', gate.folder, 'status',
                    status=None).returncode == 0 and settled(),
                what='two workers')
            self.assertEqual(gate.chat(key).status, 200)
        harness.wait_until(gate.settled, what='settling')
        gate.verify()


if __name__ == '__main__':
    unittest.main()
