"""The mock upstream itself: a witness must be right."""

import base64
import json
import struct
import tempfile
import ssl
import time
import unittest

import client
import harness


class MockTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock(workers=2)

    @classmethod
    def tearDownClass(cls):
        cls.mock.stop()

    def setUp(self):
        self.mock.reset()

    def chat(self, text, timeout=harness.SLOW, **fields):
        return client.ask(self.mock.url, 'POST', '/v1/chat/completions',
                          client.chat(text, **fields), timeout=timeout)

    def stream(self, text, usage=True, **fields):
        return self.chat(text, stream=True,
                         stream_options={'include_usage': usage}, **fields)

    def test_a_plain_answer_has_the_documented_figures(self):
        body = client.chat('hello')
        span = len(json.dumps(body['messages'], separators=(',', ':')))
        answer = self.chat('hello')
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.text(),
                         ''.join(f't{i:06d} ' for i in range(8)))
        self.assertEqual(answer.usage(), {
            'prompt_tokens': 8 + span // 4, 'completion_tokens': 8,
            'total_tokens': 16 + span // 4})

    def test_a_stream_reports_usage_only_when_asked(self):
        self.assertIsNone(self.stream('@@chunks=3', usage=False).usage())
        answer = self.stream('@@chunks=3 @@think=2')
        self.assertEqual(answer.usage()['completion_tokens'], 5)
        self.assertEqual(answer.events()[-1], '[DONE]')
        self.assertEqual(answer.text(), 't000000 t000001 t000002 ')

    def test_a_maximum_ends_the_answer_with_length(self):
        answer = self.chat('@@chunks=100', max_tokens=4)
        self.assertEqual(answer.usage()['completion_tokens'], 4)
        self.assertEqual(answer.json()['choices'][0]['finish_reason'],
                         'length')
        answer = self.chat('@@chunks=100 @@nolimit', max_tokens=4)
        self.assertEqual(answer.usage()['completion_tokens'], 100)

    def test_the_tally_counts_what_was_sent(self):
        self.stream('@@chunks=3 @@size=10 @@tag=one')
        self.chat('@@tokens=100,20,30,4')
        # Counted a moment after the last byte, perhaps by the other worker.
        self.mock.wait(lambda tally: tally['answered'] == 2)
        tally = self.mock.tally()
        self.assertEqual(tally['requests'], 2)
        self.assertEqual(tally['answered'], 2)
        self.assertEqual(tally['chunks'], 3)
        self.assertEqual(tally['content_bytes'], 30 + 64)
        self.assertEqual(tally['cached_tokens'], 30)
        self.assertEqual(tally['reasoning_tokens'], 4)
        self.assertEqual(tally['models']['gpt-4o']['usages'], 2)
        record = self.mock.record('one')
        self.assertEqual((record['chunks'], record['content_bytes'],
                          record['end'], record['usage_sent']),
                         (3, 30, 'answered', True))

    def test_wrong_usages(self):
        for kind, want in (('zero', 0), ('huge', 10 ** 12), ('negative', -5),
                           ('2^63', 2 ** 63), ('float', 12.5)):
            usage = self.chat(f'@@usage={kind}').usage()
            self.assertEqual(usage['prompt_tokens'], want)
            self.assertEqual(usage['completion_tokens'], want)
        self.assertIsNone(self.chat('@@usage=missing').usage())
        self.assertEqual(self.chat('@@usage=empty').usage(), {})
        self.assertNotIn('completion_tokens',
                         self.chat('@@usage=partial').usage())
        two = [chunk['usage'] for chunk in self.stream('@@usage=two').chunks()
               if 'usage' in chunk]
        self.assertEqual([usage['completion_tokens'] for usage in two], [8, 9])
        each = [chunk['usage']['completion_tokens']
                for chunk in self.stream('@@usage=each @@chunks=3').chunks()]
        self.assertEqual(each, [0, 1, 2, 3, 3, 3])
        early = self.stream('@@usage=early').chunks()
        self.assertIn('usage', early[0])
        self.assertFalse(any('usage' in chunk for chunk in early[1:]))

    def test_errors_come_in_the_envelope(self):
        for status in (400, 401, 403, 404, 429, 500, 502, 503, 529):
            answer = self.chat(f'@@status={status} @@retry_after=2')
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.headers['retry-after'], '2')
            self.assertTrue(answer.error()['message'])
        answer = self.stream('@@error=2')
        self.assertEqual(len(answer.chunks()), 4)
        self.assertIn('error', answer.chunks()[-1])

    def test_an_unknown_directive_is_refused(self):
        answer = self.chat('@@nonsense=1')
        self.assertEqual(answer.status, 400)
        self.assertIn('nonsense', answer.error()['message'])

    def test_a_broken_request_is_refused(self):
        for body in (b'{"model":"m","model":"m","messages":[]}', b'{',
                     b'{"model":"m","messages":[]}x'):
            answer = client.ask(self.mock.url, 'POST',
                                '/v1/chat/completions', body)
            self.assertEqual(answer.status, 400, body)
        self.mock.wait(lambda tally: tally['errors'] == 3)
        for head in (b'GET / HTTP/1.1\r\n\r\n',
                     b'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n'
                     b'transfer-encoding: chunked\r\n\r\n0\r\n\r\n',
                     b'GET / HTTP/1.1\r\nhost : x\r\n\r\n'):
            with client.Connection(self.mock.url) as one:
                one.send(head)
                self.assertEqual(one.read().status, 400)
        self.mock.wait(lambda tally: tally['http_errors'] == 3)

    def test_a_chunked_request_is_unwrapped(self):
        body = json.dumps(client.chat('@@chunks=2')).encode()
        head = (b'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n'
                b'transfer-encoding: chunked\r\n\r\n')
        framed = b''.join(b'%x\r\n%s\r\n' % (len(part), part) for part in (
            body[:7], body[7:])) + b'0\r\n\r\n'
        with client.Connection(self.mock.url) as one:
            for i in range(0, len(framed), 5):
                one.send((head if i == 0 else b'') + framed[i:i + 5])
            self.assertEqual(one.read().usage()['completion_tokens'], 2)
        self.assertEqual(self.mock.last(), head + framed)

    def test_cuts_and_resets(self):
        whole = self.chat('@@chunks=50')
        for n in (0, 1, 100, len(whole.body) - 1):
            cut = self.chat(f'@@chunks=50 @@cut={n}')
            self.assertEqual(cut.ended, 'eof')
            self.assertEqual(len(cut.body), n)
            self.assertEqual(self.chat(f'@@chunks=50 @@rst={n}').ended,
                             'reset')
        self.assertEqual(len(self.chat('@@cut_head=9').raw), 9)
        self.assertEqual(self.chat('@@reset').ended, 'reset')
        self.assertEqual(self.chat('@@fin').ended, 'eof')
        self.mock.wait(lambda tally: tally['broken'] == 11)

    def test_a_client_that_leaves_is_counted(self):
        with client.Connection(self.mock.url) as one:
            one.send(client.request(
                'POST', '/v1/chat/completions',
                client.chat('@@stall=2 @@tag=gone', stream=True)))
            part = one.read(stop_at=700)
            self.assertEqual(part.ended, 'stopped')
        self.mock.wait(lambda tally: tally['aborted'] == 1)
        self.assertEqual(self.mock.record('gone')['chunks'], 2)

    def test_held_answers_wait_for_their_release(self):
        self.mock.script('@@hold')
        with client.Swarm(self.mock.url) as swarm:
            for _ in range(300):
                swarm.add(client.request('POST', '/v1/chat/completions',
                                         client.chat('x')))
            swarm.run(until=lambda: swarm.sent == 300)
            self.mock.wait(lambda tally: tally['holding'] == 300)
            self.mock.release(7)
            swarm.run(until=lambda: swarm.answered == 7)
            self.mock.wait(lambda tally: tally['holding'] == 293)
            self.mock.release()
            self.assertTrue(swarm.run())
        self.mock.wait(lambda tally: tally['answered'] == 300)
        self.assertEqual(self.chat('x').status, 200)

    def test_what_is_held_after_a_release_waits_for_the_next_one(self):
        """Even where a process hears of the release late."""
        for _ in range(50):
            self.mock.reset()
            self.mock.script('@@hold')
            with client.Swarm(self.mock.url) as swarm:
                for _ in range(8):
                    swarm.add(client.request('POST', '/v1/chat/completions',
                                             client.chat('x')))
                swarm.run(until=lambda: swarm.sent == 8)
                self.mock.wait(lambda tally: tally['holding'] == 8)
                self.mock.release()
                self.assertTrue(swarm.run())

    def test_a_stream_can_be_held_in_the_middle(self):
        with client.Connection(self.mock.url) as one:
            one.send(client.request(
                'POST', '/v1/chat/completions',
                client.chat('@@hold_at=3 @@chunks=5', stream=True)))
            self.mock.wait(lambda tally: tally['holding'] == 1)
            self.mock.wait(lambda tally: tally['chunks'] == 3)
            self.mock.release()
            self.assertEqual(len(one.read().chunks()), 7)

    def test_a_script_rules_by_model_count_and_turn(self):
        self.mock.rules({'do': '@@status=500', 'model': 'a', 'count': 2},
                        {'do': '@@status=503', 'model': 'b', 'every': 3})
        got = [self.chat('x', model='a').status for _ in range(4)]
        self.assertEqual(got, [500, 500, 200, 200])
        got = [self.chat('x', model='b').status for _ in range(6)]
        self.assertEqual(got, [200, 200, 503, 200, 200, 503])
        self.assertEqual(self.chat('x', model='c@@status=529').status, 529)

    def test_a_reused_connection_can_be_reset(self):
        self.mock.rules({'do': '@@reset', 'reused': True})
        with client.Connection(self.mock.url) as one:
            ask = ('POST', '/v1/chat/completions', client.chat('x'))
            self.assertEqual(one.ask(*ask).status, 200)
            self.assertEqual(one.ask(*ask).ended, 'reset')

    def test_the_stream_survives_every_shape(self):
        plain = self.stream('@@chunks=4').chunks()
        for shape in ('@@eol=crlf', '@@eol=cr', '@@comments=3', '@@multiline',
                      '@@nospace', '@@fields', '@@bom', '@@split=1',
                      '@@frame=1', '@@frame=7 @@split=3 @@multiline',
                      '@@framing=close', '@@trailers', '@@badhead=chunkext',
                      '@@continue=3', '@@hints=2'):
            answer = self.stream('@@chunks=4 ' + shape)
            self.assertEqual(answer.ended, 'complete', shape)
            self.assertEqual([chunk['choices'] for chunk in answer.chunks()],
                             [chunk['choices'] for chunk in plain], shape)

    def test_special_texts(self):
        self.assertEqual(self.chat('@@text=surrogate @@chunks=2').text(),
                         '\U0001f600')
        chunks = self.stream('@@text=surrogate @@chunks=2').body
        self.assertIn(b'"\\ud83d"', chunks)
        self.assertIn(b'"\\ude00"', chunks)
        self.assertEqual(self.chat('@@text=nul @@chunks=1').text(), 'a\0b ')
        self.assertEqual(self.chat('@@text=utf8 @@chunks=1').text(),
                         '\u00e9\u4e2d\U0001f600 ')
        self.assertEqual(
            json.loads(self.stream('x', response_format={
                'type': 'json_object'}).text()),
            {'name': 'Ada', 'age': 36, 'tags': ['x', 'y']})

    def test_tool_calls(self):
        calls = self.chat('@@tools=2').json()['choices'][0]['message'][
            'tool_calls']
        want = {'city': 'Z\u00fcrich "HB"', 'unit': 'celsius'}
        self.assertEqual([json.loads(call['function']['arguments'])
                          for call in calls], [want, want])
        parts = ''
        for chunk in self.stream('@@tools=1').chunks():
            for choice in chunk['choices']:
                for call in choice['delta'].get('tool_calls', ()):
                    parts += call['function']['arguments']
        self.assertEqual(json.loads(parts), want)

    def test_embeddings(self):
        def ask(**fields):
            answer = client.ask(self.mock.url, 'POST', '/v1/embeddings',
                                {'model': 'e', **fields})
            return [row['embedding'] for row in answer.json()['data']]
        plain = ask(input=['a', 'b', 'c'], dimensions=5)
        packed = ask(input=['a', 'b', 'c'], dimensions=5,
                     encoding_format='base64')
        self.assertEqual(plain, [list(struct.unpack('<5f', base64.b64decode(
            row))) for row in packed])
        self.assertEqual(plain[1][2], ((31 + 14) % 200 - 100) / 128)
        self.assertEqual(len(ask(input=[1, 2, 3])), 1)
        self.assertEqual(len(ask(input=[[1, 2], [3]])), 2)
        self.assertEqual(len(ask(input='text @@dim=7')[0]), 7)

    def test_broken_answers_are_broken(self):
        for kind in ('garbage', 'status', 'colon', 'space', 'twolen', 'lente',
                     'barelf', 'neglen'):
            self.assertEqual(self.chat(f'@@badhead={kind}').ended, 'bad',
                             kind)
        for kind in ('truncate', 'garbage', 'trailing', 'html', 'empty',
                     'deep'):
            body = self.chat(f'@@badjson={kind}').body
            with self.assertRaises((ValueError, RecursionError), msg=kind):
                json.loads(body)
        self.assertEqual(self.stream('@@badhead=chunksize').ended, 'bad')
        self.assertEqual(self.chat('@@clen=5', timeout=0.3).ended, 'timeout')
        endless = self.stream('@@endless=100000 @@endless_at=2')
        self.assertGreater(len(endless.body), 100000)
        self.assertEqual(len(endless.events()), 3)

    def test_delays_are_kept(self):
        start = time.monotonic()
        self.stream('@@first=60 @@delay=20 @@chunks=4 @@stall=2 @@stall_ms=50')
        self.assertGreaterEqual(time.monotonic() - start, 0.155)

    def test_keys_are_asked_for(self):
        with harness.Mock('--keys', 'one,two') as mock:
            def ask(key):
                return client.ask(mock.url, 'POST', '/v1/chat/completions',
                                  client.chat('x'), key).status
            self.assertEqual([ask('one'), ask('two'), ask('two'), ask('no'),
                              ask(None)], [200, 200, 200, 401, 401])
            mock.wait(lambda tally: tally['answered'] >= 3)
            keys = mock.tally()['keys']
            self.assertEqual((keys['one']['answered'],
                              keys['two']['answered']), (1, 2))

    def test_it_speaks_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            pair = harness.certificate(folder)
            with harness.Mock(tls=pair) as mock:
                good = ssl.create_default_context(cafile=pair[0])
                with client.Connection(mock.url, context=good) as one:
                    answer = one.ask('POST', '/v1/chat/completions',
                                     client.chat('@@chunks=5000 @@size=100'))
                    self.assertEqual(len(answer.text()), 500000)
                with self.assertRaises(ssl.SSLError):
                    client.Connection(mock.url)
                mock.wait(lambda tally: tally['tls_errors'] == 1)


if __name__ == '__main__':
    unittest.main()
