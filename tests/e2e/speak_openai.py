"""OpenAI's client dialects, for tests; see speak.py."""

import json

try:
    from tests.e2e.talk import Result, check, classes, events_of, whole
except ImportError:
    from talk import Result, check, classes, events_of, whole

class Chat:
    name = 'chat'
    finishes = {'stop': 'stop', 'length': 'length', 'calls': 'tool_calls',
                'filter': 'content_filter', 'sequence': 'stop'}

    def path(self, model, talk):
        return '/v1/chat/completions'

    def body(self, model, talk):
        body = {'model': model, 'messages': []}
        if talk.system:
            body['messages'].append({'role': 'system',
                                     'content': talk.system})
        body['messages'].append({'role': 'user',
                                 'content': self.content(talk)})
        body['messages'] += talk.turns
        if talk.stream:
            body['stream'] = True
            body['stream_options'] = {'include_usage': True}
        if talk.tools:
            body['tools'] = [{'type': 'function', 'function': {
                'name': name, 'description': about, 'parameters': schema}}
                for name, about, schema in talk.tools]
        if talk.choice:
            body['tool_choice'] = talk.choice if isinstance(
                talk.choice, str) else {'type': 'function', 'function': {
                    'name': talk.choice[0]}}
        if talk.parallel is not None:
            body['parallel_tool_calls'] = talk.parallel
        if talk.schema:
            body['response_format'] = {'type': 'json_schema', 'json_schema': {
                'name': 'person', 'strict': True, 'schema': talk.schema}}
        if talk.think:
            body['reasoning_effort'] = 'low'
        for name, value in (('max_completion_tokens', talk.max),
                            ('temperature', talk.temperature),
                            ('stop', talk.stop)):
            if value is not None:
                body[name] = value
        return {**body, **talk.extra}

    def content(self, talk):
        if not talk.image:
            return talk.said
        return [{'type': 'text', 'text': talk.said},
                {'type': 'image_url', 'image_url': {
                    'url': 'data:%s;base64,%s' % talk.image}}]

    def results(self, results):
        """Turns with the results of calls: [(id, name, text)]."""
        return [{'role': 'tool', 'tool_call_id': id_, 'content': text}
                for id_, _, text in results]

    def message(self, result, message, finish):
        check(message.get('role') == 'assistant', 'role')
        result.text = message.get('content') or ''
        result.thoughts = message.get('reasoning_content') or ''
        result.signs = json.dumps(message).count('"signature"')
        result.finish = finish
        for call in message.get('tool_calls') or []:
            check(call['type'] == 'function', 'type of a call')
            result.calls.append((call['id'], call['function']['name'],
                                 json.loads(call['function']['arguments'])))
        result.turns = [message]

    def usage(self, u):
        if u is None:
            return None
        detail = u.get('prompt_tokens_details') or {}
        read = detail.get('cached_tokens') or u.get(
            'prompt_cache_hit_tokens') or 0
        write = detail.get('cache_write_tokens') or 0
        thought = (u.get('completion_tokens_details') or {}).get(
            'reasoning_tokens') or 0
        check(u['total_tokens'] == u['prompt_tokens'] +
              u['completion_tokens'], 'total_tokens')
        return classes(input=u['prompt_tokens'] - read - write,
                       cache_read=read, cache_write=write,
                       output=u['completion_tokens'] - thought,
                       reasoning=thought)

    def answer(self, answer):
        value = answer.json()
        result = Result()
        check(value['object'] == 'chat.completion', 'object')
        check(isinstance(value['created'], int) and value['id'], 'created')
        choice, = value['choices']
        check(choice['index'] == 0, 'index')
        self.message(result, choice['message'], choice['finish_reason'])
        result.usage = self.usage(value.get('usage'))
        result.model = value['model']
        return result

    def stream(self, answer):
        events = events_of(answer.body)
        result, finish, ids = Result(), None, set()
        message = {'role': None, 'content': '', 'tool_calls': []}
        done = False
        for _, data in events:
            check(not done and not result.error, 'events behind the end')
            if data == '[DONE]':
                done = True
                continue
            chunk = json.loads(data)
            if 'error' in chunk:
                error = chunk['error']
                result.error = (error['type'], error['message'])
                continue
            check(chunk['object'] == 'chat.completion.chunk' or
                  not chunk['object'], 'object')
            if chunk['id']:
                ids.add(chunk['id'])
                result.model = chunk['model']
            if chunk.get('usage'):
                check(not chunk['choices'] and result.usage is None, 'usage')
                result.usage = self.usage(chunk['usage'])
                continue
            for choice in chunk['choices']:
                check(not finish, 'a choice behind its finish')
                finish = choice.get('finish_reason')
                self.delta(message, choice['delta'])
        check(len(ids) <= 1, f'ids: {ids}')
        if not result.error:
            check(done and finish, 'no end')
            message['content'] = message['content'] or None
            if not message['tool_calls']:
                del message['tool_calls']
            self.message(result, message, finish)
        else:
            result.text = message['content']
        return result

    def delta(self, message, delta):
        check(message['role'] or delta.get('role') == 'assistant',
              'the first delta says the role')
        for name, value in delta.items():
            if name == 'tool_calls':
                for call in value:
                    self.call(message['tool_calls'], call)
            elif name == 'role':
                message['role'] = value
            elif isinstance(value, str):
                message[name] = (message.get(name) or '') + value
            elif isinstance(value, list):
                message.setdefault(name, []).extend(value)
            elif value is not None:
                message[name] = value

    def call(self, calls, delta):
        check(delta['index'] <= len(calls), 'indexes of calls')
        if delta['index'] == len(calls):
            check(delta['id'] and delta['type'] == 'function' and
                  delta['function']['name'], 'the begin of a call')
            calls.append({'id': delta['id'], 'type': 'function', 'function': {
                'name': delta['function']['name'], 'arguments': ''}})
            for name in set(delta) - {'index', 'id', 'type', 'function'}:
                calls[-1][name] = delta[name]
        calls[delta['index']]['function']['arguments'] += delta.get(
            'function', {}).get('arguments') or ''

    def error(self, answer):
        """(type, message, field) of an error's envelope."""
        error = answer.json()['error']
        check({'message', 'type', 'param', 'code'} <= set(error), 'envelope')
        return error['type'], error['message'], error['param']

    kinds = {400: 'invalid_request_error', 503: 'upstream_error',
             502: 'upstream_error'}


class Responses:
    name = 'responses'
    finishes = {'stop': 'completed', 'calls': 'completed',
                'sequence': 'completed', 'length': 'max_output_tokens',
                'filter': 'content_filter'}
    kinds = Chat.kinds
    error = Chat.error

    def path(self, model, talk):
        return '/v1/responses'

    def body(self, model, talk):
        body = {'model': model, 'store': False, 'input': [
            {'role': 'user', 'content': self.content(talk)}, *talk.turns]}
        if talk.system:
            body['instructions'] = talk.system
        if talk.stream:
            body['stream'] = True
        if talk.tools:
            body['tools'] = [{'type': 'function', 'name': name,
                              'description': about, 'parameters': schema,
                              'strict': False}
                             for name, about, schema in talk.tools]
        if talk.choice:
            body['tool_choice'] = talk.choice if isinstance(
                talk.choice, str) else {'type': 'function',
                                        'name': talk.choice[0]}
        if talk.parallel is not None:
            body['parallel_tool_calls'] = talk.parallel
        if talk.schema:
            body['text'] = {'format': {
                'type': 'json_schema', 'name': 'person', 'strict': True,
                'schema': talk.schema}}
        if talk.think:
            body['reasoning'] = {'effort': 'low', 'summary': 'auto'}
            body['include'] = ['reasoning.encrypted_content']
        for name, value in (('max_output_tokens', talk.max),
                            ('temperature', talk.temperature)):
            if value is not None:
                body[name] = value
        return {**body, **talk.extra}

    def content(self, talk):
        if not talk.image:
            return talk.said
        return [{'type': 'input_text', 'text': talk.said},
                {'type': 'input_image', 'detail': 'auto',
                 'image_url': 'data:%s;base64,%s' % talk.image}]

    def results(self, results):
        return [{'type': 'function_call_output', 'call_id': id_,
                 'output': text} for id_, _, text in results]

    def usage(self, u):
        if u is None:
            return None
        detail = u.get('input_tokens_details') or {}
        read = detail.get('cached_tokens') or 0
        write = detail.get('cache_write_tokens') or 0
        thought = (u.get('output_tokens_details') or {}).get(
            'reasoning_tokens') or 0
        check(u['total_tokens'] == u['input_tokens'] + u['output_tokens'],
              'total_tokens')
        return classes(input=u['input_tokens'] - read - write,
                       cache_read=read, cache_write=write,
                       output=u['output_tokens'] - thought,
                       reasoning=thought)

    def response(self, value, result=None):
        result = result or Result()
        check(value['object'] == 'response' and value['id'], 'object')
        for item in value['output']:
            kind = item['type']
            if kind == 'message':
                check(item['role'] == 'assistant' and item['id'], 'message')
                result.text += ''.join(part.get('text', '')
                                       for part in item['content'])
            elif kind == 'function_call':
                check(item['call_id'] and item['id'], 'ids of a call')
                result.calls.append((item['call_id'], item['name'],
                                     json.loads(item['arguments'])))
            else:
                check(kind == 'reasoning', f'item {kind}')
                result.thoughts += ''.join(part['text']
                                           for part in item['summary'])
                result.signs += bool(item.get('encrypted_content'))
        result.turns = value['output']
        result.finish = value['status']
        if result.finish == 'incomplete':
            result.finish = value['incomplete_details']['reason']
        result.usage = self.usage(value.get('usage'))
        result.model = value['model']
        return result

    def answer(self, answer):
        value = answer.json()
        check(value['status'] in ('completed', 'incomplete'), 'status')
        return self.response(value)

    def stream(self, answer):
        result = Result()
        open_item, items, deltas = None, [], ''
        last = None
        order = -1
        for name, data in events_of(answer.body):
            check(not last, 'events behind the end')
            event = json.loads(data)
            check(event['type'] == name, 'event and type')
            check(name == 'error' or event['sequence_number'] > order,
                  'sequence_number')
            order = event['sequence_number']
            if name in ('response.created', 'response.in_progress'):
                check(event['response']['status'] == 'in_progress', 'status')
            elif name == 'error':
                last = event
                result.error = (event['code'], event['message'])
            elif name == 'response.failed':
                last = event
                error = event['response']['error']
                result.error = (error['code'], error['message'])
            elif name in ('response.completed', 'response.incomplete'):
                last = event
                check(event['response']['output'] == items, 'the output is '
                      'what the items were')
                self.response(event['response'], result)
            elif name == 'response.output_item.added':
                check(open_item is None, 'an item begins inside another')
                check(event['output_index'] == len(items), 'output_index')
                open_item, deltas = event['item'], ''
            elif name == 'response.output_item.done':
                check(open_item['id'] == event['item']['id'], 'id of an item')
                self.same(event['item'], deltas)
                items.append(event['item'])
                open_item = None
            else:
                check(event['item_id'] == open_item['id'], 'item_id')
                check(event['output_index'] == len(items), 'output_index')
                if name.endswith('.delta'):
                    deltas += event['delta']
        check(last, 'no end')
        if result.error:
            result.text = deltas
        return result

    def same(self, item, deltas):
        """The deltas of an item are what it says at its end."""
        if item['type'] == 'message':
            said = ''.join(part.get('text', '') for part in item['content'])
        elif item['type'] == 'function_call':
            said = item['arguments']
        else:
            said = ''.join(part['text'] for part in item['summary'])
        check(whole(said) == whole(deltas),
              f'deltas {deltas!r} became {said!r}')
