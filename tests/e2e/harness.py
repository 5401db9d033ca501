"""Starts gateways and mock upstreams for the tests.

    with harness.Mock() as mock, harness.Gateway(mock) as gateway:
        gateway.account('acme', '10.00')
        key = gateway.key('acme', rpm=100)
        answer = gateway.chat(key, 'hello @@chunks=3')
        gateway.ledger('verify')

The programs come from $TOLLGATE_BUILD (default: build). Every wait is
for a condition, and bounded so that a slow machine passes too; whatever is started ends with the test, and with the test's process.
Money is counted in whole nano-USD.
"""

import contextlib
import csv
import ctypes
import errno
import fcntl
import fractions
import io
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

try:
    from tests.e2e import client
except ImportError:
    import client

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('TOLLGATE_BUILD',
                                       os.path.join(ROOT, 'build')))
NANO = 10 ** 9
ROOM = 2 << 30    # of memory, for the shared segments of all tests at once
SLOW = client.SLOW
TOKEN = 'a-token-of-the-tests'
UPSTREAM_KEY = 'sk-of-the-mock'
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A program did not do what the test needs of it."""


# -- money -----------------------------------------------------------------

def nano(usd):
    """Whole nano-USD of a decimal text; what is no such number is an error."""
    value = fractions.Fraction(usd) * NANO
    if value.denominator != 1:
        raise ValueError(f'{usd!r} is finer than a nano-USD')
    return int(value)


def usd(amount):
    """The decimal text of nano-USD, all nine digits."""
    sign = '-' if amount < 0 else ''
    return f'{sign}{abs(amount) // NANO}.{abs(amount) % NANO:09d}'


def cost(classes, multiplier='1'):
    """nano-USD of [(tokens, USD per million tokens), ...], rounded up once."""
    total = sum(fractions.Fraction(price) * tokens for tokens, price in classes)
    total = total * fractions.Fraction(multiplier) * 1000
    return -(-total.numerator // total.denominator)


# -- programs --------------------------------------------------------------

def program(name, build=None):
    """The path of a program in the build folder; None when it is not there."""
    build = build or BUILD
    for place in ('', 'master', 'tools', 'tests/mock', 'tests/bench'):
        path = os.path.join(build, place, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def need(*names):
    """Skips the test when a program was not built."""
    for name in names:
        if not program(name):
            raise unittest.SkipTest(f'{name} is not built')


def need_files(count):
    """Skips the test when so many cannot be open in one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise unittest.SkipTest(f'no more than {hard} open files')
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def die_with_parent():
    libc.prctl(1, signal.SIGTERM)             # PR_SET_PDEATHSIG


def free_port():
    """A port that no other test has now: below the range of outgoing
    connections, and locked until this process ends."""
    folder = os.path.join(tempfile.gettempdir(), 'tollgate-ports')
    os.makedirs(folder, mode=0o777, exist_ok=True)
    for _ in range(1000):
        port = random.randrange(12000, 32000)
        lock = os.open(os.path.join(folder, str(port)),
                       os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(('127.0.0.1', port))
            return port
        except OSError:
            os.close(lock)
    raise Failed('no free port')


def wait_until(true, timeout=SLOW, what='it', every=0.01):
    """The first true value of `true()`; Failed when none comes."""
    end = time.monotonic() + timeout
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f'{what} did not happen within {timeout} s')
        time.sleep(every)


def end_process(process, number=signal.SIGTERM, timeout=SLOW):
    """Signals, waits, kills what stays; the exit status."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Failed(f'{process.args[0]} did not end within '
                     f'{timeout} s') from None


def children_of(pid):
    """The pids of the children of a process."""
    try:
        with open(f'/proc/{pid}/task/{pid}/children',
                  encoding='ascii') as stream:
            return [int(word) for word in stream.read().split()]
    except OSError:
        return []


def memory_of(pid, what):
    """Bytes by a line of /proc/PID/status: 'VmRSS', 'RssAnon'."""
    with open(f'/proc/{pid}/status', encoding='ascii') as stream:
        for line in stream:
            if line.startswith(what + ':'):
                return int(line.split()[1]) * 1024
    raise Failed(f'no {what} of {pid}')


def cpu_seconds(pid):
    """User and system time of a process, its reaped children included."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as stream:
            fields = stream.read().rsplit(')', 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / os.sysconf(
        'SC_CLK_TCK')


def stored(path):
    """The bytes of a file but its holes: ledgers and shared memory have many."""
    parts, at = [], 0
    with open(path, 'rb') as stream:
        while True:
            try:
                begin = os.lseek(stream.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return b'\0'.join(parts)
            at = os.lseek(stream.fileno(), begin, os.SEEK_HOLE)
            stream.seek(begin)
            parts.append(stream.read(at - begin))


class Mock:
    """The scripted upstream; see tests/mock/README.md."""

    def __init__(self, *options, workers=1, tls=None):
        path = program('mock-upstream')
        if not path:
            raise unittest.SkipTest('mock-upstream is not built')
        args = [path, '--port', '0', '--workers', str(workers), *options]
        if tls:
            args += ['--tls', *tls]
        self.process = subprocess.Popen(
            args, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        line = self.process.stdout.readline().split()
        if len(line) != 2:
            raise Failed('mock-upstream did not start')
        self.port = int(line[1])
        self.secure = bool(tls)
        self.url = f'http{"s" if tls else ""}://127.0.0.1:{self.port}'

    def control(self, method, path, body=None):
        """The raw bytes of a control request's answer."""
        import ssl
        context = None
        if self.secure:
            context = ssl._create_unverified_context()
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(asked, timeout=SLOW,
                                    context=context) as answer:
            return answer.read()

    def tally(self, last=20, tag=None):
        query = f'/_tally?last={last}' + (f'&tag={tag}' if tag else '')
        return json.loads(self.control('GET', query))

    def record(self, tag):
        """The record of the newest request with this tag, or None."""
        found = self.tally(1, tag)['last']
        return found[0] if found else None

    def last(self):
        return self.control('GET', '/_last')

    def script(self, do=None, **rule):
        """One rule for the requests to come; without arguments: none."""
        body = {} if do is None else {'do': do, **rule}
        self.control('POST', '/_script', body)

    def rules(self, *rules):
        self.control('POST', '/_script', {'rules': list(rules)})

    def release(self, count=None):
        self.control('POST', '/_release',
                     {} if count is None else {'count': count})

    def reset(self):
        self.control('POST', '/_reset', {})

    def wait(self, true, timeout=SLOW, what='the mock'):
        """Until `true(tally)`; that tally."""
        def look():
            tally = self.tally(0)
            return tally if true(tally) else None
        return wait_until(look, timeout, what)

    def stop(self):
        self.process.stdout.close()
        return end_process(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# -- configuration ---------------------------------------------------------

def libconfig(value, indent=''):
    """A value in the syntax of the configuration file: a dict is a group, a
    list or tuple a list."""
    inner = indent + '  '
    if isinstance(value, dict):
        rows = [f'{inner}{key} = {libconfig(item, inner)};'
                for key, item in value.items() if item is not None]
        return '{\n' + '\n'.join(rows) + f'\n{indent}}}'
    if isinstance(value, (list, tuple)):
        return '( ' + ', '.join(libconfig(item, inner)
                                for item in value) + ' )'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, int):
        return str(value)
    text = str(value).replace('\\', '\\\\').replace('"', '\\"')
    return f'"{text}"'


MODELS = (
    {'name': 'gpt-4o', 'input': '2.50', 'cache_read': '1.25',
     'output': '10.00', 'max_output': 16384},
    {'name': 'gpt-4o-mini', 'input': '0.15', 'cache_read': '0.075',
     'output': '0.60', 'max_output': 16384},
    {'name': 'text-embedding-3-small', 'input': '0.02'},
)
PRICES = {model['name']: model for model in MODELS}


def channel(upstream, name='mock', **fields):
    """A channel to a mock (or a URL) that offers all models."""
    return {'name': name, 'provider': 'openai',
            'base_url': getattr(upstream, 'url', upstream),
            'keys': ['env:TOLLGATE_TEST_KEY'],
            'models': [{'name': model['name']} for model in MODELS], **fields}


def run_in_memory(folder):
    """Makes FOLDER/run a link to a folder in memory, as /run is one, if there
    is room: shared memory on a disk costs each start a tenth of a second."""
    place, link = '/dev/shm', os.path.join(folder, 'run')
    try:
        room = os.statvfs(place)
        if room.f_bavail * room.f_frsize < ROOM or os.path.lexists(link):
            return None
        run = tempfile.mkdtemp(prefix='tollgate-run-', dir=place)
    except OSError:
        return None
    os.symlink(run, link)
    return run


class Gateway:
    """A Tollgate of its own in a temporary folder.

    `upstream`: a Mock, a URL, or a list of channel() dicts. Keyword arguments
    are top-level keys of the configuration (None leaves one out). With
    `start=False` nothing runs yet; start() may be called again after stop()
    or kill(): the folder, and so the ledger, stays.
    """

    def __init__(self, upstream=None, start=True, environment=(), build=None,
                 folder=None, **keys):
        self.build = build
        self.server = program('tollgate', build)
        self.control_program = program('tollgatectl', build)
        self.ledger_program = program('tollgate-ledger', build)
        if not (self.server and self.control_program and self.ledger_program):
            raise unittest.SkipTest('tollgate is not built')
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix='tollgate-')
        self.run_folder = run_in_memory(self.folder)
        self.environment = {'TOLLGATE_TEST_KEY': UPSTREAM_KEY,
                            'TOLLGATE_ADMIN_TOKEN': TOKEN,
                            # Temporary folders may be on a tmpfs.
                            'TOLLGATE_LEDGER_ANY_FS': '1',
                            **dict(environment)}
        self.port, self.admin_port = free_port(), free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self.admin_url = f'http://127.0.0.1:{self.admin_port}'
        self.file = os.path.join(self.folder, 'tollgate.conf')
        self.process = None
        self.starts = 0
        self.keys = self.defaults(upstream)
        self.keys.update(keys)
        # However slow the machine is; the tests of overload say otherwise.
        self.keys['limits'] = {'overload_delay': '0s',
                               **(self.keys.get('limits') or {})}
        self.configure()
        if start:
            self.start()

    def defaults(self, upstream):
        channels = upstream
        if channels is None or not isinstance(channels, (list, tuple)):
            channels = [channel(upstream)] if upstream else []
        return {
            'workers': 2, 'state_dir': 'state', 'run_dir': 'run',
            'drain_timeout': '10s', 'access_log': 'access.log',
            'listen': [{'address': f'127.0.0.1:{self.port}'}],
            'admin': {'address': f'127.0.0.1:{self.admin_port}',
                      'token': 'env:TOLLGATE_ADMIN_TOKEN'},
            'ledger': {'durability': 'commit', 'map_size': '256MiB'},
            'models': MODELS,
            'groups': [{'name': 'default', 'multiplier': '1.0'}],
            'channels': channels,
        }

    def configure(self, **keys):
        """Changes keys and writes the file; hup() makes it count."""
        self.keys.update(keys)
        rows = [f'{key} = {libconfig(value)};'
                for key, value in self.keys.items() if value is not None]
        self.write('\n'.join(rows) + '\n')

    def write(self, text):
        """The configuration file as this very text, at once."""
        with open(self.file + '.new', 'w', encoding='utf-8') as stream:
            stream.write(text)
        os.replace(self.file + '.new', self.file)

    # processes

    @property
    def pid(self):
        return self.process.pid

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def start(self, timeout=SLOW, ready=True):
        self.starts += 1
        self.error_log = self.path(f'error-{self.starts}.log')
        with open(self.error_log, 'wb') as log:
            self.process = subprocess.Popen(
                [self.server, '-c', self.file, '-p', self.folder],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment},
                preexec_fn=die_with_parent)
        if ready:
            self.wait_ready(timeout)
        return self

    def ready(self):
        try:
            with client.Connection(self.url, 5.0) as one:
                return one.ask('GET', '/readyz').status == 200
        except OSError:
            return False

    def wait_ready(self, timeout=SLOW):
        def look():
            if self.process.poll() is not None:
                raise Failed(f'tollgate ended with {self.process.returncode}: '
                             + self.errors()[-2000:])
            return self.ready()
        wait_until(look, timeout, 'readiness')

    def errors(self):
        """The text of the error log."""
        with open(self.error_log, encoding='utf-8',
                  errors='replace') as stream:
            return stream.read()

    def access(self):
        """The lines of the access log, parsed."""
        try:
            with open(self.path('access.log'), encoding='utf-8') as stream:
                return [json.loads(line) for line in stream]
        except FileNotFoundError:
            return []

    def stop(self, number=signal.SIGTERM, timeout=SLOW, check=True):
        """Ends the server; with `check` its exit status must be 0."""
        if not self.process:
            return 0
        status = end_process(self.process, number, timeout)
        self.process = None
        if check and status:
            raise Failed(f'tollgate ended with {status}: '
                         + self.errors()[-2000:])
        return status

    def tree(self):
        """The pids of the server: the master first, then all below it."""
        found = [self.pid]
        for pid in found:
            found += children_of(pid)
        return found

    def kill_all(self):
        """kill -9 of every process at once; the shared memory stays."""
        pids = self.tree()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(SLOW)
        wait_until(lambda: not any(os.path.exists(f'/proc/{pid}')
                                   for pid in pids), what='the end of all')
        self.process = None

    def workers(self):
        """Rows of `tollgatectl show workers`."""
        shown = self.ctl('show', 'workers')
        return shown['workers'] if isinstance(shown, dict) else shown

    @property
    def pids(self):
        """The pids of the workers."""
        return [row['pid'] for row in self.workers()]

    def hup(self):
        """Asks for a reload by signal and does not wait for it."""
        os.kill(self.pid, signal.SIGHUP)

    # tools

    def run_tool(self, path, *args, status=0, timeout=SLOW):
        done = subprocess.run(
            [path, *args], capture_output=True, text=True, timeout=timeout,
            check=False, env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL)
        if status is not None and done.returncode != status:
            raise Failed(f'{os.path.basename(path)} {" ".join(args)} ended '
                         f'with {done.returncode}: {done.stdout[-1000:]}'
                         f'{done.stderr[-1000:]}')
        return done

    def ctl(self, *args, status=0):
        """tollgatectl with --json: what it says, parsed."""
        where = ('-p', self.folder)
        if os.path.isabs(self.keys['run_dir']):
            where = ('-s', os.path.join(self.keys['run_dir'], 'admin.sock'))
        done = self.run_tool(self.control_program, *where, '--json',
                             *args, status=status)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def ledger(self, *args, status=0):
        """tollgate-ledger: its output."""
        return self.run_tool(self.ledger_program, '-p', self.folder, *args,
                             status=status).stdout

    def verify(self):
        """The line of `tollgate-ledger verify`: (entries, text)."""
        line = self.ledger('verify').strip().splitlines()[-1]
        if not line.startswith('balanced: '):
            raise Failed(f'verify says {line!r}')
        return int(line.split()[1]), line

    def report(self, what='requests', *args):
        """The rows of a CSV report as dicts."""
        text = self.ledger('report', what, *args, '--format', 'csv')
        return list(csv.DictReader(io.StringIO(text, newline='')))

    def dump(self):
        return [json.loads(line) for line in self.ledger('dump').splitlines()]

    def settled(self):
        """Whether no hold is left; then the report is whole."""
        tool = self.ctl('status')
        return not tool.get('holds')

    # books

    def account(self, name, balance=None, *args):
        """Creates an account with a balance in USD."""
        if balance is not None:
            args = ('--balance', str(balance), *args)
        return self.ctl('account', 'create', name, *args)

    def show(self, name):
        return self.ctl('account', 'show', name)

    def key(self, account, *args, **limits):
        """Creates a key and returns its secret; limits are the options of
        `key create`: rpm=10, budget='1.00/total', allow_ip='::1/128'."""
        for name, value in limits.items():
            args += ('--' + name.replace('_', '-'), str(value))
        made = self.ctl('key', 'create', '--account', account, *args)
        return made.get('secret') or made['key']

    # requests

    def ask(self, method, path, body=None, key=None, headers=(),
            timeout=SLOW):
        return client.ask(self.url, method, path, body, key, headers, timeout)

    def chat(self, key, text='hello', timeout=SLOW, **fields):
        return self.ask('POST', '/v1/chat/completions',
                        client.chat(text, **fields), key, timeout=timeout)

    def admin(self, path, method='GET', body=None):
        """A request to the admin listener; its Answer."""
        return client.ask(self.admin_url, method, path, body, TOKEN)

    def metrics(self):
        """{'name{labels}': value} of /metrics."""
        found = {}
        for line in self.admin('/metrics').body.decode().splitlines():
            if line and not line.startswith('#'):
                name, _, value = line.rpartition(' ')
                found[name] = float(value)
        return found

    def close(self):
        if self.process:
            with contextlib.suppress(Failed):
                self.stop(signal.SIGINT, check=False)
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            if self.run_folder:
                shutil.rmtree(self.run_folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind and os.environ.get('TOLLGATE_KEEP'):
            self.own_folder = False
            print(f'# kept: {self.folder}')
        elif kind and self.process:
            print('# ' + self.errors()[-3000:].replace('\n', '\n# '))
        self.close()


def certificate(folder, name='127.0.0.1', **how):
    """(certificate, key) files of a fresh self-signed certificate."""
    files = [os.path.join(folder, f'{name}.{end}') for end in ('pem', 'key')]
    kind = 'IP' if name[0].isdigit() else 'DNS'
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
         'ec_paramgen_curve:P-256', '-nodes', '-days', str(how.get('days', 2)),
         '-subj', f'/CN={name}', '-addext', f'subjectAltName={kind}:{name}',
         '-out', files[0], '-keyout', files[1]],
        check=True, capture_output=True)
    return tuple(files)
