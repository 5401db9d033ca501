#!/usr/bin/env python3
"""Directed kills in the whole server, at every step of a request's money.

A real server under its master, real clients, the scripted upstream: one place
of shm/crash_points.def after the other is armed, and the worker or the ledger
writer that comes by kills itself there with SIGKILL. After some kills all
processes are killed at once, the server starts warm, and the books must
balance to the unit: `tollgate-ledger verify` is clean, nothing is held, the
balance of each account is what was paid in less what was charged, the caps of
the first channel, its key and the model are their limits less what attempts
cost today, and the upstreams have counted no less than the ledger. Each round
has another number of workers.

    system_kill.py [--per-point N] [--seconds S] [NAME...]

TAP on standard output. Exit status: 0 every place was hit often enough and
the books balance, 1 not.
"""

import argparse
import contextlib
import ctypes
import itertools
import mmap
import os
import random
import re
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'e2e'))

import client  # noqa: E402
import harness  # noqa: E402

PLACES = 200
ROUND = 30             # kills between two audits
WORKERS = (3, 1, 2)    # of the rounds, in turn
FIRST_KILLS = ('CP_TAKE_APPLIED', 'CP_HELD', 'CP_ACQ', 'CP_EXT_TAKEN',
               'CP_DELIVERED')
# What a reaper does depends on what the dead worker left.
LEFT = {'CP_REAP_COST': ('CP_HELD', 'CP_DELIVERED'),
        'CP_REAP_SETTLED': ('CP_HELD', 'CP_DELIVERED'),
        'CP_REAP_BACK': ('CP_ACQ', 'CP_TAKE_CONFIRMED'),
        'CP_REAP_LOADED': ('CP_ACQ',),
        'CP_REAP_LOOKED': ('CP_ACQ',),
        'CP_ROW_REAPED': FIRST_KILLS}
UNSENT = ('CP_UNSENT_BEFORE', 'CP_UNSENT_SAID')
REVERSAL = ('CP_REVERSED_BEFORE', 'CP_REVERSED')
COLD = ('CP_EPOCH', 'CP_LOADED')
REFUSED = ('CP_REFUSED', 'CP_BACK', 'CP_BACK_DONE', 'CP_BACK_FREE')
PAGES = ('CP_PAGE_TAKEN', 'CP_PAGE_GIVEN')
HELP = ('CP_HELP_BEFORE', 'CP_HELP_CONFIRMED')
WINDOWS = ('CP_WINDOW_AMOUNT', 'CP_WINDOW_COMMITTED')
MOVES_CAPS = 8          # of an entry
MEETING = REFUSED + HELP   # two workers, at one counter


def places():
    """{name: number} of shm/crash_points.def."""
    with open(os.path.join(ROOT, 'shm', 'crash_points.def'),
              encoding='ascii') as stream:
        found = re.findall(r'^CRASH\( *(\d+), (CP_\w+)', stream.read(), re.M)
    return {name: int(number) for number, name in found}


def role_id(role):
    value = 2166136261
    for byte in role.encode():
        value = ((value ^ byte) * 16777619) & 0xffffffff
    return value | 1


class CrashWord(ctypes.Structure):
    """struct crash_word of shm/crash.h, in a file that all processes map."""
    _fields_ = [(name, ctypes.c_uint32) for name in (
        'armed', 'skip', 'role', 'victim', 'frozen', 'freeze_next', 'pause',
        'pause_every', 'pause_passes')] + [('kills', ctypes.c_uint32 * PLACES)]


class Books:
    """What went in, by account."""

    def __init__(self):
        self.paid = {}
        self.lock = threading.Lock()
        self.number = itertools.count()

    def add(self, account, amount):
        with self.lock:
            self.paid[account] = self.paid.get(account, 0) + amount


class Test:
    def __init__(self, per_point, seconds, only):
        self.numbers = places()
        self.per_point = per_point
        self.deadline = time.monotonic() + seconds
        self.only = only
        self.books = Books()
        self.total = {name: 0 for name in self.numbers}
        self.stopping = threading.Event()
        self.kills = self.rounds = 0
        self.moved = {}    # of caps: entries by kind, at the last audit
        self.kills_with = {n: 0 for n in WORKERS}
        self.places_with = {n: set() for n in WORKERS}
        self.mock = harness.Mock('--max-connections', '5000')
        self.first = harness.Mock('--max-connections', '5000')
        self.limit = '0.50'
        self.workers = WORKERS[0]
        self.gate = harness.Gateway(
            self.channels(), start=False, workers=self.workers,
            models=self.models(),
            limits={'connections_per_source': 0})
        self.gate.server = os.path.join(self.gate.build or harness.BUILD,
                                        'tests', 'crash', 'tollgate')
        self.map_word()

    def map_word(self):
        path = self.gate.path('crash.word')
        with open(path, 'wb') as stream:
            stream.write(bytes(ctypes.sizeof(CrashWord)))
        with open(path, 'r+b') as stream:
            self.memory = mmap.mmap(stream.fileno(), 0)
        self.word = CrashWord.from_buffer(self.memory)
        self.gate.environment['TOLLGATE_CRASH_FILE'] = path

    # -- the operator

    def models(self):
        first, *others = [dict(model) for model in harness.MODELS]
        return [{**first, 'daily_budget': '900.00'}, *others]

    def channels(self):
        """The first one fails now and then; it and its key have caps."""
        key = {'key': 'env:TOLLGATE_TEST_KEY', 'name': 'k',
               'daily_budget': self.limit}
        return [harness.channel(self.first, 'first', priority=1, keys=[key],
                                daily_budget=self.limit),
                harness.channel(self.mock, 'second', priority=2)]

    def setup(self):
        gate = self.gate
        gate.start()
        gate.account('rich', '100000.00')
        gate.account('poor', '0.012')
        gate.account('team', '100000.00', '--parent', 'rich')
        self.first.script('@@status=500', every=3)
        self.books.add('rich', harness.nano('100000.00'))
        self.books.add('poor', harness.nano('0.012'))
        self.books.add('team', harness.nano('100000.00'))
        self.keys = {'rich': gate.key('rich'),
                     'team': gate.key('team', budget='5000.00/day'),
                     'poor': gate.key('poor', budget='1000.00/total')}

    def pay(self, account, amount):
        """Until it is answered: the idempotency key makes it one payment."""
        name = f'paid-{next(self.books.number)}'
        for _ in range(100):
            done = self.gate.run_tool(
                self.gate.control_program, '-p', self.gate.folder, '--json',
                'account', 'topup', account, amount, '--idempotency-key',
                name, status=None)
            if done.returncode == 0:
                self.books.add(account, harness.nano(amount))
                return
            time.sleep(0.02)
        raise harness.Failed('a top-up is never answered: ' + done.stderr)

    def pay_poor(self):
        """So that it has about one hold, and never a second one."""
        with contextlib.suppress(harness.Failed):
            has = harness.nano(self.gate.show('poor')['available'])
            if has < harness.nano('0.0105'):
                self.pay('poor', '0.0105')

    # -- the clients

    def ask(self, account, text, leave=None, **fields):
        """One request; what becomes of it is the ledger's business."""
        with contextlib.suppress(OSError):
            with client.Connection(self.gate.url, 3.0) as one:
                one.send(client.request(
                    'POST', '/v1/chat/completions',
                    client.chat(text, **fields), self.keys[account]))
                if leave is not None:
                    time.sleep(leave)
                    one.reset()
                else:
                    one.read()

    def whole(self):
        self.ask('rich', '@@tokens=50,20')

    def team(self):
        """Its own account, its organisation's, its budget of the day."""
        self.ask('team', '@@tokens=50,20')

    def stream(self):
        """Extends its hold several times."""
        self.ask('rich', '@@chunks=30 @@size=800', stream=True,
                 max_tokens=9000)

    def poor(self):
        """Refused at once, or when it extends its hold."""
        self.ask('poor', '@@chunks=30 @@size=800', stream=True,
                 max_tokens=9000)

    def client_thread(self, number):
        kinds = (self.whole, self.stream, self.poor, self.team)
        while not self.stopping.is_set():
            kinds[number % len(kinds)]()
            number += 1
            time.sleep(random.random() * 0.02)

    def payer_thread(self):
        while not self.stopping.is_set():
            self.pay_poor()
            time.sleep(0.02)

    @contextlib.contextmanager
    def load(self):
        self.stopping.clear()
        threads = [threading.Thread(target=self.client_thread, args=(i,))
                   for i in range(6)]
        threads.append(threading.Thread(target=self.payer_thread))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.disarm()
            self.stopping.set()
            for thread in threads:
                thread.join(30)

    # -- killing

    def arm(self, name, role=None):
        self.word.role = role_id(role) if role else 0
        self.word.skip = random.randrange(3) if not role else 0
        self.word.armed = self.numbers[name]

    def disarm(self):
        self.word.armed = self.word.frozen = self.word.freeze_next = 0
        self.word.pause = 0

    def hit(self, name, before, timeout=1.0):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.word.kills[self.numbers[name]] > before:
                return True
            time.sleep(0.002)
        return False

    def count(self, name):
        return self.word.kills[self.numbers[name]]

    def kill_plain(self, name):
        before = self.count(name)
        self.arm(name)
        return self.hit(name, before)

    def kill_help(self, name):
        """Others meet a step that is applied and not confirmed."""
        self.word.pause_every = 0
        self.word.pause = self.numbers['CP_TAKE_APPLIED']
        return self.kill_plain(name)

    def kill_refused(self, name):
        """Two workers find enough, and one is too late."""
        before = self.count(name)
        self.word.pause_every = 0
        self.word.pause = self.numbers['CP_ACQ']
        self.arm(name)
        self.word.skip = 0
        for _ in range(6):
            threads = [threading.Thread(target=self.poor) for _ in range(8)]
            self.pay_poor()
            for thread in threads:
                thread.start()
            done = self.hit(name, before, 0.2)
            for thread in threads:
                thread.join(5)
            if done:
                return True
        return False

    def kill_reaper(self, name):
        """A worker dies, the writer stands still until its place is armed."""
        first = random.choice(LEFT[name])
        before, dead = self.count(name), self.count(first)
        self.word.freeze_next = role_id('writer')
        self.arm(first, 'worker')
        if not self.hit(first, dead):
            return False
        self.arm(name, 'writer')
        self.word.frozen = self.word.freeze_next = 0
        return self.hit(name, before)

    def leave_unsent(self):
        """Clients that go while their answer waits for the commit."""
        self.word.frozen = role_id('writer')
        threads = [threading.Thread(
            target=self.ask, args=('rich', '@@tokens=5,5', 0.06))
            for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        time.sleep(0.03)
        self.word.frozen = 0

    def kill_unsent(self, name):
        before = self.count(name)
        self.arm(name)
        self.leave_unsent()
        return self.hit(name, before, 0.5)

    def kill_page(self, name):
        """So many requests at once that pages come and go."""
        before = self.count(name)
        self.mock.script('@@hold=1')
        self.first.script('@@status=500')
        self.arm(name)
        with client.Swarm(self.gate.url) as swarm:
            for _ in range(self.workers * 700):
                swarm.add(client.request(
                    'POST', '/v1/chat/completions', client.chat('hello'),
                    self.keys['rich']))
            swarm.run(lambda: swarm.sent == len(swarm.tasks), 10)
            self.mock.script()
            self.mock.release()
            swarm.run(timeout=10)
        self.first.script('@@status=500', every=3)
        return self.hit(name, before, 1.0)

    def kill_book(self, name):
        """A reload with other prices."""
        before = self.count(name)
        models = self.models()
        models[1]['input'] = f'0.{random.randrange(10, 10 ** 6)}'
        self.gate.configure(models=models)
        self.arm(name, 'writer')
        self.gate.hup()
        return self.hit(name, before)

    def kill_window(self, name):
        """A reload with other caps."""
        before = self.count(name)
        self.limit = f'{random.randrange(40, 90)}.{random.randrange(10):02}'
        self.gate.configure(channels=self.channels())
        self.arm(name, 'writer')
        self.gate.hup()
        return self.hit(name, before)

    def kill_once(self, name):
        if name in LEFT:
            return self.kill_reaper(name)
        if name in UNSENT or name in REVERSAL:
            return self.kill_unsent(name)
        if name in HELP:
            return self.kill_help(name)
        if name in REFUSED:
            return self.kill_refused(name)
        if name in PAGES:
            return self.kill_page(name)
        if name == 'CP_BOOK_STORED':
            return self.kill_book(name)
        if name in WINDOWS:
            return self.kill_window(name)
        return self.kill_plain(name)

    def kill_cold(self):
        """Power losses: no shared memory, and the writer dies over it."""
        for name in COLD:
            while self.wanted(name) and not self.late():
                before = self.count(name)
                os.unlink(self.gate.path('run', 'state.shm'))
                self.arm(name, 'writer')
                self.word.skip = 0
                self.gate.start()
                self.total[name] += self.count(name) - before
                self.kills += 1
                self.gate.kill_all()

    def wanted(self, name):
        return ((not self.only or name in self.only)
                and self.total[name] < self.per_point)

    def late(self):
        return time.monotonic() > self.deadline

    # -- rounds

    def run_round(self):
        kills = 0
        before = list(self.word.kills)
        tried = {}
        with self.load():
            while kills < ROUND and not self.late():
                open_places = [name for name in self.numbers
                               if name not in COLD and self.wanted(name)
                               and tried.get(name, 0) < 4
                               and not (self.workers == 1
                                        and name in MEETING)]
                if not open_places:
                    break
                name = min(open_places, key=lambda n: (tried.get(n, 0),
                                                       self.total[n]))
                tried[name] = tried.get(name, 0) + 1
                self.kill_once(name)
                self.disarm()
                for other, number in self.numbers.items():
                    fresh = self.word.kills[number] - before[number]
                    self.total[other] += fresh
                    kills += fresh
                    if fresh:
                        self.places_with[self.workers].add(other)
                before = list(self.word.kills)
        self.kills += kills
        self.kills_with[self.workers] += kills
        self.rounds += 1

    def check_caps(self):
        """Available is what the ledger's entries make of the caps: of the
        channel, its key and the model, in the order they were set up in."""
        rows = self.gate.ctl('show', 'channels')['channels']
        first = [row for row in rows if row['name'] == 'first'][0]
        model = self.gate.ctl('show', 'models')['models'][0]
        left = [harness.nano(row['daily_left'])
                for row in (first, first['keys'][0], model)]
        balance = [0, 0, 0]
        self.moved = {}
        for row in self.gate.dump():
            if not int(row['moves']) & MOVES_CAPS:
                continue
            ref, attempt = int(row['ref']), row['kind'] in ('attempt', 'cap')
            more = [ref >> 16 & 0xffff, ref >> 48] if attempt else []
            self.moved[row['kind']] = self.moved.get(row['kind'], 0) + 1
            for cap in [ref & 0xffff] + [one - 1 for one in more if one]:
                balance[cap] -= harness.nano(
                    row['upstream_usd' if attempt else 'charge_usd'])
        if left != balance:
            raise harness.Failed(f'the caps have {left} left, '
                                 f'want {balance}')

    def audit(self):
        """All die at once; a warm start has every nano, and another number of
        workers."""
        self.gate.kill_all()
        self.workers = WORKERS[self.rounds % len(WORKERS)]
        self.gate.configure(workers=self.workers, channels=self.channels())
        self.gate.start()
        harness.wait_until(self.gate.settled, what='settling')
        entries, _ = self.gate.verify()
        charged = {row['account_name']: harness.nano(row['usage_charges'])
                   for row in self.gate.report('accounts')}
        for account, paid in self.books.paid.items():
            shown = self.gate.show(account)
            want = paid - charged[account]
            for what in ('balance', 'available'):
                if harness.nano(shown[what]) != want:
                    raise harness.Failed(
                        f'{what} of {account} is {shown[what]}, '
                        f'want {harness.usd(want)}')
        self.check_caps()
        return entries

    def compare_with_mock(self):
        rows = self.gate.report()
        tally = self.mock.tally(0)
        for name, count in self.first.tally(0).items():
            if isinstance(count, int):
                tally[name] = tally.get(name, 0) + count
        asked = sum(row['attempts'] != '0' and row['channel'] != ''
                    for row in rows)
        billed = sum(int(row['output_tokens']) for row in rows
                     if row['usage_source'] == 'upstream')
        if asked > tally['requests'] or billed > tally['completion_tokens']:
            raise harness.Failed(
                f'the ledger has {asked} requests and {billed} tokens, the '
                f'upstream {tally["requests"]} and '
                f'{tally["completion_tokens"]}')

    def run(self):
        entries = 0
        self.setup()
        while not self.late() and any(
                self.wanted(name) for name in self.numbers
                if name not in COLD):
            self.run_round()
            entries = self.audit()
            if self.rounds > 3 * PLACES:
                break
        self.gate.kill_all()
        self.kill_cold()
        self.gate.start()
        entries = self.audit()
        self.compare_with_mock()
        return entries

    def report(self, fault, entries):
        failed = number = 0
        for name in sorted(self.numbers, key=self.numbers.get):
            if self.only and name not in self.only:
                continue
            number += 1
            good = self.total[name] >= self.per_point
            failed += not good
            print(f'{"ok" if good else "not ok"} {number} - {name}: '
                  f'{self.total[name]} kills')
        number += 1
        print(f'{"not ok" if fault else "ok"} {number} - the books balance '
              'to the unit after every round')
        if fault:
            print('# ' + str(fault).replace('\n', '\n# '))
        for n in sorted(WORKERS):
            print(f'# with {n} workers: {self.kills_with[n]} kills at '
                  f'{len(self.places_with[n])} of {len(self.numbers)} places')
        print('# entries of caps: ' + ', '.join(
            f'{kind} {n}' for kind, n in sorted(self.moved.items())))
        print(f'# {self.kills} kills, {self.rounds} rounds, {entries} entries')
        print(f'1..{number}')
        return 1 if failed or fault else 0

    def close(self):
        del self.word
        self.gate.close()
        self.mock.stop()
        self.first.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--per-point', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=240)
    parser.add_argument('names', nargs='*')
    words = parser.parse_args()
    test = Test(words.per_point, words.seconds, words.names)
    fault, entries = None, 0
    try:
        entries = test.run()
    except harness.Failed as failed:
        fault = failed
    status = test.report(fault, entries)
    test.close()
    return status


if __name__ == '__main__':
    sys.exit(main())
