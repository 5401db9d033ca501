"""Anthropic messages; on Vertex the same with the model in the path."""

import keys
from plan import (Seen, check_redacted, check_thought, dumps, fragments)
from rules import (anything, by_type, closed_schema, either, fields, filled,
                   flag, group, listed, matching, need, number, object_schema,
                   one_of, packed, place_url, text, thing, whole)

NAME = matching('[a-zA-Z0-9_-]{1,128}')
ID = matching('[a-zA-Z0-9_-]+')
CACHE = group(spec={'type!': one_of('ephemeral'), 'ttl': one_of('5m', '1h')})
SOURCE = by_type({
    'base64': {'media_type!': one_of('image/jpeg', 'image/png', 'image/gif',
                                     'image/webp', 'application/pdf'),
               'data!': packed},
    'url': {'url!': place_url}, 'file': {'file_id!': text},
    'text': {'media_type!': one_of('text/plain'), 'data!': text},
})
TEXT = {'text!': filled, 'cache_control': CACHE, 'citations': anything}
IMAGE = {'source!': SOURCE, 'cache_control': CACHE}
DOCUMENT = {'source!': SOURCE, 'title': text, 'context': text,
            'citations': thing, 'cache_control': CACHE}
RESULT = {'tool_use_id!': ID, 'is_error': flag, 'cache_control': CACHE,
          'content': either(text, listed(by_type(
              {'text': TEXT, 'image': IMAGE, 'document': DOCUMENT})))}
USER = {'text': TEXT, 'image': IMAGE, 'document': DOCUMENT,
        'tool_result': RESULT}
ASSISTANT = {
    'text': TEXT,
    'thinking': {'thinking!': text, 'signature!': text},
    'redacted_thinking': {'data!': text},
    'tool_use': {'id!': ID, 'name!': NAME, 'input!': thing,
                 'cache_control': CACHE, 'caller': anything},
}
TOOL = group(spec={
    'name!': NAME, 'description': text, 'input_schema!': object_schema,
    'cache_control': CACHE, 'type': one_of('custom'), 'strict': flag,
    'eager_input_streaming': flag})
ONE = {'disable_parallel_tool_use': flag}
EFFORT = one_of('low', 'medium', 'high', 'xhigh', 'max')
REQUEST = {
    'model!': text, 'max_tokens!': whole(1), 'messages!': listed(thing, 1),
    'system': either(text, listed(by_type({'text': TEXT}), 1)),
    'metadata': group(spec={'user_id': text}),
    'stop_sequences': listed(filled), 'stream': flag,
    'temperature': number(0, 1), 'top_k': whole(0), 'top_p': number(0, 1),
    'thinking': by_type({
        'enabled': {'budget_tokens!': whole(1024), 'display': text},
        'adaptive': {'display': text}, 'disabled': {}}),
    'tool_choice': by_type({'auto': ONE, 'any': ONE, 'none': {},
                            'tool': {'name!': NAME, **ONE}}),
    'tools': listed(TOOL), 'service_tier': one_of('auto', 'standard_only'),
    'output_config': group(spec={
        'effort': EFFORT, 'format': by_type({
            'json_schema': {'schema!': closed_schema}})}),
    'cache_control': CACHE, 'container': anything, 'inference_geo': text,
}
KINDS = {400: 'invalid_request_error', 401: 'authentication_error',
         402: 'billing_error', 403: 'permission_error',
         404: 'not_found_error', 408: 'timeout_error', 409: 'conflict_error',
         413: 'request_too_large', 429: 'rate_limit_error',
         500: 'api_error', 503: 'overloaded_error', 504: 'timeout_error',
         529: 'overloaded_error'}
FINISH = {'stop': 'end_turn', 'sequence': 'stop_sequence',
          'length': 'max_tokens', 'filter': 'refusal', 'calls': 'tool_use'}


def blocks_of(content):
    return [{'type': 'text', 'text': content}] if isinstance(
        content, str) else content


def part_of(block, where):
    kind = block['type']
    if kind == 'text':
        return {'text': block['text']}
    if kind in ('image', 'document'):
        source = block['source']
        if source['type'] == 'url':
            return {kind: {'url': source['url']}}
        return {kind: {'mime': source['media_type'], 'data': source['data']}}
    if kind == 'tool_result':
        said = ''.join(one.get('text', '')
                       for one in blocks_of(block.get('content', [])))
        return {'result': {'id': block['tool_use_id'], 'text': said,
                           'failed': block.get('is_error', False)}}
    if kind == 'thinking':
        check_thought(block['thinking'], block['signature'], where)
        return {'thinking': {'text': block['thinking'],
                             'signature': block['signature']}}
    if kind == 'redacted_thinking':
        check_redacted(block['data'], where)
        return {'redacted': block['data']}
    return {'call': {'id': block['id'], 'name': block['name'],
                     'arguments': block['input']}}


class Messages:
    name = 'anthropic'
    stream_type = 'text/event-stream'
    request = REQUEST

    def check(self, request):
        given = dict(request.headers)
        given['bearer'] = keys.bearer(given)
        keys.check_header(self.name, given, 'x-api-key', 'bearer')
        need(request.headers.get('anthropic-version') in
             ('2023-06-01', '2026-10-21'),
             'anthropic-version: header is required')

    def model(self, request):
        return request.value['model']

    def read(self, request, counting=False):
        body = request.value
        spec = dict(self.request)
        if counting:
            spec['max_tokens'] = spec.pop('max_tokens!')
            spec['model!'] = text   # no path holds it, at Vertex neither
        fields(body, '', spec)
        seen = Seen(self.model(request), bool(body.get('stream')))
        for block in blocks_of(body.get('system') or []):
            seen.system.append(block['text'])
        self.read_messages(body['messages'], seen)
        self.read_tools(body, seen)
        self.read_thinking(body, seen)
        form = (body.get('output_config') or {}).get('format')
        if form:
            seen.format = {'kind': 'schema', 'schema': form['schema']}
        seen.set(body, max='max_tokens', temperature='temperature',
                 top_p='top_p', top_k='top_k', stop='stop_sequences',
                 tier='service_tier')
        seen.set(body.get('metadata') or {}, user='user_id')
        seen.set(body.get('output_config') or {}, thinking='effort')
        marks = dumps(body).count(b'"cache_control":')
        need(marks <= 4, 'A maximum of 4 blocks with cache_control may be '
             f'provided. Found {marks}.')
        if marks:
            seen.settings['marks'] = marks
        return seen

    def read_messages(self, messages, seen):
        open_calls = []
        need(messages[0].get('role') == 'user',
             'messages: first message must use the "user" role', 'messages')
        for i, message in enumerate(messages):
            where = f'messages.{i}'
            one_of('user', 'assistant')(message.get('role'), where + '.role')
            kinds = USER if message['role'] == 'user' else ASSISTANT
            fields(message, where, {'role!': text, 'content!': either(
                filled, listed(by_type(kinds)))})
            blocks = blocks_of(message['content'])
            need(blocks, f'{where}: all messages must have non-empty content',
                 where)
            results = [block['tool_use_id'] for block in blocks
                       if block['type'] == 'tool_result']
            if message['role'] == 'user':
                self.match(open_calls, results, blocks, where)
                open_calls = []
            else:
                need(not open_calls, f'{where}: `tool_use` ids were found '
                     'without `tool_result` blocks immediately after', where)
            open_calls += [block['id'] for block in blocks
                           if block['type'] == 'tool_use']
            seen.add(message['role'], *(part_of(block, where)
                                        for block in blocks))
        need(not open_calls, '`tool_use` ids were found without '
             f'`tool_result` blocks: {open_calls}', 'messages')
        last = seen.turns[-1]
        need(last['role'] == 'user' or not last['parts'][-1].get(
            'text', 'x')[-1:].isspace(), 'final assistant content cannot end '
            'with trailing whitespace', 'messages')

    def match(self, calls, results, blocks, where):
        need(set(results) <= set(calls) and
             len(set(results)) == len(results),
             f'{where}: unexpected `tool_use_id` found in `tool_result` '
             f'blocks: {results}', where)
        need(set(results) == set(calls), f'{where}: `tool_use` ids were '
             f'found without `tool_result` blocks immediately after: '
             f'{sorted(set(calls) - set(results))}', where)
        first = [block['type'] for block in blocks[:len(results)]]
        need(all(kind == 'tool_result' for kind in first),
             f'{where}: tool_result blocks must come first', where)

    def read_tools(self, body, seen):
        names = set()
        for tool in body.get('tools') or []:
            need(tool['name'] not in names, 'tools: Tool names must be '
                 'unique.', 'tools')
            names.add(tool['name'])
            seen.tools.append({'name': tool['name'],
                               'description': tool.get('description'),
                               'schema': tool['input_schema']})
        choice = body.get('tool_choice')
        if not choice:
            return
        need(names, 'tool_choice may only be specified while providing '
             'tools', 'tool_choice')
        kind = choice['type']
        seen.choice = {'any': 'required', 'tool': {'name': choice.get('name')}
                       }.get(kind, kind)
        if kind == 'tool':
            need(choice['name'] in names, 'tool_choice: Tool not found',
                 'tool_choice')
        if choice.get('disable_parallel_tool_use'):
            seen.parallel = False

    def read_thinking(self, body, seen):
        thinking = body.get('thinking')
        if not thinking:
            return
        seen.settings['thinking'] = thinking
        if thinking['type'] == 'disabled':
            return
        need(thinking.get('budget_tokens', 0) < body.get('max_tokens', 2**31),
             '`max_tokens` must be greater than `thinking.budget_tokens`',
             'max_tokens')
        need(body.get('temperature', 1) == 1, '`temperature` may only be set '
             'to 1 when thinking is enabled', 'temperature')
        need('top_k' not in body, '`top_k` must be unset when thinking is '
             'enabled', 'top_k')
        need(seen.choice in (None, 'auto', 'none'), 'Thinking may not be '
             'enabled when tool_choice forces tool use.', 'tool_choice')
        if thinking['type'] == 'enabled' and seen.results():
            first = seen.turns[-2]['parts'][0]
            need('thinking' in first or 'redacted' in first,
                 f'messages.{len(seen.turns) - 2}.content.0.type: Expected '
                 '`thinking` or `redacted_thinking`, but found something '
                 'else. When `thinking` is enabled, a final `assistant` '
                 'message must start with a thinking block', 'messages')

    # answers

    def report(self, usage):
        return dict(usage)

    def sends_usage(self, plan):
        return True

    def usage(self, plan):
        u = plan.usage
        return {'input_tokens': u['input'],
                'cache_creation_input_tokens': u['cache_write'],
                'cache_read_input_tokens': u['cache_read'],
                'cache_creation': {
                    'ephemeral_5m_input_tokens': u['cache_write'],
                    'ephemeral_1h_input_tokens': 0},
                'output_tokens': u['output'] + u['reasoning'],
                'output_tokens_details': {'thinking_tokens': u['reasoning']},
                'service_tier': 'standard'}

    def block(self, part):
        if part[0] == 'text':
            return {'type': 'text', 'text': part[1]}
        if part[0] == 'think':
            return {'type': 'thinking', 'thinking': part[1],
                    'signature': part[2] or ''}
        if part[0] == 'redacted':
            return {'type': 'redacted_thinking', 'data': part[1]}
        return {'type': 'tool_use', 'id': part[1], 'name': part[2],
                'input': part[3]}

    def message(self, plan, content, usage, finish):
        return {'model': plan.seen.model, 'id': f'msg_up{plan.number}',
                'type': 'message', 'role': 'assistant', 'content': content,
                'stop_reason': finish, 'stop_sequence':
                plan.sequence if finish else None, 'usage': usage}

    def answer(self, plan):
        content = [self.block(part) for part in
                   plan.whole('text', 'think', 'redacted', 'call')]
        answer = self.message(plan, content, self.usage(plan),
                              FINISH[plan.finish])
        if 'nousage' in plan.do:
            del answer['usage']
        return answer

    def events(self, plan):
        usage = self.usage(plan)
        first = {**usage, 'output_tokens': 1}
        del first['output_tokens_details']
        yield False, event('message_start', message=self.message(
            plan, [], first, None))
        yield False, event('ping')
        for index, part in enumerate(plan.parts):
            yield False, event('content_block_start', index=index,
                               content_block=self.empty(part))
            for is_text, delta in self.deltas(part):
                yield is_text, event('content_block_delta', index=index,
                                     delta=delta)
            yield False, event('content_block_stop', index=index)
        yield False, event('message_delta', delta={
            'stop_reason': FINISH[plan.finish],
            'stop_sequence': plan.sequence}, usage={
                'output_tokens': usage['output_tokens'],
                'output_tokens_details': usage['output_tokens_details']})
        yield False, event('message_stop')

    def empty(self, part):
        if part[0] == 'text':
            return {'type': 'text', 'text': ''}
        if part[0] == 'think':
            return {'type': 'thinking', 'thinking': '', 'signature': ''}
        if part[0] == 'redacted':
            return self.block(part)
        return {**self.block(part), 'input': {}}

    def deltas(self, part):
        if part[0] == 'text':
            for piece in part[1]:
                yield True, {'type': 'text_delta', 'text': piece}
        elif part[0] == 'think':
            for piece in part[1]:
                yield True, {'type': 'thinking_delta', 'thinking': piece}
            if part[2]:
                yield False, {'type': 'signature_delta', 'signature': part[2]}
        elif part[0] == 'call':
            for piece in [''] + fragments(dumps(part[3]).decode()):
                yield bool(piece), {'type': 'input_json_delta',
                                    'partial_json': piece}

    def error(self, status, message, field=None, kind=None):
        type_ = kind or KINDS.get(status, 'api_error' if status >= 500 else
                                  'invalid_request_error')
        return {'request-id': 'req_up'}, {
            'type': 'error', 'error': {'type': type_, 'message': message},
            'request_id': 'req_up'}

    def error_event(self, message):
        return event('error', error={'type': 'overloaded_error',
                                     'message': message})

    def count(self, request):
        """The answer to count_tokens."""
        self.read(request, counting=True)
        return {'input_tokens': 8 + len(request.body) // 4}


class VertexMessages(Messages):
    name = 'vertex-anthropic'
    request = {name: check for name, check in REQUEST.items()
               if name != 'model!'}
    request['anthropic_version!'] = one_of('vertex-2023-10-16')

    def check(self, request):
        request.google.check(request.headers)

    def model(self, request):
        if request.kind == 'count':
            return request.value['model']
        streams = request.match.group('verb') == 'streamRawPredict'
        need(bool(request.value.get('stream')) == streams,
             'stream: does not fit the method', 'stream')
        return request.match.group('model')


def event(kind, **more):
    return (b'event: ' + kind.encode() + b'\ndata: ' +
            dumps({'type': kind, **more}) + b'\n\n')
