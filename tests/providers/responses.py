"""OpenAI's Responses API."""

import base64
import time

import keys
from chat import EFFORT, NAME, KINDS
from plan import Seen, dumps, fragments, number as fresh
from rules import (Refused, anything, by_type, data_url, either, fields, flag,
                   group, listed, need, number, object_schema, object_text,
                   one_of, place_url, schema, strict_schema, text, thing,
                   whole)

IN_PARTS = {
    'input_text': {'text!': text},
    'input_image': {'image_url': place_url, 'file_id': text,
                    'detail': one_of('low', 'high', 'auto')},
    'input_file': {'file_data': text, 'filename': text, 'file_id': text,
                   'file_url': place_url},
}
OUT_PARTS = {'output_text': {'text!': text, 'annotations': anything,
                             'logprobs': anything},
             'refusal': {'refusal!': text}}
INPUT = either(text, listed(by_type(IN_PARTS), 1))
SUMMARY = listed(by_type({'summary_text': {'text!': text}}))
ITEMS = {
    'function_call': {
        'id': text, 'call_id!': text, 'name!': NAME,
        'arguments!': object_text,
        'status': one_of('in_progress', 'completed', 'incomplete')},
    'function_call_output': {
        'id': text, 'call_id!': text, 'output!': INPUT,
        'status': one_of('in_progress', 'completed', 'incomplete')},
    'reasoning': {
        'id!': text, 'summary!': SUMMARY, 'encrypted_content': text,
        'content': anything, 'status': text},
}
TOOL = by_type({'function': {
    'name!': NAME, 'description': text, 'parameters!': object_schema,
    'strict': flag}})
CHOICE = either(one_of('none', 'auto', 'required'),
                by_type({'function': {'name!': NAME}}))
FORMAT = by_type({
    'text': {}, 'json_object': {},
    'json_schema': {'name!': NAME, 'schema!': schema, 'strict': flag,
                    'description': text}})
REQUEST = {
    'model!': text, 'input!': either(text, listed(thing, 1)),
    'instructions': text, 'max_output_tokens': whole(16),
    'temperature': number(0, 2), 'top_p': number(0, 1), 'stream': flag,
    'stream_options': thing, 'store': flag, 'tools': listed(TOOL),
    'tool_choice': CHOICE, 'parallel_tool_calls': flag,
    'max_tool_calls': whole(1), 'metadata': thing, 'user': text,
    'text': group(nulls=True, spec={
        'format': FORMAT, 'verbosity': one_of('low', 'medium', 'high')}),
    'reasoning': group(nulls=True, spec={
        'effort': EFFORT, 'summary': one_of('auto', 'concise', 'detailed'),
        'generate_summary': text}),
    'include': listed(text), 'truncation': one_of('auto', 'disabled'),
    'service_tier': text, 'safety_identifier': text, 'top_logprobs': whole(
        0, 20), 'prompt_cache_key': text, 'prompt_cache_retention': text,
    'background': flag,
}


def crypt(thought):
    joined = thought.encode('utf-16', 'surrogatepass')
    return base64.b64encode(b'crypt:' + joined).decode()


def parts_of(content):
    if isinstance(content, str):
        return [{'text': content}]
    found = []
    for part in content:
        if part['type'] == 'input_image':
            url = part['image_url']
            mime, data = data_url(url) or (None, None)
            found.append({'image': {'mime': mime, 'data': data} if data
                          else {'url': url}})
        elif part['type'] == 'input_file':
            found.append({'file': part})
        else:
            found.append({'text': part.get('text') or part.get('refusal')})
    return found


class Responses:
    stream_type = 'text/event-stream'

    def __init__(self, name='openai-responses'):
        self.name = name

    def check(self, request):
        keys.check_bearer(self.name, request.headers)

    def read(self, request):
        body = request.value
        fields(body, '', REQUEST, nulls=True)
        seen = Seen(body['model'], bool(body.get('stream')))
        if body.get('instructions'):
            seen.system.append(body['instructions'])
        if isinstance(body['input'], str):
            seen.add('user', {'text': body['input']})
        else:
            self.read_items(body['input'], seen, body.get('store', True))
        for i, tool in enumerate(body.get('tools') or []):
            if tool.get('strict'):
                strict_schema(tool['parameters'], f'tools[{i}].parameters')
            seen.tools.append({'name': tool['name'],
                               'description': tool.get('description'),
                               'schema': tool['parameters']})
        choice = body.get('tool_choice')
        seen.choice = choice
        if isinstance(choice, dict):
            seen.choice = {'name': choice['name']}
        need(seen.tools or seen.choice in (None, 'auto', 'none'),
             'tool_choice: no tools', 'tool_choice')
        seen.parallel = body.get('parallel_tool_calls')
        self.read_format((body.get('text') or {}).get('format'), seen)
        seen.set(body, max='max_output_tokens', temperature='temperature',
                 top_p='top_p', user='user', metadata='metadata',
                 tier='service_tier', cache_key='prompt_cache_key',
                 store='store')
        seen.set(body, user='safety_identifier')
        seen.set(body, thinking='reasoning')
        seen.set(body.get('text') or {}, verbosity='verbosity')
        seen.set({'logprobs': 'message.output_text.logprobs'
                  in (body.get('include') or []) or None},
                 logprobs='logprobs')
        seen.options['body'] = body
        return seen

    def read_format(self, form, seen):
        if not form or form['type'] == 'text':
            return
        if form['type'] == 'json_object':
            seen.format = {'kind': 'json'}
            return
        if form.get('strict'):
            strict_schema(form['schema'], 'text.format.schema')
        seen.format = {'kind': 'schema', 'schema': form['schema'],
                       'name': form['name']}

    def read_items(self, items, seen, store):
        calls, answered, lonely = set(), set(), None
        for i, item in enumerate(items):
            where = f'input[{i}]'
            kind = item.get('type', 'message')
            if lonely and kind == 'message' and item.get('role') != 'assistant':
                break
            lonely = None
            if kind == 'message':
                self.read_message(item, where, seen)
                continue
            need(kind in ITEMS, f"{where}: Invalid value: '{kind}'", where)
            fields(item, where, {'type!': text, **ITEMS[kind]}, nulls=True)
            if kind == 'function_call':
                calls.add(item['call_id'])
                seen.add('assistant', {'call': {
                    'id': item['call_id'], 'name': item['name'],
                    'arguments': item['arguments']}})
            elif kind == 'function_call_output':
                need(item['call_id'] in calls, 'No tool call found for '
                     f"function call output with call_id {item['call_id']}.",
                     where)
                answered.add(item['call_id'])
                seen.add('user', {'result': {
                    'id': item['call_id'],
                    'text': ''.join(part['text']
                                    for part in parts_of(item['output']))}})
            else:
                lonely = item['id']
                self.read_thought(item, where, seen, store)
        need(not lonely, f"Item '{lonely}' of type 'reasoning' was provided "
             'without its required following item.', 'input')
        need(calls <= answered, 'No tool output found for function call '
             f'{sorted(calls - answered)}.', 'input')

    def read_message(self, item, where, seen):
        role = item.get('role')
        need(role in ('user', 'assistant', 'system', 'developer'),
             f'{where}.role: Invalid value', where)
        content = INPUT
        if role == 'assistant':
            content = either(text, listed(by_type(OUT_PARTS), 1))
        fields(item, where, {'type': one_of('message'), 'role!': text,
                             'content!': content, 'id': text, 'status': text,
                             'phase': anything}, nulls=True)
        if role in ('system', 'developer'):
            seen.system.append(''.join(
                part['text'] for part in parts_of(item['content'])))
        else:
            seen.add(role, *parts_of(item['content']))

    def read_thought(self, item, where, seen, store):
        said = ''.join(part['text'] for part in item['summary'])
        sign = item.get('encrypted_content')
        if not sign and not store:
            raise Refused(f"Item with id '{item['id']}' not found. Items are "
                          'not persisted when `store` is set to false.',
                          where, 404)
        if sign and sign != crypt(said):
            raise Refused(f'{where}: The encrypted content could not be '
                          'verified.', where)
        need(item['id'].startswith('rs_up'),
             f"{where}: Item with id '{item['id']}' not found.", where)
        seen.add('assistant', {'thinking': {'text': said, 'signature': sign}})

    # answers

    def report(self, usage):
        return dict(usage)

    def sends_usage(self, plan):
        return True

    def usage(self, plan):
        u = plan.usage
        prompt = u['input'] + u['cache_read'] + u['cache_write']
        output = u['output'] + u['reasoning']
        return {'input_tokens': prompt,
                'input_tokens_details': {
                    'cached_tokens': u['cache_read'],
                    'cache_write_tokens': u['cache_write']},
                'output_tokens': output,
                'output_tokens_details': {
                    'reasoning_tokens': u['reasoning']},
                'total_tokens': prompt + output}

    def items(self, plan):
        """(item, pieces) of the output."""
        for i, part in enumerate(plan.parts):
            if part[0] == 'text':
                yield {'type': 'message', 'id': f'msg_up{plan.number}_{i}',
                       'status': 'completed', 'role': 'assistant',
                       'content': [{'type': 'output_text',
                                    'text': ''.join(part[1]),
                                    'annotations': [], 'logprobs': []}]}, part
            elif part[0] == 'think':
                said = ''.join(part[1])
                item = {'type': 'reasoning', 'id': f'rs_up{plan.number}_{i}',
                        'summary': [{'type': 'summary_text', 'text': said}]}
                if 'reasoning.encrypted_content' in (
                        plan.seen.options['body'].get('include') or []):
                    item['encrypted_content'] = crypt(said)
                yield item, part
            elif part[0] == 'call':
                yield {'type': 'function_call',
                       'id': f'fc_up{plan.number}_{i}', 'call_id': part[1],
                       'name': part[2], 'status': 'completed',
                       'arguments': dumps(part[3]).decode()}, part

    def response(self, plan, status, output):
        body = plan.seen.options['body']
        why = None
        if status == 'incomplete':
            why = {'reason': 'max_output_tokens' if plan.finish == 'length'
                   else 'content_filter'}
        done = status in ('completed', 'incomplete')
        return {'id': f'resp_up{plan.number}', 'object': 'response',
                'created_at': int(time.time()), 'status': status,
                'background': False, 'error': None,
                'incomplete_details': why,
                'instructions': body.get('instructions'),
                'max_output_tokens': body.get('max_output_tokens'),
                'model': plan.seen.model, 'output': output,
                'parallel_tool_calls': body.get('parallel_tool_calls', True),
                'previous_response_id': None,
                'reasoning': {'effort': None, 'summary': None},
                'store': body.get('store', True),
                'temperature': body.get('temperature', 1.0),
                'text': body.get('text') or {'format': {'type': 'text'}},
                'tool_choice': body.get('tool_choice', 'auto'),
                'tools': body.get('tools') or [],
                'top_p': body.get('top_p', 1.0), 'truncation': 'disabled',
                'usage': self.usage(plan) if done and
                'nousage' not in plan.do else None,
                'user': None, 'metadata': body.get('metadata') or {}}

    def status(self, plan):
        return ('incomplete' if plan.finish in ('length', 'filter')
                else 'completed')

    def answer(self, plan):
        return self.response(plan, self.status(plan),
                             [item for item, _ in self.items(plan)])

    def events(self, plan):
        order = iter(range(10 ** 6))

        def event(kind, **more):
            return (b'event: ' + kind.encode() + b'\ndata: ' + dumps(
                {'type': kind, 'sequence_number': next(order), **more}) +
                b'\n\n')
        begun = self.response(plan, 'in_progress', [])
        yield False, event('response.created', response=begun)
        yield False, event('response.in_progress', response=begun)
        output = []
        for at, (item, part) in enumerate(self.items(plan)):
            output.append(item)
            yield False, event('response.output_item.added', output_index=at,
                               item=self.begun(item))
            for is_text, kind, more in self.inner(item, part):
                yield is_text, event(kind, item_id=item['id'],
                                     output_index=at, **more)
            yield False, event('response.output_item.done', output_index=at,
                               item=item)
        status = self.status(plan)
        yield False, event(f'response.{status}',
                           response=self.response(plan, status, output))

    def begun(self, item):
        if item['type'] == 'message':
            return {**item, 'status': 'in_progress', 'content': []}
        if item['type'] == 'reasoning':
            return {'type': 'reasoning', 'id': item['id'], 'summary': []}
        return {**item, 'status': 'in_progress', 'arguments': ''}

    def inner(self, item, part):
        """(is it text, event type, members) of an item's events."""
        if item['type'] == 'message':
            whole_part = item['content'][0]
            at = {'content_index': 0}
            yield False, 'response.content_part.added', {
                **at, 'part': {**whole_part, 'text': ''}}
            for piece in part[1]:
                yield True, 'response.output_text.delta', {
                    **at, 'delta': piece, 'logprobs': []}
            yield False, 'response.output_text.done', {
                **at, 'text': whole_part['text'], 'logprobs': []}
            yield False, 'response.content_part.done', {
                **at, 'part': whole_part}
        elif item['type'] == 'reasoning':
            at = {'summary_index': 0}
            summary = item['summary'][0]
            yield False, 'response.reasoning_summary_part.added', {
                **at, 'part': {**summary, 'text': ''}}
            for piece in part[1]:
                yield True, 'response.reasoning_summary_text.delta', {
                    **at, 'delta': piece}
            yield False, 'response.reasoning_summary_text.done', {
                **at, 'text': summary['text']}
            yield False, 'response.reasoning_summary_part.done', {
                **at, 'part': summary}
        else:
            for piece in fragments(item['arguments']):
                yield True, 'response.function_call_arguments.delta', {
                    'delta': piece}
            yield False, 'response.function_call_arguments.done', {
                'name': item['name'], 'arguments': item['arguments']}

    def error(self, status, message, field=None, kind=None):
        type_, code = KINDS.get(status, ('invalid_request_error' if
                                         status < 500 else 'server_error',
                                         None))
        return {}, {'error': {'message': message, 'type': type_,
                              'param': field, 'code': kind or code}}

    def error_event(self, message):
        return b'event: error\ndata: ' + dumps(
            {'type': 'error', 'sequence_number': fresh(),
             'code': 'server_error', 'message': message,
             'param': None}) + b'\n\n'
