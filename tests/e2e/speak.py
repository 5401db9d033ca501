"""The client dialects, for tests: a request in nobody's words becomes a
body, an answer or a stream is checked and becomes a Result again.

    body = Messages().body(model, Talk('hello', system='Be terse.'))
"""

import json

try:
    from tests.e2e.speak_openai import Chat, Responses
    from tests.e2e.talk import Result, check, classes, events_of
except ImportError:
    from speak_openai import Chat, Responses
    from talk import Result, check, classes, events_of

class Messages:
    name = 'messages'
    finishes = {'stop': 'end_turn', 'length': 'max_tokens',
                'calls': 'tool_use', 'filter': 'refusal',
                'sequence': 'stop_sequence'}
    kinds = {400: 'invalid_request_error', 503: 'overloaded_error',
             502: 'api_error'}

    def path(self, model, talk):
        return '/v1/messages'

    def body(self, model, talk):
        body = {'model': model, 'max_tokens': talk.max or 4096, 'messages': [
            {'role': 'user', 'content': self.content(talk)}, *talk.turns]}
        if talk.system:
            body['system'] = talk.system
        if talk.stream:
            body['stream'] = True
        if talk.tools:
            body['tools'] = [{'name': name, 'description': about,
                              'input_schema': schema}
                             for name, about, schema in talk.tools]
        choice = None
        if talk.choice:
            choice = {'type': {'required': 'any'}.get(
                talk.choice, talk.choice)} if isinstance(
                    talk.choice, str) else {'type': 'tool',
                                            'name': talk.choice[0]}
        if talk.parallel is False:
            choice = choice or {'type': 'auto'}
            choice['disable_parallel_tool_use'] = True
        if choice:
            body['tool_choice'] = choice
        if talk.schema:
            body['output_config'] = {'format': {'type': 'json_schema',
                                                'schema': talk.schema}}
        if talk.think:
            body['thinking'] = {'type': 'enabled', 'budget_tokens': 1024}
        for name, value in (('temperature', talk.temperature),
                            ('stop_sequences', talk.stop)):
            if value is not None:
                body[name] = value
        return {**body, **talk.extra}

    def content(self, talk):
        if not talk.image:
            return talk.said
        return [{'type': 'text', 'text': talk.said},
                {'type': 'image', 'source': {
                    'type': 'base64', 'media_type': talk.image[0],
                    'data': talk.image[1]}}]

    def results(self, results):
        return [{'role': 'user', 'content': [
            {'type': 'tool_result', 'tool_use_id': id_, 'content': text}
            for id_, _, text in results]}]

    def usage(self, u):
        if u is None:
            return None
        thought = (u.get('output_tokens_details') or {}).get(
            'thinking_tokens') or 0
        return classes(input=u['input_tokens'],
                       cache_read=u.get('cache_read_input_tokens') or 0,
                       cache_write=u.get('cache_creation_input_tokens') or 0,
                       output=u['output_tokens'] - thought,
                       reasoning=thought)

    def message(self, value, result):
        for block in value['content']:
            kind = block['type']
            if kind == 'text':
                result.text += block['text']
            elif kind == 'thinking':
                result.thoughts += block['thinking']
                result.signs += bool(block['signature'])
            elif kind == 'redacted_thinking':
                result.signs += bool(block['data'])
            else:
                check(kind == 'tool_use', f'block {kind}')
                result.calls.append((block['id'], block['name'],
                                     block['input']))
        result.turns = [{'role': 'assistant', 'content': value['content']}]
        result.finish = value['stop_reason']
        result.model = value['model']
        result.usage = self.usage(value['usage'])
        return result

    def answer(self, answer):
        value = answer.json()
        check(value['type'] == 'message' and value['role'] == 'assistant' and
              value['id'], 'envelope')
        return self.message(value, Result())

    def stream(self, answer):
        result, message, parts = Result(), None, ''
        block, ended = None, False
        for name, data in events_of(answer.body):
            event = json.loads(data)
            check(event['type'] == name, 'event and type')
            check(not ended, 'events behind the end')
            if name == 'error':
                result.error = (event['error']['type'],
                                event['error']['message'])
                ended = True
            elif name == 'message_start':
                check(message is None, 'two begins')
                message = event['message']
                check(message['content'] == [] and
                      message['stop_reason'] is None, 'message_start')
                check('input_tokens' in message['usage'], 'usage at start')
            elif name == 'content_block_start':
                check(block is None and
                      event['index'] == len(message['content']), 'start')
                block, parts = event['content_block'], ''
                check(block['type'] != 'tool_use' or block['input'] == {},
                      'input at start')
            elif name == 'content_block_delta':
                check(event['index'] == len(message['content']), 'index')
                parts += self.delta(block, event['delta'])
            elif name == 'content_block_stop':
                check(block and event['index'] == len(message['content']),
                      'stop')
                if block['type'] == 'tool_use':
                    block['input'] = json.loads(parts or '{}')
                message['content'].append(block)
                block = None
            elif name == 'message_delta':
                check(block is None, 'message_delta inside a block')
                message.update(event['delta'])
                message['usage'].update(
                    (key, value) for key, value in event['usage'].items()
                    if value is not None)
            elif name == 'message_stop':
                ended = True
            else:
                check(name == 'ping', f'event {name}')
        check(ended, 'no end')
        if result.error:
            result.text = ''.join(one.get('text', '') for one in (
                *(message or {'content': []})['content'], block or {}))
            return result
        check(message['stop_reason'], 'stop_reason')
        return self.message(message, result)

    def delta(self, block, delta):
        """Into the block; what it adds to a call's arguments."""
        kind = delta['type']
        wanted = {'text_delta': ('text', 'text'),
                  'thinking_delta': ('thinking', 'thinking'),
                  'signature_delta': ('thinking', 'signature')}
        if kind == 'input_json_delta':
            check(block['type'] == 'tool_use', 'delta of another block')
            return delta['partial_json']
        check(kind in wanted and block['type'] == wanted[kind][0],
              f'{kind} in {block["type"]}')
        name = wanted[kind][1]
        block[name] = block.get(name, '') + delta[name]
        return ''

    def error(self, answer):
        value = answer.json()
        check(value['type'] == 'error', 'envelope')
        return value['error']['type'], value['error']['message'], None


class Gemini:
    name = 'gemini'
    finishes = {'stop': 'STOP', 'calls': 'STOP', 'length': 'MAX_TOKENS',
                'filter': 'SAFETY', 'sequence': 'STOP'}
    kinds = {400: 'INVALID_ARGUMENT', 503: 'UNAVAILABLE', 502: 'INTERNAL'}

    def path(self, model, talk):
        if talk.stream:
            return f'/v1beta/models/{model}:streamGenerateContent?alt=sse'
        return f'/v1beta/models/{model}:generateContent'

    def body(self, model, talk):
        config = {}
        body = {'contents': [{'role': 'user', 'parts': self.content(talk)},
                             *talk.turns], 'generationConfig': config}
        if talk.system:
            body['systemInstruction'] = {'parts': [{'text': talk.system}]}
        if talk.tools:
            body['tools'] = [{'functionDeclarations': [
                {'name': name, 'description': about,
                 'parametersJsonSchema': schema}
                for name, about, schema in talk.tools]}]
        if talk.choice:
            how = {'mode': {'required': 'ANY', 'none': 'NONE',
                            'auto': 'AUTO'}.get(talk.choice, 'ANY')
                   if isinstance(talk.choice, str) else 'ANY'}
            if not isinstance(talk.choice, str):
                how['allowedFunctionNames'] = [talk.choice[0]]
            body['toolConfig'] = {'functionCallingConfig': how}
        if talk.schema:
            config['responseMimeType'] = 'application/json'
            config['responseJsonSchema'] = talk.schema
        if talk.think:
            config['thinkingConfig'] = {'includeThoughts': True,
                                        'thinkingBudget': 1024}
        for name, value in (('maxOutputTokens', talk.max),
                            ('temperature', talk.temperature),
                            ('stopSequences', talk.stop)):
            if value is not None:
                config[name] = value
        extra = dict(talk.extra)
        config.update(extra.pop('generationConfig', {}))
        return {**body, **extra}

    def content(self, talk):
        parts = [{'text': talk.said}]
        if talk.image:
            parts.append({'inlineData': {'mimeType': talk.image[0],
                                         'data': talk.image[1]}})
        return parts

    def results(self, results):
        return [{'role': 'user', 'parts': [
            {'functionResponse': {
                **({'id': id_} if id_ else {}), 'name': name,
                'response': {'result': text}}}
            for id_, name, text in results]}]

    def usage(self, u):
        if u is None:
            return None
        read = u.get('cachedContentTokenCount') or 0
        thought = u.get('thoughtsTokenCount') or 0
        output = u.get('candidatesTokenCount') or 0
        check(u['totalTokenCount'] == u['promptTokenCount'] + thought +
              output, 'totalTokenCount')
        return classes(input=u['promptTokenCount'] - read, cache_read=read,
                       output=output, reasoning=thought)

    def parts(self, result, parts):
        for part in parts:
            result.signs += bool(part.get('thoughtSignature'))
            if 'functionCall' in part:
                call = part['functionCall']
                result.calls.append((call.get('id'), call['name'],
                                     call.get('args', {})))
            elif part.get('thought'):
                result.thoughts += part['text']
            else:
                result.text += part.get('text', '')
        result.turns[0]['parts'] += parts

    def chunk(self, result, value):
        result.model = value.get('modelVersion', result.model)
        if value.get('usageMetadata'):
            result.usage = value['usageMetadata']
        for candidate in value.get('candidates', []):
            check(candidate.get('index', 0) == 0, 'index')
            content = candidate.get('content') or {'parts': []}
            check(content.get('role', 'model') == 'model', 'role')
            self.parts(result, content.get('parts', []))
            check(not result.finish, 'candidates behind the finish')
            result.finish = candidate.get('finishReason')

    def answer(self, answer):
        result = Result()
        result.turns = [{'role': 'model', 'parts': []}]
        self.chunk(result, answer.json())
        result.usage = self.usage(result.usage)
        return result

    def stream(self, answer):
        result = Result()
        result.turns = [{'role': 'model', 'parts': []}]
        text = answer.body.replace(b'\r\n', b'\n')
        for _, data in events_of(text):
            value = json.loads(data)
            check(not result.error, 'events behind the error')
            if 'error' in value:
                result.error = (value['error']['status'],
                                value['error']['message'])
                continue
            self.chunk(result, value)
        check(result.error or result.finish, 'no end')
        result.usage = self.usage(result.usage)
        return result

    def error(self, answer):
        error = answer.json()['error']
        check(error['code'] == answer.status, 'code')
        return error['status'], error['message'], None

DIALECTS = (Chat(), Responses(), Messages(), Gemini())
