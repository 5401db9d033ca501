"""Gemini, at AI Studio and at Vertex AI."""

import keys
from plan import Seen, dumps, signature
from rules import (Refused, anything, either, fields, flag, group, listed,
                   matching, need, number, one_of, packed, schema, text, thing, whole)

NAME = matching(r'[a-zA-Z_][a-zA-Z0-9_.-]{0,63}')
LEVEL = one_of('MINIMAL', 'LOW', 'MEDIUM', 'HIGH', 'minimal', 'low',
               'medium', 'high')
BLOB = {'mimeType!': text, 'data!': packed, 'displayName': text}
# What the documentation says to send for a call that is somebody else's.
UNSIGNED = ('skip_thought_signature_validator',
            'context_engineering_is_the_way_to_go')
PART = {
    'text': text, 'thought': flag,
    'thoughtSignature': either(one_of(*UNSIGNED), packed),
    'inlineData': group(spec=BLOB),
    'fileData': group(spec={'mimeType': text, 'fileUri!': text,
                            'displayName': text}),
    'functionCall': group(spec={'id': text, 'name!': NAME, 'args': thing}),
    'functionResponse': group(spec={
        'id': text, 'name!': NAME, 'response!': thing, 'parts': anything,
        'willContinue': flag, 'scheduling': text}),
}
CONTENT = {'role': one_of('user', 'model', 'function'),
           'parts!': listed(group(spec=PART), 1)}
# The subset of OpenAPI that `parameters` and `responseSchema` know.
OPENAPI = {
    'type', 'format', 'title', 'description', 'nullable', 'enum', 'maxItems',
    'minItems', 'properties', 'required', 'minProperties', 'maxProperties',
    'minLength', 'maxLength', 'pattern', 'example', 'anyOf',
    'propertyOrdering', 'default', 'items', 'minimum', 'maximum'}


def openapi(value, where):
    thing(value, where)
    for name in value:
        need(name in OPENAPI, f'Invalid JSON payload received. Unknown name '
             f'"{name}" at \'{where}\': Cannot find field.', where)
    text(value.get('type', ''), where)
    for name, item in value.get('properties', {}).items():
        openapi(item, f'{where}.properties.{name}')
    if 'items' in value:
        openapi(value['items'], f'{where}.items')


TOOL = group(spec={
    'functionDeclarations': listed(group(spec={
        'name!': NAME, 'description': text, 'parameters': openapi,
        'parametersJsonSchema': schema, 'response': anything,
        'responseJsonSchema': anything, 'behavior': text}), 1),
    'googleSearch': thing, 'codeExecution': thing, 'urlContext': thing})
MODALITY = one_of('TEXT', 'IMAGE', 'AUDIO')
CONFIG = group(spec={
    'temperature': number(0, 2), 'topP': number(0, 1), 'topK': number(1, 1000),
    'candidateCount': whole(1, 8), 'maxOutputTokens': whole(1),
    'stopSequences': listed(text, 0, 5), 'responseLogprobs': flag,
    'logprobs': whole(0, 20), 'presencePenalty': number(-2, 2),
    'frequencyPenalty': number(-2, 2), 'seed': whole(-2 ** 31, 2 ** 31),
    'responseMimeType': one_of('text/plain', 'application/json',
                               'text/x.enum'),
    'responseSchema': openapi, 'responseJsonSchema': schema,
    'responseModalities': listed(MODALITY),
    'thinkingConfig': group(spec={
        'includeThoughts': flag, 'thinkingBudget': whole(-1),
        'thinkingLevel': LEVEL}),
    'speechConfig': thing, 'mediaResolution': text, 'audioTimestamp': flag})
REQUEST = {
    'contents!': listed(group(spec=CONTENT), 1),
    'systemInstruction': group(spec={
        'role': text, 'parts!': listed(group(spec={'text!': text}), 1)}),
    'generationConfig': CONFIG, 'tools': listed(TOOL),
    'toolConfig': group(spec={
        'functionCallingConfig': group(spec={
            'mode': one_of('AUTO', 'ANY', 'NONE', 'VALIDATED'),
            'allowedFunctionNames': listed(NAME)}),
        'retrievalConfig': thing}),
    'safetySettings': listed(group(spec={'category!': text,
                                         'threshold!': text})),
    'cachedContent': text, 'labels': thing,
}
CHOICES = {'AUTO': 'auto', 'VALIDATED': 'auto', 'NONE': 'none',
           'ANY': 'required'}
STATUS = {400: 'INVALID_ARGUMENT', 401: 'UNAUTHENTICATED',
          403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 409: 'ABORTED',
          429: 'RESOURCE_EXHAUSTED', 500: 'INTERNAL', 503: 'UNAVAILABLE',
          504: 'DEADLINE_EXCEEDED'}
FINISH = {'stop': 'STOP', 'sequence': 'STOP', 'calls': 'STOP',
          'length': 'MAX_TOKENS', 'filter': 'SAFETY'}


class Gemini:
    name = 'gemini'
    stream_type = 'text/event-stream'
    has_ids = True                # of calls

    def check(self, request):
        given = dict(request.headers)
        given['?key'] = request.query_value('key')
        keys.check_header(self.name, given, 'x-goog-api-key', '?key')

    def read(self, request):
        body = request.value
        fields(body, '', REQUEST)
        verb = request.match.group('verb')
        seen = Seen(request.match.group('model'),
                    verb == 'streamGenerateContent')
        need(not seen.stream or request.query_value('alt') == 'sse',
             'without alt=sse the answer is one array: not played here')
        for part in (body.get('systemInstruction') or {}).get('parts', []):
            seen.system.append(part['text'])
        self.read_contents(body['contents'], seen)
        self.check_signature(seen)
        self.read_tools(body, seen)
        config = body.get('generationConfig', {})
        self.read_format(config, seen)
        seen.set(config, max='maxOutputTokens', temperature='temperature',
                 top_p='topP', top_k='topK', stop='stopSequences', seed='seed',
                 n='candidateCount', thinking='thinkingConfig',
                 logprobs='responseLogprobs', presence='presencePenalty',
                 frequency='frequencyPenalty')
        seen.set(body, safety='safetySettings')
        seen.options['thoughts'] = config.get('thinkingConfig', {}).get(
            'includeThoughts', False)
        return seen

    def read_contents(self, contents, seen):
        open_calls = []
        for i, content in enumerate(contents):
            where = f'contents[{i}]'
            role = content.get('role', 'user')
            parts = content['parts']
            for j, part in enumerate(parts):
                kinds = set(part) - {'thought', 'thoughtSignature'}
                need(len(kinds) == 1, f'{where}.parts[{j}].data: required '
                     'oneof field must have one initialized field', where)
            answers = [part['functionResponse'] for part in parts
                       if 'functionResponse' in part]
            need(len(answers) == len(open_calls), 'Please ensure that the '
                 'number of function response parts is equal to the number '
                 'of function call parts of the function call turn.', where)
            for call, answer in zip(open_calls, answers):
                need(call['name'] in [one['name'] for one in answers] and
                     answer['name'] in [one['name'] for one in open_calls],
                     f'{where}: a function response of another name', where)
            open_calls = [part['functionCall'] for part in parts
                          if 'functionCall' in part]
            need(role == 'model' or not open_calls,
                 'Please ensure that function call turn comes from the model',
                 where)
            seen.add('assistant' if role == 'model' else 'user',
                     *(self.part(one, where) for one in parts))
        need(not open_calls, 'Please ensure that function call turn is '
             'followed by a function response turn', 'contents')

    def check_signature(self, seen):
        """The newer models want back what they signed in this turn."""
        if 'gemini-3' not in seen.model or not seen.results():
            return
        calls = [part for part in seen.turns[-2]['parts'] if 'call' in part]
        need('signature' in calls[0] or 'unsigned' in calls[0],
             'Function call is missing a thought_signature in functionCall '
             'parts.', 'contents')

    def part(self, part, where):
        sign = part.get('thoughtSignature')
        if sign and sign not in (signature(''), *UNSIGNED) and \
                not part.get('thought'):
            raise Refused('Corrupted thought signature.', where)
        if part.get('thought'):
            return {'thinking': {'text': part.get('text', ''),
                                 'signature': sign}}
        if 'text' in part:
            found = {'text': part['text']}
        elif 'inlineData' in part:
            blob = part['inlineData']
            kind = blob['mimeType'].split('/')[0]
            found = {kind if kind in ('image', 'audio') else 'file':
                     {'mime': blob['mimeType'], 'data': blob['data']}}
        elif 'fileData' in part:
            found = {'image': {'url': part['fileData']['fileUri']}}
        elif 'functionCall' in part:
            call = part['functionCall']
            found = {'call': {'id': call.get('id'), 'name': call['name'],
                              'arguments': call.get('args', {})}}
        else:
            answer = part['functionResponse']
            response = answer['response']
            words = [value for value in response.values()
                     if isinstance(value, str)]
            said = words[0] if len(response) == 1 and words else dumps(
                response).decode()
            found = {'result': {'id': answer.get('id'), 'text': said,
                                'failed': list(response) == ['error']}}
        if sign:
            found['signature'] = sign
            if sign in UNSIGNED:
                del found['signature']
                found['unsigned'] = True
        return found

    def read_tools(self, body, seen):
        for tool in body.get('tools') or []:
            for one in tool.get('functionDeclarations', []):
                need(not ('parameters' in one and
                          'parametersJsonSchema' in one),
                     f'{one["name"]}: parameters and parametersJsonSchema: '
                     'only one', 'tools')
                seen.tools.append({
                    'name': one['name'],
                    'description': one.get('description'),
                    'schema': one.get('parametersJsonSchema') or
                    one.get('parameters')})
        choice = (body.get('toolConfig') or {}).get('functionCallingConfig')
        if not choice:
            return
        seen.choice = CHOICES[choice.get('mode', 'AUTO')]
        names = choice.get('allowedFunctionNames')
        if names:
            need(seen.choice == 'required', 'Please set allowedFunctionNames '
                 'only when function calling mode is ANY.', 'toolConfig')
            need(set(names) <= {tool['name'] for tool in seen.tools},
                 'allowedFunctionNames: no such function', 'toolConfig')
            if len(names) == 1:
                seen.choice = {'name': names[0]}
        need(seen.tools or seen.choice in ('auto', 'none'), 'Function calling '
             'config is set without function_declarations.', 'toolConfig')

    def read_format(self, config, seen):
        form = config.get('responseJsonSchema') or config.get('responseSchema')
        mime = config.get('responseMimeType')
        if form:
            need(mime == 'application/json', 'Unable to submit request '
                 'because responseSchema needs responseMimeType '
                 'application/json', 'generationConfig.responseMimeType')
            seen.format = {'kind': 'schema', 'schema': form}
        elif mime == 'application/json':
            seen.format = {'kind': 'json'}

    # answers

    def report(self, usage):
        return {**usage, 'input': usage['input'] + usage['cache_write'],
                'cache_write': 0}

    def sends_usage(self, plan):
        return True

    def usage(self, plan):
        u = self.report(plan.usage)
        prompt = u['input'] + u['cache_read']
        usage = {'promptTokenCount': prompt,
                 'candidatesTokenCount': u['output'],
                 'totalTokenCount': prompt + u['output'] + u['reasoning'],
                 'promptTokensDetails': [{'modality': 'TEXT',
                                          'tokenCount': prompt}]}
        if u['cache_read']:
            usage['cachedContentTokenCount'] = u['cache_read']
        if u['reasoning']:
            usage['thoughtsTokenCount'] = u['reasoning']
        return usage

    def chunk(self, plan, parts, finish=None, usage=None):
        candidate = {'content': {'parts': parts, 'role': 'model'}, 'index': 0}
        if finish:
            candidate['finishReason'] = finish
        found = {'candidates': [candidate]}
        if usage and 'nousage' not in plan.do:
            found['usageMetadata'] = usage
        return {**found, 'modelVersion': plan.seen.model,
                'responseId': f'up{plan.number}'}

    def call(self, plan, part, first):
        found = {'functionCall': {'name': part[2], 'args': part[3]}}
        if self.has_ids:
            found['functionCall']['id'] = part[1]
        newer = 'gemini-3' in plan.seen.model
        if first and 'nosign' not in plan.do and (
                newer or 'think' in plan.do):
            found['thoughtSignature'] = signature('')
        return found

    def parts(self, plan):
        """(is it text, pieces) of each part."""
        first = True
        for part in plan.parts:
            if part[0] == 'text':
                yield [{'text': piece} for piece in part[1]]
            elif part[0] == 'think' and plan.seen.options['thoughts']:
                yield [{'text': piece, 'thought': True} for piece in part[1]]
            elif part[0] == 'call':
                yield [self.call(plan, part, first)]
                first = False

    def answer(self, plan):
        parts = []
        for pieces in self.parts(plan):
            if 'text' in pieces[0]:
                pieces = [{**pieces[0], 'text': ''.join(
                    piece['text'] for piece in pieces)}]
            parts += pieces
        return self.chunk(plan, parts, FINISH[plan.finish], self.usage(plan))

    def events(self, plan):
        """All calls of a turn stand in one chunk; what was counted so far
        in each; the finish stands in the last one."""
        chunks = []
        for pieces in self.parts(plan):
            if 'functionCall' in pieces[0] and chunks and \
                    'functionCall' in chunks[-1][0]:
                chunks[-1] += pieces
            else:
                chunks += [[piece] for piece in pieces]
        usage = self.usage(plan)
        running = {'promptTokenCount': usage['promptTokenCount'],
                   'totalTokenCount': usage['promptTokenCount']}
        for i, parts in enumerate(chunks):
            last = i == len(chunks) - 1
            yield True, event(self.chunk(
                plan, parts, FINISH[plan.finish] if last else None,
                usage if last else running))

    def error(self, status, message, field=None, kind=None):
        error = {'code': status, 'message': message,
                 'status': kind or STATUS.get(status, 'UNKNOWN')}
        if field:
            error['details'] = [{
                '@type': 'type.googleapis.com/google.rpc.BadRequest',
                'fieldViolations': [{'field': field,
                                     'description': message}]}]
        return {}, {'error': error}

    def retry(self, answer, seconds):
        """Said in the body, not in a header."""
        answer['error'].setdefault('details', []).append({
            '@type': 'type.googleapis.com/google.rpc.RetryInfo',
            'retryDelay': f'{seconds}s'})

    def error_event(self, message):
        return event(self.error(503, message)[1])

    def count(self, request):
        """countTokens."""
        body = request.value
        if 'generateContentRequest' in body:
            fields(body['generateContentRequest'], 'generateContentRequest',
                   {'model!': text, **REQUEST})
        else:
            fields(body, '', {
                'contents!': REQUEST['contents!'],
                'systemInstruction': REQUEST['systemInstruction'],
                'tools': REQUEST['tools'], 'model': text,
                'generationConfig': CONFIG} if self.name == 'vertex' else
                {'contents!': REQUEST['contents!']})
        return {'totalTokens': 8 + len(request.body) // 4}


class Vertex(Gemini):
    name = 'vertex'
    has_ids = False

    def check(self, request):
        request.google.check(request.headers)
        need(request.match.group('project') == keys.GOOGLE['project'] and
             request.match.group('location') == keys.GOOGLE['location'],
             'Permission denied on resource project')


def event(value):
    return b'data: ' + dumps(value) + b'\r\n\r\n'
