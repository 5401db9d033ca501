"""The client surface: endpoints, keys, errors, pass-through."""

import json
import time
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness


class Surface(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(cls.mock)
        cls.gate.account('a', '10')
        cls.key = cls.gate.key('a')

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.mock.stop()

    def tearDown(self):
        self.mock.script()

    def test_every_key_style(self):
        styles = ([('authorization', f'Bearer {self.key}')],
                  [('authorization', f'bearer {self.key}')],
                  [('x-api-key', self.key)], [('api-key', self.key)],
                  [('x-goog-api-key', self.key)])
        for headers in styles:
            with self.subTest(headers[0][0]):
                answer = self.gate.ask('GET', '/v1/models', headers=headers)
                self.assertEqual(answer.status, 200)
        self.assertEqual(
            self.gate.ask('GET', f'/v1/models?key={self.key}').status, 200)

    def expired_key(self):
        """A key that was good for a while."""
        for seconds in (2, 10, 40):
            end = int(time.time()) + seconds
            key = self.gate.key('a', expires=time.strftime(
                '%Y-%m-%dT%H:%M:%SZ', time.gmtime(end)))
            first = self.gate.chat(key).status
            if time.time() < end:
                self.assertEqual(first, 200)
                break
        harness.wait_until(lambda: time.time() > end + 0.01)
        return key

    def test_keys_that_open_nothing(self):
        gone = self.gate.ctl('key', 'create', '--account', 'a')
        self.gate.ctl('key', 'revoke', str(gone['id']))
        old = self.expired_key()
        far = self.gate.key('a', allow_ip='10.0.0.0/8')
        for key, status in ((None, 401), ('tg_wrong', 401), ('x' * 600, 401),
                            (gone.get('secret') or gone.get('key'), 401),
                            (old, 401), (far, 403)):
            with self.subTest(str(key)[:8]):
                answer = self.gate.chat(key)
                self.assertEqual(answer.status, status)
                self.assertIn('code', answer.error())

    def test_models_are_listed_by_what_the_key_may_use(self):
        names = {model['name'] for model in harness.MODELS}
        listed = self.gate.ask('GET', '/v1/models', key=self.key).json()
        self.assertEqual(listed['object'], 'list')
        self.assertEqual({m['id'] for m in listed['data']}, names)
        few = self.gate.key('a', models='gpt-4o,text-*')
        listed = self.gate.ask('GET', '/v1/models', key=few).json()
        self.assertEqual({m['id'] for m in listed['data']},
                         {'gpt-4o', 'text-embedding-3-small'})
        one = self.gate.ask('GET', '/v1/models/gpt-4o', key=self.key)
        self.assertEqual(one.json()['id'], 'gpt-4o')
        self.assertEqual(self.gate.ask('GET', '/v1/models/none',
                                       key=self.key).status, 404)
        self.assertEqual(self.gate.chat(few, model='gpt-4o-mini').status, 403)
        self.assertEqual(self.gate.chat(self.key, model='none').status, 404)

    def test_the_body_passes_byte_for_byte(self):
        body = (b'{ "top_p":1.0, "x":[1e400, 12345678901234567890],\n'
                b'"messages":[{"role":"user","content":"a\\ud83d\\u0000b"}],'
                b'"model" : "gpt-4o","dup":1,"dup":2}')
        answer = self.gate.ask('POST', '/v1/chat/completions', body, self.key)
        self.assertEqual(answer.status, 200)
        self.assertTrue(self.mock.last().endswith(body))

    def test_bad_bodies_are_refused_with_the_field(self):
        good = json.dumps({'model': 'gpt-4o', 'messages': []}).encode()
        cases = ((b'', None), (b'[]', None), (good + b'x', None),
                 (b'{"model":"a","model":"b","messages":[]}', 'model'),
                 (b'{"model":"gpt-4o"}', 'messages'),
                 (b'{"model":"gpt-4o","messages":[],"stream":1}', 'stream'),
                 (b'{"model":"gpt-4o","messages":["\xff"]}', None),
                 (b'{"model":"gpt-4o","messages":' + b'[' * 99, None))
        before = self.mock.tally(0)['requests']
        for body, param in cases:
            with self.subTest(body[:40]):
                answer = self.gate.ask('POST', '/v1/chat/completions', body,
                                       self.key)
                self.assertEqual(answer.status, 400)
                self.assertEqual(answer.error()['param'], param)
        self.assertEqual(self.mock.tally(0)['requests'], before)

    def test_wrong_paths_and_methods(self):
        self.assertEqual(self.gate.ask('GET', '/nope').status, 404)
        answer = self.gate.ask('GET', '/v1/chat/completions', key=self.key)
        self.assertEqual(answer.status, 405)
        self.assertEqual(answer.headers['allow'], 'POST')
        self.assertEqual(self.gate.ask('POST', '/v1/models', b'{}',
                                       self.key).status, 405)

    def test_embeddings_and_completions(self):
        answer = self.gate.ask(
            'POST', '/v1/embeddings',
            json.dumps({'model': 'text-embedding-3-small',
                        'input': ['one', 'two']}).encode(), self.key)
        self.assertEqual(len(answer.json()['data']), 2)
        self.assertIn('cost', answer.usage())
        answer = self.gate.ask(
            'POST', '/v1/completions',
            json.dumps({'model': 'gpt-4o', 'prompt': 'one'}).encode(),
            self.key)
        self.assertEqual(answer.status, 200)
        self.assertIn('cost', answer.usage())

    def test_balance_and_health(self):
        page = self.gate.ask('GET', '/v1/balance', key=self.key).json()
        self.assertEqual(page['account'], 'a')
        self.assertEqual(page['currency'], 'USD')
        self.assertLessEqual(page['available_usd'], page['balance_usd'])
        self.assertEqual(self.gate.ask('GET', '/healthz').status, 200)
        self.assertEqual(self.gate.ask('GET', '/readyz').status, 200)
        head = self.gate.ask('HEAD', '/healthz')
        self.assertEqual((head.status, head.body), (200, b''))

    def test_the_answer_names_channel_model_and_charge(self):
        answer = self.gate.chat(self.key)
        self.assertEqual(answer.headers['x-tollgate-channel'], 'mock')
        self.assertEqual(answer.headers['x-tollgate-model'], 'gpt-4o')
        self.assertEqual(answer.headers['x-tollgate-attempts'], '1')
        self.assertGreater(
            harness.nano(answer.headers['x-tollgate-charge-usd']), 0)
        self.assertRegex(answer.headers['x-request-id'], '^req_[0-9a-f]{32}$')

    def test_errors_of_the_request_are_the_providers(self):
        for status in (400, 404, 413, 422):
            with self.subTest(status):
                answer = self.gate.chat(
                    self.key, f'@@status={status} @@code=odd_code')
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.error()['code'], 'odd_code')

    def test_our_bad_credentials_are_not_the_clients_fault(self):
        with harness.Gateway(self.mock) as gate:
            gate.account('a', '10')
            key = gate.key('a')
            answer = gate.chat(key, '@@status=401')
            self.assertEqual(answer.status, 502)
            self.assertEqual(answer.error()['code'], 'upstream_credentials')
            answer = gate.chat(key)
            self.assertEqual(answer.status, 503)
            self.assertIn('retry-after', answer.headers)

    def test_another_model_is_an_error(self):
        answer = self.gate.chat(self.key, '@@model=gpt-3')
        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.error()['code'], 'upstream_model_mismatch')
        answer = self.gate.chat(self.key, '@@model=gpt-4o-2024-11-20')
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers['x-tollgate-model'],
                         'gpt-4o-2024-11-20')

    def test_a_key_may_take_another_model(self):
        """Told in the header, the ledger, the log and a metric."""
        made = self.gate.ctl('key', 'create', '--account', 'a',
                             '--substitution')
        self.assertTrue(made['substitution'])
        id_, key = str(made['id']), made['key']
        for stream in ('false', 'true'):
            with self.subTest(stream=stream):
                answer = self.gate.ask('POST', '/v1/chat/completions', {
                    'model': 'gpt-4o', 'stream': stream == 'true',
                    'messages': [{'role': 'user',
                                  'content': '@@model=gpt-3'}]}, key)
                self.assertEqual(answer.status, 200, answer.body)
                self.assertEqual(answer.headers['x-tollgate-model'], 'gpt-3')
                self.assertEqual(answer.headers['x-tollgate-substituted'],
                                 'gpt-4o')
        answer = self.gate.chat(key)
        self.assertNotIn('x-tollgate-substituted', answer.headers)
        rows = [row for row in self.gate.report() if row['key_id'] == id_]
        self.assertEqual([(row['model_served'], row['substituted'])
                          for row in rows],
                         [('gpt-3', 'true'), ('gpt-3', 'true'),
                          ('gpt-4o', 'false')])
        self.assertEqual([value for name, value in self.gate.metrics().items()
                          if name.startswith('tollgate_substitutions_total{')
                          and value], [2])
        # and no longer
        self.assertFalse(self.gate.ctl('key', 'set', id_,
                                       '--no-substitution')['substitution'])
        answer = self.gate.chat(key, '@@model=gpt-3')
        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.error()['code'], 'upstream_model_mismatch')

    def test_prompts_and_keys_are_nowhere(self):
        canary = 'CANARY-OF-THE-PROMPT-4711'
        self.gate.chat(self.key, canary)
        self.gate.chat(self.key, canary + ' @@status=500')
        self.gate.chat('tg_' + canary)
        self.gate.ask('POST', '/v1/chat/completions', canary.encode(),
                      self.key)
        harness.wait_until(self.gate.settled)
        places = (self.gate.errors(), json.dumps(self.gate.access()),
                  self.gate.admin('/metrics').body.decode(),
                  json.dumps(self.gate.dump()))
        for text in places:
            self.assertNotIn(canary, text)
            self.assertNotIn(self.key, text)
            self.assertNotIn(harness.UPSTREAM_KEY, text)


class Streams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(cls.mock, stream={'keepalive': '300ms'})
        cls.gate.account('a', '10')
        cls.key = cls.gate.key('a')

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.mock.stop()

    def stream(self, text, **fields):
        return self.gate.chat(self.key, text, stream=True, **fields)

    def test_all_shapes_of_the_stream_give_the_same_text(self):
        plain = self.stream('@@chunks=5')
        self.assertEqual(plain.events()[-1], '[DONE]')
        self.assertIsNone(plain.usage())
        for shape in ('@@eol=crlf', '@@eol=cr', '@@comments=2', '@@multiline',
                      '@@nospace', '@@fields', '@@bom', '@@split=1',
                      '@@frame=3', '@@framing=close', '@@trailers',
                      '@@usage=each', '@@usage=two', '@@usagenull',
                      '@@text=surrogate', '@@text=nul', '@@text=utf8'):
            with self.subTest(shape):
                answer = self.stream(f'@@chunks=5 {shape}')
                self.assertEqual(answer.events()[-1], '[DONE]')
                if 'text' not in shape:
                    self.assertEqual(answer.text(), plain.text())
                self.assertIsNone(answer.usage())

    def test_the_usage_event_comes_to_who_asked(self):
        for shape in ('', '@@usage=each', '@@usage=missing'):
            with self.subTest(shape):
                answer = self.stream(f'@@chunks=5 {shape}',
                                     stream_options={'include_usage': True})
                self.assertIn('cost', answer.usage())
                self.assertEqual(answer.events()[-1], '[DONE]')

    def test_a_stream_that_is_cut_ends_with_an_error(self):
        for cut in ('@@cut=900', '@@rst=900', '@@nodone @@usage=missing',
                    '@@badchunk=3', '@@error=3'):
            with self.subTest(cut):
                answer = self.stream(f'@@chunks=20 {cut}')
                # long before any timeout
                self.assertLess(answer.end - answer.started, 30)
                self.assertEqual(answer.status, 200)
                self.assertIn('error', answer.chunks()[-1])
                self.assertNotIn('[DONE]', answer.events())

    def test_silence_is_filled_with_comments(self):
        answer = self.stream('@@chunks=3 @@stall=2 @@stall_ms=1500')
        kinds = [kind for kind, _ in client.parse_sse(answer.body)]
        self.assertIn('comment', kinds)
        self.assertEqual(answer.events()[-1], '[DONE]')

    def test_a_client_that_leaves_cancels_the_upstream(self):
        with client.Connection(self.gate.url) as link:
            link.send(client.request(
                'POST', '/v1/chat/completions',
                client.chat('@@chunks=5000 @@delay=20 @@tag=left',
                            stream=True), self.key))
            link.read('POST', stop_at=600)
        self.mock.wait(lambda tally: self.mock.record('left')['end'] ==
                       'aborted')


class Failover(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.good = harness.Mock()
        cls.bad = harness.Mock()

    @classmethod
    def tearDownClass(cls):
        cls.good.stop()
        cls.bad.stop()

    def gateway(self, **fields):
        return harness.Gateway(
            [harness.channel(self.bad, 'bad', priority=1,
                             first_byte_timeout='300ms',
                             answer_timeout='300ms', **fields),
             harness.channel(self.good, 'good', priority=2)],
            routing={'strategy': 'failover', 'cooldown': '100ms'})

    def test_any_fault_before_the_first_byte_moves_on(self):
        faults = ('@@status=500', '@@status=503', '@@status=429', '@@reset',
                  '@@fin', '@@first=2000', '@@badhead=garbage',
                  '@@badjson=garbage', '@@cut=10', '@@status=401')
        with self.gateway() as gate:
            gate.account('a', '10')
            key = gate.key('a')
            for stream in (False, True):
                for fault in faults:
                    if stream and fault == '@@badjson=garbage':
                        continue
                    with self.subTest(fault, stream=stream):
                        self.bad.script(fault)
                        answer = gate.chat(key, stream=stream)
                        self.assertEqual(answer.status, 200)
                        self.assertEqual(
                            answer.headers['x-tollgate-channel'], 'good')
                        time.sleep(0.12)
            self.bad.script()
            harness.wait_until(gate.settled)
            gate.verify()

    def test_a_dead_channel_is_left_alone(self):
        dead = harness.Mock()
        with harness.Gateway(
                [harness.channel(dead, 'dead', priority=1),
                 harness.channel(self.good, 'good', priority=2)],
                routing={'cooldown': '1h'}) as gate:
            gate.account('a', '10')
            key = gate.key('a')
            self.assertEqual(gate.chat(key).headers['x-tollgate-channel'],
                             'dead')
            dead.stop()
            for _ in range(20):
                answer = gate.chat(key)
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers['x-tollgate-channel'],
                                 'good')
            row = gate.report()[-1]
            self.assertEqual(row['attempts'], '1')


class Pools(unittest.TestCase):
    """Connections to the upstream are kept."""

    def test_relaxed_streams_share_their_upstream_connection(self):
        """Also when the answer ends before the upstream's last chunk."""
        with harness.Mock() as mock, harness.Gateway(
                mock, workers=1, ledger={'durability': 'relaxed',
                                         'map_size': '256MiB'}) as one:
            one.account('a', '1')
            key = one.key('a')
            before = mock.tally(0)['accepted']
            for _ in range(8):
                answer = one.chat(key, 'hello @@chunks=1 @@split=9 @@split_ms=1',
                                  stream=True)
                self.assertEqual(answer.events()[-1], '[DONE]')
            self.assertLess(mock.tally(0)['accepted'] - before, 4)


class Refused(unittest.TestCase):
    """Bodies that the server does not take."""

    def test_a_body_too_large_is_one_request_with_one_id(self):
        with harness.Mock() as mock, harness.Gateway(
                mock, workers=1, limits={'body_size': '4KiB'},
                cors={'origins': ['*']}) as one:
            one.account('a', '1')
            answer = one.ask('POST', '/v1/chat/completions', b'x' * 5000,
                             one.key('a'), {'origin': 'https://page.example'})
            self.assertEqual(answer.status, 413)
            self.assertEqual(answer.headers['access-control-allow-origin'],
                             'https://page.example')
            lines = harness.wait_until(one.access, what='a line')
            self.assertEqual([(line['req_id'], line['status'])
                              for line in lines if line['status'] == 413],
                             [(answer.headers['x-request-id'], 413)])
            counted = sum(
                value for name, value in one.metrics().items()
                if name.startswith('tollgate_requests_total')
                and 'caller_too_large' in name)
            self.assertEqual(counted, 1)


if __name__ == '__main__':
    unittest.main()
