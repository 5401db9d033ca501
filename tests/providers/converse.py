"""Amazon Bedrock: Converse and ConverseStream, in AWS event stream frames."""

import json
import struct
import zlib

import keys
from plan import (Seen, check_redacted, check_thought, dumps, fragments)
from rules import (Refused, anything, fields, filled, group, listed,
                   matching, need, number, object_schema, one_of, packed,
                   text, thing, whole)

NAME = matching('[a-zA-Z0-9_-]{1,64}')
ID = matching('[a-zA-Z0-9_-]{1,64}')
POINT = group(spec={'type!': one_of('default'), 'ttl': one_of('5m', '1h')})


def one_member(spec):
    """A union: an object with exactly one of these members."""
    def check(value, where):
        thing(value, where)
        need(len(value) == 1, f'{where}: a union must have one member, this '
             f'has {sorted(value)}', where)
        fields(value, where, spec)
    return check


IMAGE = group(spec={
    'format!': one_of('png', 'jpeg', 'gif', 'webp'),
    'source!': one_member({'bytes': packed, 's3Location': thing})})
DOCUMENT = group(spec={
    'format!': one_of('pdf', 'csv', 'doc', 'docx', 'xls', 'xlsx', 'html',
                      'txt', 'md'),
    'name!': matching(r'[a-zA-Z0-9 ()\[\]-]{1,200}'),
    'source!': one_member({'bytes': packed, 'text': text}),
    'context': text, 'citations': thing})
USER = {
    'text': filled, 'image': IMAGE, 'document': DOCUMENT, 'cachePoint': POINT,
    'video': anything,
    'toolResult': group(spec={
        'toolUseId!': ID, 'status': one_of('success', 'error'),
        'content!': listed(one_member({
            'text': text, 'json': thing, 'image': IMAGE,
            'document': DOCUMENT, 'video': anything}))}),
}
ASSISTANT = {
    'text': filled, 'cachePoint': POINT,
    'toolUse': group(spec={'toolUseId!': ID, 'name!': NAME,
                           'input!': thing}),
    'reasoningContent': one_member({
        'reasoningText': group(spec={'text!': text, 'signature': text}),
        'redactedContent': packed}),
}
TOOL = one_member({
    'toolSpec': group(spec={
        'name!': NAME, 'description': filled, 'strict': anything,
        'inputSchema!': one_member({'json': object_schema})}),
    'cachePoint': POINT})
REQUEST = {
    'messages!': listed(thing, 1),
    'system': listed(one_member({'text': filled, 'cachePoint': POINT,
                                 'guardContent': thing})),
    'inferenceConfig': group(spec={
        'maxTokens': whole(1), 'temperature': number(0, 1),
        'topP': number(0, 1), 'stopSequences': listed(filled, 0, 2500)}),
    'toolConfig': group(spec={
        'tools!': listed(TOOL, 1),
        'toolChoice': one_member({
            'auto': group(spec={}), 'any': group(spec={}),
            'tool': group(spec={'name!': NAME})})}),
    'additionalModelRequestFields': thing,
    'additionalModelResponseFieldPaths': listed(text),
    'guardrailConfig': thing, 'performanceConfig': thing,
    'promptVariables': thing, 'requestMetadata': thing,
    'serviceTier': group(spec={'type!': text}),
    'outputConfig': group(spec={'textFormat': group(spec={
        'type!': one_of('json_schema'), 'structure!': one_member({
            'jsonSchema': group(spec={'schema!': text, 'name': text,
                                      'description': text})})})}),
}
EXTRA = {                         # of the models played here: Claude's
    'top_k': whole(0), 'thinking': group(spec={
        'type!': one_of('enabled', 'adaptive', 'disabled'),
        'budget_tokens': whole(1024), 'display': text}),
    'anthropic_beta': listed(text), 'tool_choice': thing,
    'output_config': thing, 'reasoning_config': thing, 'metadata': thing,
}
FINISH = {'stop': 'end_turn', 'sequence': 'stop_sequence',
          'length': 'max_tokens', 'filter': 'content_filtered',
          'calls': 'tool_use'}
KINDS = {400: 'ValidationException', 403: 'AccessDeniedException',
         404: 'ResourceNotFoundException', 408: 'ModelTimeoutException',
         424: 'ModelErrorException', 429: 'ThrottlingException',
         500: 'InternalServerException', 503: 'ServiceUnavailableException'}


class Converse:
    name = 'bedrock'
    stream_type = 'application/vnd.amazon.eventstream'

    def check(self, request):
        keys.check_aws(request.method, request.path, request.query,
                       request.headers, request.body)

    def read(self, request):
        body = request.value
        fields(body, '', REQUEST)
        seen = Seen(request.match.group('model'),
                    request.match.group('verb') == 'converse-stream')
        for block in body.get('system', []):
            if 'text' in block:
                seen.system.append(block['text'])
        marks = sum('cachePoint' in block for block in body.get('system', []))
        self.read_messages(body['messages'], seen)
        self.read_tools(body, seen)
        extra = body.get('additionalModelRequestFields', {})
        fields(extra, 'additionalModelRequestFields', EXTRA)
        seen.set(body.get('inferenceConfig', {}), max='maxTokens',
                 temperature='temperature', top_p='topP',
                 stop='stopSequences')
        seen.set(extra, top_k='top_k', thinking='thinking')
        seen.set(extra.get('output_config', {}), thinking='effort')
        self.check_thinking(extra.get('thinking'), seen)
        seen.set(body, metadata='requestMetadata')
        seen.set(body.get('requestMetadata', {}), user='user')
        self.read_choice(extra.get('tool_choice', {}), seen)
        form = body.get('outputConfig', {}).get('textFormat')
        if form:
            self.read_format(form['structure']['jsonSchema'], seen)
        marks += dumps(body['messages']).count(b'"cachePoint"')
        if marks:
            seen.settings['marks'] = marks
        return seen

    def read_format(self, form, seen):
        try:
            schema = json.loads(form['schema'])
        except ValueError:
            raise Refused('outputConfig: the schema is no JSON') from None
        seen.format = {'kind': 'schema', 'schema': schema}

    def read_choice(self, choice, seen):
        """Claude's own way to say it, past the API."""
        if choice.get('disable_parallel_tool_use'):
            seen.parallel = False
        kind = choice.get('type')
        if kind and seen.choice is None:
            seen.choice = {'any': 'required', 'tool': {
                'name': choice.get('name')}}.get(kind, kind)

    def check_thinking(self, thinking, seen):
        if not thinking or thinking['type'] != 'enabled':
            return
        budget = thinking.get('budget_tokens')
        need(budget, 'thinking.enabled.budget_tokens: Field required')
        need(budget < seen.settings.get('max', 2 ** 31),
             '`max_tokens` must be greater than `thinking.budget_tokens`')
        need(seen.settings.get('temperature', 1) == 1, '`temperature` may '
             'only be set to 1 when thinking is enabled')
        need('top_k' not in seen.settings, '`top_k` must be unset when '
             'thinking is enabled')
        need(seen.choice in (None, 'auto'), 'Thinking may not be enabled '
             'when tool_choice forces tool use.')

    def read_messages(self, messages, seen):
        open_calls, role = [], None
        need(messages[0].get('role') == 'user', 'A conversation must start '
             'with a user message.', 'messages')
        for i, message in enumerate(messages):
            where = f'messages.{i}'
            need(message.get('role') != role, 'A conversation must alternate '
                 'between user and assistant roles.', where)
            role = message.get('role')
            one_of('user', 'assistant')(role, where + '.role')
            kinds = USER if role == 'user' else ASSISTANT
            fields(message, where, {'role!': text, 'content!': listed(
                one_member(kinds), 1)})
            blocks = message['content']
            results = [block['toolResult']['toolUseId'] for block in blocks
                       if 'toolResult' in block]
            need(sorted(results) == sorted(open_calls), 'Expected toolResult '
                 f'blocks at {where}.content for the following Ids: '
                 f'{open_calls}, got: {results}', where)
            open_calls = [block['toolUse']['toolUseId'] for block in blocks
                          if 'toolUse' in block]
            seen.options.setdefault('tools', False)
            seen.options['tools'] |= bool(results or open_calls)
            seen.add(role, *(self.part(block, where) for block in blocks
                             if 'cachePoint' not in block))
        need(not open_calls, f'toolUse without toolResult: {open_calls}')
        need(role == 'user', 'The conversation must end with a user message.')

    def part(self, block, where):
        kind, value = next(iter(block.items()))
        if kind == 'text':
            return {'text': value}
        if kind == 'image':
            return {'image': {'mime': 'image/' + value['format'],
                              'data': value['source'].get('bytes')}}
        if kind == 'toolUse':
            return {'call': {'id': value['toolUseId'], 'name': value['name'],
                             'arguments': value['input']}}
        if kind == 'toolResult':
            said = ''.join(one['text'] if 'text' in one else
                           dumps(one.get('json')).decode()
                           for one in value['content'])
            return {'result': {'id': value['toolUseId'], 'text': said,
                               'failed': value.get('status') == 'error'}}
        if kind == 'reasoningContent':
            if 'redactedContent' in value:
                check_redacted(value['redactedContent'], where)
                return {'redacted': value['redactedContent']}
            thought = value['reasoningText']
            check_thought(thought['text'], thought.get('signature'), where)
            return {'thinking': {'text': thought['text'],
                                 'signature': thought['signature']}}
        return {'file': value}

    def read_tools(self, body, seen):
        config = body.get('toolConfig')
        need(config or not seen.options['tools'], 'The toolConfig field must '
             'be defined when using toolUse and toolResult content blocks.',
             'toolConfig')
        for tool in (config or {}).get('tools', []):
            if 'toolSpec' in tool:
                tool = tool['toolSpec']
                seen.tools.append({'name': tool['name'],
                                   'description': tool.get('description'),
                                   'schema': tool['inputSchema']['json']})
        choice = (config or {}).get('toolChoice')
        if choice:
            kind = next(iter(choice))
            seen.choice = {'auto': 'auto', 'any': 'required'}.get(
                kind, choice[kind])

    # answers: the reasoning is in the output, nobody tells how much

    def report(self, usage):
        return {**usage, 'output': usage['output'] + usage['reasoning'],
                'reasoning': 0}

    def sends_usage(self, plan):
        return True

    def usage(self, plan):
        u = self.report(plan.usage)
        return {'inputTokens': u['input'], 'outputTokens': u['output'],
                'totalTokens': sum(u.values()),
                'cacheReadInputTokens': u['cache_read'],
                'cacheWriteInputTokens': u['cache_write']}

    def block(self, part):
        if part[0] == 'text':
            return {'text': part[1]}
        if part[0] == 'redacted':
            return {'reasoningContent': {'redactedContent': part[1]}}
        if part[0] == 'think':
            thought = {'text': part[1]}
            if part[2]:
                thought['signature'] = part[2]
            return {'reasoningContent': {'reasoningText': thought}}
        return {'toolUse': {'toolUseId': part[1], 'name': part[2],
                            'input': part[3]}}

    def answer(self, plan):
        content = [self.block(part) for part in
                   plan.whole('text', 'think', 'redacted', 'call')]
        answer = {'output': {'message': {'role': 'assistant',
                                         'content': content}},
                  'stopReason': FINISH[plan.finish],
                  'usage': self.usage(plan), 'metrics': {'latencyMs': 12}}
        if 'nousage' in plan.do:
            del answer['usage']
        return answer

    def events(self, plan):
        yield False, event('messageStart', role='assistant')
        for i, part in enumerate(plan.parts):
            if part[0] == 'call':
                yield False, event(
                    'contentBlockStart', contentBlockIndex=i, start={
                        'toolUse': {'toolUseId': part[1], 'name': part[2]}})
            for is_text, delta in self.deltas(part):
                yield is_text, event('contentBlockDelta', delta=delta,
                                     contentBlockIndex=i)
            yield False, event('contentBlockStop', contentBlockIndex=i)
        yield False, event('messageStop', stopReason=FINISH[plan.finish])
        if 'nousage' not in plan.do:
            yield False, event('metadata', usage=self.usage(plan),
                               metrics={'latencyMs': 12})

    def deltas(self, part):
        if part[0] == 'text':
            for piece in part[1]:
                yield True, {'text': piece}
        elif part[0] == 'think':
            for piece in part[1]:
                yield True, {'reasoningContent': {'text': piece}}
            if part[2]:
                yield False, {'reasoningContent': {'signature': part[2]}}
        elif part[0] == 'redacted':
            yield True, {'reasoningContent': {'redactedContent': part[1]}}
        else:
            for piece in fragments(dumps(part[3]).decode()):
                yield True, {'toolUse': {'input': piece}}

    def error(self, status, message, field=None, kind=None):
        kind = kind or KINDS.get(status, 'ValidationException')
        return {'x-amzn-errortype': kind + ':http://internal.example/',
                'x-amzn-requestid': 'up-1'}, {'message': message}

    def error_event(self, message):
        return frame({':exception-type': 'modelStreamErrorException',
                      ':content-type': 'application/json',
                      ':message-type': 'exception'},
                     dumps({'message': message}))


def frame(headers, payload):
    """A message of an event stream, with both checksums."""
    head = b''.join(
        struct.pack('>B', len(name)) + name.encode() + b'\x07' +
        struct.pack('>H', len(value)) + value.encode()
        for name, value in headers.items())
    start = struct.pack('>II', 16 + len(head) + len(payload), len(head))
    found = start + struct.pack('>I', zlib.crc32(start)) + head + payload
    return found + struct.pack('>I', zlib.crc32(found))


def event(kind, **payload):
    """Padded as the real ones are, to lengths that say nothing."""
    payload['p'] = 'abcdefghijklmnopqrstuvwxyz'[:7 + len(kind) % 5]
    return frame({':event-type': kind, ':content-type': 'application/json',
                  ':message-type': 'event'}, dumps(payload))
