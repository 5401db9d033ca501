"""Upstreams whose TLS is not what it must be: each such channel is left, the
request is answered by another one, and the operator sees why."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import harness

CA = '''[ca]
default_ca = own
[own]
database = {folder}/index
rand_serial = yes
new_certs_dir = {folder}
default_md = sha256
policy = any
x509_extensions = leaf
unique_subject = no
[any]
commonName = supplied
[leaf]
subjectAltName = {name}
basicConstraints = CA:TRUE
'''


def stamp(seconds):
    return time.strftime('%Y%m%d%H%M%SZ', time.gmtime(time.time() + seconds))


def certificate(folder, kind, begins, ends, name='IP:127.0.0.1'):
    """A self-signed one that is good from and to so many seconds from now."""
    folder = os.path.join(folder, kind)
    os.mkdir(folder)
    conf, key, request, pem = (os.path.join(folder, file) for file in
                               ('conf', 'key', 'request', 'pem'))
    with open(conf, 'w', encoding='ascii') as stream:
        stream.write(CA.format(folder=folder, name=name))
    with open(os.path.join(folder, 'index'), 'w', encoding='ascii'):
        pass
    for words in (
            ['req', '-new', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:P-256', '-nodes', '-subj', f'/CN={kind}',
             '-keyout', key, '-out', request],
            ['ca', '-batch', '-selfsign', '-config', conf, '-keyfile', key,
             '-in', request, '-out', pem, '-notext', '-startdate',
             stamp(begins), '-enddate', stamp(ends)]):
        subprocess.run(['openssl', *words], check=True, capture_output=True)
    return pem, key


class Silent:
    """Accepts connections and says nothing, ever."""

    def __init__(self):
        self.socket = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.url = f'https://127.0.0.1:{self.socket.getsockname()[1]}'

    def stop(self):
        self.socket.close()


class Upstreams(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='tollgate-tls-')
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.trusted = []

    def upstream(self, *how, **more):
        pair = certificate(self.folder, *how, **more)
        with open(pair[0], encoding='ascii') as stream:
            self.trusted.append(stream.read())
        mock = harness.Mock(tls=pair)
        self.addCleanup(mock.stop)
        return mock

    def gateway(self, bad, **fields):
        """`bad` comes first, `well` is the other way."""
        well = self.upstream('well', -60, 3600)
        anchors = os.path.join(self.folder, 'anchors')
        with open(anchors, 'w', encoding='ascii') as stream:
            stream.write(''.join(self.trusted))
        gate = harness.Gateway(
            [harness.channel(bad, 'bad', connect_timeout='1s', **fields),
             harness.channel(well, 'well', priority=2)],
            environment={'SSL_CERT_FILE': anchors}, workers=2,
            routing={'cooldown': '60s'},
            probe={'interval': '300ms', 'timeout': '2s'})
        self.addCleanup(gate.close)
        gate.account('rich', '1000')
        return gate, gate.key('rich')

    @staticmethod
    def reason(gate):
        return next(row for row in gate.ctl('show', 'channels')['channels']
                    if row['name'] == 'bad')['reason']

    def check_left(self, gate, key, why):
        """The next request is moved on, those behind it do not even try."""
        answer = gate.chat(key, '@@chunks=3', stream=True)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.events()[-1], '[DONE]')
        self.assertEqual(answer.headers['x-tollgate-channel'], 'well')
        self.assertEqual(answer.headers['x-tollgate-attempts'], '2')
        for _ in range(4):
            answer = gate.chat(key)
            self.assertEqual(answer.headers['x-tollgate-channel'], 'well')
            self.assertEqual(answer.headers['x-tollgate-attempts'], '1')
        # until it is probed, it is told how long it is left alone
        harness.wait_until(lambda: why in self.reason(gate),
                           what='the reason')
        harness.wait_until(gate.settled)
        gate.verify()

    def test_an_expired_certificate(self):
        bad = self.upstream('expired', -7200, -60)
        gate, key = self.gateway(bad)
        self.check_left(gate, key, 'certificate has expired')

    def test_a_certificate_of_another_name(self):
        bad = self.upstream('other', -60, 3600, name='DNS:other.test')
        gate, key = self.gateway(bad)
        self.check_left(gate, key, 'IP address mismatch')

    def test_a_certificate_that_ends_while_it_is_in_use(self):
        """Sessions that it began are not resumed beyond its end."""
        ends = time.time() + 5
        bad = self.upstream('short', -60, 5)
        gate, key = self.gateway(bad)
        bad.script('@@close=1')  # a handshake for each request
        for _ in range(4):
            answer = gate.chat(key)
            self.assertEqual(answer.headers['x-tollgate-channel'], 'bad')
        time.sleep(max(0.0, ends + 1.1 - time.time()))
        self.check_left(gate, key, 'certificate has expired')

    def test_a_handshake_that_never_ends(self):
        bad = Silent()
        self.addCleanup(bad.stop)
        gate, key = self.gateway(bad)
        self.check_left(gate, key, 'the TLS handshake takes too long')

    def test_a_plain_upstream_where_tls_is_expected(self):
        plain = harness.Mock()
        self.addCleanup(plain.stop)
        gate, key = self.gateway(plain.url.replace('http:', 'https:'))
        self.check_left(gate, key, 'the TLS handshake')


if __name__ == '__main__':
    unittest.main()
