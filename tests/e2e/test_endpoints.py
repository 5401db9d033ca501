"""Endpoints that are passed through: pictures, speech, moderations, reranks.
What the upstream gets is what the client sent, what the client gets is what
the upstream answered, and the ledger says what the upstream tallied."""

import hashlib
import json
import os
import unittest

try:
    from tests.e2e import client, harness, services
except ImportError:
    import client
    import harness
    import services

MODELS = (
    {'name': 'picture', 'per_image': '0.04'},
    {'name': 'painter', 'input': '5.00', 'output': '40.00'},
    {'name': 'listener', 'per_second': '0.0001'},
    {'name': 'scribe', 'input': '2.50', 'output': '10.00'},
    {'name': 'voice', 'per_million_characters': '15.00'},
    {'name': 'talker', 'input': '0.60', 'output': '12.00'},
    {'name': 'judge', 'free': True},
    {'name': 'sorter', 'per_request': '0.002'},
    {'name': 'ranker', 'input': '0.05'},
    {'name': 'chatter', 'input': '2.50', 'output': '10.00'},
    {'name': 'called', 'per_request': '0.01'},
)
BOUNDARY = 'a-boundary--of.the+test'


def part(name, value, file=None):
    head = f'Content-Disposition: form-data; name="{name}"'
    if file:
        head += (f'; filename="{file}"\r\n'
                 'Content-Type: application/octet-stream')
    value = value if isinstance(value, bytes) else value.encode()
    return (f'--{BOUNDARY}\r\n{head}\r\n\r\n').encode() + value + b'\r\n'


def form(*parts):
    return b''.join(parts) + f'--{BOUNDARY}--\r\n'.encode()


def wav(ms):
    """Sound of 8 kHz, 16 bits, one channel."""
    data = bytes(16 * ms)
    return (b'RIFF' + (36 + len(data)).to_bytes(4, 'little') + b'WAVEfmt '
            + bytes.fromhex('10000000 0100 0100 401f0000 803e0000 0200 1000')
            + b'data' + len(data).to_bytes(4, 'little') + data)


def offers(provider='openai', **names):
    return [{'name': model['name'], **({'upstream': names[model['name']]}
                                       if model['name'] in names else {})}
            for model in MODELS]


class Endpoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up, cls.spare = services.Services(), services.Services()
        cls.gate = harness.Gateway([
            harness.channel(cls.up, 'first', priority=1, cost='0.5',
                            models=offers(listener='whisper-1',
                                          picture='an "image"')),
            harness.channel(cls.spare, 'second', priority=2,
                            models=[{'name': 'listener'},
                                    {'name': 'voice'}])],
            models=MODELS + ({'name': 'only-azure', 'per_image': '0.1'},
                             {'name': 'only-cohere', 'per_request': '0.002'},
                             {'name': 'only-claude', 'per_image': '0.1'}),
            routing={'cooldown': '0s', 'attempts': 2})
        more = [
            harness.channel(cls.up, 'azure', provider='azure',
                            models=[{'name': 'only-azure',
                                     'upstream': 'deployed'}]),
            harness.channel(cls.up, 'cohere', provider='cohere',
                            models=[{'name': 'only-cohere',
                                     'upstream': 'cohere-rerank'}]),
            harness.channel(cls.up, 'claude', provider='anthropic',
                            models=[{'name': 'only-claude'}])]
        cls.gate.configure(channels=cls.gate.keys['channels'] + more)
        cls.gate.ctl('reload')
        cls.gate.account('rich', '1000')
        cls.gate.account('poor', '0.05')
        cls.key = cls.gate.key('rich')

    @classmethod
    def tearDownClass(cls):
        cls.gate.ledger('verify', '--recompute')
        cls.gate.close()
        cls.up.stop()
        cls.spare.stop()

    def setUp(self):
        self.up.reset()
        self.spare.reset()

    def post(self, path, body, key=None, kind=None):
        if isinstance(body, dict):
            body, kind = json.dumps(body).encode(), 'application/json'
        kind = kind or f'multipart/form-data; boundary="{BOUNDARY}"'
        return self.gate.ask('POST', path, body, key or self.key,
                             [('content-type', kind)])

    def entry(self, answer, kind='request'):
        harness.wait_until(self.gate.settled)
        found = [e for e in self.gate.dump()
                 if 'req_' + e['request_id'] == answer.headers['x-request-id']
                 and e['kind'] == kind]
        self.assertEqual(len(found), 1)
        return found[0]

    def charged(self, answer, usd, unit='', units=0, source='upstream'):
        entry = self.entry(answer)
        self.assertEqual(harness.nano(entry['charge_usd']),
                         harness.nano(usd))
        self.assertEqual((entry['unit'], entry['units']), (unit, units))
        self.assertEqual(entry['usage_source'], source)
        self.assertLessEqual(harness.nano(entry['charge_usd']),
                             harness.nano(entry['hold_usd']))
        return entry

    def refused(self, answer, status, code, words):
        self.assertEqual(answer.status, status, answer.body[:400])
        error = json.loads(answer.body)['error']
        self.assertEqual(error['code'], code)
        self.assertIn(words, error['message'])
        self.assertEqual(self.up.got, [])

    # pictures

    def test_pictures_are_paid_one_by_one(self):
        answer = self.post('/v1/images/generations',
                           {'model': 'picture', 'prompt': 'a cat', 'n': 3,
                            'unknown': [1, {'x': 2}]})
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(json.loads(answer.body)['data']), 3)
        self.assertEqual(self.up.got[0]['path'], '/v1/images/generations')
        self.assertEqual(self.up.got[0]['body'],
                         b'{"model": "an \\"image\\"", "prompt": "a cat", '
                         b'"n": 3, "unknown": [1, {"x": 2}]}')
        self.assertEqual(self.up.tally, {'images': 3})
        entry = self.charged(answer, '0.12', 'images', 3)
        self.assertEqual(entry['route'], '/v1/images/generations')
        self.assertEqual(harness.nano(entry['upstream_usd']), 60000000)
        self.assertEqual(harness.nano(answer.headers['x-tollgate-charge-usd']),
                         120000000)

    def test_pictures_are_paid_by_tokens(self):
        answer = self.post('/v1/images/generations',
                           {'model': 'painter', 'prompt': 'a cat', 'n': 2})
        self.charged(answer, harness.usd(harness.cost(
            [(50, '5.00'), (544, '40.00')])), 'images', 2)

    def test_tokens_nobody_told_are_estimated_and_said_to_be(self):
        self.up.mode = 'silent'
        answer = self.post('/v1/images/generations',
                           {'model': 'painter', 'prompt': 'a cat' * 8})
        self.assertEqual(answer.headers['x-tollgate-estimated'], 'true')
        entry = self.charged(answer, harness.usd(harness.cost(
            [(11, '5.00'), (1056, '40.00')])), 'images', 1, 'estimated')
        self.assertEqual(entry['rule'], 'R3')

    def test_a_form_passes_byte_for_byte(self):
        body = form(part('model', 'painter'), part('prompt', 'a hat'),
                    part('image[]', os.urandom(70000) + b'\r\n--a-bound',
                         'x.png'),
                    part('image[]', b'\r\n\r\n', 'y.png'), part('n', '2'))
        answer = self.post('/v1/images/edits', body)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.up.got[0]['sha'],
                         hashlib.sha256(body).hexdigest())
        self.assertEqual(self.up.got[0]['type'],
                         f'multipart/form-data; boundary="{BOUNDARY}"')
        self.charged(answer, harness.usd(harness.cost(
            [(50, '5.00'), (544, '40.00')])), 'images', 2)

    def test_partial_pictures_are_streamed(self):
        answer = self.post('/v1/images/generations',
                           {'model': 'painter', 'prompt': 'a cat',
                            'stream': True, 'partial_images': 4})
        self.assertEqual(answer.status, 200)
        kinds = [event['type'] for event in answer.chunks()]
        self.assertEqual(kinds, ['image_generation.partial_image'] * 4
                         + ['image_generation.completed'])
        self.charged(answer, harness.usd(harness.cost(
            [(50, '5.00'), (272, '40.00')])), 'images', 1)

    # sound

    def sound(self, model='listener', file=None, **fields):
        return form(part('file', file or wav(3000), 'a.wav'),
                    *(part(k, v) for k, v in fields.items()),
                    part('model', model))

    def test_sound_is_paid_by_the_second(self):
        body = self.sound()
        answer = self.post('/v1/audio/transcriptions', body)
        self.assertEqual(json.loads(answer.body)['text'], 'hello')
        self.assertEqual(self.up.got[0]['model'], 'whisper-1')
        self.assertEqual(self.up.got[0]['body'],
                         body.replace(b'\r\nlistener\r\n',
                                      b'\r\nwhisper-1\r\n'))
        self.charged(answer, '0.001234', 'milliseconds',
                     self.up.tally['milliseconds'])
        answer = self.post('/v1/audio/translations',
                           self.sound(response_format='verbose_json'))
        self.charged(answer, '0.001234', 'milliseconds', 12340)

    def test_seconds_nobody_told_are_those_of_the_file(self):
        self.up.mode = 'silent'
        answer = self.post('/v1/audio/transcriptions', self.sound())
        self.charged(answer, '0.0003', 'milliseconds', 3000, 'estimated')
        answer = self.post('/v1/audio/transcriptions',
                           self.sound(file=bytes(40000)))
        self.charged(answer, '0.001', 'milliseconds', 10000, 'estimated')

    def test_text_formats_come_as_they_are(self):
        answer = self.post('/v1/audio/transcriptions',
                           self.sound(response_format='srt'))
        self.assertEqual(answer.headers['content-type'],
                         'text/plain; charset=utf-8')
        self.assertEqual(answer.body,
                         b'1\n00:00:00,000 --> 00:00:12,340\nhello\n')
        self.charged(answer, '0.0003', 'milliseconds', 3000, 'estimated')

    def test_a_transcript_is_streamed(self):
        answer = self.post('/v1/audio/transcriptions',
                           self.sound('scribe', stream='true'))
        self.assertIn(b'transcript.text.done', answer.body)
        self.charged(answer, harness.usd(harness.cost(
            [(124, '2.50'), (7, '10.00')])))

    def test_speech_is_paid_by_the_character(self):
        text = 'h\u00e9llo \U0001f600'
        answer = self.post('/v1/audio/speech',
                           {'model': 'voice', 'input': text, 'voice': 'x'})
        self.assertEqual(answer.headers['content-type'], 'audio/mpeg')
        self.assertEqual(hashlib.sha256(answer.body).digest(),
                         hashlib.sha256(services.VOICE).digest())
        self.assertEqual(self.up.tally, {'characters': 7})
        self.charged(answer, '0.000105', 'characters', 7)

    def test_speech_in_events_is_paid_by_tokens(self):
        answer = self.post('/v1/audio/speech',
                           {'model': 'talker', 'input': 'hello',
                            'stream_format': 'sse'})
        self.charged(answer, harness.usd(harness.cost(
            [(5, '0.60'), (90, '12.00')])), 'characters', 5)

    # the others

    def test_moderations_may_be_free_and_are_counted(self):
        answer = self.post('/v1/moderations', {'model': 'judge',
                                               'input': ['a', 'b']})
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.entry(answer)['charge_usd'], '0.00')
        answer = self.post('/v1/moderations', {'model': 'called',
                                               'input': 'a'})
        self.charged(answer, '0.01')

    def test_reranks_are_paid_by_search_unit_or_token(self):
        answer = self.post('/v2/rerank',
                           {'model': 'only-cohere', 'query': 'q',
                            'documents': ['d'] * 150})
        self.assertEqual(self.up.got[0]['path'], '/v2/rerank')
        self.assertEqual(self.up.got[0]['model'], 'cohere-rerank')
        self.charged(answer, '0.004', 'searches', 2)
        answer = self.post('/v1/rerank', {'model': 'ranker', 'query': 'q',
                                          'documents': ['d']})
        self.charged(answer, '0.00001605')

    def test_azure_has_its_deployments(self):
        answer = self.post('/v1/images/generations',
                           {'model': 'only-azure', 'prompt': 'x'})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.up.got[0]['path'],
                         '/openai/deployments/deployed/images/generations'
                         '?api-version=2024-10-21')
        self.charged(answer, '0.1', 'images', 1)

    # refusals

    def test_what_has_no_price_here_is_not_served(self):
        for path, body, words in (
                ('/v1/images/generations',
                 {'model': 'voice', 'prompt': 'x'}, 'per_image'),
                ('/v1/audio/speech',
                 {'model': 'picture', 'input': 'x'},
                 'per_million_characters'),
                ('/v1/audio/speech',
                 {'model': 'talker', 'input': 'x'},
                 'per_million_characters'),
                ('/v1/moderations',
                 {'model': 'picture', 'input': 'x'}, 'per_request'),
                ('/v1/rerank', {'model': 'listener', 'query': 'x',
                                'documents': []}, 'per_request'),
                ('/v1/chat/completions',
                 {'model': 'picture', 'messages': []}, 'per_request')):
            self.refused(self.post(path, body), 400, 'model_not_priced',
                         words)
        self.refused(self.post('/v1/audio/transcriptions',
                               self.sound('picture')), 400,
                     'model_not_priced', 'per_second')

    def test_a_provider_without_the_endpoint_is_not_asked(self):
        self.refused(self.post('/v1/images/generations',
                               {'model': 'only-claude', 'prompt': 'x'}), 400,
                     'unsupported_endpoint', 'no such endpoint')

    def test_forms_that_readers_may_take_differently_are_refused(self):
        edits = '/v1/images/edits'
        image = part('image', b'x', 'x.png')
        for body, code in (
                (form(part('model', 'picture'), part('model', 'painter'),
                      image), 'duplicate_field'),
                (form(image), 'missing_field'),
                (form(part('model', 'picture')), 'missing_field'),
                (form(part('model', 'picture', 'm'), image), 'invalid_field'),
                (form(part('model', 'picture'), image, part('n', '0')),
                 'invalid_field'),
                (b'x' + form(part('model', 'picture'), image),
                 'malformed_form'),
                (form(part('model', 'picture'), image)[:-6],
                 'malformed_form'),
                (form(part('model', 'picture'), image) + b'--x',
                 'malformed_form')):
            answer = self.post(edits, body)
            self.assertEqual(answer.status, 400, answer.body)
            self.assertEqual(answer.json()['error']['code'], code)
        self.assertEqual(self.post(edits, b'x', kind='multipart/form-data'
                                   ).status, 415)
        self.assertEqual(self.post('/v1/audio/transcriptions',
                                   {'model': 'listener'}).status, 415)
        self.assertEqual(self.up.got, [])

    def test_the_worst_case_has_to_be_covered(self):
        poor = self.gate.key('poor')
        answer = self.post('/v1/images/generations',
                           {'model': 'picture', 'prompt': 'x', 'n': 2}, poor)
        self.refused(answer, 402, 'insufficient_balance', 'balance')
        answer = self.post('/v1/images/generations',
                           {'model': 'picture', 'prompt': 'x'}, poor)
        self.assertEqual(answer.status, 200)

    # what goes wrong

    def test_another_channel_answers(self):
        self.up.mode = 500
        body = self.sound()
        answer = self.post('/v1/audio/transcriptions', body)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers['x-tollgate-channel'], 'second')
        self.assertEqual(self.spare.got[0]['sha'],
                         hashlib.sha256(body).hexdigest())
        self.charged(answer, '0.001234', 'milliseconds', 12340)

    def test_an_error_of_the_upstream_is_the_clients(self):
        self.up.mode = 422
        answer = self.post('/v1/images/generations',
                           {'model': 'picture', 'prompt': 'x'})
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.json()['error']['message'], 'said no')
        self.assertEqual(self.entry(answer)['charge_usd'], '0.00')

    def test_a_cut_is_no_end(self):
        self.up.mode = 'cut'
        with client.Connection(self.gate.url) as one:
            one.send(client.request(
                'POST', '/v1/audio/speech',
                json.dumps({'model': 'voice', 'input': 'x'}).encode(),
                self.key, [('content-type', 'application/json')]))
            answer = one.read()
        self.assertEqual(answer.status, 200)
        self.assertIn(answer.ended, ('eof', 'reset'))
        self.assertEqual(self.entry(answer)['rule'], 'R5')

    def test_a_client_that_leaves_pays_what_was_asked(self):
        self.up.mode = 'slow'
        with client.Connection(self.gate.url) as one:
            one.send(client.request(
                'POST', '/v1/audio/speech',
                json.dumps({'model': 'voice', 'input': 'abc'}).encode(),
                self.key, [('content-type', 'application/json')]))
            self.assertTrue(self.up.waiting.wait(10))
            one.read(stop_at=2000)
            one.reset()
        self.up.release()
        harness.wait_until(self.gate.settled)
        self.up.release()
        last = [e for e in self.gate.dump() if e['kind'] == 'request'][-1]
        self.assertEqual(last['route'], '/v1/audio/speech')
        self.assertEqual(harness.nano(last['charge_usd']), 45000)
        self.assertEqual(last['rule'], 'R6')


if __name__ == '__main__':
    unittest.main()
