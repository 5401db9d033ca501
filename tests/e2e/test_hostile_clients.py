"""Clients that dribble, stall, vanish or reset: cut off in time, told why where
they can be told, paid for what they got; nobody else notices."""

import contextlib
import ctypes
import shutil
import socket
import ssl
import struct
import tempfile
import threading
import time
import unittest

import client
import harness

CHATS = '/v1/chat/completions'
MANY = 150


class Sock(client.Connection):
    """A connection that sends what the test wants, when it wants."""

    def dribble(self, data):
        with contextlib.suppress(OSError):
            self.sock.send(data)

    def rest_of(self):
        """All that comes until the end, or None at a reset."""
        got = b''
        with contextlib.suppress(ConnectionResetError):
            while True:
                piece = self.sock.recv(65536)
                if not piece:
                    return got
                got += piece
        return got or None


def vanish(sock):
    """No packet reaches this socket any more: its host is gone. It neither
    answers nor resets, it only is silent."""
    code = struct.pack('HBBI', 0x06, 0, 0, 0)   # BPF: take nothing
    room = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, 26,      # SO_ATTACH_FILTER
                    struct.pack('HP', 1, ctypes.addressof(room)))


class Hostile(unittest.TestCase):
    workers = 2

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(
            cls.mock, workers=cls.workers, stream={'keepalive': '200ms'},
            limits={'header_timeout': '1s', 'body_grace': '1s',
                    'idle_timeout': '1s', 'write_timeout': '1s'})
        cls.gate.account('rich', '1000')
        cls.key = cls.gate.key('rich')

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.mock.stop()

    def setUp(self):
        self.mock.reset()

    def tearDown(self):
        """Nothing is left of them, and the books are right."""
        harness.wait_until(self.gate.settled, what='the end of all holds')
        harness.wait_until(lambda: sum(
            row['connections'] for row in self.gate.workers()) == 0,
            what='the end of all connections')
        row, = self.gate.ctl('show', 'channels')['channels']
        self.assertEqual(row['in_flight'], 0)
        self.assertEqual(row['state'], 'up')
        self.gate.verify()

    def open_many(self, count, first):
        found = []
        for _ in range(count):
            found.append(Sock(self.gate.url))
            self.addCleanup(found[-1].close)
            found[-1].send(first)
        return found

    def keep_dribbling(self, socks, byte):
        """From a thread of its own, until the returned event is set."""
        enough = threading.Event()

        def run():
            while not enough.wait(0.2):
                for one in socks:
                    one.dribble(byte)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(enough.set)

    def charged(self):
        return [harness.nano(row['charge_usd']) for row in self.gate.report()]

    def check_others(self):
        for _ in range(8):
            self.assertEqual(self.gate.chat(self.key).status, 200)

    def test_heads_that_dribble_end_with_408(self):
        entries = len(self.charged())
        socks = self.open_many(MANY, b'POST /v1/chat/completions HTTP/1.1\r\n'
                                     b'host: a\r\nx-a: ')
        self.keep_dribbling(socks, b'a')
        self.check_others()
        for one in socks:
            answer = one.read('POST')
            self.assertEqual(answer.status, 408, answer.raw)
            self.assertEqual(answer.headers['connection'], 'close')
        harness.wait_until(self.gate.settled)
        self.assertEqual(len(self.charged()), entries + 8)

    def test_bodies_that_dribble_end_with_408_and_hold_nothing(self):
        entries = len(self.charged())
        before = self.gate.show('rich')
        head = client.request('POST', CHATS, b'x' * 100000, self.key)
        socks = self.open_many(MANY, head[:-99990])
        self.keep_dribbling(socks, b'a')
        self.assertEqual(self.gate.show('rich')['available'],
                         before['available'])
        self.check_others()
        for one in socks:
            answer = one.read('POST')
            self.assertEqual(answer.status, 408, answer.raw)
            self.assertEqual(answer.error()['code'], 'request_timeout')
        harness.wait_until(self.gate.settled)
        self.assertEqual(len(self.charged()), entries + 8)
        self.assertEqual(self.mock.tally()['requests'], 8)

    def test_silent_and_idle_connections_are_closed_without_a_word(self):
        silent = self.open_many(40, b'')
        idle = self.open_many(40, client.request('GET', '/healthz'))
        for one in idle:
            self.assertEqual(one.read().status, 200)
        self.check_others()
        for one in silent + idle:
            self.assertTrue(one.at_end())

    def test_a_reader_that_stalls_pays_what_it_took(self):
        socks = []
        for _ in range(4):
            one = Sock(self.gate.url, receive_buffer=4096)
            self.addCleanup(one.close)
            one.send(client.request('POST', CHATS, client.chat(
                '@@chunks=3000 @@size=4000 @@nolimit', stream=True),
                self.key))
            socks.append(one)
        tally = self.mock.wait(lambda tally: tally['aborted'] == 4,
                               what='the end of the upstream requests')
        self.assertEqual(tally['answered'], 0)
        harness.wait_until(self.gate.settled)
        whole = harness.cost([(3000, '10')])
        for row in self.gate.report()[-4:]:
            self.assertGreater(harness.nano(row['charge_usd']), 0)
            self.assertLess(harness.nano(row['charge_usd']), whole * 1000)
        self.check_others()

    def test_a_client_whose_host_is_gone_does_not_hold_its_stream(self):
        with Sock(self.gate.url) as one:
            one.send(client.request('POST', CHATS, client.chat(
                '@@chunks=3 @@stall=2', stream=True), self.key))
            answer = one.read('POST', stop_at=400)
            self.assertEqual(answer.status, 200)
            try:
                vanish(one.sock)
            except OSError as bad:
                self.skipTest(f'no filter on sockets: {bad}')
            self.mock.wait(lambda tally: tally['aborted'] == 1,
                           what='the end of the upstream request')
            harness.wait_until(self.gate.settled)
        self.assertGreater(self.charged()[-1], 0)

    def reset_at(self, data, until=None, stop_at=None):
        with Sock(self.gate.url) as one:
            one.send(data)
            if until:
                self.mock.wait(until, what='the request')
            if stop_at:
                one.read('POST', stop_at=stop_at)
            one.reset()

    def test_resets_in_each_phase(self):
        entries = len(self.charged())
        stream = client.request('POST', CHATS, client.chat(
            '@@chunks=5 @@stall=3', stream=True), self.key)
        held = client.request('POST', CHATS, client.chat('@@hold'), self.key)
        self.reset_at(b'')
        self.reset_at(stream[:40])
        self.reset_at(stream[:-10])
        self.assertEqual(len(self.charged()), entries)
        self.reset_at(held, lambda tally: tally['holding'] == 1)
        self.mock.wait(lambda tally: tally['aborted'] == 1)
        self.reset_at(stream, lambda tally: tally['chunks'] >= 3, 900)
        self.mock.wait(lambda tally: tally['aborted'] == 2)
        whole = client.request('POST', CHATS, client.chat('hello'), self.key)
        self.reset_at(whole, lambda tally: tally['answered'] == 1)
        harness.wait_until(self.gate.settled)
        charges = self.charged()[entries:]
        self.assertEqual(len(charges), 3)
        self.assertEqual(charges[0], 0)      # nothing was delivered
        self.assertGreater(charges[1], 0)    # three words were
        self.check_others()


class OneWorker(Hostile):
    workers = 1


class Handshakes(unittest.TestCase):
    def test_a_client_that_stalls_its_handshake_is_cut_off(self):
        folder = tempfile.mkdtemp(prefix='tollgate-')
        self.addCleanup(shutil.rmtree, folder, True)
        pair = harness.certificate(folder)
        port = harness.free_port()
        plain = harness.free_port()
        with harness.Mock() as mock, harness.Gateway(
                mock, start=False, listen=[
                    {'address': f'127.0.0.1:{port}', 'certificate': pair[0],
                     'private_key': f'file:{pair[1]}'},
                    {'address': f'127.0.0.1:{plain}'}],
                limits={'header_timeout': '1s'}) as gate:
            gate.url = f'http://127.0.0.1:{plain}'
            gate.start()
            url = f'http://127.0.0.1:{port}'
            silent = [Sock(url) for _ in range(30)]
            half = [Sock(url) for _ in range(30)]
            for one in silent + half:
                self.addCleanup(one.close)
            for one in half:
                one.send(b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')
            context = ssl.create_default_context(cafile=pair[0])
            with client.Connection(f'https://127.0.0.1:{port}',
                                   context=context) as fine:
                self.assertEqual(fine.ask('GET', '/healthz').status, 200)
            begin = time.monotonic()
            for one in silent + half:
                self.assertIn(one.rest_of(), (b'', None))
            self.assertLess(time.monotonic() - begin, harness.SLOW)
            harness.wait_until(lambda: sum(
                row['connections'] for row in gate.workers()) == 0,
                what='the end of all connections')


if __name__ == '__main__':
    unittest.main()
