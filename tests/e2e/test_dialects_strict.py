"""What an upstream's dialect has no word for is left out and named, or, for
a strict key, refused by name; and what of /v1/responses is not served."""

import unittest

try:
    from tests.e2e import harness, matrix, witness
except ImportError:
    import harness
    import matrix
    import witness


class Strict(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.providers = witness.Providers()
        setup = cls.providers.setup
        cls.gate = harness.Gateway(
            [{'name': name, 'provider': name, 'base_url': setup['urls'][name],
              'keys': [f'env:UP_{name.upper().replace("-", "_")}'],
              'models': [{'name': name}]}
             for name in ('anthropic', 'openai-responses')],
            environment=matrix.environment(setup),
            models=[{'name': name, 'input': '1', 'output': '1',
                     'max_output': 4096}
                    for name in ('anthropic', 'openai-responses')],
            routing={'cooldown': '0s', 'attempts': 1})
        cls.gate.account('a', '1000')

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.providers.stop()

    def ask(self, key, model='anthropic', **more):
        return self.gate.ask('POST', '/v1/responses', {
            'model': model, 'input': 'hello', **more}, key)

    def key(self, *args):
        return self.gate.ctl('key', 'create', '--account', 'a', *args)

    def refused(self, answer, field):
        self.assertEqual(answer.status, 400, answer.body)
        error = answer.json()['error']
        self.assertEqual((error['code'], error['param']),
                         ('unsupported_field', field))
        self.assertIn(field, error['message'])

    def test_harmless_losses_are_named(self):
        answer = self.ask(self.key()['key'], prompt_cache_key='k',
                          text={'verbosity': 'low'})
        self.assertEqual(answer.status, 200, answer.body)
        named = answer.headers['x-tollgate-dropped'].split(', ')
        self.assertIn('prompt_cache_key', named)
        self.assertIn('text.verbosity', named)

    def test_a_strict_key_refuses_them(self):
        made = self.key('--strict')
        self.assertTrue(made['strict'])
        self.assertEqual(self.ask(made['key']).status, 200)
        self.refused(self.ask(made['key'], prompt_cache_key='k'),
                     'prompt_cache_key')
        # the dialect's own provider takes all of it
        self.assertEqual(self.ask(made['key'], 'openai-responses',
                                  prompt_cache_key='k').status, 200)

    def test_strictness_is_switched(self):
        made = self.key()
        self.assertFalse(made['strict'])
        id_ = str(made['id'])
        self.assertTrue(self.gate.ctl('key', 'set', id_, '--strict')['strict'])
        self.refused(self.ask(made['key'], prompt_cache_key='k'),
                     'prompt_cache_key')
        self.assertTrue(self.gate.ctl('key', 'set', id_, '--name',
                                      'x')['strict'])
        self.assertFalse(self.gate.ctl('key', 'set', id_,
                                       '--lenient')['strict'])
        self.assertEqual(self.ask(made['key'], prompt_cache_key='k').status,
                         200)

    def test_what_only_its_provider_can_do_is_refused(self):
        key = self.key()['key']
        for field, more in (
                ('previous_response_id', {'previous_response_id': 'r'}),
                ('background', {'background': True}),
                ('tools[0].web_search', {'tools': [{'type': 'web_search'}]}),
                ('input[0].item_reference', {'input': [
                    {'type': 'item_reference', 'id': 'x'}]})):
            self.refused(self.ask(key, **more), field)

    def test_stored_responses_are_not_served(self):
        key = self.key()['key']
        for method, path in (('GET', 'resp_1'), ('DELETE', 'resp_1'),
                             ('POST', 'resp_1/cancel'),
                             ('GET', 'resp_1/input_items')):
            answer = self.gate.ask(method, '/v1/responses/' + path, None, key)
            self.assertEqual(answer.status, 404)
            error = answer.json()['error']
            self.assertEqual(error['code'], 'response_not_found')
            self.assertIn('not stored', error['message'])
        self.assertEqual(
            self.gate.ask('GET', '/v1/responses/resp_1').status, 401)


if __name__ == '__main__':
    unittest.main()
