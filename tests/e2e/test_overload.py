"""More than the gateway can do: what is too much is refused at once, in the
client's words and for nothing; what was taken is served as ever."""

import os
import resource
import signal
import threading
import time
import unittest

import client
import harness

CHATS = '/v1/chat/completions'
MIB = 1 << 20
MESSAGE = {'model': 'gpt-4o', 'max_tokens': 100,
           'messages': [{'role': 'user', 'content': 'hello'}]}
GEMINI = {'contents': [{'role': 'user', 'parts': [{'text': 'hello'}]}]}
# Each dialect's request, and where it says that we are busy.
DIALECTS = (
    (CHATS, client.chat('hello'),
     lambda error: error['code'] == 'overloaded'),
    ('/v1/responses', {'model': 'gpt-4o', 'input': 'hello'},
     lambda error: error['code'] == 'overloaded'),
    ('/v1/messages', MESSAGE,
     lambda error: error['type'] == 'overloaded_error'),
    ('/v1beta/models/gpt-4o:generateContent', GEMINI,
     lambda error: error['status'] == 'UNAVAILABLE'),
)


def held(text, key, **fields):
    return client.request('POST', CHATS, client.chat(text, **fields), key)


def private_memory(pid):
    return harness.memory_of(pid, 'RssAnon')


class Base(unittest.TestCase):
    def start(self, channels=None, **keys):
        self.mock = harness.Mock('--max-connections', '2000')
        self.addCleanup(self.mock.stop)
        self.gate = harness.Gateway(channels or self.mock, **keys)
        self.addCleanup(self.gate.close)
        self.gate.account('rich', '1000000')
        self.key = self.gate.key('rich')

    def check_refusal(self, answer, says=lambda error: True):
        self.assertEqual((answer.status, answer.ended), (503, 'complete'))
        self.assertGreaterEqual(int(answer.headers['retry-after']), 1)
        self.assertTrue(says(answer.json()['error']), answer.body)

    def refused(self, limit):
        return self.gate.metrics().get(
            f'tollgate_overload_refused_total{{limit="{limit}"}}', 0)

    def channel(self):
        return self.gate.ctl('show', 'channels')['channels'][0]


class Requests(Base):
    def test_above_the_limit_each_dialect_is_refused_without_a_hold(self):
        self.start(workers=1, limits={'requests': 8})
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(8):
                swarm.add(held('@@hold', self.key))
            swarm.run(lambda: swarm.sent == 8)
            self.mock.wait(lambda tally: tally['holding'] == 8)
            before = self.gate.show('rich')['available']
            with client.Connection(self.gate.url) as one:
                for _ in range(5):
                    for path, body, says in DIALECTS:
                        answer = one.ask('POST', path, body, self.key)
                        self.check_refusal(answer, says)
                        self.assertNotIn('connection', answer.headers)
                # its body is not even asked for
                one.send(client.request('POST', CHATS, b'x' * 9000, 'none',
                                        {'expect': '100-continue'})[:-9000])
                answer = one.read('POST')
                self.check_refusal(answer)
                self.assertEqual(answer.interim, [])
            self.assertEqual(self.gate.ask('GET', '/healthz').status, 200)
            self.assertEqual(self.gate.show('rich')['available'], before)
            self.assertEqual(self.gate.ctl('status')['holds'], 8)
            self.assertEqual(self.refused('requests'), 21)
            self.assertEqual(self.mock.tally()['requests'], 8)
            self.mock.release()
            self.assertTrue(swarm.run())
            self.assertEqual([task.answer.status for task in swarm.tasks],
                             8 * [200])
        self.assertEqual(self.gate.chat(self.key).status, 200)
        harness.wait_until(self.gate.settled)
        self.assertEqual(len(self.gate.report()), 9)
        self.gate.verify()

    def test_when_all_hold_slots_are_taken(self):
        self.start(workers=1, max_requests=256,
                   limits={'connections_per_source': 0})
        count = 300
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(count):
                swarm.add(held('@@hold', self.key))
            self.assertTrue(swarm.run(lambda: swarm.sent == count and
                            self.mock.tally(0)['holding'] + swarm.answered
                            == count))
            refused = swarm.answered
            self.assertGreaterEqual(refused, count - 256)
            for task in swarm.tasks:
                if task.done:
                    self.check_refusal(task.answer)
            self.mock.release()
            self.assertTrue(swarm.run())
        statuses = [task.answer.status for task in swarm.tasks]
        self.assertEqual(statuses.count(200), count - refused)
        self.assertEqual(self.refused('max_requests'), refused)
        harness.wait_until(self.gate.settled)
        self.assertEqual(len(self.gate.report()), count - refused)
        self.gate.verify()

    def test_a_worker_that_cannot_keep_up_refuses_what_waited(self):
        """It gets little of a CPU: it is stopped most of the time."""
        self.start(workers=1, limits={'overload_delay': '20ms'})
        worker, = self.gate.pids
        enough = threading.Event()

        def starve():
            while not enough.is_set():
                os.kill(worker, signal.SIGSTOP)
                time.sleep(0.06)
                os.kill(worker, signal.SIGCONT)
                time.sleep(0.002)
        thread = threading.Thread(target=starve, daemon=True)
        answers = []
        with client.Swarm(self.gate.url) as swarm:
            def ask():
                for _ in range(20 - len(swarm.tasks) + swarm.answered):
                    swarm.add(held('hello', self.key))
                return any(task.answer.status == 503 for task in swarm.tasks)
            thread.start()
            self.addCleanup(thread.join)
            self.addCleanup(enough.set)
            self.assertTrue(swarm.run(ask), 'nobody was refused')
            enough.set()
            thread.join()
            self.assertTrue(swarm.run())
            answers = [task.answer for task in swarm.tasks]
        served = sum(answer.status == 200 for answer in answers)
        for answer in answers:
            if answer.status != 200:
                self.check_refusal(
                    answer, lambda error: error['code'] == 'overloaded')
        self.assertGreaterEqual(self.refused('delay'), 1)
        harness.wait_until(
            lambda: self.gate.metrics()['tollgate_overloaded'] == 0,
            what='the end of the overload')
        self.assertEqual(self.gate.chat(self.key).status, 200)
        harness.wait_until(self.gate.settled)
        self.assertEqual(len(self.gate.report()), served + 1)
        self.assertEqual(self.mock.tally()['answered'], served + 1)
        self.gate.verify()


class Memory(Base):
    """32 MiB for a worker; bodies, conversions and events alike."""

    CAP = 32 * MIB
    SLACK = 24 * MIB   # one conversion, and what malloc keeps

    def setUp(self):
        if os.environ.get('TOLLGATE_SANITIZED'):
            self.skipTest('a sanitizer has a memory of its own')
        self.start(workers=1, limits={
            'worker_memory': '32MiB', 'body_size': '8MiB',
            'connections_per_source': 0}, routing={'cooldown': '100ms'},
            probe={'interval': '200ms'})
        self.worker, = self.gate.pids
        for _ in range(8):
            self.gate.chat(self.key)

    def storm(self, requests, until, **how):
        """The most memory that the worker took meanwhile, and the tasks."""
        before = peak = private_memory(self.worker)
        with client.Swarm(self.gate.url) as swarm:
            for data in requests:
                swarm.add(data, **how)

            def look():
                nonlocal peak
                peak = max(peak, private_memory(self.worker))
                return until(swarm)
            self.assertTrue(swarm.run(look))
            self.mock.release()
            self.assertTrue(swarm.run())
            tasks = swarm.tasks
            for task in tasks:
                task.sock.close()
        print(f'# {(peak - before) / MIB:.1f} MiB of {self.CAP // MIB}')
        self.assertLess(peak - before, self.CAP + self.SLACK)
        self.mock.script()
        harness.wait_until(self.gate.settled)
        harness.wait_until(lambda: self.gate.chat(self.key).status == 200,
                           what='an answer as ever')
        self.gate.verify()
        return tasks

    def bodies(self, path, body):
        """What does not fit is refused, or cut off while it is still sent."""
        count = 30
        self.mock.script('@@hold')
        tasks = self.storm(
            [client.request('POST', path, body, self.key)] * count,
            lambda swarm: self.mock.tally(0)['holding'] + swarm.answered
            >= count)
        served = [task for task in tasks if task.answer.status == 200]
        self.assertGreaterEqual(len(served), 2)
        self.assertGreaterEqual(len(tasks) - len(served), 10)
        for task in tasks:
            if task.answer.ended == 'complete' and task not in served:
                self.check_refusal(task.answer)
        rows = [row for row in self.gate.report() if row['status'] == '200']
        self.assertEqual(len(rows), len(served) + 9)

    def test_large_bodies(self):
        self.bodies(CHATS, client.chat('x' * 4 * MIB))
        self.assertGreater(self.refused('memory'), 0)

    def test_large_bodies_that_are_converted(self):
        self.bodies('/v1/messages', {**MESSAGE, 'messages': [
            {'role': 'user', 'content': 'x' * 4 * MIB}]})

    def test_answers_that_nobody_reads(self):
        self.mock.script('@@chunks=2000 @@size=4000 @@nolimit')
        self.storm([held('hello', self.key)] * 20,
                   lambda swarm: swarm.answered == 20,
                   stop_at=1000, linger=True)

    def test_events_without_an_end(self):
        self.mock.script('@@chunks=3 @@endless=900000 @@endless_at=1 '
                         '@@stall_byte=800000 @@stall_ms=1500')
        tasks = self.storm([held('hello', self.key, stream=True)] * 60,
                           lambda swarm: swarm.answered == 60)
        broken = [task for task in tasks if task.answer.chunks()
                  and 'error' in task.answer.chunks()[-1]]
        self.assertGreater(len(broken), 0)


class Descriptors(Base):
    def test_clients_leave_descriptors_for_upstreams(self):
        """Of 128 a worker takes 32 clients; each of them is served."""
        self.start(workers=1)
        resource.prlimit(self.gate.pid, resource.RLIMIT_NOFILE, (128, 128))
        before = self.gate.pids
        self.gate.ctl('reload')
        harness.wait_until(
            lambda: [row['pid'] for row in self.gate.workers()
                     if row['state'] == 'ready'] != before,
            what='a new worker')
        self.assertIn('descriptors', self.gate.errors())
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(100):
                swarm.add(held('@@hold', self.key))
            self.assertTrue(swarm.run(
                lambda: self.mock.tally(0)['holding'] + swarm.answered
                == 100))
            holding = self.mock.tally(0)['holding']
            self.assertEqual(holding, 32)
            self.mock.release()
            self.assertTrue(swarm.run())
        served = [task for task in swarm.tasks if task.answer.status == 200]
        self.assertEqual(len(served), 32)
        for task in swarm.tasks:
            if task not in served and task.answer.ended == 'complete':
                self.check_refusal(task.answer)
        self.assertEqual(self.gate.chat(self.key).status, 200)
        self.assertEqual((self.channel()['state'], self.channel()['refused'],
                          self.channel()['faults']), ('up', 0, 0))
        harness.wait_until(self.gate.settled)
        self.gate.verify()

    def test_without_any_left_nobody_is_blamed_and_nothing_spins(self):
        self.start(workers=1)
        worker, = self.gate.pids
        self.assertEqual(self.gate.chat(self.key).status, 200)
        used = len(os.listdir(f'/proc/{worker}/fd'))
        few = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE,
                         (used + 8, few[1]))
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(40):
                swarm.add(held('@@hold', self.key))
            self.assertTrue(swarm.run(
                lambda: self.mock.tally(0)['holding'] + swarm.answered
                == 40))
            burnt = harness.cpu_seconds(worker)
            time.sleep(1)
            self.assertLess(harness.cpu_seconds(worker) - burnt, 0.5)
            self.assertGreater(self.mock.tally(0)['holding'], 0)
            self.mock.release()
            self.assertTrue(swarm.run())
        for task in swarm.tasks:
            if task.answer.ended == 'complete' and task.answer.status != 200:
                self.check_refusal(task.answer)
        self.assertGreater(self.refused('descriptors'), 0)
        self.assertEqual((self.channel()['state'], self.channel()['refused'],
                          self.channel()['faults']), ('up', 0, 0))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, few)
        self.assertEqual(self.gate.pids, [worker])
        for _ in range(4):
            self.assertEqual(self.gate.chat(self.key).status, 200)
        harness.wait_until(self.gate.settled)
        self.gate.verify()

    def test_idle_upstream_connections_make_room(self):
        """There is one descriptor, and it is an idle connection's."""
        other = harness.Mock()
        self.addCleanup(other.stop)
        self.start([harness.channel(other, 'other', models=[
            {'name': 'gpt-4o-mini'}])], workers=1)
        self.gate.configure(channels=[
            harness.channel(other, 'other',
                            models=[{'name': 'gpt-4o-mini'}]),
            harness.channel(self.mock, 'mock', models=[{'name': 'gpt-4o'}])])
        self.gate.ctl('reload')
        harness.wait_until(lambda: len(self.gate.workers()) == 1 and
                           len(self.gate.ctl('show', 'channels')['channels'])
                           == 2)
        worker, = self.gate.pids
        with client.Connection(self.gate.url) as one:
            self.assertEqual(one.ask('POST', CHATS, client.chat(
                'hello', model='gpt-4o-mini'), self.key).status, 200)
            used = len(os.listdir(f'/proc/{worker}/fd'))
            few = resource.prlimit(worker, resource.RLIMIT_NOFILE)
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (used, few[1]))
            self.assertEqual(one.ask('POST', CHATS, client.chat('hello'),
                                     self.key).status, 200)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, few)


if __name__ == '__main__':
    unittest.main()
