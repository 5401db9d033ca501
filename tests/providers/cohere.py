"""Cohere /v2/chat."""

import keys
from chat import CALL, TOOL, parts_of, plain
from plan import Seen, dumps, fragments
from rules import (by_type, either, fields, flag, group, listed, need, null,
                   number, one_of, place_url, schema, text, thing, whole)

PART = by_type({
    'text': {'text!': text}, 'image_url': {'image_url!': group(spec={
        'url!': place_url, 'detail': one_of('auto', 'low', 'high')})}})
RESULT = either(text, listed(by_type({
    'text': {'text!': text},
    'document': {'document!': group(spec={'data!': thing, 'id': text})}})))
ROLES = {
    'system': {'content!': either(text, listed(by_type(
        {'text': {'text!': text}})))},
    'user': {'content!': either(text, listed(PART, 1))},
    'assistant': {
        'content': either(null, text, listed(by_type({
            'text': {'text!': text}, 'thinking': {'thinking!': text}}))),
        'tool_calls': listed(CALL, 1), 'tool_plan': text,
        'citations': listed(thing)},
    'tool': {'content!': RESULT, 'tool_call_id!': text},
}
REQUEST = {
    'model!': text, 'messages!': listed(thing, 1), 'stream': flag,
    'tools': listed(TOOL, 1), 'strict_tools': flag,
    'documents': listed(thing), 'citation_options': thing,
    'response_format': by_type({'text': {}, 'json_object': {
        'json_schema': schema}}),
    'safety_mode': one_of('CONTEXTUAL', 'STRICT', 'OFF', 'NONE'),
    'max_tokens': whole(1), 'stop_sequences': listed(text, 0, 5),
    'temperature': number(0, 1), 'seed': whole(0, 2 ** 64),
    'frequency_penalty': number(0, 1), 'presence_penalty': number(0, 1),
    'k': whole(0, 500), 'p': number(0.01, 0.99), 'logprobs': flag,
    'tool_choice': one_of('REQUIRED', 'NONE'),
    'thinking': group(spec={'type!': one_of('enabled', 'disabled'),
                            'token_budget': whole(1)}),
    'priority': whole(0, 999), 'raw_prompting': flag,
}
FINISH = {'stop': 'COMPLETE', 'sequence': 'STOP_SEQUENCE',
          'length': 'MAX_TOKENS', 'calls': 'TOOL_CALL', 'filter': 'ERROR'}


class Cohere:
    name = 'cohere'
    stream_type = 'text/event-stream'

    def check(self, request):
        keys.check_bearer(self.name, request.headers)

    def read(self, request):
        body = request.value
        fields(body, '', REQUEST)
        seen = Seen(body['model'], bool(body.get('stream')))
        open_calls = set()
        for i, message in enumerate(body['messages']):
            where = f'messages[{i}]'
            role = message.get('role')
            need(role in ROLES, f'invalid role: {role}', where)
            fields(message, where, {'role!': text, **ROLES[role]})
            if role == 'tool':
                call = message['tool_call_id']
                need(call in open_calls, f'{where}: no tool call with id '
                     f'{call} in the turn before', where)
                open_calls.remove(call)
                seen.add('user', {'result': {
                    'id': call, 'text': said(message['content'])}})
                continue
            need(not open_calls, f'{where}: tool results are missing for '
                 f'{sorted(open_calls)}', where)
            open_calls = self.read_turn(message, where, seen)
        need(not open_calls, f'tool results are missing: {open_calls}')
        self.read_rest(body, seen)
        return seen

    def read_turn(self, message, where, seen):
        role, content = message['role'], message.get('content')
        if role == 'system':
            seen.system.append(plain(content))
            return set()
        if role == 'user':
            seen.add('user', *parts_of(content))
            return set()
        calls = message.get('tool_calls', [])
        need(calls or content, f'{where}: must have content or tool_calls',
             where)
        for part in content if isinstance(content, list) else []:
            if 'thinking' in part:
                seen.add('assistant', {'thinking': {
                    'text': part['thinking'], 'signature': None}})
            else:
                seen.add('assistant', {'text': part['text']})
        if isinstance(content, str):
            seen.add('assistant', {'text': content})
        for call in calls:
            seen.add('assistant', {'call': {
                'id': call['id'], 'name': call['function']['name'],
                'arguments': call['function']['arguments']}})
        return {call['id'] for call in calls}

    def read_rest(self, body, seen):
        for tool in body.get('tools', []):
            tool = tool['function']
            seen.tools.append({'name': tool['name'],
                               'description': tool.get('description'),
                               'schema': tool.get('parameters')})
        seen.choice = {'REQUIRED': 'required', 'NONE': 'none'}.get(
            body.get('tool_choice'))
        need(seen.tools or not seen.choice, 'tool_choice needs tools')
        form = body.get('response_format')
        if form and form['type'] == 'json_object':
            need(not seen.tools, 'response_format cannot be used with tools')
            seen.format = {'kind': 'json'}
            if 'json_schema' in form:
                seen.format = {'kind': 'schema',
                               'schema': form['json_schema']}
        seen.set(body, max='max_tokens', temperature='temperature',
                 top_p='p', top_k='k', stop='stop_sequences', seed='seed',
                 thinking='thinking', logprobs='logprobs',
                 presence='presence_penalty',
                 frequency='frequency_penalty')

    # answers: thoughts are output, cached tokens are input as well

    def report(self, usage):
        return {**usage, 'input': usage['input'] + usage['cache_write'],
                'cache_write': 0, 'reasoning': 0,
                'output': usage['output'] + usage['reasoning']}

    def sends_usage(self, plan):
        return True

    def usage(self, plan):
        u = self.report(plan.usage)
        tokens = {'input_tokens': u['input'] + u['cache_read'],
                  'output_tokens': u['output']}
        return {'billed_units': dict(tokens), 'tokens': tokens,
                'cached_tokens': u['cache_read']}

    def call(self, part):
        return {'id': part[1], 'type': 'function', 'function': {
            'name': part[2], 'arguments': dumps(part[3]).decode()}}

    def answer(self, plan):
        message = {'role': 'assistant'}
        content = [{'type': 'thinking', 'thinking': part[1]}
                   if part[0] == 'think' else
                   {'type': 'text', 'text': part[1]}
                   for part in plan.whole('think', 'text')]
        calls = [self.call(part) for part in plan.whole('call')]
        if content:
            message['content'] = content
        if calls:
            message['tool_plan'] = 'I will look.'
            message['tool_calls'] = calls
        found = {'id': f'up-{plan.number}', 'message': message,
                 'finish_reason': FINISH[plan.finish]}
        if 'nousage' not in plan.do:
            found['usage'] = self.usage(plan)
        return found

    def events(self, plan):
        yield False, event('message-start', id=f'up-{plan.number}', delta={
            'message': {'role': 'assistant', 'content': [], 'tool_plan': '',
                        'tool_calls': [], 'citations': []}})
        calls = 0
        for i, part in enumerate(plan.parts):
            if part[0] in ('text', 'think'):
                name = 'thinking' if part[0] == 'think' else 'text'
                yield False, event('content-start', index=i, delta={
                    'message': {'content': {'type': name, name: ''}}})
                for piece in part[1]:
                    yield True, event('content-delta', index=i, delta={
                        'message': {'content': {name: piece}}})
                yield False, event('content-end', index=i)
            elif part[0] == 'call':
                yield from self.call_events(calls, part)
                calls += 1
        end = {'finish_reason': FINISH[plan.finish]}
        if 'nousage' not in plan.do:
            end['usage'] = self.usage(plan)
        yield False, event('message-end', id=f'up-{plan.number}', delta=end)

    def call_events(self, index, part):
        if index == 0:
            for piece in ('I will ', 'look.'):
                yield False, event('tool-plan-delta', delta={
                    'message': {'tool_plan': piece}})
        call = self.call(part)
        arguments = call['function']['arguments']
        call['function']['arguments'] = ''
        yield False, event('tool-call-start', index=index, delta={
            'message': {'tool_calls': call}})
        for piece in fragments(arguments):
            yield True, event('tool-call-delta', index=index, delta={
                'message': {'tool_calls': {'function': {
                    'arguments': piece}}}})
        yield False, event('tool-call-end', index=index)

    def error(self, status, message, field=None, kind=None):
        return {}, {'id': 'up-err', 'message': message}

    def error_event(self, message):
        return event('message-end', id='up-err', delta={
            'finish_reason': 'ERROR', 'error': message})


def said(content):
    if isinstance(content, str):
        return content
    return ''.join(part['text'] if 'text' in part else
                   dumps(part['document']['data']).decode()
                   for part in content)


def event(kind, **more):
    return (b'event: ' + kind.encode() + b'\ndata: ' +
            dumps({'type': kind, **more}) + b'\n\n')
