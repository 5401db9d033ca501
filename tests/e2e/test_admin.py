"""The admin API over TCP and its socket, tollgatectl, and /metrics."""

import hashlib
import json
import os
import re
import subprocess
import unittest

import client
import harness

SAMPLE = re.compile(
    r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (-?[0-9]+(?:\.[0-9]+)?)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')


class Admin(unittest.TestCase):
    """One server for all cases; each case has an account of its own."""

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock()
        try:
            cls.gateway = harness.Gateway(cls.mock, groups=[
                {'name': 'default', 'multiplier': '1.0'},
                {'name': 'cheap', 'multiplier': '0.5'}])
        except BaseException:
            cls.mock.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.gateway.close()
        cls.mock.stop()

    def setUp(self):
        self.name = self.id().rsplit('.', 1)[1][-40:].strip('_')

    def account(self, balance='10.00', *args):
        return self.gateway.account(self.name, balance, *args)

    def ask(self, method, path, body=None, token=harness.TOKEN, **headers):
        return client.ask(self.gateway.admin_url, method, path, body, token,
                          {name.replace('_', '-'): value
                           for name, value in headers.items()})

    def code(self, answer, status):
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()['error']['code']

    def tool(self, *args):
        done = self.gateway.run_tool(
            self.gateway.control_program, '-p', self.gateway.folder, *args,
            status=None)
        return done.returncode, done.stdout, done.stderr

    # the listener

    def test_a_token_is_needed_but_for_health(self):
        for path in ('/healthz', '/readyz', '/openapi.yaml'):
            self.assertEqual(self.ask('GET', path, token=None).status, 200)
        for path in ('/metrics', '/admin/v1/status', '/admin/v1/keys'):
            for token in (None, 'wrong', harness.TOKEN + 'x',
                          harness.TOKEN[:-1]):
                answer = self.ask('GET', path, token=token)
                self.assertEqual(self.code(answer, 401), 'unauthorized')
        self.assertEqual(self.ask('GET', '/admin/v1/status').status, 200)

    def test_malformed_requests_are_told_in_json(self):
        with client.Connection(self.gateway.admin_url) as one:
            one.send(b'GET / HTTP/1.1\r\nbad header\r\n\r\n')
            answer = one.read()
        self.assertEqual(answer.status, 400)
        self.assertIn('message', answer.json()['error'])
        answer = self.ask('POST', '/admin/v1/accounts', b'{')
        self.assertEqual(self.code(answer, 400), 'malformed_json')
        answer = self.ask('POST', '/admin/v1/accounts', b'x' * 300000)
        self.assertEqual(answer.status, 413)
        self.assertEqual(self.ask('DELETE', '/admin/v1/keys').status, 405)
        self.assertEqual(self.ask('GET', '/nothing').status, 404)

    def test_head_and_keep_alive_work(self):
        with client.Connection(self.gateway.admin_url) as one:
            for _ in range(3):
                answer = one.ask('GET', '/healthz')
                self.assertEqual(answer.status, 200)
            self.assertEqual(answer.body, b'ok\n')
            one.send(client.request('HEAD', '/healthz'))
            answer = one.read('HEAD')
            self.assertEqual((answer.status, answer.body), (200, b''))

    # accounts

    def test_an_account_is_made_once(self):
        made = self.account('12.5', '--group', 'cheap', '--rpm', '60')
        self.assertEqual((made['balance'], made['group'], made['rpm']),
                         ('12.50', 'cheap', 60))
        code, _, said = self.tool('account', 'create', self.name)
        self.assertEqual(code, 1)
        self.assertIn('already', said)
        self.assertEqual(self.gateway.show(self.name)['available'], '12.50')

    def money(self, *args, status=0):
        code, out, said = self.tool('--json', *args, '--idempotency-key',
                                    hashlib.sha1(repr(args).encode())
                                    .hexdigest())
        self.assertEqual(code, status, said)
        return json.loads(out) if out else said

    def test_money_is_corrected_credited_and_refunded(self):
        self.account()
        done = self.money('account', 'correct', self.name, '-2.5', '--note',
                          'booked twice')
        self.assertEqual(done['balance'], '7.50')
        done = self.money('account', 'credit', self.name, '1')
        self.assertEqual(done['balance'], '8.50')
        top = self.money('account', 'topup', self.name, '5')
        done = self.money('account', 'refund', self.name, '4', '--of',
                          str(top['entry']))
        self.assertEqual(done['balance'], '9.50')
        said = self.money('account', 'refund', self.name, '2', '--of',
                          str(top['entry']), status=1)
        self.assertIn('what is left of the entry', said)
        said = self.money('account', 'refund', self.name, '2', '--of',
                          '99999', status=1)
        self.assertIn('no such top-up', said)

    def test_what_a_request_cost_goes_back_to_the_customer(self):
        self.account()
        self.assertEqual(self.gateway.chat(
            self.gateway.key(self.name)).status, 200)
        harness.wait_until(self.gateway.settled, what='settling')
        entry = [row for row in self.gateway.dump()
                 if row['kind'] == 'request'][-1]
        charge = entry['charge_usd']
        done = self.money('account', 'refund', self.name, charge, '--of',
                          str(entry['seq']))
        self.assertEqual(done['balance'], '10.00')
        row = self.gateway.dump()[-1]
        self.assertEqual((row['kind'], row['ref']),
                         ('correction', entry['seq']))

    def test_a_code_is_redeemed_as_often_as_it_may_be(self):
        self.account()
        code, out, _ = self.tool('code', 'create', '--amount', '4', '--bonus',
                                 '25', '--count', '2')
        codes = out.split()
        self.assertEqual((code, len(codes)), (0, 2))
        self.assertRegex(codes[0], '^TG(-[2-9A-Z]{5}){4}$')
        where = ('--account', self.name)
        done = self.money('code', 'redeem', codes[0].lower(), *where)
        self.assertEqual(done['balance'], '15.00')
        again = self.money('code', 'redeem', codes[0].lower(), *where)
        self.assertEqual((again['balance'], again['repeated']),
                         ('15.00', True))
        said = self.money('code', 'redeem', codes[0], *where, status=1)
        self.assertIn('has redeemed this code', said)
        code, _, _ = self.tool('code', 'revoke', codes[1])
        self.assertEqual(code, 0)
        rows = {row['prefix']: row for row in
                self.gateway.ctl('code', 'list')['codes']}
        self.assertEqual(
            [(rows[text[:8]]['state'], rows[text[:8]]['used'])
             for text in codes], [('used', 1), ('revoked', 0)])
        said = self.money('code', 'redeem', codes[1], *where, status=1)
        self.assertIn('revoked', said)
        self.assertIn('no such code', self.money(
            'code', 'redeem', 'TG-AAAAA-AAAAA-AAAAA-AAAAA', *where, status=1))

    def test_terms_are_set_one_by_one(self):
        self.account()
        shown = self.gateway.ctl(
            'account', 'set', self.name, '--group', 'cheap', '--discount',
            '12.5', '--rpm', '9', '--low-balance', '2', '--pin', 'current')
        self.assertEqual(
            (shown['group'], shown['discount'], shown['rpm'],
             shown['low_balance'], shown['price_pin']),
            ('cheap', '12.50', 9, '2.00', 1))
        shown = self.gateway.ctl('account', 'set', self.name, '--pin', 'none',
                                 '--low-balance', 'none')
        self.assertEqual((shown['group'], shown['price_pin'],
                          shown['low_balance']), ('cheap', None, None))
        for args, said in ((('--group', 'nothing'), 'not in the config'),
                           (('--discount', '101'), 'percentage'),
                           (('--pin', '99'), 'no such price version'),
                           (('--credit-limit', '5'), 'postpaid'),
                           ((), 'what to set')):
            code, _, text = self.tool('account', 'set', self.name, *args)
            self.assertEqual((code, said in text), (1, True), (args, text))

    def test_a_credit_limit_may_be_spent_to_its_end(self):
        self.account('0.00')
        key = self.gateway.key(self.name)
        self.assertEqual(self.gateway.chat(key).status, 402)
        shown = self.gateway.ctl('account', 'set', self.name, '--postpaid',
                                 '--credit-limit', '3')
        self.assertEqual((shown['available'], shown['credit_limit']),
                         ('3.00', '3.00'))
        self.assertEqual(self.gateway.chat(key).status, 200)
        shown = self.gateway.show(self.name)
        self.assertTrue(shown['balance'].startswith('-'), shown)
        shown = self.gateway.ctl('account', 'set', self.name,
                                 '--credit-limit', '0')
        self.assertEqual(shown['available'], shown['balance'])
        self.assertEqual(self.gateway.chat(key).status, 402)

    def test_a_parent_has_no_parent_itself(self):
        self.account()
        self.gateway.account(self.name + '-team', None, '--parent', self.name)
        code, _, said = self.tool('account', 'create', self.name + '-x',
                                  '--parent', self.name + '-team')
        self.assertEqual(code, 1)
        self.assertIn('has a parent itself', said)

    def test_a_topup_with_the_same_key_counts_once(self):
        self.account()
        path = f'/admin/v1/accounts/{self.name}/topup'
        first = self.ask('POST', path, {'amount': '2.50'},
                         idempotency_key='inv-1').json()
        again = self.ask('POST', path, {'amount': '2.50'},
                         idempotency_key='inv-1').json()
        self.assertEqual((first['balance'], first['repeated']),
                         ('12.50', False))
        self.assertEqual((again['entry'], again['repeated']),
                         (first['entry'], True))
        other = self.ask('POST', path, {'amount': '3.50'},
                         idempotency_key='inv-1')
        self.assertEqual(self.code(other, 409), 'idempotency_conflict')
        missing = self.ask('POST', path, {'amount': '3.50'})
        self.assertEqual(self.code(missing, 400), 'missing_idempotency_key')
        self.assertEqual(self.gateway.show(self.name)['balance'], '12.50')

    def test_a_refund_takes_no_more_than_there_is(self):
        self.account()
        taken = self.gateway.ctl('account', 'refund', self.name, '4',
                                 '--idempotency-key', 'r' + self.name)
        self.assertEqual(taken['balance'], '6.00')
        code, _, said = self.tool('account', 'refund', self.name, '7',
                                  '--idempotency-key', 's' + self.name)
        self.assertEqual(code, 1)
        self.assertIn('less available', said)
        self.assertEqual(self.gateway.show(self.name)['balance'], '6.00')

    def test_a_frozen_account_is_refused_until_it_thaws(self):
        self.account()
        key = self.gateway.key(self.name)
        self.assertEqual(self.gateway.chat(key).status, 200)
        shown = self.gateway.ctl('account', 'freeze', self.name)
        self.assertEqual(shown['state'], 'frozen')
        self.assertEqual(self.gateway.chat(key).status, 403)
        shown = self.gateway.ctl('account', 'unfreeze', self.name)
        self.assertEqual(shown['state'], 'active')
        self.assertEqual(self.gateway.chat(key).status, 200)

    def test_unknown_accounts_and_keys_are_404(self):
        for method, path, body in (
                ('GET', '/admin/v1/accounts/nobody', None),
                ('POST', '/admin/v1/accounts/nobody/freeze', None),
                ('POST', '/admin/v1/accounts/nobody/topup', {'amount': '1'}),
                ('GET', '/admin/v1/keys/99999', None),
                ('POST', '/admin/v1/keys/99999/revoke', None),
                ('POST', '/admin/v1/keys', {'account': 'nobody'}),
                ('POST', '/admin/v1/accounts',
                 {'name': 'x', 'parent': 'nobody'}),
                ('POST', '/admin/v1/channels/nobody/drain', None)):
            answer = self.ask(method, path, body, idempotency_key='n' + path)
            self.assertEqual(self.code(answer, 404), 'not_found')

    # keys

    def test_a_key_works_until_it_is_revoked_and_is_shown_once(self):
        self.account()
        made = self.gateway.ctl('key', 'create', '--account', self.name,
                                '--name', 'ci', '--models', 'gpt-4o,x-*',
                                '--allow-ip', '127.0.0.0/8')
        key = made['key']
        self.assertTrue(key.startswith('tg_') and len(key) == 46)
        self.assertEqual(self.gateway.chat(key).status, 200)
        shown = self.gateway.ctl('key', 'show', str(made['id']))
        self.assertNotIn('key', shown)
        self.assertEqual((shown['name'], shown['models'], shown['state']),
                         ('ci', ['gpt-4o', 'x-*'], 'active'))
        listed = self.gateway.ctl('key', 'list', '--account', self.name)
        self.assertEqual([row['id'] for row in listed['keys']], [made['id']])
        self.assertNotIn(key, json.dumps(listed))
        self.assertEqual(
            self.gateway.ctl('key', 'revoke', str(made['id']))['state'],
            'revoked')
        self.assertEqual(self.gateway.chat(key).status, 401)

    def test_a_rotated_key_has_two_secrets_for_a_while(self):
        self.account()
        made = self.gateway.ctl('key', 'create', '--account', self.name)
        turned = self.gateway.ctl('key', 'rotate', str(made['id']), '--grace',
                                  '1h')
        self.assertEqual(turned['id'], made['id'])
        for secret in (made['key'], turned['key']):
            self.assertEqual(self.gateway.chat(secret).status, 200)
        last = self.gateway.ctl('key', 'rotate', str(made['id']))
        self.assertEqual(
            [self.gateway.chat(secret).status
             for secret in (made['key'], turned['key'], last['key'])],
            [401, 401, 200])
        code, _, said = self.tool('key', 'rotate', str(made['id']), '--grace',
                                  'soon')
        self.assertEqual((code, '24h' in said), (1, True))

    def test_a_key_is_changed_while_it_is_used(self):
        self.account()
        made = self.gateway.ctl('key', 'create', '--account', self.name)
        number, key = str(made['id']), made['key']
        shown = self.gateway.ctl('key', 'set', number, '--models', 'x-*',
                                 '--name', 'new')
        self.assertEqual((shown['models'], shown['name']), (['x-*'], 'new'))
        self.assertEqual(self.gateway.chat(key).status, 403)
        self.gateway.ctl('key', 'set', number, '--models', '')
        self.assertEqual(self.gateway.chat(key).status, 200)
        shown = self.gateway.ctl('key', 'set', number, '--expires',
                                 '2099-01-01T00:00:00Z', '--rpm', '7')
        self.assertEqual((shown['expires'], shown['rpm']),
                         ('2099-01-01T00:00:00.000Z', 7))
        shown = self.gateway.ctl('key', 'set', number, '--expires', 'none')
        self.assertIsNone(shown['expires'])
        code, _, said = self.tool('key', 'set', number)
        self.assertEqual((code, 'what to set' in said), (1, True))

    def test_an_address_that_is_not_allowed_is_told_so(self):
        self.account()
        made = self.gateway.ctl('key', 'create', '--account', self.name,
                                '--allow-ip', '10.0.0.0/8')
        answer = self.gateway.chat(made['key'])
        self.assertEqual((answer.status, answer.json()['error']['code']),
                         (403, 'address_not_allowed'))
        self.gateway.ctl('key', 'set', str(made['id']), '--allow-ip',
                         '10.0.0.0/8,127.0.0.1')
        self.assertEqual(self.gateway.chat(made['key']).status, 200)

    def test_an_imported_key_works_as_it_is(self):
        self.account()
        secret = 'sk-old-secret-' + self.name
        self.gateway.ctl('key', 'create', '--account', self.name, '--secret',
                         secret)
        self.assertEqual(self.gateway.chat(secret).status, 200)
        code, _, said = self.tool('key', 'create', '--account', self.name,
                                  '--secret', secret)
        self.assertEqual(code, 1)
        self.assertIn('exists', said)
        code, _, said = self.tool('key', 'create', '--account', self.name,
                                  '--secret', 'short')
        self.assertEqual(code, 1)
        self.assertIn('12 to 256', said)

    def test_limits_are_shown_as_they_are_used(self):
        self.account()
        key = self.gateway.key(self.name, '--name', self.name, rpm=10)
        for _ in range(3):
            self.assertEqual(self.gateway.chat(key).status, 200)
        row = [row for row in self.gateway.ctl('show', 'limits')['limits']
               if row['name'] == self.name][0]
        self.assertEqual((row['kind'], row['requests']['limit']), ('key', 10))
        # one comes back every six seconds
        self.assertIn(row['requests']['remaining'], (7, 8, 9))

    # the tool

    def test_the_tool_says_what_is_wrong_with_its_words(self):
        for args, said in (
                (('nothing',), 'no command'),
                (('account', 'show'), 'usage: tollgatectl account show NAME'),
                (('account', 'topup', 'a', '1'), '--idempotency-key'),
                (('account', 'show', 'a', '--balance', '1'),
                 'takes no --balance'),
                (('status', '--nothing'), 'no option'),
                (('show', 'nothing'), 'workers'),
                (('channel', 'mock', 'away'), 'drain, up or down'),
                (('key', 'create'), '--account'),
                (('key', 'create', '--account', 'a', '--rpm', 'x'),
                 'whole number')):
            code, _, text = self.tool(*args)
            self.assertEqual((code, said in text), (2, True), (args, text))

    def test_without_a_server_the_tool_ends_with_6(self):
        done = subprocess.run(
            [self.gateway.control_program, '-s', '/nonexistent/socket',
             'status'], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 6)
        self.assertIn('/nonexistent/socket', done.stderr)

    def test_tables_are_for_people(self):
        self.account()
        code, out, _ = self.tool('account', 'list')
        self.assertEqual(code, 0)
        lines = out.splitlines()
        self.assertTrue(lines[0].startswith('ID'))
        self.assertTrue(any(self.name in line and '10.00' in line
                            for line in lines))
        self.assertNotIn('\033', out)
        for what in ('workers', 'channels', 'models', 'conns', 'limits'):
            code, out, _ = self.tool('show', what)
            self.assertEqual((code, bool(out)), (0, True))

    def test_the_status_is_complete(self):
        shown = self.gateway.ctl('status')
        self.assertTrue(shown['ready'])
        self.assertEqual(shown['pid'], self.gateway.pid)
        self.assertEqual(shown['workers_ready'], 2)
        self.assertEqual(shown['ledger']['state'], 'ok')
        self.assertEqual(shown['channels'], {'up': 1})

    def test_the_socket_is_not_for_others(self):
        mode = os.stat(self.gateway.path('run', 'admin.sock')).st_mode
        self.assertEqual(mode & 0o007, 0)

    # metrics

    def test_metrics_are_what_a_scraper_accepts(self):
        self.account()
        key = self.gateway.key(self.name)
        self.assertEqual(self.gateway.chat(key, stream=True).status, 200)
        answer = self.ask('GET', '/metrics')
        self.assertTrue(answer.headers['content-type'].startswith(
            'text/plain; version=0.0.4'))
        seen, series, kinds = [], set(), {}
        for line in answer.body.decode().splitlines():
            if line.startswith('# HELP '):
                name = line.split(' ', 3)[2]
                self.assertNotIn(name, seen)
                seen.append(name)
                continue
            if line.startswith('# TYPE '):
                _, _, name, kind = line.split(' ')
                self.assertEqual(name, seen[-1])
                kinds[name] = kind
                continue
            match = SAMPLE.match(line)
            self.assertIsNotNone(match, line)
            name, labels, value = match.groups()
            self.assertTrue(name.startswith(seen[-1]), line)
            self.assertNotIn((name, labels), series)
            series.add((name, labels))
            if labels:
                left = LABEL.sub('', labels[1:-1]).replace(',', '')
                self.assertEqual(left, '', line)
            if kinds[seen[-1]] == 'counter':
                self.assertTrue(seen[-1].endswith('_total'), line)
                self.assertGreaterEqual(float(value), 0)
        names = {name for name, _ in series}
        for name in ('tollgate_requests_total', 'tollgate_build_info',
                     'tollgate_charged_usd_total', 'tollgate_tokens_total',
                     'tollgate_channel_state', 'tollgate_worker_up',
                     'tollgate_ledger_commits_total'):
            self.assertIn(name, names)

    def test_metrics_outlive_the_death_of_a_worker(self):
        self.account()
        key = self.gateway.key(self.name)
        for _ in range(5):
            self.assertEqual(self.gateway.chat(key).status, 200)

        def total():
            return sum(value for name, value in self.gateway.metrics().items()
                       if name.startswith('tollgate_requests_total'))
        before = total()
        victim = self.gateway.pids[0]
        os.kill(victim, 9)
        harness.wait_until(
            lambda: victim not in self.gateway.pids
            and len(self.gateway.pids) == 2, what='a new worker')
        self.assertGreaterEqual(total(), before)
        self.assertGreaterEqual(
            self.gateway.metrics()['tollgate_worker_restarts_total'], 1)

    def test_an_audit_finds_the_books_balanced(self):
        self.assertEqual(self.ask('POST', '/admin/v1/audit').json(),
                         {'balanced': True, 'frozen_by_audit': 0})


if __name__ == '__main__':
    unittest.main()
