"""The way out of a channel: through a proxy that is asked to CONNECT, and
from an address of ours. A proxy that fails is a channel that fails."""

import base64
import contextlib
import os
import socket
import tempfile
import threading
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

SECRET = 'gate:pass-of-the-proxy'
GIVEN = 'Basic ' + base64.b64encode(SECRET.encode()).decode()


class Proxy:
    """Answers CONNECT as its `mood` says, and notes who asked for what.

    `forward`: no CONNECT, all goes to that port at once."""

    def __init__(self, auth=None, forward=None):
        self.auth = auth
        self.forward = forward
        self.mood = 'well'
        self.heads = []
        self.peers = []
        self.open = []
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}'
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one, peer = self.socket.accept()
            except OSError:
                return
            self.open.append(one)
            self.peers.append(peer[0])
            threading.Thread(target=self.talk, args=(one,),
                             daemon=True).start()

    def talk(self, one):
        with contextlib.suppress(OSError):
            if self.forward:
                self.carry(one, ('127.0.0.1', self.forward))
                return
            head = b''
            while not head.endswith(b'\r\n\r\n'):
                # no byte beyond it may have been sent
                piece = one.recv(1)
                if not piece:
                    return
                head += piece
            self.heads.append(head.decode())
            self.answer(one, head.decode())

    def answer(self, one, head):
        moods = {'502': b'HTTP/1.1 502 Bad Gateway\r\n\r\nsorry',
                 'garbage': b'\x00\x01\x02\r\n\r\n',
                 'long': b'HTTP/1.1 200 OK\r\nx: ' + b'a' * 100000,
                 'end': b''}
        if self.mood == 'hang':
            return
        if self.mood in moods:
            one.sendall(moods[self.mood])
            one.close()
            return
        if self.auth and f'proxy-authorization: {self.auth}\r\n' not in head:
            one.sendall(b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n'
                        b'Content-Length: 0\r\n\r\n')
            one.close()
            return
        host, _, port = head.split()[1].rpartition(':')
        # byte by byte, and one that the gateway could not look up
        for byte in b'HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n':
            one.sendall(bytes([byte]))
        self.carry(one, ('127.0.0.1' if host.endswith('.invalid') else host,
                         int(port)))

    def carry(self, one, to):
        other = socket.create_connection(to)
        self.open.append(other)
        back = threading.Thread(target=self.pump, args=(other, one),
                                daemon=True)
        back.start()
        self.pump(one, other)
        back.join()
        one.close()
        other.close()

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while True:
                piece = source.recv(65536)
                if not piece:
                    break
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def gateway(channels, **keys):
    keys.setdefault('environment', {'PROXY_AUTH': SECRET, 'OTHER': 'a:b'})
    keys.setdefault('probe', {'interval': '200ms', 'timeout': '2s'})
    return harness.Gateway(channels, **keys)


def reason(gate, name):
    return next(row for row in gate.ctl('show', 'channels')['channels']
                if row['name'] == name)['reason']


class Through(unittest.TestCase):

    def asked(self, gate, times=1):
        gate.account('rich', '1000')
        key = gate.key('rich')
        for _ in range(times):
            answer = gate.chat(key, 'hello @@chunks=3', stream=True)
            self.assertEqual(answer.status, 200, answer.body)
        return key

    def test_a_plain_upstream_behind_a_proxy_that_wants_credentials(self):
        with harness.Mock() as mock, Proxy(GIVEN) as proxy, \
                gateway([harness.channel(
                    f'http://only-the-proxy.invalid:{mock.port}',
                    proxy=proxy.url, proxy_auth='env:PROXY_AUTH')],
                    workers=1) as gate:
            self.asked(gate, 3)
            self.assertEqual(mock.tally()['requests'], 3)
            self.assertEqual(
                set(proxy.heads),
                {f'CONNECT only-the-proxy.invalid:{mock.port} HTTP/1.1\r\n'
                 f'host: only-the-proxy.invalid:{mock.port}\r\n'
                 f'proxy-authorization: {GIVEN}\r\n\r\n'})
            # to the proxy alone
            self.assertNotIn(b'roxy-auth', mock.last().lower())
            gate.verify()

    def test_tls_inside_the_tunnel(self):
        with tempfile.TemporaryDirectory() as folder:
            pair = harness.certificate(folder)
            with harness.Mock(tls=pair) as mock, Proxy() as proxy, \
                    gateway([harness.channel(mock, proxy=proxy.url)],
                            environment={'SSL_CERT_FILE': pair[0]}) as gate:
                self.asked(gate, 2)
                self.assertEqual(
                    {head.split()[1] for head in proxy.heads},
                    {f'127.0.0.1:{mock.port}'})
                gate.verify()

    def test_connections_come_from_the_source_address(self):
        with harness.Mock() as mock, Proxy(forward=mock.port) as straight, \
                Proxy() as proxy, gateway(
                    [harness.channel(straight, source_address='127.0.0.2')]
                ) as gate:
            key = self.asked(gate)
            self.assertEqual(set(straight.peers), {'127.0.0.2'})
            gate.configure(channels=[harness.channel(
                mock, proxy=proxy.url, source_address='127.0.0.3')])
            gate.ctl('reload')
            self.assertEqual(gate.chat(key).status, 200)
            self.assertEqual(set(proxy.peers), {'127.0.0.3'})

    def test_a_late_attempt_of_before_does_not_meet_the_new_proxy(self):
        with harness.Mock() as mock, Proxy() as proxy:
            slow = harness.channel(mock, 'slow', priority=1,
                                   first_byte_timeout='1s')
            slow['models'] = [{'name': 'gpt-4o',
                               'upstream': 'gpt-4o@@first=9000'}]
            plain = harness.channel(mock, 'plain', priority=2)
            with gateway([slow, plain], workers=1) as gate:
                gate.account('rich', '1000')
                key = gate.key('rich')
                answers = []

                def asked():
                    answers.append(gate.chat(key, 'hi', stream=True))

                late = threading.Thread(target=asked)
                late.start()
                harness.wait_until(lambda: mock.tally()['requests'] == 1,
                                   what='the first attempt')
                gate.configure(channels=[slow, {**plain,
                                                'proxy': proxy.url}])
                gate.ctl('reload')
                self.assertEqual(answers, [])
                late.join(harness.SLOW)
                self.assertEqual(answers[0].status, 200, answers[0].body)
                self.assertEqual(
                    answers[0].headers['x-tollgate-channel'], 'plain')
                # neither it nor its key came by
                self.assertEqual(proxy.heads, [])
                asked()
                self.assertEqual(answers[1].status, 200)
                self.assertEqual([head.split()[0] for head in proxy.heads],
                                 ['CONNECT'])
                gate.verify()


class Faults(unittest.TestCase):
    """A second channel answers; the first one says why it does not."""

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.proxy = Proxy(GIVEN)
        cls.gate = gateway(cls.channels(cls.proxy.url), workers=1,
                           routing={'cooldown': '1s'})
        cls.gate.account('rich', '1000')
        cls.key = cls.gate.key('rich')

    @classmethod
    def tearDownClass(cls):
        cls.gate.verify()
        cls.gate.close()
        cls.proxy.__exit__()
        cls.mock.stop()

    @classmethod
    def channels(cls, url, **fields):
        fields.setdefault('proxy_auth', 'env:PROXY_AUTH')
        return [harness.channel(cls.mock, 'first', priority=1, proxy=url,
                                connect_timeout='300ms', **fields),
                harness.channel(cls.mock, 'second', priority=2)]

    def fault(self, why, **change):
        """The client sees nothing of it, the operator does."""
        self.gate.configure(channels=self.channels(
            change.pop('url', self.proxy.url), **change))
        self.gate.ctl('reload')
        def asked():
            answer = self.gate.chat(self.key, 'hi', stream=True)
            self.assertEqual(answer.status, 200, answer.body)
            return why in reason(self.gate, 'first')

        try:
            harness.wait_until(asked, every=0.1, what=f'the reason {why!r}')
        finally:
            self.proxy.mood = 'well'
        shown = str(self.gate.ctl('show', 'channels')) + self.gate.errors()
        for secret in (SECRET, SECRET.split(':')[1], GIVEN.split()[1]):
            self.assertNotIn(secret, shown)
        self.assertIn(why, self.gate.errors())

    def test_bad_gateway(self):
        self.proxy.mood = '502'
        self.fault('it answers 502')

    def test_other_credentials(self):
        self.fault('(407)', proxy_auth='env:OTHER')

    def test_garbage(self):
        self.proxy.mood = 'garbage'
        self.fault('malformed')

    def test_a_head_without_end(self):
        self.proxy.mood = 'long'
        self.fault('too large')

    def test_it_hangs_up(self):
        self.proxy.mood = 'end'
        self.fault('the proxy hangs up')

    def test_it_hangs(self):
        self.proxy.mood = 'hang'
        self.fault('takes too long')

    def test_nobody_listens(self):
        self.fault('the proxy: Connection refused',
                   url=f'http://127.0.0.1:{harness.free_port()}')

    def test_no_such_source(self):
        self.fault('source_address', source_address='192.0.2.77')


if __name__ == '__main__':
    unittest.main()
