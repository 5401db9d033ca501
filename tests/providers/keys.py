"""The credentials of the upstreams, checked for real: SigV4 is computed
again, a JWT's signature verified with the public key."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse

from plan import number
from rules import Refused, need

KEYS = {name: f'sk-up-{name}' for name in (
    'openai', 'azure', 'openai-responses', 'anthropic', 'gemini', 'cohere',
    'deepseek', 'ollama')}
AWS = {'access_key_id': 'AKIAUPSTREAM00000001',
       'secret_access_key': 'up/secret+of/the+witness',
       'session_token': 'up-session-token', 'region': 'eu-central-1'}
GOOGLE = {'project': 'up-project', 'location': 'europe-west4'}
SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'


class Denied(Refused):
    def __init__(self, message, status=401, kind=None):
        super().__init__(message, None, status, kind)


def same(given, wanted):
    return hmac.compare_digest(given.encode(), wanted.encode())


def bearer(headers):
    scheme, _, token = headers.get('authorization', '').partition(' ')
    return token if scheme.lower() == 'bearer' else ''


def check_bearer(name, headers):
    if not same(bearer(headers), KEYS[name]):
        raise Denied('Incorrect API key provided')


def check_header(name, headers, *fields):
    """The key in any one of these header fields."""
    given = [headers.get(field, '') for field in fields]
    if not any(same(one, KEYS[name]) for one in given):
        raise Denied('invalid API key')


# -- AWS ------------------------------------------------------------------

SIGNED = re.compile(
    r'AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/'
    r'aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})')


def digest(key, message):
    return hmac.new(key, message.encode(), hashlib.sha256).digest()


def canonical_query(query):
    pairs = [(urllib.parse.unquote(name), urllib.parse.unquote(value))
             for name, _, value in (word.partition('=')
                                    for word in query.split('&') if word)]
    quoted = sorted((urllib.parse.quote(name, safe='-_.~'),
                     urllib.parse.quote(value, safe='-_.~'))
                    for name, value in pairs)
    return '&'.join(f'{name}={value}' for name, value in quoted)


def aws_signature(method, path, query, headers, names, body, scope):
    """The signature of a request by the rules; `path` as it was sent, and
    so encoded once more."""
    lines = [f'{name}:{" ".join(headers[name].split())}' for name in names]
    canonical = '\n'.join(
        [method, urllib.parse.quote(path, safe='/-_.~'),
         canonical_query(query), *lines, '', ';'.join(names),
         hashlib.sha256(body).hexdigest()])
    day, region, service = scope
    to_sign = '\n'.join(
        ['AWS4-HMAC-SHA256', headers['x-amz-date'],
         f'{day}/{region}/{service}/aws4_request',
         hashlib.sha256(canonical.encode()).hexdigest()])
    key = ('AWS4' + AWS['secret_access_key']).encode()
    for word in (day, region, service, 'aws4_request'):
        key = digest(key, word)
    return digest(key, to_sign).hex()


def check_aws(method, path, query, headers, body):
    def deny(message, kind='InvalidSignatureException'):
        raise Denied(message, 403, kind)
    match = SIGNED.fullmatch(headers.get('authorization', ''))
    if not match:
        deny('no signature', 'MissingAuthenticationTokenException')
    identity, day, region, service, names, given = match.groups()
    if identity != AWS['access_key_id']:
        deny('The security token included in the request is invalid.',
             'UnrecognizedClientException')
    if headers.get('x-amz-security-token') != AWS['session_token']:
        deny('The security token included in the request is invalid.',
             'UnrecognizedClientException')
    names = names.split(';')
    date = headers.get('x-amz-date', '')
    must = {'host', 'x-amz-date'} | {
        name for name in headers if name.startswith('x-amz-')}
    if (region, service) != (AWS['region'], 'bedrock'):
        deny(f'Credential should be scoped to a valid region: {region}')
    if not date.startswith(day) or names != sorted(names):
        deny('the date or the order of the headers is wrong')
    if must - set(names) or set(names) - set(headers):
        deny(f'not signed: {sorted(must ^ set(names))}')
    sent = time.mktime(time.strptime(date, '%Y%m%dT%H%M%SZ')) - time.timezone
    if abs(time.time() - sent) > 300:
        deny('Signature expired')
    stated = headers.get('x-amz-content-sha256')
    if stated and stated != hashlib.sha256(body).hexdigest():
        deny('x-amz-content-sha256 is not of this body')
    wanted = aws_signature(method, path, query, headers, names, body,
                           (day, region, service))
    if not same(given, wanted):
        deny('The request signature we calculated does not match the '
             'signature you provided.')


# -- Google ---------------------------------------------------------------

class Google:
    """A token endpoint and the account that may ask it."""

    def __init__(self, folder, life=3599):
        self.folder = folder
        self.life = life
        self.key = os.path.join(folder, 'google.key')
        self.public = os.path.join(folder, 'google.pub')
        self.lock = threading.Lock()
        self.tokens = {}          # token: its end
        self.issued = 0
        self.refused = 0
        self.url = ''
        openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt',
                'rsa_keygen_bits:2048', '-out', self.key)
        openssl('pkey', '-in', self.key, '-pubout', '-out', self.public)

    def account(self):
        """The service account file's content."""
        with open(self.key, encoding='ascii') as stream:
            secret = stream.read()
        return {'type': 'service_account', 'project_id': GOOGLE['project'],
                'private_key_id': 'up-key-1', 'private_key': secret,
                'client_email': 'tests@up-project.iam.example',
                'client_id': '1', 'token_uri': self.url}

    def token(self, body):
        """The answer to POST /token."""
        try:
            return self.grant(body)
        except Refused:
            with self.lock:
                self.refused += 1
            raise

    def grant(self, body):
        form = urllib.parse.parse_qs(body.decode(), strict_parsing=True)
        need(form.get('grant_type') == [GRANT], 'unsupported_grant_type')
        parts = form['assertion'][0].split('.')
        need(len(parts) == 3, 'not a JWT')
        head, claims = (json.loads(unpack(part)) for part in parts[:2])
        need(head.get('alg') == 'RS256' and head.get('typ', 'JWT') == 'JWT',
             'invalid_grant: algorithm')
        now = time.time()
        need(claims['iss'] == self.account()['client_email'], 'iss')
        need(claims['aud'] == self.url, f'aud: {claims["aud"]}')
        need(SCOPE in claims['scope'].split(' '), 'scope')
        need(claims['iat'] - 300 <= now < claims['exp'] and
             0 < claims['exp'] - claims['iat'] <= 3600, 'iat, exp')
        self.verify('.'.join(parts[:2]).encode(), unpack(parts[2]))
        token = f'ya29.up-{number()}-{os.urandom(12).hex()}'
        with self.lock:
            self.tokens[token] = now + self.life
            self.issued += 1
        return {'access_token': token, 'expires_in': self.life,
                'token_type': 'Bearer'}

    def verify(self, signed, sign):
        name = os.path.join(self.folder, f'jwt-{number()}')
        with open(name, 'wb') as stream:
            stream.write(sign)
        done = subprocess.run(
            ['openssl', 'dgst', '-sha256', '-verify', self.public,
             '-signature', name], input=signed, capture_output=True,
            check=False)
        os.unlink(name)
        need(done.returncode == 0, 'invalid_grant: Invalid JWT Signature.')

    def check(self, headers):
        end = self.tokens.get(bearer(headers))
        if end is None or end < time.time():
            raise Denied('Request had invalid authentication credentials.')


def unpack(part):
    return base64.urlsafe_b64decode(part + '=' * (-len(part) % 4))


def openssl(*args):
    subprocess.run(['openssl', *args], check=True, capture_output=True)
