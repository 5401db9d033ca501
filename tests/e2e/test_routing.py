"""Where requests go: strategies and routes, with channels that the mock tells
apart by their keys."""

import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

NAMES = ('one', 'two', 'three')


def upstream():
    return harness.Mock('--keys', ','.join(f'key-of-{n}' for n in NAMES))


def channel(mock, name, **fields):
    return harness.channel(mock, name, keys=[f'key-of-{name}'], **fields)


class Routes(unittest.TestCase):
    """One gateway; the route is chosen by what the request says."""

    @classmethod
    def setUpClass(cls):
        cls.mock = upstream()
        cls.gate = harness.Gateway(
            [channel(cls.mock, 'one', priority=1),
             channel(cls.mock, 'two', priority=2, cost='0.5'),
             {**channel(cls.mock, 'three', priority=2, cost='0.4'),
              'models': [{'name': 'gpt-4o', 'lacks': ['vision']}]}],
            groups=[{'name': 'gold'}],
            routing={'strategy': 'failover', 'cooldown': '0s'},
            routes=[
                {'name': 'team', 'channels': ['three', 'two'],
                 'match': {'headers': [{'name': 'x-team',
                                        'value': 'batch-*'}]}},
                {'name': 'label', 'channels': ['two'],
                 'match': {'metadata': [{'name': 'team',
                                         'value': 'batch-*'}]}},
                {'name': 'caller', 'channels': ['two'],
                 'match': {'metadata': [{'name': 'user_id',
                                         'value': 'batch-*'}]}},
                {'name': 'gold', 'channels': ['two', 'three'],
                 'match': {'groups': ['gold']}, 'strategy': 'cost'},
                {'name': 'tagged', 'channels': ['two'],
                 'match': {'tags': ['prod', 'ci-*']}},
                {'name': 'tools', 'channels': ['two'],
                 'match': {'needs': ['tools']}},
                {'name': 'long', 'channels': ['three'],
                 'match': {'prompt_min': 500}},
                {'name': 'never', 'channels': ['two'],
                 'match': {'output_min': 5, 'output_max': 5}}])
        cls.gate.account('rich', '1000')
        cls.key = cls.gate.key('rich')
        cls.gold = cls.gate.key('rich', group='gold')

    @classmethod
    def tearDownClass(cls):
        cls.gate.verify()
        cls.gate.close()
        cls.mock.stop()

    def team(self, name):
        return self.gate.ask('POST', '/v1/chat/completions',
                             client.chat('hello'), self.key,
                             headers=[('X-Team', name)])

    def went(self, key=None, text='hello', **fields):
        answer = self.gate.chat(key or self.key, text, **fields)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.headers['x-tollgate-channel']

    def test_what_matches_none_goes_by_priority(self):
        self.assertEqual(self.went(), 'one')

    def test_a_header_decides(self):
        for name, channel_name in (('batch-7', 'three'), ('live', 'one')):
            answer = self.team(name)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.headers['x-tollgate-channel'],
                             channel_name)
        harness.wait_until(lambda: any(
            line.get('routed_by') == 'team' for line in self.gate.access()),
            what='a line of the route')

    def test_metadata_decides(self):
        for value, name in (('batch-7', 'two'), ('live', 'one'),
                            (['batch-7'], 'one')):
            self.assertEqual(self.went(metadata={'team': value}), name)
        self.assertEqual(self.went(metadata=None), 'one')

    def test_metadata_decides_in_each_dialect(self):
        turn = [{'role': 'user', 'content': 'hello'}]
        gemini = [{'role': 'user', 'parts': [{'text': 'hello'}]}]
        for value, name in (('batch-7', 'two'), ('live', 'one')):
            tags = {'team': value}
            for path, body in (
                    ('/v1/responses', {'model': 'gpt-4o', 'input': 'hello',
                                       'metadata': tags}),
                    ('/v1/messages', {'model': 'gpt-4o', 'max_tokens': 100,
                                      'messages': turn,
                                      'metadata': {'user_id': value}}),
                    ('/v1beta/models/gpt-4o:generateContent',
                     {'contents': gemini, 'labels': tags})):
                # the mock has no Responses; where they went is all we ask
                answer = self.gate.ask('POST', path, body, self.key)
                self.assertIn(answer.status, (200, 404), answer.body)
                self.assertEqual(answer.headers['x-tollgate-channel'], name,
                                 path)

    def test_tags_of_a_key_decide(self):
        made = self.gate.ctl('key', 'create', '--account', 'rich',
                             '--tags', 'team-a,ci-7')
        self.assertEqual(made['tags'], ['team-a', 'ci-7'])
        number, key = str(made['id']), made['key']
        self.assertEqual(self.went(key), 'two')
        self.gate.ctl('key', 'set', number, '--tags', 'team-a')
        self.assertEqual(self.went(key), 'one')
        shown = self.gate.ctl('key', 'set', number, '--tags', '')
        self.assertEqual(shown['tags'], [])
        self.assertEqual(self.went(key), 'one')
        self.gate.ctl('key', 'set', number, '--tags', 'prod')
        self.gate.verify()
        self.gate.stop()
        self.gate.start()
        self.assertEqual(self.went(key), 'two')
        self.assertEqual(self.gate.ctl('key', 'show', number)['tags'],
                         ['prod'])

    def test_a_group_goes_where_it_is_cheapest(self):
        self.assertEqual(self.went(self.gold), 'three')

    def test_needs_and_sizes_decide(self):
        tool = {'type': 'function', 'function': {
            'name': 'f', 'parameters': {'type': 'object'}}}
        self.assertEqual(self.went(tools=[tool]), 'two')
        self.assertEqual(self.went(text='word ' * 600), 'three')
        self.assertEqual(self.went(max_tokens=5), 'two')

    def test_pictures_go_past_who_cannot_see(self):
        picture = [{'role': 'user', 'content': [
            {'type': 'image_url', 'image_url': {'url': 'http://x/y'}}]}]
        self.assertEqual(self.went(self.gold, messages=picture), 'two')

    def test_the_next_of_the_list_takes_over(self):
        self.mock.script('@@status=500', key='key-of-three')
        try:
            answer = self.team('batch-1')
        finally:
            self.mock.reset()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers['x-tollgate-channel'], 'two')
        self.assertEqual(answer.headers['x-tollgate-attempts'], '2')

    def test_what_nobody_can_is_refused_by_name(self):
        picture = [{'role': 'user', 'content': [
            {'type': 'image_url', 'image_url': {'url': 'http://x/y'}}]}]
        answer = self.gate.chat(self.key, 'word ' * 600,
                                messages=picture + client.chat(
                                    'word ' * 600)['messages'])
        self.assertEqual(answer.status, 400)
        self.assertEqual(answer.json()['error']['code'],
                         'unsupported_capability')
        self.assertIn('vision', answer.json()['error']['message'])


class Fallbacks(unittest.TestCase):
    """Another model, where the operator wrote it and the key takes it."""

    @classmethod
    def setUpClass(cls):
        cls.mock = upstream()
        cls.gate = harness.Gateway(
            [channel(cls.mock, 'one'), channel(cls.mock, 'two')],
            routing={'strategy': 'failover', 'cooldown': '0s',
                     'retry_budget': '1000%'},
            routes=[{'name': 'chat', 'match': {'models': ['gpt-4o']},
                     'fallbacks': ['gpt-4o-mini']}])
        cls.gate.account('rich', '1000')
        cls.strict = cls.gate.key('rich')
        cls.key = cls.gate.key('rich', '--substitution')

    @classmethod
    def tearDownClass(cls):
        cls.gate.verify()
        cls.gate.close()
        cls.mock.stop()

    def tearDown(self):
        self.mock.reset()

    def row(self, answer):
        harness.wait_until(self.gate.settled)
        rows = [row for row in self.gate.report()
                if row['request_id'] == answer.headers['x-request-id']]
        self.assertEqual(len(rows), 1)
        return rows[0]

    def test_the_one_that_answers_is_named_and_paid(self):
        price = harness.PRICES['gpt-4o-mini']
        for stream in (False, True):
            with self.subTest(stream=stream):
                self.mock.script('@@status=503', model='gpt-4o')
                fields = {'stream_options': {'include_usage': True}
                          } if stream else {}
                answer = self.gate.chat(self.key, '@@chunks=5',
                                        stream=stream, **fields)
                self.assertEqual(answer.status, 200, answer.body)
                self.assertEqual(answer.headers['x-tollgate-model'],
                                 'gpt-4o-mini')
                self.assertEqual(answer.headers['x-tollgate-substituted'],
                                 'gpt-4o')
                self.assertEqual(answer.headers['x-tollgate-attempts'], '3')
                usage, row = answer.usage(), self.row(answer)
                self.assertEqual(harness.nano(row['charge_usd']), harness.cost(
                    [(usage['prompt_tokens'], price['input']),
                     (usage['completion_tokens'], price['output'])]))
                self.assertEqual(row['substituted'], 'true')
                self.assertEqual(row['model_requested'], 'gpt-4o')
                self.assertEqual(row['model_served'], 'gpt-4o-mini')
                self.assertEqual(self.mock.tally()['usages'], 1)
                self.mock.reset()

    def test_other_keys_get_the_error(self):
        self.mock.script('@@status=503', model='gpt-4o')
        answer = self.gate.chat(self.strict)
        self.assertEqual(answer.status, 503)
        self.assertEqual(self.mock.tally()['requests'], 2)

    def test_other_models_have_no_fallback(self):
        self.mock.script('@@status=503')
        answer = self.gate.chat(self.key, model='gpt-4o-mini')
        self.assertEqual(answer.status, 503)
        self.assertNotIn('x-tollgate-substituted', answer.headers)


class Shares(unittest.TestCase):
    """Strategies as a client sees them."""

    def test_cost_and_performance_choose(self):
        with upstream() as mock, harness.Gateway(
                [channel(mock, 'one', cost='0.9'),
                 channel(mock, 'two', cost='0.5'),
                 channel(mock, 'three', cost='0.9')],
                routing={'strategy': 'cost'}, workers=1,
                routes=[{'name': 'fast', 'strategy': 'performance',
                         'channels': ['one', 'three'],
                         'match': {'models': ['gpt-4o-mini']}}]) as gate:
            gate.account('rich', '1000')
            key = gate.key('rich')
            for _ in range(5):
                answer = gate.chat(key)
                self.assertEqual(answer.headers['x-tollgate-channel'], 'two')
            mock.script('@@first=150', key='key-of-one')
            names = [gate.chat(key, '@@chunks=1', model='gpt-4o-mini',
                               stream=True).headers['x-tollgate-channel']
                     for _ in range(20)]
            # until its slowness is known it is asked, then hardly any more
            self.assertLessEqual(names.count('one'), 5)
            self.assertEqual(set(names[-3:]), {'three'})


class Together(unittest.TestCase):
    """Requests that belong together, over two workers."""

    def test_a_session_stays_and_yields_to_health(self):
        with upstream() as mock, harness.Gateway(
                [channel(mock, name) for name in NAMES],
                routing={'strategy': 'weighted', 'cooldown': '0s',
                         'affinity': ['session', 'prefix']},
                routes=[{'name': 'mini', 'affinity': ['off'], 'match': {
                    'models': ['gpt-4o-mini']}}]) as gate:
            gate.account('rich', '1000')
            key = gate.key('rich')

            def went(session, text='hello'):
                answer = gate.ask('POST', '/v1/chat/completions',
                                  client.chat(text), key,
                                  headers=[('x-session-id', session)])
                self.assertEqual(answer.status, 200, answer.body)
                return answer.headers['x-tollgate-channel']

            first = {f's{i}': went(f's{i}') for i in range(12)}
            self.assertGreater(len(set(first.values())), 1)
            for session, name in first.items():
                self.assertEqual(went(session, 'again'), name)
            prefix = {gate.chat(key, 'the same').headers[
                'x-tollgate-channel'] for _ in range(6)}
            self.assertEqual(len(prefix), 1)
            rows = {row['name']: row for row in gate.ctl(
                'show', 'channels')['channels']}
            self.assertEqual(sum(row['affinity_hits']
                                 for row in rows.values()), 12 + 5)
            self.assertEqual(sum(row['affinity']
                                 for row in rows.values()), 24 + 6)
            hits = sum(value for name, value in gate.metrics().items()
                       if name.startswith('tollgate_affinity_total')
                       and 'outcome="hit"' in name)
            self.assertEqual(hits, 17)
            mock.script('@@status=500', key=f'key-of-{first["s0"]}')
            moved = went('s0')
            self.assertNotEqual(moved, first['s0'])
            mock.script()
            self.assertEqual(went('s0'), moved)
            gate.verify()


if __name__ == '__main__':
    unittest.main()
