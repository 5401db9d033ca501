"""tollgatectl and tollgate-ledger as their users see them: output, exit
statuses, what they say when something is wrong."""

import hashlib
import json
import os
import subprocess
import unittest

import client
import harness

USAGE, UNREACHABLE, DAMAGED, DIFFERS = 2, 6, 5, 7


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.need('tollgate', 'tollgatectl', 'tollgate-ledger')
        cls.mock = harness.Mock()
        cls.addClassCleanup(cls.mock.stop)
        cls.gateway = harness.Gateway(cls.mock)
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.account('acme', '10.00')
        cls.secret = cls.gateway.key('acme', name='first')
        for _ in range(3):
            assert cls.gateway.chat(cls.secret).status == 200
        harness.wait_until(lambda: len(cls.gateway.report()) == 3)

    def tool(self, name, *args, status=0, prefix=True):
        """(standard output, standard error) of a tool."""
        path = harness.program(name)
        if prefix:
            args = ('-p', self.gateway.folder, *args)
        done = subprocess.run([path, *args], capture_output=True, timeout=60,
                              check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, status, (args, done.stderr))
        return done.stdout.decode(), done.stderr.decode()

    def ctl(self, *args, **more):
        return self.tool('tollgatectl', *args, **more)

    def ledger(self, *args, **more):
        return self.tool('tollgate-ledger', *args, **more)

    # -- tollgatectl

    def test_tables_have_a_head_and_json_is_json(self):
        for what in ('workers', 'channels', 'models', 'conns', 'limits'):
            table, _ = self.ctl('show', what)
            head = table.splitlines()[0]
            self.assertRegex(head, '^ *[A-Z][A-Z0-9% ]+$', what)
            found = json.loads(self.ctl('--json', 'show', what)[0])
            self.assertIsInstance(found[what], list)

    def test_columns_of_channels_appear_with_what_they_tell(self):
        dead = harness.channel('http://127.0.0.1:1', 'dead', priority=2,
                               probe={'by': 'off'})
        with harness.Gateway([harness.channel(self.mock.url), dead],
                             routing={'strategy': 'failover'}) as gateway:
            gateway.account('acme', '10.00')
            key = gateway.key('acme')

            def table():
                path = harness.program('tollgatectl')
                return subprocess.run(
                    [path, '-p', gateway.folder, 'show', 'channels'],
                    capture_output=True, timeout=30, check=True,
                    text=True).stdout
            self.assertRegex(table(), r'STATE .*ERRORS +FIRST BYTE US +ADDR')
            gateway.ctl('channel', 'mock', 'down')
            self.assertEqual(gateway.chat(key).status, 502)
            self.assertRegex(table(), r'REFUSED .*FAULT +WHY +ADDRESSES\n'
                             r'mock .* off .*\n'
                             r'dead .* provider_connect +left alone for '
                             r'\d+ ms after provider_connect ')

    def test_status_says_what_runs(self):
        status = json.loads(self.ctl('status', '--json')[0])
        self.assertTrue(status['ready'])
        self.assertEqual(status['workers_ready'], 2)
        self.assertEqual(status['ledger']['state'], 'ok')
        self.assertIn('ready', self.ctl('status')[0])

    def test_a_key_is_shown_once(self):
        made = json.loads(self.ctl('--json', 'key', 'create', '--account',
                                   'acme', '--name', 'once')[0])
        self.assertTrue(made['key'].startswith('tg_'))
        listed, _ = self.ctl('--json', 'key', 'list', '--account', 'acme')
        self.assertIn('"once"', listed)
        self.assertNotIn(made['key'], listed)

    def test_a_revoked_key_is_refused(self):
        made = json.loads(self.ctl('--json', 'key', 'create', '--account',
                                   'acme')[0])
        self.assertEqual(self.gateway.chat(made['key']).status, 200)
        self.ctl('key', 'revoke', str(made['id']))
        self.assertEqual(self.gateway.chat(made['key']).status, 401)

    def test_money_moves_once_for_an_idempotency_key(self):
        self.gateway.account('once', '1.00')
        for _ in range(3):
            self.ctl('account', 'topup', 'once', '2.50',
                     '--idempotency-key', 'k1')
        self.assertEqual(self.gateway.show('once')['balance'], '3.50')
        _, said = self.ctl('account', 'topup', 'once', '9.00',
                           '--idempotency-key', 'k1', status=1)
        self.assertIn('tollgatectl: ', said)
        self.ctl('account', 'refund', 'once', '0.25',
                 '--idempotency-key', 'k2')
        self.assertEqual(self.gateway.show('once')['balance'], '3.25')

    def test_a_frozen_account_is_refused_until_it_is_not(self):
        self.gateway.account('ice', '1.00')
        key = self.gateway.key('ice')
        self.ctl('account', 'freeze', 'ice')
        self.assertEqual(self.gateway.chat(key).status, 403)
        self.ctl('account', 'unfreeze', 'ice')
        self.assertEqual(self.gateway.chat(key).status, 200)

    def test_a_channel_is_drained_and_taken_up_again(self):
        # In a server of its own: the others need the channel.
        with harness.Gateway(self.mock) as gateway:
            gateway.account('a', '1.00')
            key = gateway.key('a')
            gateway.ctl('channel', 'mock', 'drain')
            self.assertEqual(gateway.chat(key).status, 503)
            gateway.ctl('channel', 'mock', 'up')
            self.assertEqual(gateway.chat(key).status, 200)

    def test_names_are_taken_once(self):
        self.gateway.account('twice')
        _, said = self.ctl('account', 'create', 'twice', status=1)
        self.assertIn('twice', said)

    def test_a_wrong_command_line_is_usage(self):
        for words in ([], ['no-such'], ['account'], ['account', 'create'],
                      ['account', 'create', 'a', 'b'],
                      ['account', 'topup', 'acme', '1.00'],
                      ['show', 'nothing'], ['channel', 'mock', 'explode'],
                      ['status', '--nothing'], ['key', 'create'],
                      ['account', 'create', 'x', '--rpm', 'many']):
            _, said = self.ctl(*words, status=USAGE)
            self.assertTrue(said.startswith('tollgatectl: ') or
                            said.startswith('usage: '), (words, said))

    def test_without_a_server_the_tool_says_so(self):
        _, said = self.ctl('-p', '/nonexistent', 'status', prefix=False,
                           status=UNREACHABLE)
        self.assertIn('/nonexistent', said)

    def test_help_and_version_need_no_server(self):
        for name in ('tollgate', 'tollgatectl', 'tollgate-ledger'):
            out, _ = self.tool(name, '--help', prefix=False)
            self.assertIn(name, out)
            out, _ = self.tool(name, '--version', prefix=False)
            self.assertRegex(out, f'^{name} [0-9]+[.][0-9]+[.][0-9]+\n$')

    # -- tollgate-ledger

    def test_verify_balances(self):
        for more in ([], ['--recompute']):
            out, _ = self.ledger('verify', *more)
            self.assertRegex(out, r'^balanced: \d+ entries, sum 0, chain ok\n$')

    def test_a_report_is_the_same_twice(self):
        for args in (['report', 'requests', '--account', 'acme'],
                     ['report', 'accounts', '--to', '2500-01-01'],
                     ['dump', '--account', 'acme'],
                     ['report', 'requests', '--format', 'json', '--key',
                      'first']):
            self.assertEqual(self.ledger(*args), self.ledger(*args), args)

    def test_a_report_goes_into_a_file_with_its_digest(self):
        path = os.path.join(self.gateway.folder, 'requests.csv')
        self.ledger('report', 'requests', '--key', 'first', '-o', path)
        with open(path, 'rb') as stream:
            text = stream.read()
        with open(path + '.sha256', encoding='ascii') as stream:
            self.assertEqual(stream.read(),
                             f'{hashlib.sha256(text).hexdigest()}'
                             '  requests.csv\n')
        with open(path + '.meta.json', encoding='ascii') as stream:
            meta = json.load(stream)
        self.assertEqual(meta['rows'], 3)
        self.assertEqual(text.count(b'\r\n'), 4)
        self.assertFalse(os.path.exists(path + '.part'))

    def test_a_period_is_kept(self):
        for args, rows in ((['--from', '2500-01-01'], 0),
                           (['--to', '2001-01-01'], 0),
                           (['--from', '2001-01-01', '--to', '2500-01-01',
                             '--key', 'first'], 3)):
            out, _ = self.ledger('report', 'requests', *args)
            self.assertEqual(out.count('\r\n'), rows + 1, args)

    def test_wrong_words_are_usage(self):
        for words in ([], ['no-such'], ['report'], ['report', 'nothing'],
                      ['verify', '--from', '2026-01-01'],
                      ['report', 'requests', '--from', 'yesterday'],
                      ['report', 'requests', '--format', 'xml'],
                      ['dump', '--format', 'csv'], ['dump', 'twice'],
                      ['report', 'requests', '--from', '2026-02-01',
                       '--to', '2026-01-01']):
            self.ledger(*words, status=USAGE)

    def test_what_is_not_there_is_said(self):
        _, said = self.ledger('report', 'requests', '--account', 'nobody',
                              status=1)
        self.assertIn('nobody', said)
        self.ledger('-d', '/nonexistent', 'verify', prefix=False, status=1)

    def test_a_changed_byte_is_found(self):
        with harness.Gateway(self.mock) as gateway:
            gateway.account('a', '1.00', '--note', 'the-note-of-the-test')
            gateway.stop()
            path = gateway.path('state', 'ledger', 'data.mdb')
            with open(path, 'r+b') as stream:
                text = stream.read()
                at = text.find((10 ** 9).to_bytes(8, 'little'))
                self.assertGreater(at, 0)
                while at >= 0:
                    stream.seek(at)
                    stream.write((10 ** 9 + 1).to_bytes(8, 'little'))
                    at = text.find((10 ** 9).to_bytes(8, 'little'), at + 1)
            done = gateway.run_tool(gateway.ledger_program, '-p',
                                    gateway.folder, 'verify', status=None)
            self.assertIn(done.returncode, (DAMAGED, DIFFERS))
            self.assertNotIn('balanced', done.stdout)


class LiveReports(unittest.TestCase):
    """What reports take from the running server."""

    def test_provider_cached_tokens_and_open_holds(self):
        with harness.Mock() as mock, harness.Gateway(mock) as one:
            one.account('acme', '5.00')
            key = one.key('acme')
            answer = one.chat(key, 'hello @@tokens=100,10 @@cached=40')
            self.assertEqual(answer.status, 200)
            with client.Swarm(one.url) as swarm:
                swarm.add(client.request(
                    'POST', '/v1/chat/completions',
                    client.chat('hello @@hold=1'), key))
                swarm.run(lambda: mock.tally(0)['holding'] == 1)
                held = (harness.nano(one.show('acme')['balance'])
                        - harness.nano(one.show('acme')['available']))
                row, = one.report('accounts')
                self.assertGreater(held, 0)
                self.assertEqual(harness.nano(row['open_holds']), held)
                mock.release()
                self.assertTrue(swarm.run())
            harness.wait_until(one.settled, what='settling')
            self.assertEqual(one.report('accounts')[0]['open_holds'], '0.00')
            rows = one.report('requests')
            self.assertEqual({row['provider'] for row in rows}, {'openai'})
            self.assertEqual(rows[0]['cached_input_tokens'], '40')



class Prices(unittest.TestCase):
    """Another gateway's price list becomes a configuration that loads."""

    def test_an_imported_list_is_included_and_charged_by(self):
        prices = {'gpt-4o': {'mode': 'chat', 'input_cost_per_token': 5e-06,
                             'output_cost_per_token': 2e-05},
                  'image': {'mode': 'image_generation'}}
        with harness.Mock() as mock:
            gate = harness.Gateway(mock, start=False, models=None, channels=[
                harness.channel(mock, models=[{'name': 'gpt-4o'}])])
            with gate:
                source = gate.path('litellm.json')
                with open(source, 'w', encoding='utf-8') as file:
                    json.dump(prices, file)
                done = subprocess.run(
                    [harness.program('tollgatectl'), 'prices', 'import',
                     '--litellm', source], capture_output=True, timeout=60,
                    check=True)
                self.assertIn(b'image: not billed by the token', done.stderr)
                with open(gate.path('prices.conf'), 'wb') as file:
                    file.write(done.stdout)
                with open(gate.file, 'a', encoding='utf-8') as file:
                    file.write('@include "prices.conf"\n')
                gate.start()
                gate.account('a', '1')
                answer = gate.chat(gate.key('a'), '@@tokens=1000,100')
                self.assertEqual(
                    harness.nano(answer.headers['x-tollgate-charge-usd']),
                    harness.cost([(1000, '5'), (100, '20')]))


if __name__ == '__main__':
    unittest.main()
