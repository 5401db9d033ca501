"""Processes that die, hang or are told to end; starts that must fail."""

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import client
import harness

# An upstream that no test asks.
NOBODY = 'http://127.0.0.1:9'
# A stream that goes on when the test says mock.release(), and one that is
# never over in time.
HELD = 'hello @@chunks=10 @@hold_at=3'
LONG = 'hello @@chunks=2000 @@delay=100'


def alive(pid):
    """A process that is not yet a zombie."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as stream:
            return stream.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def running(tally):
    """Requests the mock is busy with."""
    return tally['requests'] - sum(tally[how] for how in (
        'answered', 'aborted', 'broken'))


def role_pid(gateway, role):
    """The pid of a process of the server by its role."""
    for pid in harness.children_of(gateway.pid):
        try:
            with open(f'/proc/{pid}/comm', encoding='ascii') as stream:
                if stream.read().strip() == 'tollgate-' + role:
                    return pid
        except OSError:
            pass
    return None


class Streaming(threading.Thread):
    """A streamed request on a connection of its own."""

    def __init__(self, gateway, key, text=HELD):
        super().__init__()
        self.gateway, self.key, self.text = gateway, key, text
        self.answer = None
        self.start()

    def run(self):
        self.answer = self.gateway.chat(self.key, self.text, stream=True)

    def end(self):
        self.join(2 * harness.SLOW)
        return self.answer


class Kills(unittest.TestCase):
    """One server whose processes are killed one by one."""

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        try:
            cls.gateway = harness.Gateway(cls.mock)
            cls.gateway.account('acme', '100.00')
            cls.key = cls.gateway.key('acme')
        except BaseException:
            cls.mock.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.gateway.close()
        cls.mock.stop()

    def kill(self, role):
        """Kills a process and waits for its successor."""
        old = role_pid(self.gateway, role)
        self.assertIsNotNone(old, role)
        os.kill(old, signal.SIGKILL)

        def replaced():
            new = role_pid(self.gateway, role)
            return new if new not in (None, old) and not alive(old) else None
        return harness.wait_until(replaced, what=f'a new {role}')

    def answers(self):
        return self.gateway.chat(self.key).status

    def test_a_killed_worker_is_replaced_and_the_others_go_on(self):
        pids = set(self.gateway.pids)
        streams = [Streaming(self.gateway, self.key) for _ in range(4)]
        self.mock.wait(lambda tally: tally['holding'] == 4, what='streams')
        victim = self.gateway.workers()[0]['pid']
        os.kill(victim, signal.SIGKILL)
        harness.wait_until(
            lambda: len(self.gateway.pids) == 2
            and victim not in self.gateway.pids
            and all(row['state'] == 'ready'
                    for row in self.gateway.workers()), what='a new worker')
        self.mock.release()
        self.assertEqual(len(pids & set(self.gateway.pids)), 1)
        for stream in streams:
            answer = stream.end()
            # Of the killed worker: cut. Of the other: whole.
            self.assertIn(answer.ended, ('complete', 'eof', 'reset', 'bad'))
        self.assertEqual(self.answers(), 200)

    def test_a_killed_writer_is_replaced_and_streams_do_not_notice(self):
        stream = Streaming(self.gateway, self.key)
        self.mock.wait(lambda tally: tally['holding'] == 1, what='a stream')
        self.kill('writer')
        self.mock.release()
        answer = stream.end()
        self.assertEqual((answer.status, answer.ended), (200, 'complete'))
        self.assertEqual(answer.events()[-1], '[DONE]')
        self.assertEqual(self.answers(), 200)

    def test_a_killed_admin_process_is_replaced(self):
        self.kill('admin')
        harness.wait_until(
            lambda: self.gateway.run_tool(
                self.gateway.control_program, '-p', self.gateway.folder,
                'status', status=None).returncode == 0, what='the admin API')
        self.assertEqual(self.answers(), 200)

    def test_a_topup_survives_the_writer(self):
        harness.wait_until(self.gateway.settled, what='settling')
        before = harness.nano(self.gateway.show('acme')['balance'])
        writer = role_pid(self.gateway, 'writer')
        os.kill(writer, signal.SIGSTOP)
        paid = subprocess.Popen(
            [self.gateway.control_program, '-p', self.gateway.folder,
             'account', 'topup', 'acme', '1.00', '--idempotency-key',
             'survivor'], stdout=subprocess.DEVNULL)
        time.sleep(0.1)
        os.kill(writer, signal.SIGKILL)
        self.assertEqual(paid.wait(harness.SLOW), 0)
        self.gateway.ctl('account', 'topup', 'acme', '1.00',
                         '--idempotency-key', 'survivor')
        harness.wait_until(self.gateway.settled, what='settling')
        after = harness.nano(self.gateway.show('acme')['balance'])
        self.assertEqual(after - before, harness.nano('1.00'))


class Counts(unittest.TestCase):
    """What a dead worker had counted as running is given back."""

    def test_a_killed_worker_leaves_room_on_channel_account_and_key(self):
        with harness.Mock() as mock, harness.Gateway(
                [harness.channel(mock, max_concurrency=6)],
                workers=1) as one:
            one.account('acme', '100.00', '--concurrency', '6')
            key = one.key('acme', concurrency=6)
            streams = [Streaming(one, key, LONG) for _ in range(6)]
            mock.wait(lambda tally: running(tally) >= 6, what='streams')
            self.assertIn(one.chat(key).status, (429, 503))
            os.kill(one.pids[0], signal.SIGKILL)
            for stream in streams:
                stream.end()

            def healed():
                return one.ctl('show', 'channels')['channels'][0][
                    'in_flight'] == 0
            harness.wait_until(healed, what='in_flight 0', every=0.1)
            streams = [Streaming(one, key, 'hello @@chunks=5 @@delay=50')
                       for _ in range(6)]
            for stream in streams:
                self.assertEqual(stream.end().status, 200)
            harness.wait_until(one.settled, what='settling')
            one.verify()


class Probes(unittest.TestCase):
    """What the master finds out about upstreams by itself."""

    def channel(self, one):
        return one.ctl('show', 'channels')['channels'][0]

    def broken(self, one, key):
        """The breaker is open because requests failed."""
        for _ in range(4):
            one.chat(key)
        return self.channel(one)['health'] == 'open'

    def test_a_certificate_that_nobody_trusts_keeps_a_channel_open(self):
        with tempfile.TemporaryDirectory() as folder:
            pair = harness.certificate(folder)
            with harness.Mock(tls=pair) as mock, harness.Gateway(
                    mock, workers=1, probe={'interval': '200ms'},
                    routing={'cooldown': '100ms'}) as one:
                one.account('a', '1')
                key = one.key('a')
                self.assertEqual(one.chat(key).status, 502)
                harness.wait_until(lambda: self.broken(one, key), what='open',
                                   every=0.1)
                harness.wait_until(
                    lambda: 'certificate' in self.channel(one)['reason'],
                    what='a probe')
                for _ in range(20):
                    self.assertIn(self.channel(one)['health'],
                                  ('open', 'half'))
                    time.sleep(0.05)

    def test_a_trusted_one_closes_the_breaker_again(self):
        with tempfile.TemporaryDirectory() as folder:
            pair = harness.certificate(folder)
            with harness.Mock(tls=pair) as mock, harness.Gateway(
                    mock, workers=1, probe={'interval': '200ms'},
                    routing={'cooldown': '100ms'},
                    environment={'SSL_CERT_FILE': pair[0]}) as one:
                one.account('a', '1')
                key = one.key('a')
                self.assertEqual(one.chat(key).status, 200)
                mock.script('@@reset=1')
                harness.wait_until(lambda: self.broken(one, key), what='open',
                                   every=0.1)
                mock.script()
                harness.wait_until(lambda: self.channel(one)['health'] in
                                   ('up', 'degraded'), what='its recovery')
                self.assertEqual(self.channel(one)['reason'], '')
                self.assertEqual(one.chat(key).status, 200)


class Silent(unittest.TestCase):
    """Processes that are stopped instead of killed."""

    def test_a_silent_worker_and_a_silent_writer_are_replaced(self):
        with harness.Mock() as mock, harness.Gateway(
                mock, worker_timeout='1s', writer_timeout='1s') as one:
            one.account('acme', '1.00')
            key = one.key('acme')
            worker = one.pids[0]
            os.kill(worker, signal.SIGSTOP)
            harness.wait_until(lambda: not alive(worker), what='its end')
            harness.wait_until(lambda: len(one.pids) == 2
                               and worker not in one.pids, what='a new worker')
            writer = role_pid(one, 'writer')
            os.kill(writer, signal.SIGSTOP)
            harness.wait_until(lambda: not alive(writer), what='its end')
            self.assertEqual(one.chat(key).status, 200)
            self.assertIn('no sign of life', one.errors())

    def stuck(self, workers):
        """One worker stops under load: the clients of the others notice
        nothing, what it held is settled, a new one takes its place."""
        with harness.Mock() as mock, harness.Gateway(
                mock, workers=workers, worker_timeout='2s') as one:
            one.account('acme', '100.00')
            key = one.key('acme')
            streams = [Streaming(one, key) for _ in range(8 * workers)]
            mock.wait(lambda tally: tally['holding'] == len(streams),
                      what='streams')
            lines = [client.Connection(one.url) for _ in range(8 * workers)]
            times = [[] for _ in lines]
            try:
                self.ask_all(lines, times, key)
                before = max(sum(times, []))
                # What a worker says of itself is some milliseconds old.
                rows = harness.wait_until(lambda: [
                    rows for rows in [one.workers()]
                    if sum(row['requests'] for row in rows) == len(streams)],
                    what='the table')[0]
                victim = max(rows, key=lambda row: row['requests'])
                os.kill(victim['pid'], signal.SIGSTOP)
                began = time.monotonic()
                hit = set(self.ask_all(lines, times, key, 0.7))
                late = max(line[-1] for at, line in enumerate(times)
                           if at not in hit)
            finally:
                for line in lines:
                    line.close()
            self.assertLess(time.monotonic() - began, 2.0)
            # Those that wait are its own: lines and streams.
            self.assertLessEqual(len(hit), victim['connections'])
            self.assertLess(late, max(2 * before, 0.5))
            harness.wait_until(lambda: not alive(victim['pid']),
                               what='its end')
            harness.wait_until(
                lambda: len(one.pids) == workers
                and victim['pid'] not in one.pids, what='a new worker')
            mock.release()
            ended = [stream.end().ended for stream in streams]
            self.assertEqual(len(ended) - ended.count('complete'),
                             victim['requests'])
            harness.wait_until(one.settled, what='settling')
            shown = one.show('acme')
            self.assertEqual(shown['balance'], shown['available'])
            self.assertEqual(one.chat(key).status, 200)
            one.verify()
            self.assertEqual(one.errors().count('no sign of life'), 1)

    def ask_all(self, lines, times, key, timeout=harness.SLOW):
        """A request on each connection, all at once; which did not answer."""
        def ask(at):
            began = time.monotonic()
            answer = lines[at].ask('POST', '/v1/chat/completions',
                                   client.chat('hello'), key,
                                   timeout=timeout)
            if answer.ended == 'complete':
                times[at].append(time.monotonic() - began)
            else:
                silent.append(at)
        silent = []
        threads = [threading.Thread(target=ask, args=(at,))
                   for at in range(len(lines))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return silent

    def test_a_stuck_worker_of_two_is_replaced_under_load(self):
        self.stuck(2)

    def test_a_stuck_worker_of_four_is_replaced_under_load(self):
        self.stuck(4)

    def test_a_stuck_admin_process_is_replaced(self):
        with harness.Gateway(NOBODY, worker_timeout='1s') as one:
            admin = harness.wait_until(lambda: role_pid(one, 'admin'),
                                       what='the admin process')
            os.kill(admin, signal.SIGSTOP)
            harness.wait_until(lambda: not alive(admin), what='its end')
            harness.wait_until(
                lambda: one.run_tool(one.control_program, '-p', one.folder,
                                     'status', status=None).returncode == 0,
                what='the admin API')

    def test_a_writer_that_stops_before_its_first_beat_is_replaced(self):
        with harness.Mock() as mock, harness.Gateway(
                mock, writer_timeout='1s') as one:
            one.account('acme', '1.00')
            key = one.key('acme')
            os.kill(role_pid(one, 'writer'), signal.SIGKILL)
            harness.wait_until(lambda: role_pid(one, 'writer'),
                               what='a new writer', every=0.0005)
            writer = role_pid(one, 'writer')
            os.kill(writer, signal.SIGSTOP)
            harness.wait_until(lambda: not alive(writer), what='its end')
            self.assertEqual(one.chat(key).status, 200)

    def test_a_server_that_was_stopped_as_a_whole_kills_nobody(self):
        with harness.Gateway(NOBODY, worker_timeout='2s',
                             writer_timeout='2s') as one:
            tree = one.tree()
            for pid in tree:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(4)
            for pid in reversed(tree):
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.5)
            self.assertNotIn('no sign of life', one.errors())


class Ends(unittest.TestCase):
    """The signals that end the server."""

    def setUp(self):
        self.mock = harness.Mock()
        self.addCleanup(self.mock.stop)

    def start(self, **keys):
        gateway = harness.Gateway(self.mock, **keys)
        self.addCleanup(gateway.close)
        gateway.account('acme', '10.00')
        return gateway, gateway.key('acme')

    def streaming(self, gateway, key, text):
        stream = Streaming(gateway, key, text)
        self.mock.wait(lambda tally: running(tally) >= 1
                       and tally['chunks'] >= 3, what='a stream')
        return stream

    def test_term_lets_streams_end_and_takes_no_new_clients(self):
        gateway, key = self.start(drain_timeout='5m')
        tree = gateway.tree()
        stream = self.streaming(gateway, key, HELD)
        os.kill(gateway.pid, signal.SIGTERM)

        def refused():
            try:
                client.Connection(gateway.url, 1.0).close()
            except OSError:
                return True
            return False
        harness.wait_until(refused, what='an end of accepting')
        self.mock.release()
        answer = stream.end()
        self.assertEqual((answer.ended, answer.events()[-1]),
                         ('complete', '[DONE]'))
        self.assertEqual(gateway.process.wait(harness.SLOW), 0)
        gateway.process = None
        self.assertFalse([pid for pid in tree[1:] if alive(pid)])
        self.assertFalse(os.path.exists(gateway.path('run', 'tollgate.pid')))
        self.assertFalse(os.path.exists(gateway.path('run', 'admin.sock')))
        gateway.verify()

    def test_term_ends_at_the_drain_timeout(self):
        gateway, key = self.start(drain_timeout='500ms')
        stream = self.streaming(gateway, key, LONG)
        self.assertEqual(gateway.stop(signal.SIGTERM), 0)
        self.assertNotEqual(stream.end().events()[-1:], ['[DONE]'])
        gateway.verify()

    def test_a_second_term_and_int_are_fast(self):
        for first in (signal.SIGTERM, None):
            gateway, key = self.start(drain_timeout='5m')
            stream = self.streaming(gateway, key, LONG)
            if first:
                os.kill(gateway.pid, first)
                time.sleep(0.3)
            self.assertEqual(
                gateway.stop(signal.SIGTERM if first else signal.SIGINT), 0)
            stream.end()
            gateway.verify()

    def test_quit_waits_beyond_the_drain_timeout(self):
        gateway, key = self.start(drain_timeout='100ms')
        stream = self.streaming(gateway, key, HELD)
        os.kill(gateway.pid, signal.SIGQUIT)
        time.sleep(0.5)
        self.mock.release()
        self.assertEqual(gateway.process.wait(harness.SLOW), 0)
        gateway.process = None
        self.assertEqual(stream.end().events()[-1], '[DONE]')

    def test_stop_by_tollgatectl_is_a_term(self):
        gateway, key = self.start()
        stream = self.streaming(gateway, key, HELD)
        self.assertTrue(gateway.ctl('stop')['stopping'])
        self.mock.release()
        self.assertEqual(gateway.process.wait(harness.SLOW), 0)
        gateway.process = None
        self.assertEqual(stream.end().events()[-1], '[DONE]')

    def test_usr1_opens_the_logs_anew(self):
        gateway, key = self.start(error_log='error.log')
        self.assertEqual(gateway.chat(key).status, 200)
        for name in ('access.log', 'error.log'):
            os.rename(gateway.path(name), gateway.path(name + '.1'))
        os.kill(gateway.pid, signal.SIGUSR1)

        def written():
            gateway.chat(key)
            return all(os.path.exists(gateway.path(name))
                       and os.path.getsize(gateway.path(name))
                       for name in ('access.log', 'error.log'))
        harness.wait_until(written, what='lines in new files', every=0.1)

    def test_without_its_master_all_others_end(self):
        gateway, key = self.start()
        tree = gateway.tree()
        self.assertEqual(gateway.chat(key).status, 200)
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.process.wait(harness.SLOW)
        gateway.process = None
        harness.wait_until(lambda: not [pid for pid in tree if alive(pid)],
                           what='the end of all')
        gateway.verify()

    def test_the_writer_rests_while_the_last_streams_end(self):
        """Nobody is left who could give it orders, which is no event."""
        gateway, key = self.start()
        writer = gateway.ctl('status')['ledger']['writer_pid']
        with client.Swarm(gateway.url) as swarm:
            swarm.add(client.request('POST', '/v1/chat/completions',
                                     client.chat('@@hold_at=2', stream=True),
                                     key))
            swarm.run(lambda: swarm.sent == 1)
            self.mock.wait(lambda tally: tally['holding'] == 1)
            others = set(gateway.tree()) - {writer} - set(gateway.pids)
            os.kill(gateway.pid, signal.SIGKILL)
            gateway.process.wait(harness.SLOW)
            gateway.process = None
            harness.wait_until(lambda: not any(map(alive, others)),
                               what='the end of the others')
            before = harness.cpu_seconds(writer)
            time.sleep(2)
            self.assertTrue(alive(writer))
            self.assertLess(harness.cpu_seconds(writer) - before, 1)
            self.mock.release()
            self.assertTrue(swarm.run())
            self.assertEqual(swarm.tasks[0].answer.ended, 'complete')
        harness.wait_until(lambda: not alive(writer), what='its end')
        gateway.verify()


class Starts(unittest.TestCase):
    """Warm starts, and starts that must fail."""

    def test_after_killing_all_the_next_start_has_every_nano(self):
        with harness.Mock() as mock, harness.Gateway(mock) as one:
            one.account('acme', '5.00')
            key = one.key('acme')
            for _ in range(3):
                self.assertEqual(one.chat(key).status, 200)
            streams = [Streaming(one, key, LONG) for _ in range(3)]
            mock.wait(lambda tally: running(tally) >= 3
                      and tally['chunks'] >= 6, what='streams')
            one.kill_all()
            for stream in streams:
                stream.end()
            one.start()
            self.assertIn('start=warm', one.errors())
            harness.wait_until(one.settled, what='settling')
            rows = one.report()
            self.assertEqual(len(rows), 6)
            charged = sum(harness.nano(row['charge_usd']) for row in rows)
            self.assertEqual(
                harness.nano(one.show('acme')['available']) + charged,
                harness.nano('5.00'))
            self.assertEqual(one.chat(key).status, 200)
            one.verify()

    def test_a_new_master_ends_what_a_dead_one_has_left(self):
        with harness.Mock() as mock, harness.Gateway(mock) as one:
            one.account('acme', '5.00')
            key = one.key('acme')
            tree = one.tree()
            stream = Streaming(one, key, LONG)
            mock.wait(lambda tally: running(tally) >= 1, what='a stream')
            os.kill(one.pid, signal.SIGKILL)
            one.process.wait(harness.SLOW)
            one.start()
            self.assertFalse([pid for pid in tree if alive(pid)])
            stream.end()
            self.assertEqual(one.chat(key).status, 200)

    def run_server(self, one, *options, **environment):
        done = subprocess.run(
            [one.server, '-p', one.folder, *options], capture_output=True,
            text=True, timeout=harness.SLOW, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, **one.environment, **environment})
        return done.returncode, done.stdout + done.stderr

    def test_a_second_server_in_the_same_place_is_refused(self):
        with harness.Gateway(NOBODY) as one:
            code, text = self.run_server(one, '-c', one.file)
            self.assertEqual(code, 1)
            self.assertIn('another tollgate runs', text)
            self.assertIn(str(one.pid), text)
            self.assertTrue(one.ready())

    def test_a_port_that_is_taken_is_exit_4(self):
        with harness.Gateway(NOBODY) as one, harness.Gateway(NOBODY, start=False) as two:
            two.configure(listen=[{'address': f'127.0.0.1:{one.port}'}])
            code, text = self.run_server(two, '-c', two.file)
            self.assertEqual(code, 4)
            self.assertIn(f'127.0.0.1:{one.port}', text)

    def test_the_command_line_and_the_file_are_checked(self):
        with harness.Gateway(NOBODY, start=False) as one:
            self.assertEqual(self.run_server(one, '-t', '-c', one.file)[0], 0)
            self.assertEqual(
                self.run_server(one, '-q', '-t', '-c', one.file), (0, ''))
            code, text = self.run_server(one, '-T', '-c', one.file)
            self.assertEqual(code, 0)
            self.assertNotIn(harness.TOKEN, text)
            self.assertNotIn(harness.UPSTREAM_KEY, text)
            self.assertEqual(self.run_server(one, '--nothing')[0], 2)
            self.assertEqual(self.run_server(one, 'word')[0], 2)
            self.assertEqual(self.run_server(one, '-t', '-T')[0], 2)
            self.assertEqual(self.run_server(one, '-h')[0], 0)
            self.assertEqual(self.run_server(one, '-V')[0], 0)
            one.configure(colour='red')
            code, text = self.run_server(one, '-t', '-c', one.file)
            self.assertEqual(code, 3)
            self.assertRegex(text, r'tollgate\.conf:\d+: .*colour')
            self.assertEqual(self.run_server(one, '-c', one.file)[0], 3)
            self.assertEqual(
                self.run_server(one, '-t', '-c', one.file + '.no')[0], 3)

    def test_an_unknown_provider_is_named_with_its_line(self):
        with harness.Gateway([harness.channel('http://127.0.0.1:1',
                                              provider='openay')],
                             start=False) as one:
            code, text = self.run_server(one, '-t', '-c', one.file)
            self.assertEqual(code, 3)
            self.assertRegex(text, r'tollgate\.conf:\d+: .*openay')

    def test_the_service_manager_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'notify')
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(path)
                manager.settimeout(harness.SLOW)
                with harness.Gateway(NOBODY, environment={
                        'NOTIFY_SOCKET': path,
                        'WATCHDOG_USEC': '400000'}) as one:
                    heard = set()
                    one.hup()
                    while not {'READY=1', 'WATCHDOG=1',
                               'RELOADING=1'} <= heard:
                        heard.add(manager.recv(256).decode().split('\n')[0])
                    one.stop()
                    while 'STOPPING=1' not in heard:
                        heard.add(manager.recv(256).decode())


if __name__ == '__main__':
    unittest.main()
