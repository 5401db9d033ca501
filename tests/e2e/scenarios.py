"""What is tried with every pair of dialects; see matrix.py. Each method
do_NAME() asks, and checks the client's answer and what the upstream saw. It
returns a reason where the pair has no such thing."""

import json

try:
    from tests.e2e.probes import PROBES
    from tests.e2e.talk import Talk, whole
except ImportError:
    from probes import PROBES
    from talk import Talk, whole

TEXT = ('Hello from the provider, a "quoted" word\nand a \\ backslash, a\ttab,'
        ' </b> & Zürich, 日本語 face \U0001f600 and \x01 the end.')
THOUGHT = ('First I look at "it", then at Zürich \U0001f600,\n'
           'then I answer.')
CITIES = ('Zürich "HB"', 'Tōkyō', 'Ulm \\ Donau', 'Lyon \U0001f600')
CLASSES = ('input', 'cache_read', 'cache_write', 'output', 'reasoning')
PNG = ('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhg'
       'GAWjR9awAAAABJRU5ErkJggg==')
SCHEMA = {'type': 'object', 'properties': {
    'name': {'type': 'string'}, 'age': {'type': 'integer'},
    'tags': {'type': 'array', 'items': {'type': 'string'}}},
    'required': ['name', 'age', 'tags'], 'additionalProperties': False}
PLACE = {'type': 'object', 'properties': {
    'city': {'type': 'string', 'description': 'the "city"'},
    'days': {'type': 'integer'},
    'opts': {'type': 'object', 'properties': {'deep': {'type': 'boolean'}}}},
    'required': ['city']}
TOOLS = (('get_weather', 'Weather for a city', PLACE),
         ('get_time', 'Time in a city', PLACE))

SEQUENCES = ('anthropic', 'vertex-anthropic', 'bedrock', 'cohere')
SCENARIOS = (
    'text', 'stream', 'system', 'tools', 'parallel-tools', 'choice-required',
    'choice-named', 'choice-none', 'parallel-off', 'image', 'schema',
    'reasoning', 'reasoning-stream', 'redacted', 'usage', 'usage-stream',
    'length', 'sequence', 'filter', 'fields', 'error-400', 'error-429',
    'error-500', 'stream-error', 'stream-cut')


class Lost(Exception):
    """A field was refused by name."""


def same(got, wanted, what=''):
    if got != wanted:
        raise AssertionError(f'{what}: {got!r} is not {wanted!r}')


def arguments(i):
    return {'city': CITIES[i % len(CITIES)], 'days': i,
            'opts': {'deep': True, 'list': [1, 2.5, None]}}


def object_of(value):
    return json.loads(value) if isinstance(value, str) else value


class Scenarios:
    """Mixed into matrix.Pair, which has ask(), seen(), tally()."""

    def finish(self, result, wanted):
        same(result.finish, self.speech.finishes[wanted], 'finish')

    def told(self, talk):
        """ask(), and the usage told is what the upstream counted."""
        before = self.tally()
        answer, result = self.ask(talk)
        after = self.tally()
        counted = {name: after[name] - before[name] for name in CLASSES}
        if self.speech.name == 'gemini':     # knows no writes to a cache
            counted['input'] += counted.pop('cache_write')
            counted['cache_write'] = 0
        same(result.usage, counted, 'usage')
        return answer, result

    def do_text(self):
        answer, result = self.told(Talk('@@tag=x Say something.'))
        same(whole(result.text), TEXT, 'text')
        same(result.model, self.upstream_model if self.native else self.model,
             'model')
        same(result.calls, [], 'calls')
        self.finish(result, 'stop')
        same(answer.headers['x-tollgate-channel'], self.model)
        seen = self.seen()
        same(seen['stream'], False, 'stream at the upstream')
        same(seen['turns'], [{'role': 'user', 'parts': [
            {'text': '@@tag=x Say something.'}]}], 'turns')

    def do_stream(self):
        _, result = self.told(Talk('@@tag=x Say something.', stream=True))
        same(whole(result.text), TEXT, 'text')
        same(result.model, self.upstream_model if self.native else self.model,
             'model')
        self.finish(result, 'stop')
        same(self.seen()['stream'], True, 'stream at the upstream')

    def do_system(self):
        self.ask(Talk('hello', system='Be terse.', max=64, temperature=0.5))
        seen = self.seen()
        same(seen['system'], ['Be terse.'], 'system')
        same(seen['settings'].get('max'), 64, 'max')
        same(seen['settings'].get('temperature'), 0.5, 'temperature')

    # tools

    def called(self, result, count):
        """So many calls, as the upstream made them."""
        same([name for _, name, _ in result.calls],
             [TOOLS[i % 2][0] for i in range(count)], 'names of calls')
        for i, (_, _, got) in enumerate(result.calls):
            same(got, arguments(i), f'arguments of call {i}')
        ids = [id_ for id_, _, _ in result.calls]
        if self.speech.name != 'gemini':
            same(len(set(ids)), count, 'different ids')
        self.finish(result, 'calls')

    def loop(self, talk, result):
        """The results go back; the answer to them."""
        talk.turns = talk.turns + result.turns + self.speech.results(
            [(id_, name, f'sunny in "{i}"')
             for i, (id_, name, _) in enumerate(result.calls)])
        _, again = self.told(talk)
        seen = self.seen()
        wanted = [f'sunny in "{i}"' for i in range(len(result.calls))]
        same(whole(again.text), 'RESULTS:' + '|'.join(wanted), 'text')
        self.finish(again, 'stop')
        same([turn['role'] for turn in seen['turns']],
             ['user', 'assistant', 'user'], 'roles')
        calls = [part['call'] for part in seen['turns'][1]['parts']
                 if 'call' in part]
        results = [part['result'] for part in seen['turns'][2]['parts']]
        same([object_of(call['arguments']) for call in calls],
             [arguments(i) for i in range(len(result.calls))], 'arguments')
        same([one['text'] for one in results], wanted, 'results')
        same([call['id'] for call in calls], [one['id'] for one in results],
             'ids of calls and results')
        return seen

    def do_tools(self):
        talk = Talk('@@tools=1 weather?', tools=TOOLS)
        _, result = self.told(talk)
        seen = self.seen()
        same([(tool['name'], tool['description']) for tool in seen['tools']],
             [(name, about) for name, about, _ in TOOLS], 'tools')
        same([tool['schema'] for tool in seen['tools']],
             [schema for _, _, schema in TOOLS], 'schemas')
        self.called(result, 1)
        self.loop(talk, result)

    def do_parallel_tools(self):
        talk = Talk('@@tools=3 weather?', tools=TOOLS, stream=True)
        _, result = self.told(talk)
        self.called(result, 3)
        self.loop(talk, result)

    def do_choice_required(self):
        _, result = self.ask(Talk('hello', tools=TOOLS, choice='required'))
        same(self.seen()['choice'], 'required', 'choice')
        self.called(result, 1)

    def do_choice_named(self):
        _, result = self.ask(Talk('hello', tools=TOOLS,
                                  choice=('get_time',)))
        seen = self.seen()
        if seen['choice'] == 'required':     # of one there is to choose
            same([tool['name'] for tool in seen['tools']], ['get_time'])
        else:
            same(seen['choice'], {'name': 'get_time'}, 'choice')
        same(result.calls[0][1], 'get_time', 'call')

    def do_choice_none(self):
        _, result = self.ask(Talk('hello', tools=TOOLS, choice='none'))
        seen = self.seen()
        if seen['choice'] != 'none':
            same(seen['tools'], [], 'tools')
        same(result.calls, [], 'calls')

    def do_parallel_off(self):
        if self.speech.name == 'gemini':
            return 'the client has no such field'
        self.ask(Talk('@@tools=2 hello', tools=TOOLS, parallel=False))
        same(self.seen()['parallel'], False, 'parallel')
        return None

    def do_image(self):
        self.ask(Talk('what is this', image=('image/png', PNG)))
        image = [part['image'] for part in self.seen()['turns'][0]['parts']
                 if 'image' in part]
        same(image[0]['data'], PNG, 'image')
        same(image[0]['mime'] or 'image/png', 'image/png', 'type')

    def do_schema(self):
        _, result = self.told(Talk('as JSON', schema=SCHEMA))
        seen = self.seen()
        same(seen['format'] and seen['format'].get('schema'), SCHEMA,
             'schema')
        same(json.loads(result.text),
             {'name': 'Ada', 'age': 36, 'tags': ['Ada']}, 'answer')
        same(result.calls, [], 'calls')

    # reasoning

    def reason(self, talk):
        _, result = self.told(talk)
        self.called(result, 1)
        if not self.thoughts:
            same(result.thoughts, '', 'thoughts')
            self.loop(talk, result)
            return
        # Beside it one upstream tells what it is about to do.
        assert THOUGHT in whole(result.thoughts), result.thoughts
        seen = self.loop(talk, result)
        if not self.signs:
            return
        if result.signs == 0:
            # Chat has no place for them, only Gemini has one at a call.
            if self.speech.name != 'chat' and (
                    self.upstream.native != 'gemini'):
                raise AssertionError('the signature did not reach the client')
            self.cannot.add('signatures of thoughts')
            return
        signed = [part for part in seen['turns'][1]['parts']
                  if part.get('signature') or
                  part.get('thinking', {}).get('signature')]
        same(len(signed), 1, 'signatures that came back')
        self.kept.add('signatures of thoughts')

    def do_reasoning(self):
        self.reason(Talk('@@think @@tools=1 think', tools=TOOLS, think=True))

    def do_reasoning_stream(self):
        self.reason(Talk('@@think @@tools=1 think', tools=TOOLS, think=True,
                         stream=True))

    def do_redacted(self):
        if not self.upstream.name.endswith(('anthropic', 'bedrock')):
            return 'the upstream has no such thing'
        for stream in (False, True):
            talk = Talk('@@redacted @@tools=1', tools=TOOLS, think=True,
                        stream=stream)
            _, result = self.told(talk)
            self.called(result, 1)
            seen = self.loop(talk, result)
            parts = [part for part in seen['turns'][1]['parts']
                     if 'redacted' in part]
            if self.speech.name == 'messages':
                same(len(parts), 1, 'redacted thought')
        return None

    # usage and ends

    def do_usage(self, stream=False):
        self.told(Talk('@@cached=100 @@written=30 @@reasoning=5 hello',
                       stream=stream))

    def do_usage_stream(self):
        self.do_usage(True)

    def ends(self, finish, seen=None, **more):
        for stream in (False, True):
            _, result = self.told(Talk(f'@@finish={finish} hello',
                                       stream=stream, **more))
            self.finish(result, seen or finish)

    def do_length(self):
        self.ends('length')

    def do_filter(self):
        if self.upstream.name in ('ollama', 'cohere'):
            return 'the upstream has no such end'
        self.ends('filter')
        return None

    def do_sequence(self):
        if self.speech.name == 'responses':
            return 'the client has no such field'
        # Not all tell it from the end of what there was to say.
        self.ends('sequence', 'sequence' if self.upstream.name in SEQUENCES
                  else 'stop', stop=['END', 'END2'])
        same(self.seen()['settings'].get('stop'), ['END', 'END2'], 'stop')
        return None

    def do_fields(self):
        """Nothing is lost silently: kept, dropped by name, or refused by
        name."""
        silent = []
        for name, extra, setting in PROBES[self.speech.name]:
            try:
                answer, _ = self.ask(Talk('hello', extra=extra))
            except Lost as field:
                self.refused.add(name)
                if not str(field):
                    silent.append(f'{name}: refused without a name')
                continue
            got = self.seen()['settings'].get(setting)
            named = answer.headers.get('x-tollgate-dropped', '').split(', ')
            if name in named:
                self.dropped.add(name)
            elif got is not None:
                self.kept.add(name)
            else:
                silent.append(f'{name} is lost ({named})')
        same(silent, [], 'lost silently')

    # errors

    def fails(self, status, wanted):
        answer, _ = self.ask(Talk(f'@@status={status} hello'), wanted)
        type_, message, _ = self.speech.error(answer)
        same(type_, self.speech.kinds[wanted], 'type')
        if wanted == 400:
            assert f'told to answer {status}' in message, message
        assert message, 'no message'

    def do_error_400(self):
        self.fails(400, 400)

    def do_error_429(self):
        self.fails(429, 503)

    def do_error_500(self):
        self.fails(500, 502)

    def broken(self, how):
        answer, result = self.ask(Talk(f'@@{how}=3 hello', stream=True))
        assert answer.ended == 'complete', answer.ended
        assert result.error and all(result.error), result.error
        same(result.text, TEXT[:len(result.text)], 'text before the error')

    def do_stream_error(self):
        self.broken('error')

    def do_stream_cut(self):
        self.broken('cut')
