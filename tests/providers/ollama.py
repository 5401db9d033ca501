"""Ollama /api/chat: one JSON text a line."""

import time

import keys
from chat import TOOL
from plan import Seen, dumps
from rules import (anything, either, fields, flag, group, listed, need,
                   number, one_of, packed, schema, text, thing, whole)

CALL = group(spec={'function!': group(spec={
    'name!': text, 'arguments!': thing, 'index': whole()}), 'id': text,
    'type': text})
ROLES = {
    'system': {'content!': text},
    'user': {'content!': text, 'images': listed(packed)},
    'assistant': {'content': text, 'thinking': text,
                  'tool_calls': listed(CALL)},
    'tool': {'content!': text, 'tool_name!': text, 'tool_call_id': text},
}
OPTIONS = {
    'temperature': number(0, 10), 'top_p': number(0, 1), 'top_k': whole(),
    'min_p': number(0, 1), 'num_predict': whole(-2), 'num_ctx': whole(1),
    'stop': listed(text), 'seed': whole(-2 ** 63, 2 ** 63),
    'repeat_penalty': number(0, 10), 'presence_penalty': number(-2, 2),
    'frequency_penalty': number(-2, 2), 'repeat_last_n': whole(-1),
}
REQUEST = {
    'model!': text, 'messages!': listed(thing, 1), 'tools': listed(TOOL),
    'format': either(one_of('json', ''), schema),
    'options': group(spec=OPTIONS), 'stream': flag,
    'think': either(flag, one_of('low', 'medium', 'high')),
    'keep_alive': anything, 'logprobs': flag, 'top_logprobs': whole(0, 20),
}


class Ollama:
    name = 'ollama'
    stream_type = 'application/x-ndjson'

    def check(self, request):
        """Open; a key, where one is sent (a proxy before it), is looked
        at."""
        if 'authorization' in request.headers:
            keys.check_bearer(self.name, request.headers)

    def read(self, request):
        body = request.value
        fields(body, '', REQUEST, nulls=True)
        seen = Seen(body['model'], body.get('stream', True))
        names = []
        for i, message in enumerate(body['messages']):
            where = f'messages[{i}]'
            role = message.get('role')
            need(role in ROLES, f'invalid role: {role}', where)
            fields(message, where, {'role!': text, **ROLES[role]})
            if role == 'tool':
                need(message['tool_name'] in names,
                     f'{where}: no call of this name', where)
                names.remove(message['tool_name'])
                seen.add('user', {'result': {'id': None,
                                             'text': message['content']}})
                continue
            need(not names, f'{where}: results are missing', where)
            if role == 'system':
                seen.system.append(message['content'])
            else:
                names = self.read_turn(message, seen)
        need(not names, f'results are missing: {names}')
        self.read_rest(body, seen)
        return seen

    def read_turn(self, message, seen):
        role = message['role']
        if message.get('thinking'):
            seen.add(role, {'thinking': {'text': message['thinking'],
                                         'signature': None}})
        if message.get('content'):
            seen.add(role, {'text': message['content']})
        for image in message.get('images', []):
            seen.add(role, {'image': {'mime': None, 'data': image}})
        calls = [call['function'] for call in message.get('tool_calls', [])]
        for call in calls:
            seen.add(role, {'call': {'id': None, 'name': call['name'],
                                     'arguments': call['arguments']}})
        return [call['name'] for call in calls]

    def read_rest(self, body, seen):
        for tool in body.get('tools') or []:
            tool = tool['function']
            seen.tools.append({'name': tool['name'],
                               'description': tool.get('description'),
                               'schema': tool.get('parameters')})
        form = body.get('format')
        if form:
            seen.format = {'kind': 'json'} if form == 'json' else {
                'kind': 'schema', 'schema': form}
        options = body.get('options') or {}
        seen.set(options, max='num_predict', temperature='temperature',
                 top_p='top_p', top_k='top_k', stop='stop', seed='seed',
                 presence='presence_penalty', frequency='frequency_penalty')
        seen.set(body, thinking='think', logprobs='logprobs')
        # Without `think` a thinking model thinks all the same.
        seen.options['thoughts'] = body.get('think') is not False

    # answers: no cache, no count of thoughts

    def report(self, usage):
        return {'input': usage['input'] + usage['cache_read'] +
                usage['cache_write'], 'cache_read': 0, 'cache_write': 0,
                'output': usage['output'] + usage['reasoning'],
                'reasoning': 0}

    def sends_usage(self, plan):
        return True

    def line(self, plan, message, **more):
        return {'model': plan.seen.model,
                'created_at': time.strftime('%Y-%m-%dT%H:%M:%S.123456789Z',
                                            time.gmtime()),
                'message': {'role': 'assistant', **message},
                'done': bool(more), **more}

    def end(self, plan):
        u = self.report(plan.usage)
        reason = {'length': 'length'}.get(plan.finish, 'stop')
        found = {'done_reason': reason, 'total_duration': 5043500667,
                 'load_duration': 5025959, 'prompt_eval_duration': 325953000,
                 'eval_duration': 4709213000}
        if 'nousage' not in plan.do:
            found['prompt_eval_count'] = u['input']
            found['eval_count'] = u['output']
        return found

    def call(self, i, part):
        return {'function': {'index': i, 'name': part[2],
                             'arguments': part[3]}}

    def answer(self, plan):
        need(plan.finish != 'filter', 'this dialect has no filter')
        message = {'content': ''.join(
            part[1] for part in plan.whole('text'))}
        thoughts = ''.join(part[1] for part in plan.whole('think'))
        if thoughts and plan.seen.options['thoughts']:
            message['thinking'] = thoughts
        calls = [self.call(i, part)
                 for i, part in enumerate(plan.whole('call'))]
        if calls:
            message['tool_calls'] = calls
        return {**self.line(plan, message, done_reason=''), **self.end(plan)}

    def events(self, plan):
        need(plan.finish != 'filter', 'this dialect has no filter')
        calls = 0
        for part in plan.parts:
            if part[0] == 'text':
                for piece in part[1]:
                    yield True, line(self.line(plan, {'content': piece}))
            elif part[0] == 'think' and plan.seen.options['thoughts']:
                for piece in part[1]:
                    yield True, line(self.line(plan, {'content': '',
                                                      'thinking': piece}))
            elif part[0] == 'call':
                yield True, line(self.line(plan, {
                    'content': '', 'tool_calls': [self.call(calls, part)]}))
                calls += 1
        yield False, line({**self.line(plan, {'content': ''},
                                       done_reason=''), **self.end(plan)})

    def error(self, status, message, field=None, kind=None):
        return {}, {'error': message}

    def error_event(self, message):
        return line({'error': message})


def line(value):
    return dumps(value) + b'\n'
