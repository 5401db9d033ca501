"""Credentials of providers: signed requests, access tokens, changed keys."""

import base64
import collections
import hashlib
import hmac
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import harness

KEY_ID, SECRET, SESSION = 'AKIATEST', 'a+secret/of+a+test', 'session//token=='
HMAC_KEY = 'a-key-for-signatures'
GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
ANSWER = {
    'id': 'chatcmpl-1', 'object': 'chat.completion', 'created': 1,
    'model': 'm', 'choices': [{
        'index': 0, 'finish_reason': 'stop',
        'message': {'role': 'assistant', 'content': 'hello'}}],
    'usage': {'prompt_tokens': 5, 'completion_tokens': 1, 'total_tokens': 6}}
CONVERSE = {
    'output': {'message': {'role': 'assistant',
                           'content': [{'text': 'hello'}]}},
    'stopReason': 'end_turn', 'metrics': {'latencyMs': 1},
    'usage': {'inputTokens': 5, 'outputTokens': 1, 'totalTokens': 6}}


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256)


def sigv4(method, path, fields, body, region, secret):
    """The signature that the request must have, made from its own text."""
    words = dict(word.strip().split('=', 1) for word in
                 fields['authorization'].split(' ', 1)[1].split(','))
    names = words['SignedHeaders'].split(';')
    digest = hashlib.sha256(body).hexdigest()
    path, _, query = path.partition('?')
    canonical = '\n'.join(
        [method, urllib.parse.quote(path, safe='/-_.~'), query]
        + [f'{name}:{fields[name]}' for name in names]
        + ['', ';'.join(names), digest])
    when = fields['x-amz-date']
    scope = f'{when[:8]}/{region}/bedrock/aws4_request'
    text = '\n'.join(['AWS4-HMAC-SHA256', when, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ('AWS4' + secret).encode()
    for part in scope.split('/'):
        key = mac(key, part).digest()
    return (words['Credential'].split('/', 1), words['Signature'],
            scope, mac(key, text).hexdigest())


class Provider(http.server.ThreadingHTTPServer):
    """Upstreams that look closely at who asks, by the first folder of the
    path, and a server of access tokens."""
    daemon_threads = True

    def __init__(self, folder, public):
        super().__init__(('127.0.0.1', 0), Handler)
        self.folder, self.public = folder, public
        self.url = f'http://127.0.0.1:{self.server_port}'
        self.lock = threading.Lock()
        self.bad = []             # what was wrong with requests
        self.asked = collections.Counter()
        self.tokens = []          # handed out, in order
        self.revoked = set()
        self.first = None         # when the first one was asked for
        self.life = 3600
        self.closed = False       # the token server answers 500
        self.keys = {'key-one'}   # those that /keys takes
        threading.Thread(target=self.serve_forever, args=(0.02,),
                         daemon=True).start()

    def fault(self, text):
        with self.lock:
            self.bad.append(text)
        return False

    def take_aws(self, path, fields, body):
        if fields.get('authorization') == 'Bearer plain-key':
            return True
        (who, scope), made, right_scope, right = sigv4(
            'POST', path, fields, body, 'eu-west-3', SECRET)
        if who != KEY_ID or scope != right_scope or made != right:
            return self.fault(f'aws: {fields}')
        if (fields['x-amz-security-token'] != SESSION or
                fields['x-amz-content-sha256'] !=
                hashlib.sha256(body).hexdigest()):
            return self.fault(f'aws fields: {fields}')
        with self.lock:
            self.asked['signed'] += 1
        return True

    def take_bedrock(self, path, fields, body):
        if path != '/bedrock/model/a.b-v1%3A0/converse':
            return self.fault(f'bedrock: {path}')
        return self.take_aws(path, fields, body)

    def take_hmac(self, path, fields, body):
        words = dict(word.split('=') for word in
                     fields['x-mine'].split(','))
        text = '\n'.join(['POST', path, words['t'],
                          hashlib.sha256(body).hexdigest()])
        if mac(HMAC_KEY.encode(), text).hexdigest() != words['v1']:
            return self.fault(f'hmac: {fields}')
        if abs(int(words['t']) - time.time()) > 60 or \
                HMAC_KEY in str(fields):
            return self.fault(f'hmac time or key: {fields}')
        return True

    def take_google(self, path, fields, body):
        word = fields.get('authorization', '')
        with self.lock:
            known = [token for token in self.tokens
                     if token not in self.revoked]
        return word in [f'Bearer {token}' for token in known]

    def take_keys(self, path, fields, body):
        return fields.get('x-api-key') in self.keys

    def verify(self, text, signature):
        """By another program, as RS256 has it."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as made:
            made.write(signature)
            made.flush()
            return subprocess.run(
                ['openssl', 'dgst', '-sha256', '-verify',
                 self.public, '-signature', made.name], input=text.encode(), check=False,
                capture_output=True).returncode == 0

    def grant(self, body):
        """A token for a good assertion; None else."""
        form = urllib.parse.parse_qs(body.decode())
        text, _, signature = form['assertion'][0].rpartition('.')

        def part(word):
            return base64.urlsafe_b64decode(word + '=' * (-len(word) % 4))
        header, claims = (json.loads(part(word))
                          for word in text.split('.'))
        with self.lock:
            self.asked['token'] += 1
            self.first = self.first or time.monotonic()
        if self.closed:
            return None
        if (form['grant_type'] != [GRANT] or
                header != {'alg': 'RS256', 'typ': 'JWT', 'kid': 'k1'} or
                claims['iss'] != 'robot@example' or
                claims['aud'] != self.url + '/token' or
                claims['exp'] - claims['iat'] != 3600 or
                abs(claims['iat'] - time.time()) > 60 or
                not self.verify(text, part(signature))):
            self.fault(f'grant: {header} {claims}')
            return None
        with self.lock:
            self.tokens.append(f'ya29.token-{len(self.tokens)}')
            return self.tokens[-1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers['content-length']))
        fields = {name.lower(): value for name, value in self.headers.items()}
        if self.path == '/token':
            token = server.grant(body)
            self.answer(200 if token else 500, {
                'access_token': token, 'expires_in': server.life,
                'token_type': 'Bearer'} if token else {'error': 'no'})
            return
        kind = self.path.split('/')[1]
        with server.lock:
            server.asked[kind] += 1
        try:
            fine = getattr(server, 'take_' + kind)(self.path, fields, body)
        except (KeyError, ValueError, IndexError) as wrong:
            fine = server.fault(f'{kind}: {wrong!r} {fields}')
        good = CONVERSE if kind == 'bedrock' else ANSWER
        self.answer(200, good) if fine else self.answer(
            401, {'error': {'message': 'who are you?'}})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Credentials(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        if not shutil.which('openssl'):
            raise unittest.SkipTest('there is no openssl(1)')
        keys = tempfile.TemporaryDirectory(prefix='tollgate-keys-')
        cls.addClassCleanup(keys.cleanup)
        private = os.path.join(keys.name, 'private.pem')
        cls.public = os.path.join(keys.name, 'public.pem')
        subprocess.run(['openssl', 'genrsa', '-out', private, '2048'],
                       check=True, capture_output=True)
        subprocess.run(['openssl', 'rsa', '-in', private, '-pubout', '-out',
                        cls.public], check=True, capture_output=True)
        with open(private, encoding='ascii') as stream:
            cls.private = stream.read()

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='tollgate-keys-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.provider = Provider(self.folder, self.public)
        self.addCleanup(self.provider.server_close)
        self.addCleanup(self.provider.shutdown)

    def start(self, *channels, ready=True, **keys):
        """A gateway; channel NAME offers the model NAME at /NAME."""
        rows = [{'provider': 'openai',
                 'base_url': f'{self.provider.url}/{channel["name"]}',
                 'models': [{'name': channel['name'], 'upstream': 'm'}],
                 **channel} for channel in channels]
        models = [{'name': channel['name'], 'input': '1', 'output': '1'}
                  for channel in channels]
        gateway = harness.Gateway(rows, start=False, models=models, **keys)
        self.addCleanup(gateway.close)
        gateway.start(ready=ready)
        return gateway

    def customer(self, gateway):
        gateway.account('acme', '10.00')
        return gateway.key('acme')

    def path(self, name, text=None):
        """A file of the test's folder, written at once if there is a text."""
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path + '.new', 'w', encoding='utf-8') as stream:
                stream.write(text)
            os.replace(path + '.new', path)
        return path

    def account_file(self):
        return self.path('sa.json', json.dumps({
            'type': 'service_account', 'private_key_id': 'k1',
            'private_key': self.private, 'client_email': 'robot@example',
            'token_uri': self.provider.url + '/token'}))

    def row(self, gateway, name):
        return {row['name']: row for row in
                gateway.ctl('show', 'channels')['channels']}[name]

    def fine(self, gateway, key, model, times=1):
        for _ in range(times):
            answer = gateway.chat(key, model=model)
            self.assertEqual((answer.status, self.provider.bad), (200, []),
                             answer.body)

    def test_requests_are_signed(self):
        aws = self.path('aws', '[default]\naws_access_key_id = AKIAOTHER\n'
                        f'[test]\naws_access_key_id = {KEY_ID}\n'
                        f'aws_secret_access_key = {SECRET}\n'
                        f'aws_session_token = {SESSION}\n')
        gateway = self.start(
            {'name': 'aws', 'auth': 'aws', 'region': 'eu-west-3', 'keys': [
                {'access_key_id': 'env:TEST_KEY_ID',
                 'secret_access_key': 'env:TEST_SECRET',
                 'session_token': 'env:TEST_SESSION'},
                'env:TEST_PLAIN',
                {'profile': 'test', 'credentials_file': aws}]},
            {'name': 'bedrock', 'provider': 'bedrock', 'region': 'eu-west-3',
             'models': [{'name': 'bedrock', 'upstream': 'a.b-v1:0'}]},
            {'name': 'hmac', 'auth': 'hmac', 'hmac_header': 'x-mine',
             'keys': ['env:TEST_HMAC']},
            environment={'AWS_ACCESS_KEY_ID': KEY_ID,
                         'AWS_SECRET_ACCESS_KEY': SECRET,
                         'AWS_SESSION_TOKEN': SESSION,
                         'TEST_KEY_ID': KEY_ID, 'TEST_SECRET': SECRET,
                         'TEST_SESSION': SESSION, 'TEST_PLAIN': 'plain-key',
                         'TEST_HMAC': HMAC_KEY}.items())
        key = self.customer(gateway)
        self.fine(gateway, key, 'aws', 6)
        self.assertEqual(self.provider.asked['signed'], 4)
        self.fine(gateway, key, 'bedrock')
        self.assertEqual(self.provider.asked['signed'], 5)
        self.fine(gateway, key, 'hmac')
        shown = gateway.run_tool(gateway.server, '-T', '-c', gateway.file,
                                 '-p', gateway.folder).stdout
        self.assertIn('"env:TEST_SECRET"', shown)
        self.assertIn(f'"ini:{aws}#test.aws_secret_access_key"', shown)
        for secret in (SECRET, SESSION, HMAC_KEY, 'plain-key'):
            self.assertNotIn(secret, shown)
            self.assertNotIn(secret, gateway.errors())

    def test_one_token_serves_all_workers_and_is_renewed_in_time(self):
        self.provider.life = 2
        gateway = self.start({'name': 'google', 'auth': 'google',
                              'service_account':
                              'file:' + self.account_file()})
        key = self.customer(gateway)
        self.assertGreater(len(gateway.pids), 1)
        self.fine(gateway, key, 'google', 8)
        self.assertEqual(self.provider.asked['token'], 1)
        harness.wait_until(lambda: gateway.chat(key, model='google').status
                           and self.provider.asked['token'] > 1,
                           what='the next token', every=0.05)
        # At four fifths of its life, by the one process that asks.
        self.assertGreater(time.monotonic() - self.provider.first, 1.5)
        self.assertEqual(self.provider.bad, [])
        self.assertLessEqual(self.row(gateway, 'google')['token_s'], 2)
        self.assertNotIn('ya29', gateway.errors())

    def test_a_refused_token_is_replaced_at_once(self):
        gateway = self.start({'name': 'google', 'auth': 'google',
                              'service_account':
                              'file:' + self.account_file()})
        key = self.customer(gateway)
        self.fine(gateway, key, 'google', 3)
        self.assertEqual(self.provider.asked['token'], 1)
        gateway.ctl('reload')         # the token is still there
        self.fine(gateway, key, 'google', 3)
        self.assertEqual(self.provider.asked['token'], 1)
        self.provider.revoked.add('ya29.token-0')
        self.assertNotEqual(gateway.chat(key, model='google').status, 200)
        harness.wait_until(lambda: gateway.chat(key, model='google').status
                           == 200, what='another token', every=0.1)
        self.assertEqual(self.provider.asked['token'], 2)
        self.assertIn('a provider refuses an access token', gateway.errors())
        gateway.stop()                # and over a restart
        gateway.start()
        self.fine(gateway, key, 'google', 3)
        self.assertEqual(self.provider.asked['token'], 2)

    def test_without_a_token_the_channel_is_not_used(self):
        self.provider.closed = True
        gateway = self.start({'name': 'google', 'auth': 'google',
                              'service_account':
                              'file:' + self.account_file()}, ready=False)
        harness.wait_until(lambda: 'no access token for the channel'
                           in gateway.errors(), what='a line')
        row = self.row(gateway, 'google')
        self.assertEqual((row['usable'], row['reason'], row['token_s']),
                         (False, 'no token', 0))
        self.assertFalse(gateway.ready())
        key = self.customer(gateway)
        self.assertEqual(gateway.chat(key, model='google').status, 503)
        self.assertEqual(self.provider.asked['google'], 0)
        self.provider.closed = False
        gateway.wait_ready()
        self.fine(gateway, key, 'google')

    def test_accounts_that_are_none_are_refused(self):
        with open(self.account_file(), encoding='utf-8') as stream:
            good = json.load(stream)
        for change, why in (
                ({'private_key': 'x'}, 'has a private_key that is no RSA key'),
                ({'client_email': None}, 'has no client_email'),
                ({'token_uri': 'http://far.example/t'},
                 'has a token_uri without https://'),
                ({'token_uri': 'ftp://x'}, 'must be "https://')):
            path = self.path('bad.json', json.dumps({**good, **change}))
            gateway = harness.Gateway([{
                'name': 'google', 'provider': 'openai',
                'base_url': 'http://127.0.0.1:1', 'auth': 'google',
                'service_account': 'file:' + path,
                'models': [{'name': 'gpt-4o'}]}], start=False)
            self.addCleanup(gateway.close)
            done = gateway.run_tool(gateway.server, '-t', '-c', gateway.file,
                                    '-p', gateway.folder, status=None)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn('channels.service_account: ' + why, done.stderr)

    def test_a_changed_file_is_taken_and_a_refused_key_is_out(self):
        self.provider.keys = {'key-one', 'key-good'}
        gateway = self.start(
            {'name': 'keys', 'auth': 'x-api-key', 'keys': [
                'file:' + self.path('key', 'key-one\n'),
                'env:TEST_GOOD']},
            environment={'TEST_GOOD': 'key-good'}.items())
        key = self.customer(gateway)
        self.fine(gateway, key, 'keys', 4)
        self.provider.keys = {'key-two', 'key-good'}
        self.fine(gateway, key, 'keys', 4)   # by the other key
        row = self.row(gateway, 'keys')
        self.assertEqual((row['keys_out'],
                          [one['usable'] for one in row['keys']]),
                         (1, [False, True]))
        self.assertRegex(gateway.errors(),
                         'a provider refuses a credential channel=keys key=0')
        generation = gateway.ctl('status')['generation']
        self.path('key', 'key-two\n')
        harness.wait_until(lambda: gateway.ctl('status')['generation']
                           > generation, what='a reload', every=0.1)
        self.assertIn('a secret has changed', gateway.errors())
        self.assertNotIn('key-two', gateway.errors())
        self.provider.keys = {'key-two'}
        self.fine(gateway, key, 'keys', 2)
        self.path('key', '')                 # refused, and only once
        harness.wait_until(lambda: 'configuration refused' in
                           gateway.errors(), what='a refusal', every=0.1)
        self.fine(gateway, key, 'keys', 2)

    def test_commands_are_asked_again(self):
        path = self.path('said', 'key-one')
        gateway = self.start(
            {'name': 'keys', 'auth': 'api-key',
             'keys': [f'exec:cat {path}']}, secret_refresh='300ms')
        generation = gateway.ctl('status')['generation']
        time.sleep(0.7)
        self.assertEqual(gateway.ctl('status')['generation'], generation)
        self.path('said', 'key-two')
        harness.wait_until(lambda: gateway.ctl('status')['generation']
                           > generation, what='a reload', every=0.1)


if __name__ == '__main__':
    unittest.main()
