"""The witness itself: asked directly, in the dialects the tests' clients
speak, it and they agree; and it refuses what a provider would."""

import json
import unittest
import urllib.parse

try:
    from tests.e2e import client, matrix, witness
    from tests.e2e.scenarios import SCENARIOS
    from tests.e2e.speak import DIALECTS
except ImportError:
    import client
    import matrix
    import witness
    from scenarios import SCENARIOS
    from speak import DIALECTS

SPEECH = {one.name: one for one in DIALECTS}
# Client dialect, upstream, credential field.
NATIVE = (('chat', 'openai', 'authorization'),
          ('chat', 'azure', 'api-key'),
          ('chat', 'deepseek', 'authorization'),
          ('responses', 'openai-responses', 'authorization'),
          ('messages', 'anthropic', 'x-api-key'),
          ('gemini', 'gemini', 'x-goog-api-key'))
# What the gateway adds or changes.
OF_THE_GATEWAY = {'error-400', 'error-429', 'error-500', 'stream-cut',
                  'fields'}
# DeepSeek has an older name for the maximum.
OTHER = {'deepseek': {'system'}}


class Direct(matrix.Pair):
    """A pair without a gateway between."""

    def __init__(self, world, speech, upstream, field):
        super().__init__(world, speech, upstream)
        self.upstream_model = self.model
        self.field = field

    def ask(self, talk, status=200):
        setup = self.world.providers.setup
        path = self.speech.path(self.model, talk)
        if self.upstream.name == 'azure':
            path = (f'/openai/deployments/{self.model}/chat/completions'
                    '?api-version=2024-10-21')
        key = setup['keys'][self.upstream.name]
        headers = {self.field: 'Bearer ' + key if self.field ==
                   'authorization' else key,
                   'anthropic-version': '2023-06-01'}
        base = urllib.parse.urlsplit(setup['urls'][self.upstream.name])
        answer = client.ask(self.world.providers.url, 'POST',
                            base.path + path,
                            self.speech.body(self.model, talk),
                            headers=headers)
        answer.headers['x-tollgate-channel'] = self.model
        if answer.status != status:
            raise AssertionError(f'{answer.status}: {answer.body[:300]!r}')
        if talk.stream:
            return answer, self.speech.stream(answer)
        return answer, self.speech.answer(answer)


class World:
    def __init__(self, providers):
        self.providers = providers

    def missing(self, *_):
        return None


class Witness(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.providers = witness.Providers()
        cls.upstreams = {one.name: one for one in matrix.UPSTREAMS}

    @classmethod
    def tearDownClass(cls):
        cls.providers.stop()

    def test_it_and_the_clients_agree(self):
        world = World(self.providers)
        for speech, upstream, field in NATIVE:
            pair = Direct(world, SPEECH[speech], self.upstreams[upstream],
                          field)
            pair.run(set(SCENARIOS) - OF_THE_GATEWAY -
                     OTHER.get(upstream, set()))
            for scenario, (outcome, why) in pair.outcomes.items():
                with self.subTest(f'{pair.name}: {scenario}'):
                    self.assertNotEqual(outcome, 'fail', why)

    def post(self, upstream, path, body, headers=()):
        base = urllib.parse.urlsplit(self.providers.setup['urls'][upstream])
        return client.ask(self.providers.url, 'POST', base.path + path, body,
                          headers=headers)

    def test_it_refuses_wrong_credentials(self):
        chat = {'model': 'm', 'messages': [{'role': 'user', 'content': 'x'}]}
        google = ('/v1/projects/up-project/locations/europe-west4/publishers/'
                  'google/models/m:generateContent')
        for upstream, path, status in (
                ('openai', '/v1/chat/completions', 401),
                ('anthropic', '/v1/messages', 401),
                ('gemini', '/v1beta/models/m:generateContent', 401),
                ('vertex', google, 401), ('cohere', '/v2/chat', 401),
                ('bedrock', '/model/m/converse', 403)):
            with self.subTest(upstream):
                answer = self.post(upstream, path, chat,
                                   {'authorization': 'Bearer wrong'})
                self.assertEqual(answer.status, status)
        answer = client.ask(
            self.providers.url, 'POST', '/token', b'grant_type=x&assertion=y',
            headers={'content-type': 'application/x-www-form-urlencoded'})
        self.assertEqual(answer.status, 400)

    def refused(self, upstream, path, headers, body, word):
        answer = self.post(upstream, path, body, headers)
        self.assertEqual(answer.status, 400, answer.body)
        self.assertIn(word, json.dumps(answer.json()))

    def test_it_refuses_wrong_requests(self):
        keys = self.providers.setup['keys']
        user = {'role': 'user', 'content': 'hello'}
        call = {'role': 'assistant', 'tool_calls': [{
            'id': 'c', 'type': 'function', 'function': {
                'name': 'f', 'arguments': '{}'}}]}
        use = {'role': 'assistant', 'content': [
            {'type': 'tool_use', 'id': 'c', 'name': 'f', 'input': {}}]}
        bearer = {'authorization': f'Bearer {keys["openai"]}'}
        for more, word in (
                ({'messages': [user], 'top_k': 1}, 'top_k'),
                ({'messages': [user, call, user]}, 'tool_call_id'),
                ({'messages': [{'role': 'tool', 'tool_call_id': 'c',
                                'content': 'x'}]}, 'tool_calls'),
                ({'messages': [user], 'temperature': 3}, 'temperature'),
                ({'messages': [user], 'stream_options': {}},
                 'messages')):
            with self.subTest(word):
                if word == 'messages':
                    more['messages'] = []
                self.refused('openai', '/v1/chat/completions', bearer,
                             {'model': 'm', **more}, word)
        anthropic = {'x-api-key': keys['anthropic'],
                     'anthropic-version': '2023-06-01'}
        thought = {'type': 'thinking', 'thinking': 'x', 'signature': 'y'}
        for more, word in (
                ({'messages': [user]}, 'max_tokens'),
                ({'max_tokens': 9, 'messages': [user], 'seed': 1}, 'seed'),
                ({'max_tokens': 9, 'messages': [user, use, user]},
                 'tool_use'),
                ({'max_tokens': 9, 'messages': [user, {
                    'role': 'assistant', 'content': [thought]}, user]},
                 'signature'),
                ({'max_tokens': 9, 'messages': [user], 'temperature': 2},
                 'temperature')):
            with self.subTest(word):
                self.refused('anthropic', '/v1/messages', anthropic,
                             {'model': 'm', **more}, word)


if __name__ == '__main__':
    unittest.main()
