"""Two attempts of one request side by side: the first word wins, the other
attempt is given up and booked, and the customer pays one of them."""

import os
import signal
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

ROW, SMALL = harness.PRICES['gpt-4o'], harness.PRICES['gpt-4o-mini']
NAMES = ('one', 'two', 'three')
LATE = '40ms'


def upstream():
    return harness.Mock('--keys', ','.join(f'key-of-{n}' for n in NAMES))


def channels(mock, n=2, **fields):
    return [harness.channel(mock, name, keys=[f'key-of-{name}'],
                            priority=number, **fields)
            for number, name in enumerate(NAMES[:n])]


def price(row, usage):
    return harness.cost([(usage['prompt_tokens'], row['input']),
                         (usage['completion_tokens'], row['output'])])


class Side(unittest.TestCase):
    """What both kinds need."""

    ROUTE = {'hedge': True, 'hedge_after': LATE}
    N = 2

    def setUp(self):
        self.mock = upstream()
        self.addCleanup(self.mock.stop)
        self.gate = harness.Gateway(
            channels(self.mock, self.N),
            routing={'strategy': 'failover', 'cooldown': '0s',
                     'hedge_budget': '100%', 'retry_budget': '1000%'},
            routes=[{'name': 'all', **self.ROUTE}])
        self.addCleanup(self.gate.close)
        self.gate.account('rich', '1000')
        self.key = self.gate.key('rich', '--substitution')
        self.strict = self.gate.key('rich')

    def script(self, **what):
        self.mock.rules(*[{'do': do, 'key': f'key-of-{name}'}
                          for name, do in what.items()])

    def books(self):
        """(the row of the request, its lost attempts), all settled and
        nothing in flight."""
        harness.wait_until(self.gate.settled)
        harness.wait_until(self.idle, what='nobody in flight')
        self.gate.verify()
        legs = [entry for entry in self.gate.dump()
                if entry['kind'] == 'attempt']
        return self.gate.report(), legs

    def idle(self):
        return not any(
            value for name, value in self.gate.metrics().items()
            if name.startswith('tollgate_channel_in_flight'))

    def outcomes(self):
        found = {}
        for name, value in self.gate.metrics().items():
            if name.startswith('tollgate_hedges_total') and value:
                outcome = name.split('outcome="')[1].split('"')[0]
                found[outcome] = found.get(outcome, 0) + value
        return found

    def whole(self, answer, channel, chunks=3):
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.text(), ''.join(
            f't{i:06} ' for i in range(chunks)))
        self.assertEqual(answer.headers['x-tollgate-channel'], channel)

    def ask(self, stream, text='@@chunks=3', key=None, **fields):
        if stream:
            fields['stream_options'] = {'include_usage': True}
        return self.gate.chat(key or self.key, text, stream=stream, **fields)


class Hedges(Side):
    def test_a_late_one_is_beaten_by_the_second(self):
        for stream in (True, False):
            with self.subTest(stream=stream):
                self.mock.reset()
                self.script(one='@@hold')
                answer = self.ask(stream)
                self.whole(answer, 'two')
                self.assertEqual(answer.headers['x-tollgate-attempts'], '2')
                self.mock.wait(lambda t: t['aborted'] == 1)
                rows, legs = self.books()
                row = [r for r in rows if r['request_id'] ==
                       answer.headers['x-request-id']][0]
                self.assertEqual(harness.nano(row['charge_usd']),
                                 price(ROW, answer.usage()))
                self.assertEqual(row['hedged'], 'true')
                self.assertEqual(row['channel'], 'two')
                leg = [e for e in legs
                       if 'req_' + e['request_id'] == row['request_id']]
                self.assertEqual([e['channel'] for e in leg], ['one'])
                self.assertEqual(leg[0]['error_type'], 'gateway_hedged')
        self.assertEqual(self.outcomes(), {'won': 2})
        self.assertFalse(any(
            value for name, value in self.gate.metrics().items()
            if name.startswith('tollgate_failovers_total')))
        harness.wait_until(lambda: [
            line['hedge'] for line in self.gate.access()
            if 'hedge' in line] == ['won', 'won'])

    def test_the_first_may_still_come_first(self):
        for stream in (True, False):
            self.mock.reset()
            self.script(one='@@first=1500', two='@@hold')
            answer = self.ask(stream)
            self.whole(answer, 'one')
            self.assertEqual(answer.headers['x-tollgate-attempts'], '2')
            self.mock.wait(lambda t: t['aborted'] == 1)
        rows, legs = self.books()
        self.assertEqual([e['channel'] for e in legs], ['two', 'two'])
        self.assertEqual(self.outcomes(), {'lost': 2})
        self.assertEqual({row['channel'] for row in rows}, {'one'})

    def test_one_that_fails_leaves_it_to_the_other(self):
        for fault in ('@@first=120 @@status=500', '@@first=120 @@reset',
                      '@@stall=0 @@stall_ms=120 @@cut=100'):
            for one, two, channel in ((fault, '@@first=200', 'two'),
                                      ('@@first=250', fault, 'one')):
                with self.subTest(one=one, two=two):
                    self.mock.reset()
                    self.script(one=one, two=two)
                    self.whole(self.ask(True), channel)
        self.books()

    def test_when_both_fail_the_error_is_told_once(self):
        self.script(one='@@first=150 @@status=500',
                    two='@@first=100 @@status=503')
        for stream in (True, False):
            answer = self.ask(stream)
            self.assertIn(answer.status, (502, 503), answer.body)
        rows, _ = self.books()
        self.assertEqual([harness.nano(r['charge_usd']) for r in rows],
                         [0, 0])
        self.assertEqual(self.mock.tally()['requests'], 4)

    def test_a_client_that_leaves_leaves_both(self):
        self.script(one='@@hold', two='@@hold')
        for stream in (True, False):
            with client.Swarm(self.gate.url) as swarm:
                swarm.add(client.request(
                    'POST', '/v1/chat/completions',
                    client.chat('hi', stream=stream), self.key))
                swarm.run(until=lambda: self.mock.tally()['holding'] >= 2)
            self.mock.wait(lambda t: t['aborted'] >= 2)
            self.mock.reset()
            self.script(one='@@hold', two='@@hold')
        rows, legs = self.books()
        self.assertEqual([harness.nano(r['charge_usd']) for r in rows],
                         [0, 0])
        self.assertEqual({e['error_type'] for e in legs},
                         {'caller_cancelled'})

    def test_events_of_two_beginnings_do_not_mix(self):
        # both send a role; only one of them a word
        self.script(one='@@stall=0')
        answer = self.ask(True)
        self.whole(answer, 'two')
        self.assertEqual(len({chunk['id'] for chunk in answer.chunks()}), 1)
        body = {'model': 'gpt-4o', 'max_tokens': 100, 'stream': True,
                'messages': [{'role': 'user', 'content': '@@chunks=3'}]}
        answer = self.gate.ask('POST', '/v1/messages', body, self.key)
        kinds = [chunk['type'] for chunk in answer.chunks()]
        self.assertEqual(kinds.count('message_start'), 1)
        self.assertEqual(kinds[-1], 'message_stop')

    def test_a_worker_that_dies_leaves_nothing_in_flight(self):
        self.script(one='@@hold', two='@@hold')
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(4):
                swarm.add(client.request(
                    'POST', '/v1/chat/completions',
                    client.chat('hi', stream=True), self.key))
            swarm.run(until=lambda: self.mock.tally()['holding'] >= 8)
            for pid in self.gate.pids:
                os.kill(pid, signal.SIGKILL)
        self.mock.reset()
        rows, _ = self.books()
        self.assertEqual({harness.nano(r['charge_usd']) for r in rows}, {0})
        self.whole(self.ask(True), 'one')

    def test_without_a_word_of_when_it_goes_by_what_is_usual(self):
        self.gate.configure(routes=[{'name': 'all', 'hedge': True}])
        self.gate.hup()
        for stream in (True, False):
            self.mock.reset()
            # one that is late because the machine is may be doubled
            self.script(two='@@first=5000')
            for _ in range(40):
                self.whole(self.ask(stream), 'one')
            self.script(one='@@hold')
            self.whole(self.ask(stream), 'two')
        self.books()


class InTime(Side):
    ROUTE = {'hedge': True, 'hedge_after': '3s'}

    def test_who_is_in_time_is_not_doubled(self):
        for stream in (True, False):
            self.whole(self.ask(stream), 'one')
        # slow words are words: the first one counts
        self.whole(self.ask(True, '@@chunks=3 @@delay=2000'), 'one')
        self.assertEqual(self.mock.tally()['requests'], 3)
        self.assertEqual(self.outcomes(), {})


class Caps(Side):
    BUDGET = '100.00'

    def setUp(self):
        super().setUp()
        self.gate.configure(channels=channels(
            self.mock, daily_budget=self.BUDGET))
        self.gate.hup()
        harness.wait_until(lambda: None not in self.left().values())

    def left(self):
        """What is left of each channel's budget, in nano-USD."""
        return {row['name']: row.get('daily_left') and
                harness.nano(row['daily_left'])
                for row in self.gate.ctl('show', 'channels')['channels']}

    def test_both_attempts_count_where_they_were(self):
        self.script(one='@@hold')
        answer = self.ask(True)
        self.whole(answer, 'two')
        _, legs = self.books()
        lost = [e for e in legs if e['channel'] == 'one']
        self.assertEqual(len(lost), 1)
        full = harness.nano(self.BUDGET)
        self.assertEqual(self.left(), {
            'one': full - harness.nano(lost[0]['upstream_usd']),
            'two': full - price(ROW, answer.usage())})


class ThreeChannels(Side):
    N = 3

    def test_a_third_is_asked_when_two_have_failed(self):
        self.script(one='@@first=150 @@status=500',
                    two='@@first=100 @@status=500')
        for stream in (True, False):
            answer = self.ask(stream)
            self.whole(answer, 'three')
            self.assertEqual(answer.headers['x-tollgate-attempts'], '3')
        self.books()


class HedgeBudget(unittest.TestCase):
    def test_no_more_than_the_share_is_sent_twice(self):
        for workers in (1, 2, 4):
            with self.subTest(workers=workers), upstream() as mock, \
                    harness.Gateway(
                        channels(mock), workers=workers,
                        routing={'strategy': 'failover', 'cooldown': '0s',
                                 'hedge_budget': '2%'},
                        routes=[{'name': 'all', 'hedge': True,
                                 'hedge_after': '10ms'}]) as gate:
                gate.account('rich', '1000')
                key = gate.key('rich')
                mock.rules({'do': '@@first=100', 'key': 'key-of-one'})
                with client.Swarm(gate.url) as swarm:
                    for _ in range(200):
                        swarm.add(client.request(
                            'POST', '/v1/chat/completions',
                            client.chat('hi', stream=True), key))
                    self.assertTrue(swarm.run())
                self.assertEqual({t.answer.status for t in swarm.tasks},
                                 {200})
                self.assertLessEqual(mock.tally()['requests'], 204)
                harness.wait_until(gate.settled)
                gate.verify()


class Races(Side):
    ROUTE = {'match': {'models': ['gpt-4o']}, 'race': 'gpt-4o-mini'}
    N = 1

    def models(self, first, second):
        self.mock.rules({'do': first, 'model': 'gpt-4o'},
                        {'do': second, 'model': 'gpt-4o-mini'})

    def test_the_faster_model_answers_and_is_paid(self):
        for stream in (True, False):
            for first, second, row, other in (
                    ('@@hold', '@@first=100', SMALL, 'gpt-4o'),
                    ('@@first=100', '@@hold', ROW, None)):
                with self.subTest(stream=stream, first=first):
                    self.mock.reset()
                    self.models(first, second)
                    answer = self.ask(stream)
                    self.whole(answer, 'one')
                    self.assertEqual(
                        answer.headers.get('x-tollgate-substituted'), other)
                    self.mock.wait(lambda t: t['aborted'] == 1)
                    rows, legs = self.books()
                    mine = [r for r in rows if r['request_id'] ==
                            answer.headers['x-request-id']][0]
                    self.assertEqual(harness.nano(mine['charge_usd']),
                                     price(row, answer.usage()))
                    self.assertEqual(mine['hedged'], 'true')
                    self.assertEqual(len([
                        e for e in legs
                        if 'req_' + e['request_id'] == mine['request_id']]), 1)

    def test_a_key_that_takes_no_other_model_does_not_race(self):
        self.whole(self.ask(True, key=self.strict), 'one')
        self.assertEqual(self.mock.tally()['requests'], 1)

    def test_the_asked_one_is_asked_again_when_both_have_failed(self):
        self.mock.rules({'do': '@@status=500', 'count': 2})
        answer = self.ask(True)
        self.assertIn(answer.status, (200, 502))
        self.books()

    def test_a_balance_for_one_of_them_only_does_not_race(self):
        # the asked model fits, the other one is dearer
        self.gate.configure(routes=[{
            'name': 'all', 'match': {'models': ['gpt-4o-mini']},
            'race': 'gpt-4o'}])
        self.gate.hup()
        self.gate.account('poor', '0.002')
        poor = self.gate.key('poor', '--substitution')
        harness.wait_until(lambda: self.ask(
            False, model='gpt-4o-mini').headers['x-tollgate-attempts'] == '2')
        self.mock.reset()
        answer = self.ask(False, key=poor, model='gpt-4o-mini',
                          max_tokens=1000)
        self.whole(answer, 'one')
        self.assertEqual(self.mock.tally()['requests'], 1)
        self.books()


if __name__ == '__main__':
    unittest.main()
