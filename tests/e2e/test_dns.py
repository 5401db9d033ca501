"""Upstream names: name servers that fail, change their mind, say no."""

import contextlib
import socket
import struct
import threading
import unittest

import client
import harness

NXDOMAIN, SERVFAIL, SILENT = 3, 2, None


class NameServer(threading.Thread):
    """A name server on loopback: `names` has a list of IPv4 addresses, or how
    a question fails, by name."""

    def __init__(self, ttl=1, **names):
        super().__init__(daemon=True)
        self.names = {name.replace('_', '.'): what
                      for name, what in names.items()}
        self.ttl = ttl
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.address = f'127.0.0.1:{self.socket.getsockname()[1]}'
        self.start()

    def run(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            answer = self.answer(packet)
            with contextlib.suppress(OSError):
                if answer:
                    self.socket.sendto(answer, peer)

    def answer(self, packet):
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        question = packet[12:at + 5]
        kind, = struct.unpack('>H', packet[at + 1:at + 3])
        name = '.'.join(labels).lower()
        self.asked.append(name)
        what = self.names.get(name, NXDOMAIN)
        if what is SILENT:
            return None
        code, rows = (what, []) if isinstance(what, int) else (
            0, what if kind == 1 else [])
        records = b''.join(
            b'\xc0\x0c' + struct.pack('>HHIH', 1, 1, self.ttl, 4)
            + socket.inet_aton(row) for row in rows)
        return (packet[:2] + struct.pack('>HHHHH', 0x8180 | code, 1,
                                         len(rows), 0, 0)
                + question + records)

    def close(self):
        self.socket.close()


class Names(unittest.TestCase):
    def start(self, channels, server, **keys):
        gate = harness.Gateway(
            channels, resolver=[server.address],
            probe={'interval': '300ms', 'timeout': '2s'}, **keys)
        self.addCleanup(gate.close)
        gate.account('rich', '1000')
        return gate, gate.key('rich')

    def server(self, **names):
        server = NameServer(**names)
        self.addCleanup(server.close)
        return server

    def mock(self, *options):
        mock = harness.Mock(*options)
        self.addCleanup(mock.stop)
        return mock

    @staticmethod
    def row(gate, name):
        return next(row for row in gate.ctl('show', 'channels')['channels']
                    if row['name'] == name)

    def test_an_unknown_name_takes_its_channel_out_and_no_other(self):
        mock = self.mock()
        server = self.server(known_test=['127.0.0.1'])
        gate, key = self.start(
            [harness.channel(f'http://unknown.test:{mock.port}', 'lost'),
             harness.channel(f'http://known.test:{mock.port}', 'found',
                             priority=2)], server)
        for _ in range(4):
            answer = gate.chat(key)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.headers['x-tollgate-channel'], 'found')
            self.assertEqual(answer.headers['x-tollgate-attempts'], '1')
        lost = self.row(gate, 'lost')
        self.assertEqual(lost['state'], 'open')
        self.assertIn('no address of unknown.test: name does not exist',
                      lost['reason'])
        self.assertEqual(self.row(gate, 'found')['reason'], '')
        server.names['unknown.test'] = ['127.0.0.1']
        harness.wait_until(
            lambda: self.row(gate, 'lost')['state'] == 'up',
            what='the name is found')
        self.assertEqual(self.row(gate, 'lost')['reason'], '')
        self.assertEqual(
            gate.chat(key).headers['x-tollgate-channel'], 'lost')
        self.assertEqual(gate.errors().count('is found again'), 1)

    def test_name_servers_that_fail_change_nothing_but_the_reason(self):
        mock = self.mock()
        server = self.server(one_test=['127.0.0.1'])
        gate, key = self.start(
            [harness.channel(f'http://one.test:{mock.port}', 'one')], server,
            workers=2)
        self.assertEqual(gate.chat(key).status, 200)
        server.names['one.test'] = SERVFAIL
        row = harness.wait_until(
            lambda: self.row(gate, 'one')['reason'] and self.row(gate, 'one'),
            what='the reason')
        self.assertRegex(row['reason'], '^no address of one.test: '
                         '(server failed|request timed out); '
                         'the last ones are used$')
        self.assertEqual(row['state'], 'up')
        asked = len(server.asked)
        for _ in range(4):
            self.assertEqual(gate.chat(key).status, 200)
        harness.wait_until(lambda: len(server.asked) > asked,
                           what='another question')
        self.assertEqual(gate.errors().count('no address for the channel'), 1)
        self.assertEqual(self.row(gate, 'one')['state'], 'up')

    def test_new_requests_go_where_the_name_points_now(self):
        """Both listen at the same port, one address each."""
        first = self.mock()
        second = socket.create_server(('127.0.0.2', first.port), backlog=16)
        self.addCleanup(second.close)
        server = self.server(moving_test=['127.0.0.1'])
        gate, key = self.start(
            [harness.channel(f'http://moving.test:{first.port}', 'moving')],
            server, workers=2)
        with client.Connection(gate.url) as running:
            running.send(client.request(
                'POST', '/v1/chat/completions',
                client.chat('@@hold_at=1 @@chunks=3', stream=True), key))
            first.wait(lambda tally: tally['holding'] == 1)
            server.names['moving.test'] = ['127.0.0.2']
            harness.wait_until(
                lambda: self.row(gate, 'moving')['addresses']
                == [f'127.0.0.2:{first.port}'], what='the new address')
            with client.Connection(gate.url) as asking:
                asking.send(client.request(
                    'POST', '/v1/chat/completions', client.chat('hello'),
                    key))
                second.settimeout(harness.SLOW)
                there, _ = second.accept()
                with there:
                    there.settimeout(harness.SLOW)
                    self.assertIn(b'POST ', there.recv(4096))
            first.release()
            answer = running.read('POST')
            self.assertEqual(answer.ended, 'complete')
            self.assertEqual(answer.events()[-1], '[DONE]')

    def test_a_silent_name_server_does_not_keep_the_others_from_serving(self):
        mock = self.mock()
        server = self.server(silent_test=SILENT)
        gate, key = self.start(
            [harness.channel(f'http://silent.test:{mock.port}', 'silent'),
             harness.channel(mock, 'plain', priority=2)], server)
        answer = gate.chat(key)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers['x-tollgate-channel'], 'plain')
        self.assertEqual(self.row(gate, 'silent')['state'], 'open')
        other = self.server(silent_test=['127.0.0.1'])
        gate.configure(resolver=[other.address])
        gate.ctl('reload')
        harness.wait_until(
            lambda: self.row(gate, 'silent')['state'] == 'up',
            what='the answer of another name server')


if __name__ == '__main__':
    unittest.main()
