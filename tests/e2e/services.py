"""An upstream that serves pictures, speech, moderations and reranks.

It runs in the test's own process, remembers what it got byte for byte, and
tallies by itself what it would bill. What it does otherwise is asked for by
`mode`: a status to refuse with, 'cut' to break off in the middle, 'slow' to
wait in it until release(), or answers without any usage by 'silent'.
"""

import email.parser
import email.policy
import hashlib
import http.server
import json
import re
import threading

VOICE = bytes(range(256)) * 512          # 128 KiB of no JSON at all
PICTURE = 'iVBORw0KGgo' + 'A' * 4001


def form_of(kind, body):
    """{name: (file name, content)} of a form, as another reader has it."""
    text = b'content-type: ' + kind.encode() + b'\r\n\r\n' + body
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        text)
    return {part.get_param('name', header='content-disposition'):
            (part.get_filename(), part.get_payload(decode=True))
            for part in message.iter_parts()}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    # what is said

    def answer(self, body, kind='application/json', status=200):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('content-type', kind)
        self.send_header('content-length', str(len(body)))
        self.send_header('x-request-id', 'up-1')
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
        self.wfile.flush()

    def stream(self, pieces, kind):
        """Chunks; in the middle it may wait or break off."""
        own = self.server.owner
        self.send_response(200)
        self.send_header('content-type', kind)
        self.send_header('transfer-encoding', 'chunked')
        self.end_headers()
        for i, piece in enumerate(pieces):
            if i == len(pieces) // 2 and own.mode == 'cut':
                self.close_connection = True
                return
            if i == len(pieces) // 2 and own.mode == 'slow':
                own.waiting.set()
                own.go.wait(20)
            try:
                self.chunk(piece)
            except OSError:
                own.gone.set()
                self.close_connection = True
                return
        self.chunk(b'')

    def events(self, events):
        self.stream([(f'event: {event["type"]}\n' if event.get('type') else ''
                      ).encode() + b'data: ' + json.dumps(event).encode()
                     + b'\n\n' for event in events], 'text/event-stream')

    # what is served

    def do_POST(self):
        own = self.server.owner
        body = self.rfile.read(int(self.headers['content-length']))
        kind = self.headers['content-type']
        form = kind.startswith('multipart/')
        fields = form_of(kind, body) if form else json.loads(body)
        get = ((lambda name, other=None: fields[name][1].decode()
                if name in fields else other) if form else fields.get)
        own.got.append({'path': self.path, 'type': kind, 'body': body,
                        'sha': hashlib.sha256(body).hexdigest(),
                        'model': get('model'), 'accept':
                        self.headers['accept'], 'fields': fields})
        if isinstance(own.mode, int):
            self.answer({'error': {'message': 'said no', 'type': 'some_error',
                                   'code': None, 'param': None}},
                        status=own.mode)
            return
        name = re.sub(r'[^a-z]', '_', self.path.split('?')[0]
                      .replace('/v1/', '/').replace('/v2/', '/')
                      .rsplit('deployments/', 1)[-1].split('/', 1)[1])
        getattr(self, name)(own, get, fields)

    def pictures(self, own, get, _):
        n = int(get('n', 1))
        usage = {'input_tokens': 50, 'output_tokens': 272 * n,
                 'total_tokens': 50 + 272 * n,
                 'input_tokens_details': {'text_tokens': 10,
                                          'image_tokens': 40}}
        own.count('images', n)
        if get('stream') in (True, 'true'):
            word = ('image_edit' if 'edits' in self.path
                    else 'image_generation')
            self.events([{'type': word + '.partial_image',
                          'b64_json': PICTURE, 'partial_image_index': i}
                         for i in range(4)] +
                        [{'type': word + '.completed', 'b64_json': PICTURE,
                          'usage': usage}])
            return
        made = {'created': 1, 'data': [{'b64_json': PICTURE}] * n}
        if own.mode != 'silent':
            made['usage'] = usage
        self.answer(made)

    images_generations = images_edits = images_variations = pictures

    def audio_transcriptions(self, own, get, _):
        form = get('response_format', 'json')
        own.count('milliseconds', 12340)
        if form in ('text', 'srt', 'vtt'):
            text = b'1\n00:00:00,000 --> 00:00:12,340\nhello\n'
            self.stream([text[:10], text[10:]], 'text/plain; charset=utf-8')
        elif get('stream') == 'true':
            usage = {'type': 'tokens', 'input_tokens': 124,
                     'output_tokens': 7, 'total_tokens': 131,
                     'input_token_details': {'text_tokens': 0,
                                             'audio_tokens': 124}}
            self.events([{'type': 'transcript.text.delta', 'delta': word}
                         for word in ('hel', 'lo ', 'you', '!')] +
                        [{'type': 'transcript.text.done', 'text': 'hello you!',
                          'usage': usage}])
        elif form == 'verbose_json':
            self.answer({'text': 'hello', 'duration': '12.34', 'segments': []})
        elif own.mode == 'silent':
            self.answer({'text': 'hello'})
        else:
            self.answer({'text': 'hello',
                         'usage': {'type': 'duration', 'seconds': 12.34}})

    audio_translations = audio_transcriptions

    def audio_speech(self, own, get, _):
        own.count('characters', len(get('input')))
        if get('stream_format') == 'sse':
            self.events([{'type': 'speech.audio.delta', 'audio': 'QUJD'}] * 4 +
                        [{'type': 'speech.audio.done',
                          'usage': {'input_tokens': 5, 'output_tokens': 90,
                                    'total_tokens': 95}}])
            return
        self.stream([VOICE[i:i + 8192] for i in range(0, len(VOICE), 8192)],
                    'audio/mpeg')

    def moderations(self, own, get, _):
        own.count('calls', 1)
        self.answer({'id': 'modr-1', 'model': get('model'),
                     'results': [{'flagged': False, 'categories': {}}]})

    def rerank(self, own, get, _):
        units = -(-len(get('documents')) // 100)
        own.count('searches', units)
        answer = {'results': [{'index': 0, 'relevance_score': 0.9}]}
        if 'cohere' in get('model'):
            answer['meta'] = {'billed_units': {'search_units': units}}
        else:
            answer['usage'] = {'total_tokens': 321}
        self.answer(answer)


class Services:
    def __init__(self):
        self.got, self.mode, self.tally = [], None, {}
        self.lock = threading.Lock()
        self.waiting, self.go = threading.Event(), threading.Event()
        self.gone = threading.Event()
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.server.owner = self
        self.url = f'http://127.0.0.1:{self.server.server_address[1]}'
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def count(self, what, n):
        with self.lock:
            self.tally[what] = self.tally.get(what, 0) + n

    def reset(self, mode=None):
        self.got, self.mode, self.tally = [], mode, {}
        for event in (self.waiting, self.go, self.gone):
            event.clear()

    def release(self):
        self.go.set()

    def stop(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)
