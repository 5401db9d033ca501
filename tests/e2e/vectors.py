"""Vectors: both client dialects that ask for them against every upstream,
and what has to come of it.

    python3 vectors.py [--upstream NAME] [--json FILE]
"""

import argparse
import base64
import contextlib
import json
import struct
import sys

try:
    from tests.e2e import harness, matrix, witness
except ImportError:
    import harness
    import matrix
    import witness

TEXT = 'Zürich, a "quoted" word,\n日本語 \U0001f600 and \u0001 the end \\'
SIZE = 256


def single(value):
    return struct.unpack('<f', struct.pack('<f', value))[0]


def vector(i, count):
    """As tests/providers/vectors.py makes them."""
    return [round(((31 * i + 7 * j) % 200 - 100) / 130, 9)
            for j in range(count)]


class Lost(Exception):
    """The gateway refused a field by name."""


class OpenAI:
    name = 'openai'
    fields = {'dimensions': ('dimensions', SIZE), 'user': ('user', 'someone'),
              'input_type': ('task', 'search_query')}

    def path(self, model, how):
        return '/v1/embeddings'

    def body(self, model, texts, how, fields):
        found = {'model': model, 'input': texts[0] if how == 'one' else texts}
        if how in ('base64', 'float'):
            found['encoding_format'] = how
        for field in fields:
            found[field] = self.fields[field][1]
        return found

    def read(self, answer, how):
        """(vectors, tokens, estimated); numbers as their text."""
        found = json.loads(answer.body, parse_float=str, parse_int=str)
        assert found['object'] == 'list', found['object']
        rows = found['data']
        assert [row['index'] for row in rows] == [
            str(i) for i in range(len(rows))], rows
        usage = found['usage']
        assert usage['prompt_tokens'] == usage['total_tokens'], usage
        values = [row['embedding'] for row in rows]
        if how == 'base64':
            packed = [base64.b64decode(one, validate=True) for one in values]
            values = [list(struct.unpack(f'<{len(one) // 4}f', one))
                      for one in packed]
        return (values, int(usage['prompt_tokens']),
                usage.get('estimated', False))


class Gemini:
    name = 'gemini'
    fields = {'outputDimensionality': ('dimensions', SIZE),
              'taskType': ('task', 'RETRIEVAL_QUERY'),
              'title': ('title', 'a title')}

    def path(self, model, how):
        verb = 'embedContent' if how == 'one' else 'batchEmbedContents'
        return f'/v1beta/models/{model}:{verb}'

    def body(self, model, texts, how, fields):
        wishes = {field: self.fields[field][1] for field in fields}
        rows = [{'model': f'models/{model}', 'content': {
            'parts': [{'text': text}], 'role': 'user'}, **wishes}
            for text in texts]
        return rows[0] if how == 'one' else {'requests': rows}

    def read(self, answer, how):
        found = json.loads(answer.body, parse_float=str, parse_int=str)
        rows = [found['embedding']] if how == 'one' else found['embeddings']
        tokens = found.get('usageMetadata', {}).get('promptTokenCount', 0)
        return [row['values'] for row in rows], int(tokens), False


CLIENTS = (OpenAI(), Gemini())


class Upstream:
    """alone: takes one text at a time; none: makes no vectors at all."""

    def __init__(self, name, provider=None, named='{}', fields=None,
                 native=None, alone=False, none=False):
        self.name = name
        self.provider = provider or name
        self.named = named
        self.native = native
        self.alone = alone
        self.none = none
        self.fields = fields or (lambda setup: {
            'keys': [f'env:UP_{name.upper().replace("-", "_")}']})


UPSTREAMS = (
    Upstream('openai', native='openai'),
    Upstream('azure', native='openai', fields=lambda setup: {
        'keys': ['env:UP_AZURE'], 'api_version': '2024-10-21'}),
    Upstream('deepseek', native='openai'),
    Upstream('openai-responses', native='openai'),
    Upstream('gemini', native='gemini', named='gemini-embedding-{}'),
    Upstream('vertex predict', 'vertex', fields=matrix.google,
             named='text-embedding-{}'),
    Upstream('vertex embedContent', 'vertex', fields=matrix.google,
             named='gemini-embedding-2-{}', alone=True),
    Upstream('ollama', fields=lambda setup: {}),
    Upstream('cohere', named='embed-v4.0-{}'),
    Upstream('bedrock titan', 'bedrock', fields=matrix.aws, alone=True,
             named='amazon.titan-embed-text-v2:{}'),
    Upstream('bedrock cohere', 'bedrock', fields=matrix.aws,
             named='us.cohere.embed-v4:{}'),
    Upstream('anthropic', none=True),
)


class Pair:
    def __init__(self, world, client, upstream):
        self.world = world
        self.client = client
        self.upstream = upstream
        self.model = f'{upstream.name}--{client.name}'.replace(' ', '-')
        self.upstream_model = upstream.named.format(self.model)
        self.faults = {}          # scenario: why
        self.passed = []
        self.cannot = set()
        self.kept, self.dropped, self.refused = set(), set(), set()
        self.estimated = 0        # answers without the upstream's usage

    @property
    def name(self):
        return f'{self.client.name} to {self.upstream.name}'

    @property
    def native(self):
        return self.upstream.native == self.client.name

    def run(self):
        names = [name for name in dir(self) if name.startswith(
            'no_' if self.upstream.none else 'do_')]
        for name in names:
            try:
                getattr(self, name)()
                self.passed.append(name[3:])
            except (AssertionError, KeyError, ValueError, TypeError,
                    IndexError, AttributeError, Lost) as bad:
                self.faults[name[3:]] = f'{type(bad).__name__}: {bad}'
        return self

    def ask(self, texts, how='many', fields=(), status=200, key=None,
            body=None):
        answer = self.world.gate.ask(
            'POST', self.client.path(self.model, how),
            body or self.client.body(self.model, texts, how, fields),
            key or self.world.key)
        if answer.status == 400 and b'annot be expressed' in answer.body:
            raise Lost(answer.body.decode().partition("The field '")[
                2].partition("'")[0])
        assert answer.status == status, (answer.status, answer.body[:300],
                                         self.why())
        return answer

    def why(self):
        with contextlib.suppress(OSError):
            return self.last()['message']
        return ''

    def last(self):
        return self.world.providers.last(self.upstream_model)

    def row(self):
        row = self.world.providers.row(self.upstream.provider,
                                       self.upstream_model)
        return row or {'input': 0}

    def check(self, texts, how='many', fields=(), size=16):
        """A good answer, of what the upstream said and was asked."""
        before = self.row()['input']
        answer = self.ask(texts, how, fields)
        vectors, tokens, estimated = self.client.read(answer, how)
        want = [vector(i, size) for i in range(len(texts))]
        if how == 'base64':
            want = [[single(value) for value in one] for one in want]
        else:                     # the very text
            want = [[json.dumps(value) for value in one] for one in want]
        assert vectors == want, vectors
        assert tokens == self.row()['input'] - before, tokens
        assert not estimated
        assert self.last()['seen']['inputs'] == texts, self.last()['seen']
        return answer

    # scenarios

    def do_one(self):
        self.check([TEXT], 'one')

    def do_many(self):
        if not self.upstream.alone:
            self.check([TEXT, '', 'three'])
            return
        self.check([TEXT])
        try:
            self.ask(['a', 'b'])
        except Lost as field:
            assert str(field).endswith('[1]'), field
            self.cannot.add('several texts')
            return
        raise AssertionError('several texts were taken')

    def do_encodings(self):
        if self.client.name == 'openai':
            self.check([TEXT], 'base64')
            self.check([TEXT], 'float')

    def do_fields(self):
        for field, (name, value) in self.client.fields.items():
            try:
                answer = self.ask([TEXT], fields=[field])
            except (Lost, AssertionError):
                self.refused.add(field)
                continue
            dropped = answer.headers.get('x-tollgate-dropped', '')
            seen = self.last()['seen'].get(name)
            if field in dropped:
                self.dropped.add(field)
                assert seen in (None, 'search_document'), seen
            else:
                self.kept.add(field)
                assert seen in (value, 'search_query',
                                'RETRIEVAL_QUERY'), seen
        if self.kept & {'dimensions', 'outputDimensionality'}:
            field = next(iter(self.client.fields))
            self.check([TEXT], fields=[field], size=SIZE)

    def do_strict(self):
        for field in self.dropped:
            try:
                self.ask([TEXT], fields=[field], key=self.world.strict)
            except Lost as lost:
                assert field in str(lost), lost
                continue
            raise AssertionError(f'{field} is lost for a strict key')
        self.ask([TEXT], key=self.world.strict)

    def do_tokens(self):
        if self.client.name != 'openai':
            return
        try:
            self.ask([[1, 2, 3]])
        except Lost as field:
            assert str(field) == 'input' and not self.native, field
            self.cannot.add('token ids')
            return
        assert self.last()['seen']['inputs'] == [[1, 2, 3]]

    def do_without_usage(self):
        answer = self.ask(['@@nousage ' + 'x' * 400])
        tokens, estimated = self.client.read(answer, 'many')[1:]
        self.estimated += 1
        if self.client.name == 'openai':
            assert estimated and tokens >= 100, (tokens, estimated)

    def do_error(self):
        answer = self.ask(['@@status=400'], status=400)
        error = answer.json()['error']
        assert 'told to answer 400' in error['message'], error
        if self.client.name == 'gemini':
            assert error['status'] == 'INVALID_ARGUMENT', error
        else:
            assert error['type'] == 'invalid_request_error', error

    def no_vectors(self):
        for how in ('one', 'many'):
            try:
                self.ask([TEXT], how)
            except Lost as field:
                assert str(field) in ('input', 'content', 'requests'), field
                self.cannot.add('vectors')
                continue
            raise AssertionError('was not refused')

    def as_json(self):
        return {'client': self.client.name, 'upstream': self.upstream.name,
                'native': self.native, 'passed': len(self.passed),
                'run': len(self.passed) + len(self.faults),
                'cannot': sorted(self.cannot), 'kept': sorted(self.kept),
                'dropped': sorted(self.dropped),
                'refused': sorted(self.refused)}


def as_text(pairs):
    """The file vectors.json: a line a pair."""
    return '[\n' + ',\n'.join(json.dumps(pair.as_json())
                              for pair in pairs) + '\n]\n'


def channel(pair, setup):
    return {'name': pair.model, 'provider': pair.upstream.provider,
            'base_url': setup['urls'][pair.upstream.provider],
            'models': [{'name': pair.model,
                        'upstream': pair.upstream_model}],
            **pair.upstream.fields(setup)}


class World:
    """The witness, and a gateway with a channel for every pair."""

    def __init__(self):
        self.providers = witness.Providers()
        setup = self.providers.setup
        self.pairs = [Pair(self, client, upstream) for client in CLIENTS
                      for upstream in UPSTREAMS]
        self.gate = harness.Gateway(
            [channel(pair, setup) for pair in self.pairs],
            environment=matrix.environment(setup),
            models=[{'name': pair.model, 'input': '1.5'}
                    for pair in self.pairs],
            routing={'cooldown': '0s', 'attempts': 1})
        self.gate.account('a', '100000')
        self.key = self.gate.key('a')
        self.strict = self.gate.key('a', '--strict')

    def ledger(self):
        """{model: rows} of the requests report."""
        harness.wait_until(self.gate.settled)
        found = {}
        for row in self.gate.report():
            found.setdefault(row['model_requested'], []).append(row)
        return found

    def close(self):
        self.gate.close()
        self.providers.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--upstream')
    parser.add_argument('--json')
    args = parser.parse_args()
    with World() as world:
        pairs = [pair.run() for pair in world.pairs
                 if args.upstream in (None, pair.upstream.name)]
    for pair in pairs:
        print(f'{pair.name}: {len(pair.passed)} {pair.faults or ""}')
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as stream:
            stream.write(as_text(pairs))
    sys.exit(any(pair.faults for pair in pairs))


if __name__ == '__main__':
    main()
