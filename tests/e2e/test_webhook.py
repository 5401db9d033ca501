"""A balance that falls below its threshold is told to the webhook, once."""

import hashlib
import hmac
import http.server
import json
import threading
import unittest

try:
    from tests.e2e import harness
except ImportError:
    import harness

SECRET = 'a webhook secret of some length'


class Hook:
    """A listener that keeps what it was sent; `fail` answers 500 first."""

    def __init__(self, fail=0):
        self.events = []
        self.seen = threading.Condition()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                body = self.rfile.read(int(self.headers['content-length']))
                with hook.seen:
                    hook.events.append((self.path, dict(self.headers), body))
                    bad = len(hook.events) <= fail
                    hook.seen.notify_all()
                self.send_response(500 if bad else 204)
                self.send_header('content-length', '0')
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                      Handler)
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()
        self.url = f'http://127.0.0.1:{self.server.server_port}/hooks/money'

    def wait(self, count, timeout=harness.SLOW):
        with self.seen:
            self.seen.wait_for(lambda: len(self.events) >= count, timeout)
            return list(self.events)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def signed(headers, body):
    fields = dict(part.split('=', 1)
                  for part in headers['x-tollgate-signature'].split(','))
    want = hmac.new(SECRET.encode(), f"{fields['t']}.".encode() + body,
                    hashlib.sha256).hexdigest()
    return hmac.compare_digest(want, fields['v1'])


class Webhook(unittest.TestCase):
    def gateway(self, mock, hook):
        return harness.Gateway(
            mock, webhook={'url': hook.url, 'secret': 'env:HOOK_SECRET'},
            environment={'HOOK_SECRET': SECRET})

    def test_each_fall_below_the_threshold_is_told_once_and_signed(self):
        with harness.Mock() as mock, Hook() as hook, \
                self.gateway(mock, hook) as gate:
            gate.account('a', '0.02')
            gate.account('b', '0.02')
            gate.ctl('account', 'set', 'a', '--low-balance', '0.019')
            key = gate.key('a')
            self.assertEqual(gate.chat(key, '@@tokens=100,100').status, 200)
            path, headers, body = hook.wait(1)[0]
            self.assertEqual(path, '/hooks/money')
            self.assertTrue(signed(headers, body))
            event = json.loads(body)
            self.assertEqual(event['event'], 'balance.low')
            self.assertEqual(event['account'], 'a')
            self.assertLess(harness.nano(event['balance_usd']),
                            harness.nano(event['threshold_usd']))
            # not again while it stays low, nor after a reload
            gate.chat(key, '@@tokens=100,100')
            gate.hup()
            gate.ctl('account', 'topup', 'a', '1', '--idempotency-key', 'k')
            self.assertEqual(len(hook.wait(2, timeout=1)), 1)
            # again when it falls again
            gate.ctl('account', 'set', 'a', '--low-balance', '2')
            events = hook.wait(2)
            self.assertEqual(len(events), 2)
            self.assertEqual(json.loads(events[1][2])['account'], 'a')

    def test_an_event_that_was_not_taken_is_sent_again(self):
        with harness.Mock() as mock, Hook(fail=1) as hook, \
                self.gateway(mock, hook) as gate:
            gate.account('a', '0.5')
            gate.ctl('account', 'set', 'a', '--low-balance', '1')
            events = hook.wait(2)
            self.assertEqual(len(events), 2)
            self.assertEqual(len(hook.wait(3, timeout=2.5)), 2)
            self.assertIn('could not be delivered', gate.errors())
            self.assertNotIn(SECRET, gate.errors())

    def test_nobody_listening_stops_nothing(self):
        with harness.Mock() as mock, Hook() as hook:
            hook.server.server_close()
            with self.gateway(mock, hook) as gate:
                gate.account('a', '0.5')
                gate.ctl('account', 'set', 'a', '--low-balance', '1')
                self.assertEqual(gate.chat(gate.key('a')).status, 200)

    def test_a_webhook_needs_its_secret(self):
        with harness.Mock() as mock, Hook() as hook:
            gate = harness.Gateway(mock, start=False,
                                   webhook={'url': hook.url})
            with gate, self.assertRaises(harness.Failed):
                gate.start()


if __name__ == '__main__':
    unittest.main()
