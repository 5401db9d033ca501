"""How a channel that is down is tried: by a connection, a request, or not."""

import contextlib
import http.server
import ssl
import tempfile
import threading
import time
import unittest

try:
    from tests.e2e import harness
    from tests.e2e.test_egress import GIVEN, SECRET, Proxy
except ImportError:
    import harness
    from test_egress import GIVEN, SECRET, Proxy

KEY = harness.UPSTREAM_KEY


class Upstream(http.server.ThreadingHTTPServer):
    """Fails every request that costs something; what a GET or HEAD gets is
    `mood`: a status, "hang" or "garbage"."""

    daemon_threads = True

    def __init__(self, tls=None):
        super().__init__(('127.0.0.1', 0), Answer)
        self.mood = 500
        self.asked = []
        self.connections = 0
        self.over = threading.Event()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        scheme = 'https' if tls else 'http'
        self.port = self.server_address[1]
        self.url = f'{scheme}://127.0.0.1:{self.port}'
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def handle_error(self, *_):
        pass

    def __exit__(self, *_):
        self.over.set()
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers['content-length']))
        self.say(500)

    def do_GET(self):
        server = self.server
        server.asked.append((self.command, self.path, dict(self.headers)))
        if server.mood == 'hang':
            server.over.wait(20)
        elif server.mood == 'garbage':
            self.wfile.write(b'\x00\x01 nonsense\r\n\r\n')
            self.close_connection = True
        else:
            self.say(server.mood)

    do_HEAD = do_GET

    def say(self, status):
        self.send_response(status)
        if status != 204:
            self.send_header('content-length', '2')
        self.end_headers()
        if self.command != 'HEAD' and status != 204:
            self.wfile.write(b'{}')


class Probes(unittest.TestCase):

    def start(self, upstream, probe, **fields):
        environment = fields.pop('environment', {})
        mock = harness.Mock()
        self.addCleanup(mock.stop)
        # another one: the last of a model would be kept
        self.other = harness.channel(mock, 'well', priority=2)
        gate = harness.Gateway(
            [harness.channel(upstream, 'sick', probe=probe, **fields),
             self.other], workers=1, environment={'PROXY_AUTH': SECRET, **environment},
            probe={'interval': '100ms', 'timeout': '1s'},
            routing={'cooldown': '100ms'})
        self.addCleanup(gate.close)
        gate.account('rich', '1000')
        self.key = gate.key('rich')
        return gate

    @staticmethod
    def row(gate):
        return gate.ctl('show', 'channels')['channels'][0]

    def break_it(self, gate):
        """Requests fail until the breaker opens."""
        def opened():
            gate.chat(self.key)
            return any('is=open' in line and 'no address' not in line
                       for line in gate.errors().splitlines())

        harness.wait_until(opened, every=0.02, what='an open breaker')

    def refused(self, gate, upstream, mood, why):
        """It is asked several times, and stays down."""
        upstream.mood = mood
        harness.wait_until(lambda: self.row(gate)['reason'] == why,
                           what=f'the reason {why!r}')
        n = len(upstream.asked)
        harness.wait_until(lambda: len(upstream.asked) >= n + 2,
                           what='more probes')
        self.assertIn(self.row(gate)['health'], ('open', 'half'))
        self.assertNotIn('is=degraded', gate.errors())

    def back(self, gate):
        harness.wait_until(lambda: self.row(gate)['usable'],
                           what='the end of it')
        self.assertIn('is=degraded', gate.errors())

    def test_an_upstream_that_connects_and_fails_stays_down(self):
        with Upstream() as upstream:
            gate = self.start(upstream, {'by': 'request'})
            self.break_it(gate)
            why = 'GET /v1/models: '
            self.refused(gate, upstream, 500, why + 'status 500')
            self.refused(gate, upstream, 503, why + 'status 503')
            self.refused(gate, upstream, 'garbage',
                         why + 'the answer is malformed')
            self.refused(gate, upstream, 'hang', why + 'no answer in time')
            upstream.mood = 200
            self.back(gate)
            self.assertEqual(self.row(gate)['reason'], '')
            method, path, head = upstream.asked[-1]
            self.assertEqual((method, path), ('GET', '/v1/models'))
            self.assertEqual(head['authorization'], f'Bearer {KEY}')
            self.assertEqual(head['host'], f'127.0.0.1:{upstream.port}')
            self.assertNotIn(KEY, gate.errors())
            gate.verify()

    def test_the_status_may_be_told(self):
        with Upstream() as upstream:
            gate = self.start(upstream, {
                'by': 'request', 'path': '/health?secret=1',
                'method': 'HEAD', 'status': 204})
            self.break_it(gate)
            self.refused(gate, upstream, 200, 'HEAD /health: status 200')
            upstream.mood = 204
            self.back(gate)
            self.assertEqual(upstream.asked[-1][:2],
                             ('HEAD', '/health?secret=1'))

    def test_a_limit_is_no_fault_and_a_refused_key_is_out(self):
        for mood, out in ((429, 0), (403, 0), (401, 1)):
            with self.subTest(status=mood), Upstream() as upstream:
                gate = self.start(upstream, {'by': 'request'})
                upstream.mood = mood
                self.break_it(gate)
                harness.wait_until(
                    lambda: self.row(gate)['health'] == 'degraded',
                    what='the end of it')
                row = self.row(gate)
                self.assertEqual(row['keys_out'], out)
                self.assertEqual(row['reason'],
                                 f'GET /v1/models: status {mood}')
                self.assertEqual(gate.errors().count(
                    'a provider refuses a credential'), out)

    def test_it_goes_the_way_that_requests_go(self):
        with tempfile.TemporaryDirectory() as folder:
            pair = harness.certificate(folder)
            with Upstream(tls=pair) as upstream, Proxy(GIVEN) as proxy:
                gate = self.start(
                    upstream, {'by': 'request'}, proxy=proxy.url,
                    proxy_auth='env:PROXY_AUTH', source_address='127.0.0.2',
                    environment={'SSL_CERT_FILE': pair[0]})
                self.break_it(gate)
                self.refused(gate, upstream, 502,
                             'GET /v1/models: status 502')
                proxy.mood = '502'
                harness.wait_until(
                    lambda: self.row(gate)['reason'] ==
                    'GET /v1/models: the proxy makes no tunnel',
                    what='the reason')
                proxy.mood = 'well'
                upstream.mood = 200
                self.back(gate)
                self.assertEqual(set(proxy.peers), {'127.0.0.2'})
                self.assertIn(GIVEN, proxy.heads[-1])
                self.assertNotIn(GIVEN, str(upstream.asked))

    def test_a_reload_while_one_runs_asks_anew(self):
        with Upstream() as upstream, Upstream() as other:
            gate = self.start(upstream, {'by': 'request'})
            upstream.mood = 'hang'
            self.break_it(gate)
            harness.wait_until(lambda: upstream.asked, what='a probe')
            other.mood = 200
            gate.configure(channels=[harness.channel(
                other, 'sick', probe={'by': 'request', 'path': '/up'}),
                self.other])
            gate.ctl('reload')
            self.back(gate)
            self.assertEqual({one[1] for one in other.asked}, {'/up'})

    def test_off_means_that_requests_try_it(self):
        with Upstream() as upstream:
            gate = self.start(upstream, {'by': 'off'})
            self.break_it(gate)
            self.back(gate)
            n = upstream.connections
            time.sleep(0.5)
            self.assertEqual(upstream.connections, n)
            self.assertEqual(upstream.asked, [])

    def test_by_a_connection_it_is_up_while_it_accepts(self):
        with Upstream() as upstream:
            gate = self.start(upstream, {'by': 'connect'})
            self.break_it(gate)
            self.back(gate)
            self.assertEqual(upstream.asked, [])

    def test_what_cannot_be_asked_is_refused_at_the_start(self):
        for fields, why in (
                ({'provider': 'azure'}, 'azure has no list of models'),
                ({'provider': 'bedrock', 'region': 'eu-west-1'},
                 'signed for AWS')):
            with self.subTest(**fields), contextlib.ExitStack() as stack:
                gate = harness.Gateway(
                    [harness.channel('http://127.0.0.1:1', **fields,
                                     probe={'by': 'request'})], start=False)
                stack.callback(gate.close)
                done = gate.run_tool(gate.server, '-t', '-c', gate.file,
                                     '-p', gate.folder, status=None)
                self.assertIn(why, done.stderr + done.stdout)


class Idle(unittest.TestCase):
    """Nobody asks, and the master finds out all the same."""

    def test_the_next_request_does_not_meet_who_has_gone(self):
        with harness.Mock() as gone, harness.Mock() as other, \
                harness.Gateway(
                    [harness.channel(gone, 'first', priority=1),
                     harness.channel(other, 'second', priority=2)],
                    probe={'interval': '10s', 'idle': '100ms'}) as gate:
            gate.account('rich', '1000')
            key = gate.key('rich')
            self.assertEqual(gate.chat(key).headers['x-tollgate-channel'],
                             'first')
            gone.stop()
            harness.wait_until(
                lambda: not self.row(gate)['usable'],
                what='a channel that is left alone')
            self.assertNotEqual(self.row(gate)['reason'], '')
            answer = gate.chat(key)
            self.assertEqual(answer.headers['x-tollgate-channel'], 'second')
            self.assertEqual(answer.headers['x-tollgate-attempts'], '1')

    def test_who_is_there_stays_usable(self):
        with Upstream() as upstream, harness.Gateway(
                [harness.channel(upstream, 'first')],
                probe={'interval': '100ms', 'idle': '100ms'}) as gate:
            before = upstream.connections
            harness.wait_until(lambda: upstream.connections >= before + 3,
                               what='three probes')
            self.assertTrue(self.row(gate)['usable'])
            self.assertEqual(self.row(gate)['health'], 'up')

    @staticmethod
    def row(gate):
        return gate.ctl('show', 'channels')['channels'][0]


if __name__ == '__main__':
    unittest.main()
