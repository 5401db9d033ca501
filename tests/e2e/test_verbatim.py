"""What a client says to a provider of its own dialect arrives byte for byte:
spaces, escapes, numbers no machine holds, members nobody knows. For every
row of the table of providers."""

import http.server
import os
import re
import threading
import unittest

try:
    from tests.e2e import harness, matrix, witness
except ImportError:
    import harness
    import matrix
    import witness

TABLE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), 'adapters', 'registry.c')

# The inside of what is said: nothing of it may be understood on its way.
TEXT = (rb'"a\ud83d\u0000b\/ \u0041\ud83d\ude00 ' +
        'Zürich 日本 😀 \u2028'.encode() + b'"')
ODD = (b'"x":[1e400 ,\t-0.0, 12345678901234567890123,1.10, true ],\r\n'
       b' "dup":1, "dup" : {"a":[ ],"a":null} ,"\\u0078y" : ' + TEXT)

CHAT = (b' {"top_p":1.0,\n"messages" :[ {"role":"user" ,"content":' + TEXT +
        b',"name":"n"},{"content":null,"role":"assistant","tool_calls":[{'
        b'"id":"c1","type":"function","function":{"name":"f","arguments":'
        b'"{ \\"a\\" : 1.0 }"}}]}, {"role":"tool","tool_call_id":"c1",'
        b'"content":""} ],"model" : "MODEL",' + ODD + b' }\n')
RESPONSES = (b'{ "model":"MODEL" , "input":[{"role":"user","content":' + TEXT +
             b'},{"type":"item_of_tomorrow", "z":[ 1,2 ]}],"store":false,' +
             ODD + b'}\n\n')
MESSAGES = (b'{"max_tokens" : 64,"messages":[ {"content":[{"type":"text",'
            b'"text":' + TEXT + b', "cache_control":{"type":"ephemeral"} }] ,'
            b'"role":"user"}, {"role":"assistant","content":[{"type":'
            b'"thinking","thinking":"","signature":"c2ln=="}]}],' + ODD +
            b',"model" :"MODEL"}')
GEMINI = (b'{ "contents" :[{"role":"user","parts":[ {"text":' + TEXT +
          b'}, {"thoughtSignature":"c2ln=="}]}],"generationConfig":{ '
          b'"temperature" : 1.00 } ,' + ODD + b'} ')

USAGE = b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}'
ANSWERS = {
    'chat': b'{"choices":[{"index":0,"message":{"role":"assistant","content":'
            b'"x"},"finish_reason":"stop"}],' + USAGE + b'}',
    'responses': b'{"object":"response","status":"completed","output":[],'
                 b'"usage":{"input_tokens":1,"output_tokens":1,'
                 b'"total_tokens":2}}',
    'messages': b'{"type":"message","role":"assistant","content":[],'
                b'"stop_reason":"end_turn","usage":{"input_tokens":1,'
                b'"output_tokens":1}}',
    'gemini': b'{"candidates":[{"content":{"parts":[{"text":"x"}]},'
              b'"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,'
              b'"candidatesTokenCount":1,"totalTokenCount":2}}',
}
STREAMS = {
    'chat': b'data: {"choices":[{"index":0,"delta":{"content":"x"},'
            b'"finish_reason":"stop"}]}\n\ndata: {"choices":[],' + USAGE +
            b'}\n\ndata: [DONE]\n\n',
    'responses': b'event: response.completed\ndata: {"type":'
                 b'"response.completed","response":' + ANSWERS['responses'] +
                 b'}\n\n',
    'messages': b'event: message_start\ndata: {"type":"message_start",'
                b'"message":{"content":[],"usage":{"input_tokens":1,'
                b'"output_tokens":1}}}\n\nevent: message_delta\ndata: {"type":'
                b'"message_delta","delta":{"stop_reason":"end_turn"},"usage":'
                b'{"output_tokens":1}}\n\nevent: message_stop\ndata: {"type":'
                b'"message_stop"}\n\n',
    'gemini': b'data: ' + ANSWERS['gemini'] + b'\n\n',
}
BODIES = {'chat': CHAT, 'responses': RESPONSES, 'messages': MESSAGES,
          'gemini': GEMINI}
PATHS = {'chat': '/v1/chat/completions', 'responses': '/v1/responses',
         'messages': '/v1/messages'}
WIRES = {'wire_openai': 'chat', 'wire_responses': 'responses',
         'wire_anthropic': 'messages', 'wire_gemini': 'gemini'}


def rows():
    """[(provider, dialect)] of the table: whose own dialect a client has."""
    with open(TABLE, encoding='utf-8') as table:
        text = table.read()
    found = []
    for name, rest in re.findall(r'\{\.name = "([^"]+)",(.*?)\},\n', text,
                                 re.S):
        found += [(name, WIRES[wire]) for wire in re.findall(
            r'&(wire_\w+)', rest) if wire in WIRES and name != 'demo']
    return found


class Upstream(http.server.BaseHTTPRequestHandler):
    """Keeps the body, and answers in the dialect the path is of."""
    protocol_version = 'HTTP/1.1'
    body = None
    path_seen = ''

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        Upstream.body, Upstream.path_seen = body, self.path
        dialect = ('responses' if self.path.partition('?')[0].endswith(
            '/responses') else 'chat' if '/chat/completions' in self.path
            else 'gemini' if 'enerateContent' in self.path else 'messages')
        stream = b'"stream":true' in body or 'stream' in self.path
        answer = (STREAMS if stream else ANSWERS)[dialect]
        self.send_response(200)
        self.send_header('content-type', 'text/event-stream' if stream
                         else 'application/json')
        self.send_header('content-length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Verbatim(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.providers = witness.Providers()    # for Google's tokens
        cls.upstream = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                       Upstream)
        threading.Thread(target=cls.upstream.serve_forever,
                         daemon=True).start()
        url = f'http://127.0.0.1:{cls.upstream.server_address[1]}'
        setup = cls.providers.setup
        names = sorted({name for name, _ in rows()})
        cls.gate = harness.Gateway(
            [{'name': name, 'provider': name, 'base_url': url,
              'models': [{'name': name, 'upstream': f'up-{name}'}],
              **cls.fields(name, setup)} for name in names],
            environment=matrix.environment(setup),
            models=[{'name': name, 'input': '1', 'output': '1',
                     'max_output': 4096} for name in names])
        cls.gate.account('a', '1000')
        cls.key = cls.gate.key('a')

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()
        cls.upstream.shutdown()
        cls.upstream.server_close()
        cls.providers.stop()

    @staticmethod
    def fields(name, setup):
        if name.startswith('vertex'):
            return matrix.google(setup)
        return {'keys': ['env:UP_OPENAI'],
                **({'api_version': '2024-10-21'}
                   if name.startswith('azure') else {})}

    def arrived(self, name, dialect, body, stream=False):
        """The body at the provider, its model's name the client's again."""
        Upstream.body = None
        path = PATHS.get(dialect, f'/v1beta/models/{name}:' + (
            'streamGenerateContent?alt=sse' if stream
            else 'generateContent'))
        answer = self.gate.ask('POST', path, body, self.key)
        self.assertEqual(answer.status, 200, answer.body)
        if b'MODEL' not in BODIES[dialect] or name == 'vertex-anthropic':
            self.assertIn(f'up-{name}', Upstream.path_seen)
            return Upstream.body
        self.assertEqual(Upstream.body.count(b'"up-%s"' % name.encode()), 1)
        return Upstream.body.replace(b'"up-' + name.encode(),
                                     b'"' + name.encode())

    def check(self, name, dialect, stream):
        body = BODIES[dialect].replace(b'MODEL', name.encode())
        if stream and dialect != 'gemini':
            body = body.replace(b'{', b'{"stream":true ,', 1)
        came = self.arrived(name, dialect, body, stream)
        if stream and dialect == 'chat' and name != 'mistral':
            asked = b'"stream_options":{"include_usage":true},'
            self.assertEqual(came.count(asked), 1)
            came = came.replace(asked, b'')
        if name == 'vertex-anthropic':     # the model is in the path
            body = body.replace(
                b'"model" :"vertex-anthropic"',
                b'"anthropic_version":"vertex-2023-10-16"')
        self.assertEqual(came, body)

    def test_every_row_has_a_client_of_its_own(self):
        names = [name for name, _ in rows()]
        self.assertIn(('openai', 'chat'), rows())
        self.assertIn(('openai', 'responses'), rows())
        self.assertGreater(len(names), 15)

    def test_whole_answers(self):
        for name, dialect in rows():
            with self.subTest(f'{dialect} to {name}'):
                self.check(name, dialect, False)

    def test_streams(self):
        for name, dialect in rows():
            with self.subTest(f'{dialect} to {name}'):
                self.check(name, dialect, True)


if __name__ == '__main__':
    unittest.main()
