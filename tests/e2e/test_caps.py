"""What channels, their keys and models may cost a day."""

import concurrent.futures
import contextlib
import datetime
import json
import os
import signal
import threading
import time
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

# Every answer has these tokens, whatever was asked.
SAID = '@@tokens=100,300'
EACH = harness.cost([(100, '2.50'), (300, '10.00')])
CAPS = 8    # moves of an entry
MESSAGES = {'model': 'gpt-4o', 'max_tokens': 400,
            'messages': [{'role': 'user', 'content': SAID}]}
# Somewhere it is a day later than elsewhere, always.
BEHIND, AHEAD = 'Etc/GMT+12', 'Etc/GMT-14'


def credential(name, budget=None):
    made = {'key': f'env:KEY_{name.upper()}', 'name': name}
    return {**made, 'daily_budget': budget} if budget else made


def secrets(*names):
    return {f'KEY_{name.upper()}': f'sk-of-{name}' for name in names}.items()


def models(budget, name='gpt-4o'):
    return [{**model, 'daily_budget': budget} if model['name'] == name
            else model for model in harness.MODELS]


def by_keys(tally):
    """How many requests came with each key."""
    return {name: tally['keys'].get(f'sk-of-{name}', {'requests': 0})
            ['requests'] for name in ('a', 'b')}


def caps_of(entry):
    """The numbers of the caps that the entry moves."""
    ref = int(entry['ref'])
    if not int(entry['moves']) & CAPS:
        return []
    if entry['kind'] not in ('attempt', 'cap'):
        return [ref & 0xffffffff]
    more = [ref >> 16 & 0xffff, ref >> 48]
    return [ref & 0xffff] + [one - 1 for one in more if one]


def balances(entries):
    """What the entries leave of each cap, and that none was ever overspent:
    recomputed from the ledger alone."""
    left = {}
    for entry in entries:
        spends = entry['kind'] in ('attempt', 'cap')
        amount = harness.nano(entry['upstream_usd' if spends else 'charge_usd'])
        for cap in caps_of(entry):
            left[cap] = left.get(cap, 0) - amount
            if left[cap] < 0:
                raise harness.Failed(f'cap {cap} is overspent: {entry}')
    return left


class Case(unittest.TestCase):
    def gate(self, channels, **keys):
        gate = harness.Gateway(channels, **keys)
        self.addCleanup(gate.close)
        return gate

    def mock(self, *keys):
        options = ('--keys', ','.join(f'sk-of-{key}' for key in keys))
        mock = harness.Mock(*(options if keys else ()))
        self.addCleanup(mock.stop)
        return mock

    def customer(self, gate, *args):
        gate.account('a', '1000')
        return gate.key('a', *args)

    def ask(self, gate, key, text=SAID, **fields):
        return gate.chat(key, text, **{'max_tokens': 400, **fields})

    def channel(self, gate, name):
        rows = gate.ctl('show', 'channels')['channels']
        return [row for row in rows if row['name'] == name][0]

    def left_of_keys(self, gate, name):
        return {row['name']: harness.nano(row['daily_left'])
                for row in self.channel(gate, name)['keys']
                if 'daily_left' in row}

    def left_of_channel(self, gate, name):
        return harness.nano(self.channel(gate, name)['daily_left'])

    def left_of_model(self, gate, name='gpt-4o'):
        rows = gate.ctl('show', 'models')['models']
        return harness.nano([row['daily_left'] for row in rows
                             if row['name'] == name][0])

    def rest(self, gate):
        harness.wait_until(gate.settled)
        harness.wait_until(lambda: not gate.ctl('status')['holds'])


class Load(Case):
    """Many at once, some of them too many for each budget."""

    BUDGETS = {'a': '0.02', 'b': '0.03', 'first': '0.04', 'model': '0.06'}

    def start(self, workers):
        self.first, self.second = self.mock('a', 'b'), self.mock()
        channels = [
            harness.channel(self.first, 'first', priority=1,
                            daily_budget=self.BUDGETS['first'],
                            keys=[credential('a', self.BUDGETS['a']),
                                  credential('b', self.BUDGETS['b'])]),
            harness.channel(self.second, 'second', priority=2)]
        return self.gate(channels, workers=workers,
                         environment=secrets('a', 'b'),
                         models=models(self.BUDGETS['model']))

    def load(self, gate, key, count):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return list(pool.map(lambda _: self.ask(gate, key),
                                 range(count)))

    def within(self, gate, answered):
        """No budget was exceeded by one nano, and displays, ledger and the
        upstream's own count agree."""
        budget = {name: harness.nano(usd)
                  for name, usd in self.BUDGETS.items()}
        tally = self.first.tally()
        by_key = by_keys(tally)
        first = sum(by_key.values())
        every = first + self.second.tally()['requests']
        self.assertEqual(every, answered)
        spent = {'a': by_key['a'], 'b': by_key['b'], 'first': first,
                 'model': every}
        left = {**self.left_of_keys(gate, 'first'),
                'first': self.left_of_channel(gate, 'first'),
                'model': self.left_of_model(gate)}
        for name, n in spent.items():
            self.assertGreaterEqual(left[name], 0, name)
            self.assertEqual(left[name], budget[name] - n * EACH, name)
        self.assertEqual(sorted(balances(gate.dump()).values()),
                         sorted(left.values()))
        return spent

    def run_with(self, workers):
        gate = self.start(workers)
        answers = self.load(gate, self.customer(gate), 60)
        by = [answer.status for answer in answers]
        self.assertEqual(set(by), {200, 429})
        self.rest(gate)
        spent = self.within(gate, by.count(200))
        # each was of use; what is held meanwhile is not spent in the end
        self.assertTrue(all(spent.values()), spent)
        self.assertGreater(spent['model'] * EACH, harness.nano('0.03'))
        gate.verify()

    def test_no_budget_is_exceeded_with_one_worker(self):
        self.run_with(1)

    def test_no_budget_is_exceeded_with_two_workers(self):
        self.run_with(2)

    def test_no_budget_is_exceeded_with_four_workers(self):
        self.run_with(4)

    def test_budgets_survive_the_death_of_all_in_the_middle(self):
        gate = self.start(2)
        key = self.customer(gate)
        seen = []

        def client_of_it():
            with contextlib.suppress(OSError):
                while len(seen) < 300:
                    seen.append(self.ask(gate, key).status)
                    if seen[-1] != 200:
                        return

        for _ in range(3):
            crowd = [threading.Thread(target=client_of_it) for _ in range(4)]
            before = len(seen)
            for one in crowd:
                one.start()
            harness.wait_until(lambda: len(seen) >= before + 2)
            gate.kill_all()
            for one in crowd:
                one.join()
            gate.start()
            self.rest(gate)
            gate.verify()
            left = balances(gate.dump())
            self.assertEqual(
                sorted(left.values()),
                sorted([*self.left_of_keys(gate, 'first').values(),
                        self.left_of_channel(gate, 'first'),
                        self.left_of_model(gate)]))

    def test_budgets_survive_the_death_of_workers_and_writer(self):
        gate = self.start(2)
        key = self.customer(gate)
        over = threading.Event()

        def client_of_it():
            with contextlib.suppress(OSError):
                while not over.is_set():
                    self.ask(gate, key)

        crowd = [threading.Thread(target=client_of_it) for _ in range(4)]
        for one in crowd:
            one.start()
        try:
            for _ in range(3):
                writer = gate.ctl('status')['ledger']['writer_pid']
                os.kill(gate.pids[0], signal.SIGKILL)
                os.kill(writer, signal.SIGKILL)
                harness.wait_until(lambda: gate.ctl('status')['ready']
                                   and writer != gate.ctl('status')
                                   ['ledger']['writer_pid'])
        finally:
            over.set()
            for one in crowd:
                one.join()
        self.rest(gate)
        gate.verify()
        left = balances(gate.dump())
        self.assertGreaterEqual(min(left.values()), 0)
        self.assertEqual(min(left.values()),
                         min([*self.left_of_keys(gate, 'first').values(),
                              self.left_of_channel(gate, 'first'),
                              self.left_of_model(gate)]))


class Keys(Case):
    def start(self, *keys, **more):
        self.one, self.other = self.mock('a', 'b', 'c'), self.mock()
        return self.gate(self.channels(*keys), workers=2,
                         environment=secrets('a', 'b', 'c'), **more)

    def channels(self, *keys):
        return [harness.channel(self.one, 'one', priority=1, keys=keys),
                harness.channel(self.other, 'other', priority=2)]

    def test_the_channel_goes_on_with_its_other_keys(self):
        gate = self.start(credential('a', '0.01'), credential('b'))
        key = self.customer(gate)
        used = [self.ask(gate, key) for _ in range(12)]
        self.assertEqual({answer.headers['x-tollgate-channel']
                          for answer in used}, {'one'})
        self.rest(gate)
        by = by_keys(self.one.tally())
        self.assertEqual(by['a'] + by['b'], 12)
        self.assertEqual(self.left_of_keys(gate, 'one'), {
            'a': harness.nano('0.01') - by['a'] * EACH})
        gate.verify()

    def test_with_all_keys_spent_traffic_moves_on(self):
        gate = self.start(credential('a', '0.005'),
                          credential('b', '0.005'))
        key = self.customer(gate)
        used = [self.ask(gate, key) for _ in range(6)]
        self.assertEqual([answer.headers['x-tollgate-channel']
                          for answer in used],
                         ['one'] * 2 + ['other'] * 4)
        self.rest(gate)
        # too little is left for such a request, which is not nothing
        self.assertEqual(self.channel(gate, 'one')['keys_spent'], 0)
        samples = gate.metrics()
        self.assertEqual(
            samples['tollgate_budget_usd{of="key",channel="one",name="a"}'],
            0.005)
        self.assertAlmostEqual(
            samples['tollgate_budget_left_usd'
                    '{of="key",channel="one",name="a"}'],
            0.005 - EACH / harness.NANO)
        gate.verify()

    def test_a_reload_changes_and_a_name_keeps_what_was_spent(self):
        gate = self.start(credential('a', '1'), credential('b', '2'))
        key = self.customer(gate)
        for _ in range(4):
            self.ask(gate, key)
        self.rest(gate)
        spent = {name: n * EACH
                 for name, n in by_keys(self.one.tally()).items()}
        # lowered, moved, and one that is new
        gate.configure(channels=self.channels(
            credential('c', '3'), credential('b', '0.5'),
            credential('a', '1')))
        gate.hup()
        harness.wait_until(lambda: self.left_of_keys(gate, 'one') == {
            'a': harness.nano('1') - spent['a'],
            'b': harness.nano('0.5') - spent['b'],
            'c': harness.nano('3')})
        # below what was spent: nothing more goes there
        gate.configure(channels=self.channels(
            credential('b', '0.001'), credential('a', '0.001')))
        gate.hup()
        harness.wait_until(lambda: self.left_of_keys(gate, 'one') == {
            'a': harness.nano('0.001') - spent['a'],
            'b': harness.nano('0.001') - spent['b']})
        self.assertEqual(self.channel(gate, 'one')['keys_spent'], 2)
        answer = self.ask(gate, key)
        self.assertEqual(answer.headers['x-tollgate-channel'], 'other')
        gate.verify()

    def test_a_key_without_a_name_is_known_by_its_place(self):
        gate = self.start({'key': 'env:KEY_A', 'daily_budget': '1'})
        key = self.customer(gate)
        self.ask(gate, key)
        self.rest(gate)
        self.assertEqual(self.left_of_keys(gate, 'one'),
                         {'0': harness.nano('1') - EACH})
        # another secret in its place
        gate.configure(channels=self.channels(
            {'key': 'env:KEY_B', 'daily_budget': '1'}))
        gate.hup()
        self.ask(gate, key)
        harness.wait_until(lambda: self.left_of_keys(gate, 'one') == {
            '0': harness.nano('1') - 2 * EACH})
        gate.verify()

    def test_no_secret_is_in_ledger_or_memory(self):
        gate = self.start(credential('a', '1'))
        self.ask(gate, self.customer(gate))
        self.rest(gate)
        gate.stop()
        files = {path: harness.stored(path) for path in (
            os.path.join(folder, name)
            for folder, _, names in os.walk(gate.folder, followlinks=True)
            for name in names)}
        for path, text in files.items():
            self.assertNotIn(b'sk-of-a', text, path)
        # what is there is found
        found = [os.path.basename(path) for path, text in files.items()
                 if b'gpt-4o' in text]
        self.assertIn('state.shm', found)
        self.assertIn('data.mdb', found)


class Models(Case):
    def start(self, budget, **keys):
        self.upstream = self.mock()
        return self.gate(self.upstream, workers=2, models=models(budget),
                         **keys)

    def spend(self, gate, key):
        """Until it is refused; how many were answered."""
        n = 0
        while self.ask(gate, key).status == 200:
            n += 1
        self.rest(gate)
        return n

    def test_it_counts_over_all_channels(self):
        one, two = self.mock(), self.mock()
        gate = self.gate([harness.channel(one, 'one'),
                          harness.channel(two, 'two', cost='0.5')],
                         models=models('0.02'),
                         routing={'strategy': 'weighted'})
        self.spend(gate, self.customer(gate))
        self.assertEqual(
            self.left_of_model(gate), harness.nano('0.02')
            - one.tally()['requests'] * EACH
            - two.tally()['requests'] * EACH // 2)
        gate.verify()

    def test_it_is_refused_with_429_in_the_clients_words(self):
        gate = self.start('0.01')
        key = self.customer(gate)
        self.spend(gate, key)
        asked = self.upstream.tally()['requests']
        for path, body, kind in (
                ('/v1/chat/completions',
                 client.chat(SAID, max_tokens=400),
                 lambda error: (error['type'], error['code'])),
                ('/v1/messages', MESSAGES,
                 lambda error: (error['type'],)),
                ('/v1beta/models/gpt-4o:generateContent',
                 {'contents': [{'parts': [{'text': SAID}]}]},
                 lambda error: (error['status'],))):
            with self.subTest(path):
                answer = gate.ask('POST', path, body, key)
                error = json.loads(answer.body)['error']
                self.assertEqual(answer.status, 429)
                self.assertIn(kind(error), (
                    ('rate_limit_error', 'model_budget_exceeded'),
                    ('rate_limit_error',), ('RESOURCE_EXHAUSTED',)))
                self.assertIn("'gpt-4o'", error['message'])
                self.assertTrue(
                    0 < int(answer.headers['retry-after']) <= 25 * 3600)
        self.assertEqual(self.upstream.tally()['requests'], asked)
        # a smaller one may fit still; another model is not concerned
        self.assertEqual(self.ask(gate, key, model='gpt-4o-mini').status, 200)
        shown = gate.show('a')
        self.rest(gate)
        self.assertEqual(shown['balance'], gate.show('a')['available'])
        rejected = [value for name, value in gate.metrics().items()
                    if name.startswith('tollgate_rejected_total')
                    and 'budget' in name]
        self.assertGreaterEqual(sum(rejected), 4)
        gate.verify()

    def test_retry_after_is_the_end_of_the_day(self):
        gate = self.start('0.001', time_zone=AHEAD)
        answer = self.ask(gate, self.customer(gate))
        self.assertEqual(answer.status, 429)
        now = time.time()
        zone = datetime.timezone(datetime.timedelta(hours=14))
        day = datetime.datetime.fromtimestamp(now, zone).date()
        end = datetime.datetime.combine(
            day + datetime.timedelta(days=1), datetime.time(), zone)
        self.assertAlmostEqual(int(answer.headers['retry-after']),
                               end.timestamp() - now, delta=120)

    def test_the_fallbacks_of_its_route_take_over(self):
        gate = self.start('0.01', routes=[
            {'name': 'r', 'match': {'models': ['gpt-4o']},
             'fallbacks': ['gpt-4o-mini']}])
        key = self.customer(gate, '--substitution')
        strict = gate.key('a')
        used = [self.ask(gate, key) for _ in range(6)]
        self.assertEqual({answer.status for answer in used}, {200})
        said = [answer.headers.get('x-tollgate-substituted')
                for answer in used]
        self.assertEqual(said, [None] * said.count(None)
                         + ['gpt-4o'] * said.count('gpt-4o'))
        self.assertTrue(said.count(None) and said.count('gpt-4o'))
        self.assertEqual(used[-1].headers['x-tollgate-model'], 'gpt-4o-mini')
        # a key that does not take it is refused
        self.assertEqual(self.ask(gate, strict).status, 429)
        self.rest(gate)
        self.assertEqual(self.left_of_model(gate), harness.nano('0.01')
                         - said.count(None) * EACH)
        gate.verify()

    def test_a_new_day_begins_with_all_of_it(self):
        gate = self.start('0.01', time_zone=BEHIND)
        key = self.customer(gate)
        n = self.spend(gate, key)
        self.assertEqual(self.left_of_model(gate),
                         harness.nano('0.01') - n * EACH)
        gate.stop()
        gate.start()
        self.assertEqual(self.ask(gate, key).status, 429)
        gate.stop()
        gate.configure(time_zone=AHEAD)
        gate.start()
        self.assertEqual(self.left_of_model(gate), harness.nano('0.01'))
        self.assertEqual(self.spend(gate, key), n)
        # the first window of each cap, and this one
        self.assertEqual(len([e for e in gate.dump()
                              if e['kind'] == 'rollover']), 2)
        # shared memory is gone, too: what the ledger says stands
        gate.stop()
        for name in os.listdir(gate.path('run')):
            if name.endswith('.shm'):
                os.unlink(gate.path('run', name))
        gate.start()
        self.assertEqual(self.left_of_model(gate),
                         harness.nano('0.01') - n * EACH)
        gate.verify()

    def test_a_reload_lifts_it(self):
        gate = self.start('0.01')
        key = self.customer(gate)
        n = self.spend(gate, key)
        gate.configure(models=models('0.02'))
        gate.hup()
        harness.wait_until(lambda: self.left_of_model(gate)
                           == harness.nano('0.02') - n * EACH)
        harness.wait_until(lambda: self.ask(gate, key).status == 200)
        gate.configure(models=list(harness.MODELS))
        gate.hup()
        harness.wait_until(
            lambda: 'daily_left' not in gate.ctl('show', 'models')
            ['models'][0])
        harness.wait_until(lambda: all(self.ask(gate, key).status == 200
                                       for _ in range(6)))
        gate.verify()

    def test_a_refused_reload_changes_no_budget(self):
        gate = self.start('0.01')
        left = self.left_of_model(gate)
        gate.configure(models=models('0.02'),
                       channels=[harness.channel(self.upstream,
                                                 provider='nobody')])
        gate.hup()
        harness.wait_until(lambda: 'configuration refused' in gate.errors())
        self.assertEqual(self.left_of_model(gate), left)

    def test_what_is_counted_for_nothing_is_not_refused(self):
        gate = self.start('0.001')
        answer = gate.ask('POST', '/v1/messages/count_tokens',
                          {'model': 'gpt-4o',
                           'messages': MESSAGES['messages']},
                          self.customer(gate))
        self.assertEqual(answer.status, 200)


if __name__ == '__main__':
    unittest.main()
