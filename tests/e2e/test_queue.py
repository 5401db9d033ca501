"""Full channels: a short wait, in turn, and never more than may be."""

import collections
import os
import signal
import time
import unittest

import client
import harness

MOST = 3          # at once, at the channel
PLACES = 60       # in its queue


def post(text, key, **fields):
    return client.request('POST', '/v1/chat/completions',
                          client.chat(text, **fields), key)


class Waiting:
    """What the classes below have in common."""

    places = PLACES
    timeout = '40s'

    @classmethod
    def begin(cls):
        cls.mock = harness.Mock()
        cls.gate = harness.Gateway(
            [harness.channel(cls.mock, max_concurrency=MOST,
                             queue=cls.places)],
            workers=cls.workers, routing={'queue_timeout': cls.timeout})
        cls.keys = []
        for name in ('a', 'b'):
            cls.gate.account(name, '1000')
            cls.keys.append(cls.gate.key(name))

    @classmethod
    def finish(cls):
        cls.gate.close()
        cls.mock.stop()

    def at(self):
        """(in flight, waiting) of the channel."""
        row = self.gate.ctl('show', 'channels')['channels'][0]
        return row['in_flight'], row['waiting']

    def wait_at(self, flying, waiting):
        harness.wait_until(lambda: self.at() == (flying, waiting),
                           what=f'{waiting} that wait')

    def fill(self, swarm, waiting, key=0):
        """The channel is full, and so many wait; nothing moves."""
        self.mock.script('@@hold')
        for _ in range(MOST + waiting):
            swarm.add(post('hello', self.keys[key]))
        swarm.run(lambda: swarm.sent == MOST + waiting)
        self.wait_at(MOST, waiting)

    def five_more(self, swarm):
        """Behind ten that wait; then all are served."""
        for _ in range(5):
            swarm.add(post('hello', self.keys[1]))
        swarm.run(lambda: swarm.sent == MOST + 15)
        self.wait_at(MOST, 15)
        self.mock.release()
        self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: MOST + 15})

    def statuses(self, swarm):
        return collections.Counter(t.answer.status for t in swarm.tasks)


class Shared(Waiting):
    """One server for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.begin()

    @classmethod
    def tearDownClass(cls):
        cls.finish()

    def tearDown(self):
        self.mock.release()
        harness.wait_until(lambda: self.at() == (0, 0), what='rest')
        self.mock.reset()


class Turns(Shared):
    """With each number of workers."""

    def test_never_more_than_may_be_and_all_are_answered(self):
        self.mock.reset()
        entries = len(self.gate.report())
        with client.Swarm(self.gate.url) as swarm:
            for i in range(PLACES):
                swarm.add(post(f'hello @@first={5 + i % 20} @@chunks=3',
                               self.keys[i % 2], stream=i % 3 == 0))
            self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: PLACES})
        tally = self.mock.wait(lambda tally: tally['running'] == 0)
        self.assertEqual(tally['most_running'], MOST)
        self.assertEqual(tally['answered'], PLACES)
        harness.wait_until(self.gate.settled, what='settling')
        rows = self.gate.report()[entries:]
        self.assertEqual(len(rows), PLACES)
        for name in ('completion_tokens', 'prompt_tokens'):
            column = {'completion_tokens': 'output_tokens',
                      'prompt_tokens': 'input_tokens'}[name]
            self.assertEqual(sum(int(row[column]) for row in rows),
                             tally[name])
        self.gate.verify()

    def test_a_greedy_account_does_not_delay_another(self):
        self.mock.reset()
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 47)
            swarm.add(post('hello @@tag=late', self.keys[1]))
            swarm.run(lambda: swarm.sent == MOST + 48)
            self.wait_at(MOST, 48)
            # one place after another: first one of his, then this one
            self.mock.release(1)
            self.mock.wait(lambda tally: tally['requests'] == MOST + 1)
            self.mock.release(1)
            self.mock.wait(lambda tally: tally['requests'] == MOST + 2)
            self.assertIsNotNone(self.mock.record('late'))
            self.mock.release()
            self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: MOST + 48})
        self.assertEqual(self.mock.tally(0)['most_running'], MOST)

    def test_accounts_take_turns_at_any_worker(self):
        self.mock.reset()
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 20)
            for _ in range(10):
                swarm.add(post('hello @@tag=late', self.keys[1]))
            swarm.run(lambda: swarm.sent == MOST + 30)
            self.wait_at(MOST, 30)
            for i in range(12):
                self.mock.release(1)
                self.mock.wait(
                    lambda tally: tally['requests'] == MOST + i + 1)
            late = self.mock.tally(100, 'late')['last']
            self.assertEqual(len(late), 6)
            self.mock.release()
            self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: MOST + 30})

    def test_who_leaves_gives_the_place_up(self):
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 2)
            leaving = [client.Connection(self.gate.url) for _ in range(8)]
            for one in leaving:
                one.send(post('hello', self.keys[1]))
            self.wait_at(MOST, 10)
            for one in leaving:
                one.close()
            self.wait_at(MOST, 2)
            self.mock.release()
            self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: MOST + 2})

    def test_a_full_queue_refuses_at_once(self):
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, PLACES)
            start = time.monotonic()
            answer = self.gate.chat(self.keys[1])
            seconds = time.monotonic() - start
            self.assertEqual(answer.status, 503)
            self.assertEqual(answer.error()['code'], 'channels_full')
            self.assertGreaterEqual(int(answer.headers['retry-after']), 1)
            self.assertLess(seconds, 30)     # the wait would be 40 s
            self.mock.release()
            self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: MOST + PLACES})

    def test_a_reload_loses_nobody(self):
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 10)
            before = set(self.gate.pids)
            self.gate.hup()
            harness.wait_until(
                lambda: set(self.gate.pids) - before, what='new workers')
            self.five_more(swarm)
        harness.wait_until(
            lambda: not before & set(self.gate.pids), what='the old ones')

    def test_a_killed_worker_leaves_no_place_taken(self):
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 12)
            victim = self.gate.pids[0]
            os.kill(victim, signal.SIGKILL)
            harness.wait_until(
                lambda: victim not in self.gate.pids
                and len(self.gate.pids) == self.workers, what='a new worker')
            self.mock.release()
            self.assertTrue(swarm.run())
        found = self.statuses(swarm)
        self.assertEqual(set(found) - {200, None, 0}, set(), found)
        # as many at once as before, and nobody waits for a dead one's place
        harness.wait_until(lambda: self.at() == (0, 0), what='healing')
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 3)
            self.mock.release()
            self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: MOST + 3})
        harness.wait_until(self.gate.settled, what='settling')
        self.gate.verify()


class OneWorker(Turns, unittest.TestCase):
    workers = 1


class TwoWorkers(Turns, unittest.TestCase):
    workers = 2


class FourWorkers(Turns, unittest.TestCase):
    workers = 4


class Impatient(Shared, unittest.TestCase):
    """Waits that are over, or would be too long."""

    workers = 2
    timeout = '1s'

    def test_a_wait_that_is_over_is_refused(self):
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 4)
            self.assertTrue(swarm.run(lambda: swarm.answered == 4))
            self.assertEqual(self.at(), (MOST, 0))
            self.mock.release()
            self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: MOST, 503: 4})
        for task in swarm.tasks:
            if task.answer.status == 503:
                self.assertEqual(task.answer.error()['code'], 'channels_full')
                self.assertGreaterEqual(
                    int(task.answer.headers['retry-after']), 1)
                self.assertGreater(
                    task.answer.end - task.answer.started, 0.9)
        harness.wait_until(self.gate.settled, what='settling')
        self.gate.verify()

        def logged():
            rows = [row for row in self.gate.access() if row['term'] == 'GQ']
            return rows if len(rows) >= 4 else None
        rows = harness.wait_until(logged, what='both workers\' access logs')
        self.assertEqual(len(rows), 4)
        for row in rows:
            self.assertGreaterEqual(row['t_queue_us'], 900000)

    def test_a_wait_that_would_be_too_long_is_refused_at_once(self):
        outcome = 'tollgate_queued_total{outcome="late"}'
        self.mock.script('@@first=900')
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(MOST):
                swarm.add(post('hello', self.keys[0]))
            self.assertTrue(swarm.run())
        with client.Swarm(self.gate.url) as swarm:
            # three places become free within 0.9 s, not ten
            for _ in range(MOST + 10):
                swarm.add(post('hello', self.keys[0]))
            self.assertTrue(swarm.run())
        found = self.statuses(swarm)
        self.assertEqual(set(found), {200, 503})
        self.assertGreater(found[503], 3)
        self.assertGreater(self.gate.metrics()[outcome], 0)


class Ends(Waiting, unittest.TestCase):
    """Those who wait when the server ends, or another one takes its place."""

    workers = 2

    def setUp(self):
        self.begin()

    def tearDown(self):
        self.finish()

    def test_an_upgrade_loses_nobody(self):
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 10)
            before = set(self.gate.pids)
            os.kill(self.gate.pid, signal.SIGUSR2)

            def taken_over():
                try:
                    return set(self.gate.pids) - before
                except harness.Failed:
                    return False
            harness.wait_until(taken_over, what='the new program')
            self.five_more(swarm)
        self.assertEqual(self.mock.tally(0)['most_running'], MOST)

    def test_a_server_that_ends_serves_them_first(self):
        with client.Swarm(self.gate.url) as swarm:
            self.fill(swarm, 10)
            os.kill(self.gate.pid, signal.SIGTERM)
            self.mock.release()
            self.assertTrue(swarm.run())
        self.assertEqual(self.statuses(swarm), {200: MOST + 10})


class SecondAttempt(unittest.TestCase):
    """A request that failed somewhere waits like any other."""

    def test_it_waits_for_the_channel_that_is_left(self):
        with harness.Mock() as broken, harness.Mock() as full, \
                harness.Gateway(
                    [harness.channel(broken, 'broken', priority=1),
                     harness.channel(full, 'full', priority=2,
                                     max_concurrency=1)],
                    workers=2, routing={'queue_timeout': '40s'}) as gate:
            gate.account('a', '100')
            key = gate.key('a')
            broken.script('@@status=500')
            full.script('@@hold')
            with client.Swarm(gate.url) as swarm:
                for _ in range(3):
                    swarm.add(post('hello', key))
                swarm.run(lambda: swarm.sent == 3)
                full.wait(lambda tally: tally['holding'] == 1)
                harness.wait_until(lambda: gate.ctl('show', 'channels')[
                    'channels'][1]['waiting'] == 2, what='two that wait')
                full.release()
                self.assertTrue(swarm.run())
            for task in swarm.tasks:
                self.assertEqual(task.answer.status, 200)
                self.assertEqual(
                    task.answer.headers['x-tollgate-channel'], 'full')
            self.assertEqual(full.tally(0)['most_running'], 1)
            harness.wait_until(gate.settled, what='settling')
            gate.verify()


if __name__ == '__main__':
    unittest.main()
