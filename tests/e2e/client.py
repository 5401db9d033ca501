"""Raw HTTP and SSE clients for the tests: exact bytes, aborts at a byte, and
a thousand connections in one thread.

    answer = client.ask(url, 'POST', '/v1/chat/completions', body, key=key)
    answer.status, answer.headers['x-request-id'], answer.json(), answer.raw
    answer.events()                        # of a stream: the data of each event

    swarm = client.Swarm(url)
    tasks = [swarm.add(client.request(...), stop_at=100, reset=True), ...]
    swarm.run(until=lambda: swarm.sent == len(tasks))
    swarm.run()
    tasks[0].answer
"""

import json
import selectors
import socket
import ssl
import struct
import time
import urllib.parse

# Seconds that nothing takes, however slow or busy the machine is.
SLOW = 45.0


class Broken(Exception):
    """What came is no HTTP answer."""


class Answer:
    """One HTTP answer, as far as it came.

    ended: 'complete', 'eof' (closed before its end), 'reset', 'stopped' (by
    us, at `stop_at`), 'timeout', 'refused' (no connection), 'bad'.
    """

    def __init__(self):
        self.raw = b''            # every byte received, interim answers too
        self.status = 0
        self.reason = ''
        self.headers = {}         # names in small letters; the last one counts
        self.fields = []          # (name, value) as they came
        self.interim = []         # status codes of 1xx answers
        self.body = b''           # without the framing
        self.ended = ''
        self.why = ''
        self.started = self.first_byte = self.end = 0.0

    def json(self):
        return json.loads(self.body)

    def error(self):
        """The `error` object of an OpenAI envelope."""
        return self.json()['error']

    def events(self):
        """The data of each complete event of the body, as text."""
        return [data for kind, data in parse_sse(self.body) if kind == 'data']

    def chunks(self):
        """The events that are JSON."""
        return [json.loads(data) for data in self.events() if data != '[DONE]']

    def text(self):
        """The content of all chunks, or of the message."""
        if not self.headers.get('content-type', '').startswith(
                'text/event-stream'):
            return self.json()['choices'][0]['message']['content']
        return ''.join(choice['delta'].get('content') or ''
                       for chunk in self.chunks()
                       for choice in chunk.get('choices', [])
                       if 'delta' in choice)

    def usage(self):
        """The usage of the answer, of a stream the last one; else None."""
        if not self.headers.get('content-type', '').startswith(
                'text/event-stream'):
            return self.json().get('usage')
        found = [chunk['usage'] for chunk in self.chunks()
                 if chunk.get('usage')]
        return found[-1] if found else None


def parse_sse(body):
    """[('data', text) | ('comment', text)] of complete events, by the rules
    of the standard: any line end, several data lines, one blank cut off."""
    found = []
    data = []
    text = body.decode('utf-8', 'surrogateescape')
    text = text.removeprefix('\ufeff')
    lines = text.replace('\r\n', '\n').replace('\r', '\n').split('\n')
    for line in lines[:-1]:
        if line == '':
            if data:
                found.append(('data', '\n'.join(data)))
            data = []
        elif line.startswith(':'):
            found.append(('comment', line[1:].lstrip(' ')))
        else:
            name, _, value = line.partition(':')
            if name == 'data':
                data.append(value.removeprefix(' '))
    return found


class Reader:
    """Takes the bytes of one answer in any portions; strict."""

    def __init__(self, answer, method='GET'):
        self.answer = answer
        self.method = method
        self.rest = b''
        self.state = self.head
        self.left = 0             # of the body or chunk; -1: to the end

    def feed(self, data):
        """True once the answer is complete; what follows stays in rest."""
        self.answer.raw += data
        self.rest += data
        while self.state and self.state():
            pass
        return self.state is None

    def finish(self):
        """The peer closed: True if that completes the answer."""
        if self.state == self.to_end:
            self.state = None
        return self.state is None

    def head(self):
        end = self.rest.find(b'\r\n\r\n')
        if end < 0:
            return False
        lines = self.rest[:end].decode('latin-1').split('\r\n')
        if any(set(line) & set('\r\n\0') for line in lines):
            raise Broken('a control character in the head')
        self.rest = self.rest[end + 4:]
        parts = lines[0].split(' ', 2)
        if not lines[0].startswith('HTTP/1.') or len(parts) < 2:
            raise Broken(f'status line {lines[0]!r}')
        status = int(parts[1])
        if 100 <= status < 200:
            self.answer.interim.append(status)
            return True
        self.answer.status = status
        self.answer.reason = parts[2] if len(parts) > 2 else ''
        for line in lines[1:]:
            name, colon, value = line.partition(':')
            if not colon or name != name.strip() or not name:
                raise Broken(f'header {line!r}')
            self.answer.fields.append((name, value.strip()))
            self.answer.headers[name.lower()] = value.strip()
        self.choose_body(status)
        return True

    def choose_body(self, status):
        names = [name.lower() for name, _ in self.answer.fields]
        coding = self.answer.headers.get('transfer-encoding')
        length = self.answer.headers.get('content-length')
        if names.count('content-length') > 1 or (coding and length):
            raise Broken('two framings')
        if self.method == 'HEAD' or status in (204, 304):
            self.state = None
        elif coding:
            if coding != 'chunked':
                raise Broken(f'transfer-encoding {coding!r}')
            self.state = self.chunk_size
        elif length is not None:
            if not length.isdigit():
                raise Broken(f'content-length {length!r}')
            self.left = int(length)
            self.state = self.sized if self.left else None
        else:
            self.state = self.to_end

    def sized(self):
        took = self.rest[:self.left]
        self.answer.body += took
        self.rest = self.rest[len(took):]
        self.left -= len(took)
        if self.left:
            return False
        self.state = None
        return True

    def to_end(self):
        self.answer.body += self.rest
        self.rest = b''
        return False

    def chunk_size(self):
        end = self.rest.find(b'\r\n')
        if end < 0:
            return False
        try:
            self.left = int(self.rest[:end].split(b';')[0], 16)
        except ValueError as bad:
            raise Broken(f'chunk size {self.rest[:end]!r}') from bad
        self.rest = self.rest[end + 2:]
        self.state = self.chunk if self.left else self.trailers
        return True

    def chunk(self):
        if len(self.rest) < self.left + 2:
            took = self.rest[:max(0, min(self.left, len(self.rest)))]
            self.answer.body += took
            self.rest = self.rest[len(took):]
            self.left -= len(took)
            return False
        self.answer.body += self.rest[:self.left]
        if self.rest[self.left:self.left + 2] != b'\r\n':
            raise Broken('chunk without end')
        self.rest = self.rest[self.left + 2:]
        self.state = self.chunk_size
        return True

    def trailers(self):
        end = self.rest.find(b'\r\n')
        if end < 0:
            return False
        if end == 0:
            self.state = None
        self.rest = self.rest[end + 2:]
        return True


def address(url):
    """(host, port, TLS?) of a URL."""
    parts = urllib.parse.urlsplit(url)
    secure = parts.scheme == 'https'
    return parts.hostname, parts.port or (443 if secure else 80), secure


def request(method, path, body=None, key=None, headers=(), host='localhost'):
    """The bytes of a request; `body` may be bytes or what json.dumps takes."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body, separators=(',', ':')).encode()
    lines = [f'{method} {path} HTTP/1.1', f'host: {host}']
    if key:
        lines.append(f'authorization: Bearer {key}')
    if body is not None:
        if 'content-type' not in dict(headers):
            lines.append('content-type: application/json')
        lines.append(f'content-length: {len(body)}')
    for name, value in dict(headers).items():
        lines.append(f'{name}: {value}')
    return '\r\n'.join(lines).encode() + b'\r\n\r\n' + (body or b'')


def chat(text, model='gpt-4o', **fields):
    """The body of a chat request with one user message."""
    return {'model': model,
            'messages': [{'role': 'user', 'content': text}], **fields}


def reset_on_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack('ii', 1, 0))


class Connection:
    """One blocking connection; every wait is bounded by `timeout`."""

    def __init__(self, url, timeout=SLOW, context=None, receive_buffer=0):
        host, port, secure = address(url)
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                 receive_buffer)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect((host, port))
        except OSError:
            self.sock.close()
            raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            context = context or ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.rest = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def read(self, method='GET', stop_at=None, timeout=None):
        """The next answer; with `stop_at` no more than so many raw bytes."""
        answer = Answer()
        reader = Reader(answer, method)
        answer.started = time.monotonic()
        if timeout:
            self.sock.settimeout(timeout)
        try:
            self.pump(answer, reader, stop_at)
        except socket.timeout:
            answer.ended = 'timeout'
        except (ConnectionResetError, BrokenPipeError):
            answer.ended = 'reset'
        except (Broken, ValueError) as bad:
            answer.ended, answer.why = 'bad', str(bad)
        answer.end = time.monotonic()
        self.rest = reader.rest
        return answer

    def pump(self, answer, reader, stop_at):
        done = reader.feed(self.rest)
        while not done:
            want = 65536
            if stop_at is not None:
                want = min(want, stop_at - len(answer.raw))
                if want <= 0:
                    answer.ended = 'stopped'
                    return
            data = self.sock.recv(want)
            if not data:
                answer.ended = 'complete' if reader.finish() else 'eof'
                return
            answer.first_byte = answer.first_byte or time.monotonic()
            done = reader.feed(data)
        answer.ended = 'complete'

    def ask(self, method, path, body=None, key=None, headers=(), **how):
        self.send(request(method, path, body, key, headers))
        return self.read(method, **how)

    def at_end(self, timeout=SLOW):
        """Whether the peer closes within `timeout` without a byte more."""
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(1) == b''
        except socket.timeout:
            return False
        except OSError:
            return True

    def reset(self):
        """Closes by RST."""
        reset_on_close(self.sock)
        self.sock.close()

    def close(self):
        self.sock.close()


def ask(url, method, path, body=None, key=None, headers=(), timeout=SLOW):
    """One request on a connection of its own."""
    with Connection(url, timeout) as connection:
        return connection.ask(method, path, body, key, headers)


class Task:
    """One request of a swarm and what became of it."""

    def __init__(self, data, stop_at, reset, linger, note):
        self.data = data
        self.stop_at = stop_at    # raw bytes to read, then leave
        self.reset = reset        # leave by RST
        self.linger = linger      # do not leave: stop reading only
        self.note = note          # the caller's own
        self.answer = Answer()
        self.reader = Reader(self.answer, data.split(b' ', 1)[0].decode())
        self.sock = None
        self.written = 0
        self.done = False


class Swarm:
    """Many requests at once, each on its own plain connection, in one
    thread. add() them, then run() once or several times."""

    def __init__(self, url):
        self.host, self.port, _ = address(url)
        self.selector = selectors.DefaultSelector()
        self.tasks = []
        self.waiting = []
        self.open = 0
        self.sent = 0             # requests that were written whole
        self.answered = 0         # tasks that are done
        self.opening = 64         # connects under way at once

    def add(self, data, stop_at=None, reset=False, linger=False, note=None):
        task = Task(data, stop_at, reset, linger, note)
        self.tasks.append(task)
        self.waiting.append(task)
        return task

    def run(self, until=None, timeout=2 * SLOW):
        """Until all tasks are done, or `until()` says so; whether that came
        in time. What is under way goes on with the next run()."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.start_some()
            if until() if until else self.answered == len(self.tasks):
                return True
            for key, _ in self.selector.select(0.02):
                self.step(key.data)
        return False

    def close(self):
        for task in self.tasks:
            if task.sock and not task.done:
                self.end(task, 'timeout')
        self.selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start_some(self):
        pending = self.open - self.sent
        while self.waiting and pending < self.opening:
            self.start(self.waiting.pop(0))
            pending += 1

    def start(self, task):
        task.sock = socket.socket()
        task.sock.setblocking(False)
        task.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task.sock.connect_ex((self.host, self.port))
        self.open += 1
        self.selector.register(task.sock, selectors.EVENT_WRITE, task)

    def step(self, task):
        try:
            if task.written < len(task.data):
                self.write(task)
            else:
                self.read(task)
        except BlockingIOError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            self.end(task, 'reset')
        except (Broken, ValueError) as bad:
            task.answer.why = str(bad)
            self.end(task, 'bad')
        except OSError as bad:
            task.answer.why = str(bad)
            self.end(task, 'refused')

    def write(self, task):
        if task.written == 0:
            task.answer.started = time.monotonic()
        task.written += task.sock.send(task.data[task.written:])
        if task.written == len(task.data):
            self.sent += 1
            self.selector.modify(task.sock, selectors.EVENT_READ, task)

    def read(self, task):
        answer = task.answer
        want = 65536
        if task.stop_at is not None:
            want = min(want, task.stop_at - len(answer.raw))
        if want <= 0:
            self.stop(task)
            return
        data = task.sock.recv(want)
        if not data:
            self.end(task, 'complete' if task.reader.finish() else 'eof')
            return
        answer.first_byte = answer.first_byte or time.monotonic()
        if task.reader.feed(data):
            self.end(task, 'complete')
        elif task.stop_at is not None and len(answer.raw) >= task.stop_at:
            self.stop(task)

    def stop(self, task):
        if task.linger:
            self.selector.unregister(task.sock)
            task.answer.ended = 'stopped'
            task.done = True
            self.answered += 1
            return
        if task.reset:
            reset_on_close(task.sock)
        self.end(task, 'stopped')

    def end(self, task, how):
        if task.written < len(task.data):
            self.sent += 1        # never will be: not pending any more
        task.answer.ended = how
        task.answer.end = time.monotonic()
        task.done = True
        self.answered += 1
        self.selector.unregister(task.sock)
        task.sock.close()
