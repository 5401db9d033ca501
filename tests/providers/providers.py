#!/usr/bin/env python3
"""Plays the upstream dialects on one port of 127.0.0.1, strictly, and counts
what it answered. See README.md.

    providers.py [--port N] [--token-life SECONDS]
"""

import argparse
import ctypes
import http.server
import re
import signal
import socket
import sys
import tempfile
import threading
import urllib.parse

import keys
from chat import Azure, Chat, DeepSeek
from cohere import Cohere
from converse import Converse
from gemini import Gemini, Vertex
from messages import Messages, VertexMessages
from ollama import Ollama
from plan import CLASSES, Plan, dumps
from responses import Responses
from rules import Refused, need, parse
from vectors import maker_of

DIALECTS = {one.name: one for one in (
    Chat(), Azure(), DeepSeek(), Responses(), Messages(), VertexMessages(),
    Gemini(), Vertex(), Converse(), Ollama(), Cohere())}

# Upstreams that speak another dialect on another path.
ALSO = {('openai', '/v1/responses'): Responses('openai')}

VERTEX = (r'/v1/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)'
          r'/publishers/')
# Path, what it is, and whose it is when the path does not say.
PATHS = [(re.compile(pattern + r'\Z'), kind, names) for pattern, kind, names in (
    (r'/v1/chat/completions', 'chat', ('openai', 'deepseek')),
    (r'/v1/embeddings', 'vectors', ('openai', 'deepseek',
                                    'openai-responses')),
    (r'/openai/deployments/(?P<model>[^/]+)/chat/completions', 'chat',
     ('azure',)),
    (r'/openai/deployments/(?P<model>[^/]+)/embeddings', 'vectors',
     ('azure',)),
    (r'/v1/responses', 'chat', ('openai-responses', 'openai')),
    (r'/v1/messages', 'chat', ('anthropic',)),
    (r'/v1/messages/count_tokens', 'count', ('anthropic',)),
    (r'/v1beta/models/(?P<model>[^/:]+):'
     r'(?P<verb>generateContent|streamGenerateContent)', 'chat',
     ('gemini',)),
    (r'/v1beta/models/(?P<model>[^/:]+):(?P<verb>countTokens)', 'count',
     ('gemini',)),
    (r'/v1beta/models/(?P<model>[^/:]+):'
     r'(?P<verb>embedContent|batchEmbedContents)', 'vectors', ('gemini',)),
    (VERTEX + r'google/models/(?P<model>[^/:]+):'
     r'(?P<verb>embedContent|predict)', 'vectors', ('vertex',)),
    (VERTEX + r'google/models/(?P<model>[^/:]+):'
     r'(?P<verb>generateContent|streamGenerateContent)', 'chat',
     ('vertex',)),
    (VERTEX + r'google/models/(?P<model>[^/:]+):(?P<verb>countTokens)',
     'count', ('vertex',)),
    (VERTEX + r'anthropic/models/count-tokens:(?P<verb>rawPredict)', 'count',
     ('vertex-anthropic',)),
    (VERTEX + r'anthropic/models/(?P<model>[^/:]+):'
     r'(?P<verb>rawPredict|streamRawPredict)', 'chat',
     ('vertex-anthropic',)),
    (r'/model/(?P<model>[^/]+)/(?P<verb>converse|converse-stream)', 'chat',
     ('bedrock',)),
    (r'/model/(?P<model>[^/]+)/(?P<verb>invoke)', 'vectors', ('bedrock',)),
    (r'/api/chat', 'chat', ('ollama',)),
    (r'/api/embed', 'vectors', ('ollama',)),
    (r'/v2/chat', 'chat', ('cohere',)),
    (r'/v2/embed', 'vectors', ('cohere',)),
)]
COUNTERS = ('requests', 'answered', 'streams', 'refused', 'denied', 'errors',
            'broken', 'aborted', 'usages', *CLASSES)


class Request:
    """A request on its way: raw path, headers in small letters."""

    def __init__(self, method, target, headers, body, google):
        self.method = method
        self.path, _, self.query = target.partition('?')
        self.headers = headers
        self.body = body
        self.google = google
        self.value = None
        self.match = None
        self.kind = None
        self.dialect = None

    def query_value(self, name):
        return urllib.parse.parse_qs(self.query).get(name, [''])[0]

    def route(self):
        """/at/NAME before the path says whose it is; False: nobody's."""
        path, name = self.path, None
        match = re.match(r'/at/([a-z-]+)(/.*)\Z', path)
        if match:
            name, path = match.groups()
        for pattern, kind, names in PATHS:
            self.match = pattern.match(path)
            if self.match and (name is None or name in names):
                self.kind = kind
                name = name or names[0]
                self.dialect = ALSO.get((name, path), DIALECTS[name])
                return True
        return False

    def model(self):
        """As well as can be told before the body is checked."""
        groups = self.match.groupdict()
        if groups.get('model'):
            return urllib.parse.unquote(groups['model'])
        value = self.value.get('model') if self.value else None
        return value if isinstance(value, str) else ''


class Book:
    """The tally, and the last request of each model."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        self.rows = {}            # (upstream, model): counters
        self.last = {}
        self.refusals = []

    def count(self, where, **by):
        with self.lock:
            row = self.rows.setdefault(where, dict.fromkeys(COUNTERS, 0))
            for name, value in by.items():
                row[name] += value

    def keep(self, where, request, seen, status, message):
        record = {'upstream': where[0], 'model': where[1],
                  'method': request.method, 'path': request.path,
                  'query': request.query, 'headers': request.headers,
                  'body': request.body.decode('utf-8', 'replace'),
                  'status': status, 'message': message,
                  'seen': seen.as_json() if seen else None}
        with self.lock:
            self.last[where[1]] = self.last[''] = record
            if message and status == 400:
                self.refusals = [*self.refusals[-99:],
                                 {'at': where, 'message': message}]

    def tally(self):
        with self.lock:
            found = {}
            for (upstream, model), row in self.rows.items():
                found.setdefault(upstream, {})[model] = dict(row)
            return found


class Gone(Exception):
    """The client closed."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    wbufsize = 0
    server_version = 'providers'

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        path, _, query = self.path.partition('?')
        asked = dict(urllib.parse.parse_qsl(query))
        if path == '/_tally':
            self.send(200, {'upstreams': server.book.tally(),
                            'refusals': server.book.refusals,
                            'tokens_issued': server.google.issued,
                            'tokens_refused': server.google.refused})
        elif path == '/_last':
            last = server.book.last.get(asked.get('model', ''))
            self.send(200 if last else 404, last or {})
        elif path == '/_setup':
            self.send(200, server.setup())
        else:
            self.send(404, {'error': {'message': 'no such path'}})

    def do_POST(self):
        try:
            body = self.read_body()
        except Refused as bad:
            self.close_connection = True
            self.send(400, {'error': {'message': str(bad)}})
            return
        if self.path == '/token':
            self.token(body)
            return
        if self.path == '/_reset':
            self.server.book.clear()
            self.send(200, {})
            return
        headers = {name.lower(): value for name, value in
                   self.headers.items()}
        request = Request('POST', self.path, headers, body,
                          self.server.google)
        if not request.route():
            self.server.book.count(('?', self.path), requests=1)
            self.send(404, {'error': {'message': 'no such path: ' +
                                      self.path}})
            return
        try:
            self.serve(request)
        except (Gone, ConnectionError):
            self.close_connection = True

    def read_body(self):
        """Exactly what came; framing is checked."""
        names = [name.lower() for name in self.headers.keys()]
        for name in ('host', 'content-length', 'content-type'):
            need(names.count(name) == 1, f'{name}: must stand there once')
        need('transfer-encoding' not in names, 'both framings')
        length = self.headers['content-length']
        need(re.fullmatch(r'\d{1,9}', length), 'content-length: no number')
        if self.headers.get('expect', '').lower() == '100-continue':
            self.send_response_only(100)
            self.end_headers()
        return self.rfile.read(int(length))

    def token(self, body):
        try:
            need(self.headers.get('content-type', '').startswith(
                'application/x-www-form-urlencoded'), 'content-type')
            self.send(200, self.server.google.token(body))
        except (Refused, KeyError, ValueError, TypeError) as bad:
            self.send(400, {'error': 'invalid_grant',
                            'error_description': repr(bad)})

    def serve(self, request):
        dialect = request.dialect
        where = [dialect.name, '?']
        seen = None
        self.server.book.count((dialect.name, ''), requests=0)
        try:
            kind = request.headers['content-type'].partition(';')[0].strip()
            need(kind == 'application/json', f'content-type: {kind}')
            request.value = parse(request.body)
            where[1] = request.model()
            self.server.book.count(tuple(where), requests=1)
            dialect.check(request)
            if request.kind != 'chat':
                play = {'count': self.count, 'vectors': self.vectors}
                play[request.kind](request, tuple(where))
                return
            seen = dialect.read(request)
            seen.bytes = len(request.body)
            plan = Plan(seen)
        except Refused as bad:
            self.refuse(request, tuple(where), bad)
            return
        self.play(request, tuple(where), plan)

    def refuse(self, request, where, bad):
        denied = isinstance(bad, keys.Denied)
        self.server.book.count(where, **{
            'denied' if denied else 'refused': 1})
        self.server.book.keep(where, request, None, bad.status, str(bad))
        headers, body = request.dialect.error(bad.status, str(bad), bad.field,
                                              bad.kind)
        self.send(bad.status, body, headers)

    def count(self, request, where):
        """Counts of tokens."""
        answer = request.dialect.count(request)
        self.server.book.keep(where, request, None, 200, None)
        self.server.book.count(where, answered=1)
        self.send(200, answer)

    def vectors(self, request, where):
        maker, book = maker_of(request), self.server.book
        asked = maker.read(request)
        do = asked.directives()
        status = do.get('status', 200)
        book.keep(where, request, asked, status, None)
        if status != 200:
            book.count(where, errors=1)
            headers, body = request.dialect.error(
                status, f'told to answer {status}')
            self.send(status, body, headers)
            return
        tokens = None if 'nousage' in do else 8 + len(request.body) // 4
        book.count(where, answered=1, usages=0 if tokens is None else 1,
                   input=tokens or 0)
        headers = maker.headers(tokens) if hasattr(maker, 'headers') else {}
        self.send(200, maker.answer(asked.vectors(), tokens), headers)

    def play(self, request, where, plan):
        dialect, book = request.dialect, self.server.book
        do = plan.do
        status = do.get('status', 200)
        book.keep(where, request, plan.seen, status, None)
        if status != 200:
            book.count(where, errors=1)
            headers, body = dialect.error(status, f'told to answer {status}')
            if 'retry_after' in do and hasattr(dialect, 'retry'):
                dialect.retry(body, do['retry_after'])
            elif 'retry_after' in do:
                headers['retry-after'] = str(do['retry_after'])
            self.send(status, body, headers)
            return
        try:
            if plan.seen.stream:
                self.stream(request, where, plan)
            else:
                self.whole(where, plan, dialect)
        except Refused as bad:
            self.refuse(request, where, bad)

    def whole(self, where, plan, dialect):
        answer = dialect.answer(plan)
        if 'cut' in plan.do:
            self.server.book.count(where, broken=1)
            self.cut(dumps(answer))
            return
        self.settle(where, plan, dialect)
        self.send(200, answer)

    def settle(self, where, plan, dialect):
        sent = dialect.sends_usage(plan) and 'nousage' not in plan.do
        report = dialect.report(plan.usage) if sent else {}
        self.server.book.count(where, answered=1, usages=1 if sent else 0,
                               **report)

    def stream(self, request, where, plan):
        dialect, do = request.dialect, plan.do
        events = list(dialect.events(plan))
        self.server.book.count(where, streams=1)
        self.send_response(200)
        self.send_header('content-type', dialect.stream_type)
        self.send_header('transfer-encoding', 'chunked')
        self.end_headers()
        at = 0
        for i, (is_text, data) in enumerate(events):
            if is_text and at == do.get('error', -1):
                self.server.book.count(where, broken=1)
                self.chunk(dialect.error_event('told to fail'))
                self.wfile.write(b'0\r\n\r\n')
                return
            if is_text and at == do.get('cut', -1):
                self.server.book.count(where, broken=1)
                self.close_connection = True
                return
            at += is_text
            if i == len(events) - 1:      # counted before it can be seen
                self.settle(where, plan, dialect)
            self.chunk(data)
        self.wfile.write(b'0\r\n\r\n')

    def chunk(self, data):
        try:
            self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
        except OSError:
            raise Gone from None

    def cut(self, data):
        """Half of an answer."""
        self.send_response(200)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data) // 2])
        self.close_connection = True

    def send(self, status, value, headers=()):
        data = dumps(value)
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(data)))
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port, google):
        super().__init__(('127.0.0.1', port), Handler)
        self.book = Book()
        self.google = google
        self.url = f'http://127.0.0.1:{self.server_address[1]}'
        google.url = self.url + '/token'

    def server_bind(self):
        """Without asking who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address

    def handle_error(self, request, client_address):
        """Connections are closed as their owners like; all else is said."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def setup(self):
        """What a client needs."""
        return {'urls': {name: f'{self.url}/at/{name}' for name in DIALECTS},
                'keys': keys.KEYS, 'aws': keys.AWS, 'google': keys.GOOGLE,
                'service_account': self.google.account()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--token-life', type=int, default=3599)
    args = parser.parse_args()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)    # ends with its parent
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix='tollgate-up-') as folder:
        server = Server(args.port, keys.Google(folder, args.token_life))
        print(f'listening {server.server_port}', flush=True)
        try:
            server.serve_forever(poll_interval=3600)
        except (SystemExit, KeyboardInterrupt):
            pass


if __name__ == '__main__':
    main()
