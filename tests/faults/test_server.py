"""A whole server on a machine that fails: no memory, no room, a broken disk,
processes that stop. What clients see, and that the books are right to the
nano-USD, compared with what the upstream says it sent."""

import errno
import os
import signal
import threading
import time
import unittest

import client
import faults
import harness

PRICES = harness.PRICES['gpt-4o']
BALANCE = 1000 * harness.NANO
# So many requests at most before the n-th call is not made any more.
CALLS_MAX = 400


def price(prompt, completion):
    return harness.cost([(prompt, PRICES['input']),
                         (completion, PRICES['output'])])


def role_pid(gateway, role):
    """The pid of a process of the server by its role; None: there is none."""
    for pid in harness.children_of(gateway.pid):
        try:
            with open(f'/proc/{pid}/comm', encoding='ascii') as file:
                if file.read().strip() == 'tollgate-' + role:
                    return pid
        except OSError:
            pass
    return None


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as file:
            return file.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


class Load:
    """Clients that ask one thing after the other, until told to stop."""

    def __init__(self, gateway, key, clients=4):
        self.gateway, self.key = gateway, key
        self.over = False
        self.answers = []          # (tag, streamed, Answer)
        self.threads = [threading.Thread(target=self.run, args=(index,))
                        for index in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, index):
        number = 0
        while not self.over:
            number += 1
            tag, streamed = f'c{index}n{number}', (index + number) % 2 == 0
            try:
                answer = self.gateway.chat(
                    self.key, f'hello @@chunks=5 @@delay=4 @@tag={tag}',
                    stream=streamed, timeout=20.0)
            except OSError:
                time.sleep(0.05)
                continue
            self.answers.append((tag, streamed, answer))
            if answer.status != 200:
                time.sleep(0.02)

    def count(self, status=200):
        return sum(answer.status == status for _, _, answer in self.answers)

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Case(unittest.TestCase):
    def setUp(self):
        self.mock = harness.Mock()
        self.addCleanup(self.mock.stop)
        self.orders = faults.Orders()
        self.addCleanup(self.orders.__exit__)

    def gateway(self, **keys):
        one = harness.Gateway(self.mock,
                              environment=self.orders.environment, **keys)
        self.addCleanup(one.close)
        one.account('acme', harness.usd(BALANCE))
        return one, one.key('acme')

    def check_books(self, one, load):
        """Whole answers cost their usage; others at most what the upstream
        sent; nothing else was taken from the account."""
        harness.wait_until(one.settled, what='the end of all holds')
        rows = {row['request_id']: row for row in one.report()}
        total = sum(harness.nano(row['charge_usd']) for row in rows.values())
        for tag, streamed, answer in load.answers:
            self.check_answer(rows, tag, streamed, answer)
        shown = one.show('acme')
        self.assertEqual(harness.nano(shown['balance']), BALANCE - total)
        self.assertEqual(harness.nano(shown['available']), BALANCE - total)
        one.verify()

    def check_answer(self, rows, tag, streamed, answer):
        row = rows.get(answer.headers.get('x-request-id'))
        charge = harness.nano(row['charge_usd']) if row else 0
        whole = answer.status == 200 and answer.ended == 'complete' and (
            not streamed or b'[DONE]' in answer.body)
        sent = self.mock.record(tag)
        if whole:
            self.assertEqual(charge, price(sent['prompt_tokens'],
                                           sent['completion_tokens']), tag)
        elif not sent or answer.status not in (0, 200):
            self.assertEqual(charge, 0, tag)


class Memory(Case):
    """malloc fails in a worker while it serves a request."""

    def loop(self, one, key, text, streamed, for_ever):
        """The n-th one fails, n = 1.. until a few times none does: what is
        kept for the next request may have been thrown away by the last."""
        worker, = one.pids
        at, clean, refused, failed = 1, 0, 0, 0
        while clean < 3 and at < CALLS_MAX:
            self.orders.fail('malloc', worker, at, for_ever)
            answer = None
            try:
                answer = one.chat(key, text, stream=streamed, timeout=10.0)
            except OSError:
                pass
            hits = self.orders.off()
            if answer:
                self.assertNotEqual(answer.ended, 'timeout', f'n = {at}')
                refused += answer.status != 200
                self.assertIn(answer.status, (0, 200, 500, 502, 503),
                              f'n = {at}')
            self.assertTrue(alive(worker), f'the worker crashed at n = {at}')
            failed += hits
            clean = 0 if hits else clean + 1
            at += 1
        self.assertLess(at, CALLS_MAX)
        self.assertEqual(one.chat(key, 'hello').status, 200)
        self.assertEqual(one.pids, [worker])
        print(f'# malloc in a worker, {len(text)} bytes, '
              f'{"streamed" if streamed else "plain"}, '
              f'{"for ever" if for_ever else "once"}: n = 1 .. {at - clean - 1}'
              f', {failed} calls failed, {refused} requests refused',
              flush=True)
        return failed

    def test_a_worker_without_memory_refuses_and_lives_on(self):
        one, key = self.gateway(workers=1)
        self.assertEqual(one.chat(key, 'hello').status, 200)
        large = f'@@size=20000 @@chunks=30 {"x" * 300000}'
        failed = [self.loop(one, key, text, streamed, for_ever)
                  for text in ('hello', large) for streamed in (False, True)
                  for for_ever in (False, True)]
        self.assertGreater(min(failed), 0)
        harness.wait_until(one.settled, what='the end of all holds')
        total = sum(harness.nano(row['charge_usd']) for row in one.report())
        shown = one.show('acme')
        self.assertEqual(harness.nano(shown['balance']), BALANCE - total)
        self.assertEqual(harness.nano(shown['available']), BALANCE - total)
        one.verify()


class Disk(Case):
    """The ledger's disk fails under load."""

    def refused(self, one, key):
        """New requests get 503 within 100 ms, once one has."""
        harness.wait_until(
            lambda: one.chat(key, 'hello').status == 503, what='a refusal')
        times = []
        for _ in range(5):
            began = time.monotonic()
            answer = one.chat(key, 'hello')
            times.append(time.monotonic() - began)
            self.assertEqual(answer.status, 503)
            self.assertIn('retry-after', answer.headers)
        self.assertLess(min(times), 0.1)

    def full(self, durability, call):
        one, key = self.gateway(
            ledger={'durability': durability, 'map_size': '256MiB'})
        writer = role_pid(one, 'writer')
        with Load(one, key) as load:
            harness.wait_until(lambda: load.count() >= 20, what='load')
            self.orders.fail(call, writer, for_ever=True, error=errno.ENOSPC)
            harness.wait_until(lambda: load.count(503) > 0, what='a refusal')
            self.refused(one, key)
            self.orders.off()
            began = time.monotonic()
            harness.wait_until(lambda: one.chat(key, 'hello').status == 200,
                               what='work')
            back = time.monotonic() - began
        self.assertLess(back, 5.0)
        self.assertEqual(role_pid(one, 'writer'), writer)
        self.check_books(one, load)
        print(f'# full disk, {durability}: {load.count()} answers, '
              f'{load.count(503)} refused, back after {back:.1f} s',
              flush=True)

    def test_a_full_disk_stops_new_requests_only_commit(self):
        self.full('commit', 'pwrite')

    def test_a_full_disk_stops_new_requests_only_relaxed(self):
        self.full('relaxed', 'pwrite')

    def test_a_failed_sync_replaces_the_writer_and_nothing_is_lost(self):
        for durability in ('commit', 'relaxed'):
            with self.subTest(durability):
                self.broken(durability)

    def broken(self, durability):
        one, key = self.gateway(
            ledger={'durability': durability, 'map_size': '256MiB'})
        writer = role_pid(one, 'writer')
        with Load(one, key) as load:
            harness.wait_until(lambda: load.count() >= 20, what='load')
            self.orders.fail('sync', writer)
            harness.wait_until(lambda: not alive(writer), what='its end')
            self.orders.off()
            served = load.count()
            harness.wait_until(lambda: load.count() > served + 20,
                               what='work')
        self.assertNotEqual(role_pid(one, 'writer'), writer)
        self.check_books(one, load)


class Stopped(Case):
    """SIGSTOP of each process for a while, under load."""

    def stop_one(self, role, durability):
        one, key = self.gateway(
            worker_timeout='1s', writer_timeout='1s',
            ledger={'durability': durability, 'map_size': '256MiB'})
        pid = {'worker': lambda: one.pids[0], 'master': lambda: one.pid}.get(
            role, lambda: role_pid(one, role))()
        with Load(one, key) as load:
            harness.wait_until(lambda: load.count() >= 10, what='load')
            os.kill(pid, signal.SIGSTOP)
            if role != 'master':
                harness.wait_until(lambda: not alive(pid), what='its end')
            else:
                # The others go on without it.
                served = load.count()
                time.sleep(2)
                self.assertGreater(load.count(), served + 10)
                os.kill(pid, signal.SIGCONT)
            served = load.count()
            harness.wait_until(lambda: load.count() > served + 20,
                               what='work')
        self.check_books(one, load)

    def test_a_worker(self):
        self.stop_one('worker', 'commit')

    def test_the_writer(self):
        self.stop_one('writer', 'commit')

    def test_the_writer_relaxed(self):
        self.stop_one('writer', 'relaxed')

    def test_the_admin_process(self):
        self.stop_one('admin', 'commit')

    def test_the_master(self):
        self.stop_one('master', 'commit')


if __name__ == '__main__':
    unittest.main()
