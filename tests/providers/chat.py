"""OpenAI chat completions; Azure's and DeepSeek's variants."""

import re
import time

import keys
from plan import Seen, dumps, fragments
from rules import (Refused, anything, by_type, data_url, either, fields, flag,
                   group, listed, matching, need, null, number, object_schema,
                   object_text, one_of, packed, place_url, schema,
                   strict_schema, text, thing, whole)

NAME = matching('[a-zA-Z0-9_-]{1,64}')

PARTS = {
    'text': {'text!': text},
    'image_url': {'image_url!': group(spec={
        'url!': place_url, 'detail': one_of('low', 'high', 'auto')})},
    'input_audio': {'input_audio!': group(spec={
        'data!': packed, 'format!': one_of('wav', 'mp3')})},
    'file': {'file!': group(spec={
        'file_data': place_url, 'filename': text, 'file_id': text})},
}
WORDS = either(text, listed(by_type({'text': {'text!': text}}), 1))
CALL = group(spec={
    'id!': text, 'type!': one_of('function'),
    'function!': group(spec={'name!': NAME, 'arguments!': object_text})})
ROLES = {
    'developer': {'content!': WORDS, 'name': text},
    'system': {'content!': WORDS, 'name': text},
    'user': {'content!': either(text, listed(by_type(PARTS), 1)),
             'name': text},
    'assistant': {
        'content': either(null, text, listed(by_type(
            {'text': {'text!': text}, 'refusal': {'refusal!': text}}), 1)),
        'refusal': either(null, text), 'name': text, 'audio': anything,
        'tool_calls': listed(CALL, 1), 'annotations': anything,
        'function_call': null},
    'tool': {'content!': WORDS, 'tool_call_id!': text},
}
TOOL = by_type({'function': {'function!': group(nulls=True, spec={
    'name!': NAME, 'description': text, 'parameters': object_schema,
    'strict': flag})}})
CHOICE = either(one_of('none', 'auto', 'required'), by_type(
    {'function': {'function!': group(spec={'name!': NAME})}}))
FORMAT = by_type({
    'text': {}, 'json_object': {},
    'json_schema': {'json_schema!': group(nulls=True, spec={
        'name!': NAME, 'description': text, 'schema': schema,
        'strict': flag})}})
EFFORT = one_of('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max')
REQUEST = {
    'model!': text, 'messages!': listed(thing, 1),
    'audio': anything, 'frequency_penalty': number(-2, 2),
    'logit_bias': thing, 'logprobs': flag, 'top_logprobs': whole(0, 20),
    'max_completion_tokens': whole(1), 'max_tokens': whole(1),
    'metadata': thing, 'modalities': listed(text), 'n': whole(1, 128),
    'moderation': anything, 'parallel_tool_calls': flag,
    'prediction': thing, 'presence_penalty': number(-2, 2),
    'prompt_cache_key': text, 'prompt_cache_options': anything,
    'prompt_cache_retention': text, 'reasoning_effort': EFFORT,
    'response_format': FORMAT, 'safety_identifier': text, 'seed': whole(-2**63,
                                                                       2**63),
    'service_tier': one_of('auto', 'default', 'flex', 'scale', 'priority'),
    'stop': either(text, listed(text, 1, 4)), 'store': flag, 'stream': flag,
    'stream_options': group(spec={'include_usage': flag,
                                  'include_obfuscation': flag}),
    'temperature': number(0, 2), 'tool_choice': CHOICE,
    'tools': listed(TOOL, 1), 'top_p': number(0, 1), 'user': text,
    'verbosity': one_of('low', 'medium', 'high'), 'web_search_options': thing,
}
FINISH = {'stop': 'stop', 'sequence': 'stop', 'length': 'length',
          'filter': 'content_filter', 'calls': 'tool_calls'}
KINDS = {400: ('invalid_request_error', None),
         401: ('invalid_request_error', 'invalid_api_key'),
         403: ('permission_error', 'permission_denied'),
         404: ('invalid_request_error', 'model_not_found'),
         429: ('rate_limit_error', 'rate_limit_exceeded'),
         500: ('server_error', None), 503: ('server_error', 'overloaded')}


def parts_of(content):
    """Our parts of a message's content."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{'text': content}]
    found = []
    for part in content:
        kind = part['type']
        if kind == 'image_url':
            url = part['image_url']['url']
            mime, data = data_url(url) or (None, None)
            found.append({'image': {'mime': mime, 'data': data} if data
                          else {'url': url}})
        elif kind == 'input_audio':
            found.append({'audio': part['input_audio']})
        elif kind == 'file':
            found.append({'file': part['file']})
        else:
            found.append({'text': part.get('text') or part.get('refusal')})
    return found


def plain(content):
    return ''.join(part['text'] for part in parts_of(content))


class Chat:
    name = 'openai'
    stream_type = 'text/event-stream'
    shows_thoughts = False
    roles = ROLES
    request = REQUEST

    def check(self, request):
        keys.check_bearer(self.name, request.headers)

    def model(self, request, body):
        return body.get('model')

    def read(self, request):
        body = request.value
        fields(body, '', self.request, nulls=True)
        seen = Seen(self.model(request, body), bool(body.get('stream')))
        need(not (body.get('max_tokens') and
                  body.get('max_completion_tokens')),
             'max_tokens and max_completion_tokens: only one', 'max_tokens')
        need(body.get('stream') or not body.get('stream_options'),
             "stream_options: only when 'stream' is true", 'stream_options')
        need(body.get('tools') or body.get('parallel_tool_calls') is None,
             "'parallel_tool_calls' is only allowed when 'tools' are "
             'specified.', 'parallel_tool_calls')
        need(body.get('tools') or body.get('tool_choice') is None,
             "'tool_choice' is only allowed when 'tools' are specified.",
             'tool_choice')
        need(body.get('logprobs') or not body.get('top_logprobs'),
             'top_logprobs needs logprobs', 'top_logprobs')
        self.read_messages(body['messages'], seen)
        self.read_tools(body, seen)
        self.read_format(body, seen)
        seen.set(body, max='max_tokens', temperature='temperature',
                 top_p='top_p', stop='stop', seed='seed', n='n', user='user',
                 logprobs='logprobs',
                 presence='presence_penalty', frequency='frequency_penalty',
                 metadata='metadata', tier='service_tier',
                 thinking='reasoning_effort', bias='logit_bias',
                 verbosity='verbosity', cache_key='prompt_cache_key',
                 store='store')
        seen.set(body, max='max_completion_tokens', user='safety_identifier')
        seen.set(body, thinking='thinking', user='user_id')
        seen.options['usage'] = (body.get('stream_options') or {}).get(
            'include_usage', False)
        return seen

    def read_messages(self, messages, seen):
        open_calls = set()
        for i, message in enumerate(messages):
            where = f'messages[{i}]'
            role = message.get('role')
            need(role in self.roles, f'{where}.role: unknown', where)
            fields(message, where, {'role!': text, **self.roles[role]})
            if role == 'tool':
                call = message['tool_call_id']
                need(call in open_calls,
                     f"{where}: messages with role 'tool' must be a response "
                     "to a preceding message with 'tool_calls'.", where)
                open_calls.remove(call)
                seen.add('user', {'result': {
                    'id': call, 'text': plain(message['content'])}})
                continue
            need(not open_calls,
                 "An assistant message with 'tool_calls' must be followed by "
                 "tool messages responding to each 'tool_call_id'. "
                 f'Missing: {sorted(open_calls)}', where)
            if role in ('system', 'developer'):
                seen.system.append(plain(message['content']))
            elif role == 'user':
                seen.add('user', *parts_of(message['content']))
            else:
                open_calls = self.read_assistant(message, where, seen)
        need(not open_calls, "'tool_calls' without their results")

    def read_assistant(self, message, where, seen):
        calls = message.get('tool_calls') or []
        need(calls or message.get('content') or message.get('refusal'),
             f'{where}: content or tool_calls must be given', where)
        if message.get('reasoning_content'):
            seen.add('assistant', {'thinking': {
                'text': message['reasoning_content'], 'signature': None}})
        seen.add('assistant', *parts_of(message.get('content')))
        for call in calls:
            seen.add('assistant', {'call': {
                'id': call['id'], 'name': call['function']['name'],
                'arguments': call['function']['arguments']}})
        found = {call['id'] for call in calls}
        need(len(found) == len(calls), f'{where}: ids of calls stand twice',
             where)
        return found

    def read_tools(self, body, seen):
        for i, tool in enumerate(body.get('tools') or []):
            tool = tool['function']
            if tool.get('strict'):
                strict_schema(tool.get('parameters', {}), f'tools[{i}]')
            seen.tools.append({'name': tool['name'],
                               'description': tool.get('description'),
                               'schema': tool.get('parameters')})
        choice = body.get('tool_choice')
        if isinstance(choice, dict):
            choice = {'name': choice['function']['name']}
            need(choice['name'] in [tool['name'] for tool in seen.tools],
                 'tool_choice: no such tool', 'tool_choice')
        seen.choice = choice
        seen.parallel = body.get('parallel_tool_calls')

    def read_format(self, body, seen):
        form = body.get('response_format')
        if not form or form['type'] == 'text':
            return
        if form['type'] == 'json_object':
            seen.format = {'kind': 'json'}
            return
        form = form['json_schema']
        if form.get('strict'):
            strict_schema(form.get('schema', {}), 'response_format')
        seen.format = {'kind': 'schema', 'schema': form.get('schema', {}),
                       'name': form['name']}

    # answers

    def report(self, usage):
        """The classes as they can be told apart in usage()."""
        return dict(usage)

    def usage(self, plan):
        u = plan.usage
        prompt = u['input'] + u['cache_read'] + u['cache_write']
        output = u['output'] + u['reasoning']
        return {'prompt_tokens': prompt, 'completion_tokens': output,
                'total_tokens': prompt + output,
                'prompt_tokens_details': {
                    'cached_tokens': u['cache_read'],
                    'cache_write_tokens': u['cache_write'],
                    'audio_tokens': 0},
                'completion_tokens_details': {
                    'reasoning_tokens': u['reasoning'], 'audio_tokens': 0,
                    'accepted_prediction_tokens': 0,
                    'rejected_prediction_tokens': 0}}

    def call(self, plan, part):
        arguments = dumps(part[3]).decode('utf-8')
        if 'badargs' in plan.do:
            arguments = arguments[:-1]
        return {'id': part[1], 'type': 'function',
                'function': {'name': part[2], 'arguments': arguments}}

    def head(self, plan, what):
        return {'id': f'chatcmpl-{plan.number}', 'object': what,
                'created': int(time.time()), 'model': plan.seen.model}

    def answer(self, plan):
        said = ''.join(part[1] for part in plan.whole('text'))
        message = {'role': 'assistant', 'content': said or None,
                   'refusal': None, 'annotations': []}
        thoughts = ''.join(part[1] for part in plan.whole('think'))
        if thoughts and self.shows_thoughts:
            message['reasoning_content'] = thoughts
        calls = [self.call(plan, part) for part in plan.whole('call')]
        if calls:
            message['tool_calls'] = calls
        answer = {**self.head(plan, 'chat.completion'), 'choices': [
            self.choice({'index': 0, 'message': message, 'logprobs': None,
                         'finish_reason': FINISH[plan.finish]})]}
        if 'nousage' not in plan.do:
            answer['usage'] = self.usage(plan)
        return answer

    def choice(self, choice):
        return choice

    def deltas(self, plan):
        """(is it text, delta) one by one."""
        yield False, {'role': 'assistant', 'content': '', 'refusal': None}
        index = 0
        for part in plan.parts:
            if part[0] == 'text':
                for piece in part[1]:
                    yield True, {'content': piece}
            elif part[0] == 'think' and self.shows_thoughts:
                for piece in part[1]:
                    yield True, {'content': None, 'reasoning_content': piece}
            elif part[0] == 'call':
                call = self.call(plan, part)
                arguments = call['function']['arguments']
                call['function']['arguments'] = ''
                yield False, {'tool_calls': [{'index': index, **call}]}
                for piece in fragments(arguments):
                    yield True, {'tool_calls': [{
                        'index': index, 'function': {'arguments': piece}}]}
                index += 1

    def events(self, plan):
        head = self.head(plan, 'chat.completion.chunk')
        if plan.seen.options['usage']:
            head['usage'] = None
        for is_text, delta in self.deltas(plan):
            yield is_text, event({**head, 'choices': [self.choice({
                'index': 0, 'delta': delta, 'logprobs': None,
                'finish_reason': None})]})
        yield False, event({**head, 'choices': [self.choice({
            'index': 0, 'delta': {}, 'logprobs': None,
            'finish_reason': FINISH[plan.finish]})]})
        if plan.seen.options['usage'] and 'nousage' not in plan.do:
            yield False, event({**head, 'choices': [],
                                'usage': self.usage(plan)})
        yield False, b'data: [DONE]\n\n'

    def sends_usage(self, plan):
        return plan.seen.options['usage'] or not plan.seen.stream

    def error(self, status, message, field=None, kind=None):
        type_, code = KINDS.get(status, ('invalid_request_error' if
                                         status < 500 else 'server_error',
                                         None))
        return {}, {'error': {'message': message, 'type': type_,
                              'param': field, 'code': kind or code}}

    def error_event(self, message):
        return event(self.error(500, message)[1])


class Azure(Chat):
    """The deployment in the path; filters' results; one more first chunk."""
    name = 'azure'

    def check(self, request):
        keys.check_header(self.name, request.headers, 'api-key')
        need(re.fullmatch(r'\d{4}-\d\d-\d\d(-preview)?',
                          request.query_value('api-version')),
             'Missing required query parameter: api-version')

    def model(self, request, body):
        return request.match.group('model')

    request = {'model': text, **{name: check for name, check in REQUEST.items()
                                 if name != 'model!'}}

    def choice(self, choice):
        return {**choice, 'content_filter_results': {
            'hate': {'filtered': False, 'severity': 'safe'}}}

    def events(self, plan):
        yield False, event({
            'id': '', 'object': '', 'created': 0, 'model': '', 'choices': [],
            'prompt_filter_results': [{
                'prompt_index': 0, 'content_filter_results': {}}]})
        yield from super().events(plan)

    def error(self, status, message, field=None, kind=None):
        if status < 500 and status not in (400, 404):
            return {}, {'error': {'code': str(status), 'message': message}}
        return super().error(status, message, field, kind)


class DeepSeek(Chat):
    """A compatible provider: thoughts in reasoning_content, system instead
    of developer, its own names of cached tokens."""
    name = 'deepseek'
    shows_thoughts = True
    request = {
        'model!': text, 'messages!': listed(thing, 1),
        'frequency_penalty': number(-2, 2), 'max_tokens': whole(1),
        'presence_penalty': number(-2, 2),
        'response_format': FORMAT,
        'stop': either(text, listed(text, 1, 16)), 'stream': flag,
        'stream_options': group(spec={'include_usage': flag}),
        'temperature': number(0, 2), 'top_p': number(0, 1),
        'tools': listed(TOOL, 1), 'tool_choice': CHOICE, 'logprobs': flag,
        'top_logprobs': whole(0, 20), 'thinking': thing,
        'reasoning_effort': EFFORT, 'user': text, 'user_id': text,
        'seed': whole(-2 ** 63, 2 ** 63), 'n': whole(1, 128),
        'parallel_tool_calls': flag,
    }
    roles = {name: spec for name, spec in ROLES.items()
             if name != 'developer'}
    roles['assistant'] = {**ROLES['assistant'],
                          'reasoning_content': either(null, text)}

    def usage(self, plan):
        u = plan.usage
        usage = super().usage(plan)
        del usage['prompt_tokens_details']
        usage['completion_tokens_details'] = {
            'reasoning_tokens': u['reasoning']}
        usage['prompt_cache_hit_tokens'] = u['cache_read']
        usage['prompt_cache_miss_tokens'] = u['input'] + u['cache_write']
        return usage

    def report(self, usage):
        return {**usage, 'input': usage['input'] + usage['cache_write'],
                'cache_write': 0}


def event(value):
    return b'data: ' + dumps(value) + b'\n\n'
