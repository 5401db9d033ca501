"""Vectors in every dialect: what may stand in a request, and coordinates that
can be computed again."""

import base64
import re
import struct

from plan import directives
from rules import (Refused, anything, either, fields, flag, group, listed,
                   need, one_of, text, thing, whole)

TASKS = one_of('TASK_TYPE_UNSPECIFIED', 'RETRIEVAL_QUERY',
               'RETRIEVAL_DOCUMENT', 'SEMANTIC_SIMILARITY', 'CLASSIFICATION',
               'CLUSTERING', 'QUESTION_ANSWERING', 'FACT_VERIFICATION',
               'CODE_RETRIEVAL_QUERY')
SIZE = whole(1, 4096)
OPENAI = {
    'model!': text, 'input!': either(text, listed(anything, 1, 2048)),
    'encoding_format': one_of('float', 'base64'), 'dimensions': SIZE,
    'user': text,
}
CONTENT = group(spec={
    'role': text, 'parts!': listed(group(spec={'text!': text}), 1)})
GEMINI = {'model': text, 'content!': CONTENT, 'taskType': TASKS,
          'title': text, 'outputDimensionality': SIZE}
INSTANCE = group(spec={'content!': text, 'task_type': TASKS, 'title': text,
                       'mimeType': text})
PREDICT = {'instances!': listed(INSTANCE, 1, 250),
           'parameters': group(spec={'outputDimensionality': SIZE,
                                     'autoTruncate': flag})}
EMBED = {'content!': CONTENT, 'embedContentConfig': group(spec={
    'taskType': TASKS, 'title': text, 'outputDimensionality': SIZE,
    'autoTruncate': flag})}
OLLAMA = {'model!': text, 'input!': either(text, listed(text, 1)),
          'truncate': flag, 'dimensions': SIZE, 'options': thing,
          'keep_alive': anything}
TYPES = one_of('search_document', 'search_query', 'classification',
               'clustering')
FLOATS = listed(one_of('float'), 1, 1)
BEDROCK = {'texts!': listed(text, 1, 96), 'input_type!': TYPES,
           'embedding_types': FLOATS, 'output_dimension': SIZE,
           'truncate': one_of('NONE', 'START', 'END', 'LEFT', 'RIGHT')}
COHERE = {**BEDROCK, 'model!': text}


def titan_size(value, where):
    need(value in (256, 512, 1024), f'{where}: 256, 512 or 1024', where)


TITAN = {'inputText!': text, 'dimensions': titan_size, 'normalize': flag,
         'embeddingTypes': FLOATS}


def vector(i, count):
    """Some are floats exactly, some are not."""
    return [round(((31 * i + 7 * j) % 200 - 100) / 130, 9)
            for j in range(count)]


class Asked:
    """A request, as the witness understood it."""

    def __init__(self, inputs, **more):
        self.inputs = inputs
        self.more = {name: value for name, value in more.items()
                     if value is not None}

    def as_json(self):
        return {'inputs': self.inputs, **self.more}

    def vectors(self):
        size = self.more.get('dimensions', 16)
        return [vector(i, size) for i in range(len(self.inputs))]

    def directives(self):
        words = [one for one in self.inputs if isinstance(one, str)]
        return directives(words[0] if words else '')


def listed_inputs(value):
    """The inputs: texts, or lists of tokens."""
    if isinstance(value, str):
        return [value]
    if all(isinstance(item, int) for item in value):
        return [value]
    for item in value:
        if not isinstance(item, (str, list)):
            raise Refused('input: must be texts or tokens', 'input')
    return value


def joined(content):
    return '\n'.join(part['text'] for part in content['parts'])


def only(values):
    """What they all say; a list if they differ."""
    return values[0] if all(one == values[0] for one in values) else values


class OpenAI:
    def read(self, request):
        body, spec = request.value, dict(OPENAI)
        model = request.match.groupdict().get('model')
        if model:                 # in the path
            spec['model'] = spec.pop('model!')
        fields(body, '', spec, nulls=True)
        self.model = model or body['model']
        self.base64 = body.get('encoding_format') == 'base64'
        return Asked(listed_inputs(body['input']), user=body.get('user'),
                     dimensions=body.get('dimensions'))

    def row(self, i, values):
        if self.base64:
            values = base64.b64encode(
                struct.pack(f'<{len(values)}f', *values)).decode()
        return {'object': 'embedding', 'index': i, 'embedding': values}

    def answer(self, vectors, tokens):
        found = {'object': 'list', 'model': self.model, 'data': [
            self.row(i, values) for i, values in enumerate(vectors)]}
        if tokens is not None:
            found['usage'] = {'prompt_tokens': tokens,
                              'total_tokens': tokens}
        return found


class Gemini:
    def read(self, request):
        body = request.value
        name = 'models/' + request.match.group('model')
        self.single = request.match.group('verb') == 'embedContent'
        if self.single:
            fields(body, '', GEMINI, nulls=True)
            rows = [body]
        else:
            fields(body, '', {'requests!': listed(group(
                spec={**GEMINI, 'model!': text}), 1, 100)})
            rows = body['requests']
        for row in rows:
            need(row.get('model') in (None, name), 'model: must be the one '
                 f'in the path, {name}', 'requests[0].model')
        return Asked([joined(row['content']) for row in rows],
                     task=only([row.get('taskType') for row in rows]),
                     title=only([row.get('title') for row in rows]),
                     dimensions=only([row.get('outputDimensionality')
                                      for row in rows]))

    def answer(self, vectors, tokens):
        values = [{'values': one} for one in vectors]
        found = {'embedding': values[0]} if self.single else {
            'embeddings': values}
        if tokens is not None:
            found['usageMetadata'] = {'promptTokenCount': tokens}
        return found


class Vertex:
    def read(self, request):
        body = request.value
        self.single = request.match.group('verb') == 'embedContent'
        model = request.match.group('model')
        newer = re.match(r'gemini-(?!embedding-001)', model)
        need(self.single == bool(newer), 'the model has no such method')
        if self.single:
            fields(body, '', EMBED)
            wishes = body.get('embedContentConfig', {})
            return Asked([joined(body['content'])],
                         task=wishes.get('taskType'),
                         title=wishes.get('title'),
                         truncate=wishes.get('autoTruncate'),
                         dimensions=wishes.get('outputDimensionality'))
        fields(body, '', PREDICT)
        rows, wishes = body['instances'], body.get('parameters', {})
        return Asked([row['content'] for row in rows],
                     task=only([row.get('task_type') for row in rows]),
                     title=only([row.get('title') for row in rows]),
                     truncate=wishes.get('autoTruncate'),
                     dimensions=wishes.get('outputDimensionality'))

    def answer(self, vectors, tokens):
        if self.single:
            found = {'embedding': {'values': vectors[0]}, 'truncated': False}
            if tokens is not None:
                found['usageMetadata'] = {'promptTokenCount': tokens}
            return found
        rows = []
        for i, values in enumerate(vectors):
            statistics = {'truncated': False}
            if tokens is not None:   # the first has what is left over
                statistics['token_count'] = tokens // len(vectors) + (
                    0 if i else tokens % len(vectors))
            rows.append({'embeddings': {'statistics': statistics,
                                        'values': values}})
        return {'predictions': rows, 'metadata': {
            'billableCharacterCount': 1}}


class Ollama:
    def read(self, request):
        body = request.value
        fields(body, '', OLLAMA, nulls=True)
        self.model = body['model']
        return Asked(listed_inputs(body['input']),
                     dimensions=body.get('dimensions'),
                     truncate=body.get('truncate'))

    def answer(self, vectors, tokens):
        found = {'model': self.model, 'embeddings': vectors,
                 'total_duration': 14143917, 'load_duration': 1019500}
        if tokens is not None:
            found['prompt_eval_count'] = tokens
        return found


class Cohere:
    spec = COHERE

    def read(self, request):
        body = request.value
        fields(body, '', self.spec)
        return Asked(body['texts'], task=body['input_type'],
                     dimensions=body.get('output_dimension'),
                     truncate={'NONE': False, 'END': True}.get(
                         body.get('truncate')))

    def answer(self, vectors, tokens):
        found = {'id': 'up-1', 'embeddings': {'float': vectors},
                 'texts': ['…'], 'meta': {'api_version': {'version': '2'}}}
        if tokens is not None:
            found['meta']['billed_units'] = {'input_tokens': tokens}
        return found


class CohereAtBedrock(Cohere):
    spec = BEDROCK

    def answer(self, vectors, tokens):
        return {'id': 'up-1', 'response_type': 'embeddings_by_type',
                'embeddings': {'float': vectors}, 'texts': ['…']}

    def headers(self, tokens):
        return {} if tokens is None else {
            'x-amzn-bedrock-input-token-count': str(tokens)}


class Titan:
    def read(self, request):
        fields(request.value, '', TITAN)
        return Asked([request.value['inputText']],
                     dimensions=request.value.get('dimensions'))

    def answer(self, vectors, tokens):
        found = {'embedding': vectors[0],
                 'embeddingsByType': {'float': vectors[0]}}
        if tokens is not None:
            found['inputTextTokenCount'] = tokens
        return found


def maker_of(request):
    """Whose words a request for vectors is in."""
    name = request.dialect.name
    if name == 'bedrock':
        model = request.match.group('model')
        if re.match(r'(\w+\.)?cohere\.embed-', model):
            return CohereAtBedrock()
        need(model.startswith('amazon.titan-embed-text-v2'), 'no such model')
        return Titan()
    return {'gemini': Gemini, 'vertex': Vertex, 'ollama': Ollama,
            'cohere': Cohere}.get(name, OpenAI)()
