"""Every client dialect against every upstream dialect: what is asked, and
what has to come of it.

    with matrix.World() as world:
        rows = world.run()        # Pair objects with their outcomes

    python3 matrix.py [--client NAME] [--upstream NAME] [--only SCENARIO]
                      [--json FILE]
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import types

try:
    from tests.e2e import harness, witness
    from tests.e2e.scenarios import SCENARIOS, Lost, Scenarios
    from tests.e2e.speak import DIALECTS
except ImportError:
    import harness
    import witness
    from scenarios import SCENARIOS, Lost, Scenarios
    from speak import DIALECTS

CLASSES = ('input', 'cache_read', 'cache_write', 'output', 'reasoning')
COLUMNS = ('input_tokens', 'cached_input_tokens', 'cache_write_tokens',
           'output_tokens', 'reasoning_tokens')


NATIVE = {'openai': 'chat', 'azure': 'chat', 'deepseek': 'chat',
          'openai-responses': 'responses', 'anthropic': 'messages',
          'vertex-anthropic': 'messages', 'gemini': 'gemini',
          'vertex': 'gemini'}


class Upstream:
    """A row of the matrix: a provider's name here, and what its dialect
    has. thoughts: shows them; signs: proves them; cannot: scenarios that
    have to be refused by name, because there is no such thing."""

    def __init__(self, name, provider, thoughts=False, signs=False,
                 named='{}', cannot=(), fields=None):
        self.name = name
        self.provider = provider
        self.thoughts = thoughts
        self.signs = signs
        self.named = named        # the models' names there
        self.native = NATIVE.get(name)   # the client dialect it is itself
        self.cannot = frozenset(cannot)
        self.fields = fields or (lambda setup: {
            'keys': [f'env:UP_{name.upper().replace("-", "_")}']})


def aws(setup):
    return {'region': setup['aws']['region'], 'keys': [{
        'access_key_id': 'env:UP_AWS_ID',
        'secret_access_key': 'env:UP_AWS_SECRET',
        'session_token': 'env:UP_AWS_SESSION'}]}


def google(setup):
    return {'project': setup['google']['project'],
            'region': setup['google']['location'],
            'service_account': 'env:UP_GOOGLE'}


UPSTREAMS = (
    Upstream('openai', 'openai'),
    Upstream('azure', 'azure', fields=lambda setup: {
        'keys': ['env:UP_AZURE'], 'api_version': '2024-10-21'}),
    Upstream('deepseek', 'deepseek', thoughts=True),
    Upstream('openai-responses', 'openai-responses', thoughts=True,
             signs=True, cannot=('sequence',)),
    Upstream('anthropic', 'anthropic', thoughts=True, signs=True,
             named='claude-sonnet-4-5-{}'),
    Upstream('gemini', 'gemini', thoughts=True, signs=True,
             named='gemini-3-pro-{}', cannot=('parallel-off',)),
    Upstream('vertex', 'vertex', thoughts=True, signs=True, fields=google,
             named='gemini-2.5-pro-{}', cannot=('parallel-off',)),
    Upstream('vertex-anthropic', 'vertex-anthropic', thoughts=True,
             signs=True, fields=google, named='claude-sonnet-4-5-{}'),
    Upstream('bedrock', 'bedrock', thoughts=True, signs=True, named='eu.anthropic.claude-sonnet-4-5-{}-v1:0',
             fields=aws, cannot=('parallel-off',)),
    Upstream('ollama', 'ollama', thoughts=True, cannot=(
        'choice-required', 'choice-named', 'choice-none', 'parallel-off',
        'filter'), fields=lambda setup: {}),
    Upstream('cohere', 'cohere', thoughts=True,
             cannot=('choice-named', 'parallel-off')),
)


class Pair(Scenarios):
    """One client dialect, one upstream, and what came of each scenario."""

    def __init__(self, world, speech, upstream):
        self.world = world
        self.speech = speech
        self.upstream = upstream
        self.model = f'{upstream.name}--{speech.name}'
        self.upstream_model = upstream.named.format(self.model)
        self.missing = None       # why it cannot be run
        # OpenAI's other dialect shows thoughts.
        other = (upstream.name, speech.name) == ('openai', 'responses')
        self.thoughts = upstream.thoughts or other
        self.signs = upstream.signs or other
        self.outcomes = {}        # scenario: (outcome, why)
        self.kept, self.dropped, self.refused = set(), set(), set()
        self.cannot = set()       # what one of the two has no place for

    @property
    def native(self):
        return self.upstream.native == self.speech.name or (
            self.upstream.name, self.speech.name) == ('openai', 'responses')

    @property
    def name(self):
        return f'{self.speech.name} to {self.upstream.name}'

    def run(self, only=None):
        self.missing = self.world.missing(self.speech, self.upstream)
        for scenario in () if self.missing else SCENARIOS:
            if only and scenario not in only:
                continue
            try:
                said = getattr(self, 'do_' + scenario.replace('-', '_'))()
                self.outcomes[scenario] = ('skip', said) if said else (
                    'pass', '')
            except Lost as field:
                fine = scenario in self.upstream.cannot
                self.outcomes[scenario] = ('lost' if fine else 'fail',
                                           f'refused: {field}')
            except (AssertionError, KeyError, ValueError, TypeError,
                    IndexError, AttributeError, harness.Failed) as bad:
                self.outcomes[scenario] = (
                    'fail', f'{type(bad).__name__}: {bad}')
                if 'no_channel' in str(bad).lower():
                    self.missing = 'conversion missing'
                    self.outcomes = {}
                    break
        return self

    def ask(self, talk, status=200):
        """(answer, Result) of a request; Lost where a field is refused."""
        body = self.speech.body(self.model, talk)
        answer = self.world.gate.ask(
            'POST', self.speech.path(self.model, talk), body, self.world.key)
        if answer.status == 400 and b'annot be expressed' in answer.body:
            raise Lost(self.lost_field(answer))
        if answer.status == 400 and status == 200 and self.native:
            # Its own words to its own dialect.
            raise Lost(self.why().partition(':')[0])
        if answer.status != status:
            raise AssertionError(f'{answer.status} instead of {status}: '
                                 f'{answer.body[:300]!r} {self.why()}')
        if status != 200:
            return answer, None
        kind = answer.headers.get('content-type', '').partition(';')[0]
        if talk.stream:
            assert kind == 'text/event-stream', kind
            return answer, self.speech.stream(answer)
        assert kind == 'application/json', kind
        return answer, self.speech.answer(answer)

    def lost_field(self, answer):
        return answer.body.decode().partition("The field '")[2].partition(
            "'")[0]

    def why(self):
        """What the witness said of the last request."""
        with contextlib.suppress(OSError):
            return (self.last()['message'] or '')[:200]
        return ''

    def last(self):
        return self.world.providers.last(self.upstream_model)

    def seen(self):
        return self.last()['seen']

    def tally(self):
        row = self.world.providers.row(self.upstream.name,
                                       self.upstream_model) or {}
        return {name: row.get(name, 0) for name in CLASSES}

    def counts(self):
        count = {}
        for outcome, _ in self.outcomes.values():
            count[outcome] = count.get(outcome, 0) + 1
        return count

    def as_json(self):
        """What docs/wire.md tells of it."""
        count = self.counts()
        return {'client': self.speech.name, 'upstream': self.upstream.name,
                'native': self.native, 'missing': self.missing,
                'passed': count.get('pass', 0),
                'run': len(self.outcomes) - count.get('skip', 0),
                'lost': count.get('lost', 0),
                'cannot': sorted(self.cannot | {
                    scenario for scenario, (outcome, _) in
                    self.outcomes.items() if outcome == 'lost'}),
                'kept': sorted(self.kept), 'dropped': sorted(self.dropped),
                'refused': sorted(self.refused)}


def as_text(pairs):
    """The file matrix.json: a line a pair."""
    return '[\n' + ',\n'.join(json.dumps(pair.as_json())
                              for pair in pairs) + '\n]\n'


class World:
    """The witness, and a gateway with a channel for every pair."""

    def __init__(self):
        self.providers = witness.Providers()
        setup = self.providers.setup
        self.speaks = {}
        self.known = {one.provider for one in UPSTREAMS
                      if provider_is_known(one, setup)}
        self.pairs = [Pair(self, speech, upstream) for upstream in UPSTREAMS
                      for speech in DIALECTS]
        served = [pair for pair in self.pairs
                  if pair.upstream.provider in self.known]
        self.gate = harness.Gateway(
            [channel(pair, setup) for pair in served],
            environment=environment(setup),
            models=[{'name': pair.model, 'input': '1.5', 'output': '7.5',
                     'cache_read': '0.15', 'cache_write': '1.875',
                     'max_output': 8192} for pair in served],
            routing={'cooldown': '0s', 'attempts': 1})
        self.gate.account('a', '100000')
        self.key = self.gate.key('a')

    def missing(self, speech, upstream):
        """Why a pair cannot be run; None if it can."""
        if upstream.provider not in self.known:
            return f'adapter missing: {upstream.provider}'
        if speech.name not in self.speaks:
            path = speech.path('x', Probe())
            answer = self.gate.ask('POST', path, {}, self.key)
            self.speaks[speech.name] = answer.status != 404 or \
                b'nknown request URL' not in answer.body
        if not self.speaks[speech.name]:
            return f'client dialect missing: {speech.name}'
        return None

    def run(self, pairs=None, only=None, threads=4):
        pairs = self.pairs if pairs is None else pairs
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda pair: pair.run(only), pairs))
        return pairs

    def ledger(self):
        """{model: sums by class} of the ledger's rows with exact usage."""
        harness.wait_until(self.gate.settled)
        found = {}
        for row in self.gate.report():
            if row['usage_source'] != 'upstream':
                continue
            sums = found.setdefault(row['model_requested'],
                                    dict.fromkeys(CLASSES, 0))
            for name, column in zip(CLASSES, COLUMNS):
                sums[name] += int(row[column] or 0)
        return found

    def close(self):
        self.gate.close()
        self.providers.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Probe:
    """As much of a talk as a path takes."""
    stream = False


def channel(pair, setup):
    return {'name': pair.model, 'provider': pair.upstream.provider,
            'base_url': setup['urls'][pair.upstream.name],
            'models': [{'name': pair.model,
                        'upstream': pair.upstream_model}],
            **pair.upstream.fields(setup)}


def environment(setup):
    found = {f'UP_{name.upper().replace("-", "_")}': key
             for name, key in setup['keys'].items()}
    return {**found, 'UP_AWS_ID': setup['aws']['access_key_id'],
            'UP_AWS_SECRET': setup['aws']['secret_access_key'],
            'UP_AWS_SESSION': setup['aws']['session_token'],
            'UP_GOOGLE': json.dumps(setup['service_account'])}


def provider_is_known(upstream, setup):
    """Whether this server takes a channel to it."""
    server = harness.program('tollgate')
    harness.need('tollgate')

    one = types.SimpleNamespace(model='m', upstream_model='m',
                                upstream=upstream)
    keys = {'state_dir': 'state', 'run_dir': 'run',
            'listen': [{'address': '127.0.0.1:1'}],
            'models': [{'name': 'm', 'input': '1', 'output': '1'}],
            'channels': [channel(one, setup)]}
    with tempfile.TemporaryDirectory(prefix='tollgate-') as folder:
        path = os.path.join(folder, 'tollgate.conf')
        with open(path, 'w', encoding='utf-8') as stream:
            for key, value in keys.items():
                stream.write(f'{key} = {harness.libconfig(value)};\n')
        done = subprocess.run(
            [server, '-t', '-c', path, '-p', folder], capture_output=True,
            text=True, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, **environment(setup)})
    if done.returncode and os.environ.get('TOLLGATE_MATRIX_WHY'):
        print(f'# {upstream.name}: {done.stderr.strip()[-300:]}')
    return done.returncode == 0


def report(pairs):
    """What failed, the same in many pairs only once."""
    found = {}
    for pair in pairs:
        for scenario, (outcome, why) in pair.outcomes.items():
            if outcome in ('fail', 'lost'):
                found.setdefault((outcome, scenario, why[:300]), []).append(
                    pair.name)
    for (outcome, scenario, why), names in sorted(found.items()):
        print(f'{outcome} {scenario}: {why}\n        {"; ".join(names)}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--client')
    parser.add_argument('--upstream')
    parser.add_argument('--only', action='append')
    parser.add_argument('--json')
    args = parser.parse_args()
    with World() as world:
        pairs = [pair for pair in world.pairs
                 if args.client in (None, pair.speech.name) and
                 args.upstream in (None, pair.upstream.name)]
        world.run(pairs, args.only)
        for pair in pairs:
            print(f'{pair.name}: {pair.missing or pair.counts()}')
        report(pairs)
        if args.json:
            with open(args.json, 'w', encoding='utf-8') as stream:
                stream.write(as_text(pairs))
    sys.exit(any(outcome == 'fail' for pair in pairs
                 for outcome, _ in pair.outcomes.values()))


if __name__ == '__main__':
    main()
