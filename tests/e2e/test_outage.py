"""Upstreams that die, stall, throttle, fail and come back, on a schedule,
while hundreds of streams run. As long as one channel is well, no client sees
more of it than the end of a stream whose upstream died in the middle of its
words; and the ledger has what the clients got, to the nano-USD.

TOLLGATE_OUTAGE_SECONDS: how long (one round of the schedule, if not set);
TOLLGATE_OUTAGE_STREAMS: how many streams at once. Prints its figures. As one
of the many tests of the suite it has fewer streams and more patience.
"""

import datetime
import os
import signal
import time
import unittest

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

ROW = harness.PRICES['gpt-4o']
SECONDS = float(os.environ.get('TOLLGATE_OUTAGE_SECONDS', 0))
STREAMS = int(os.environ.get('TOLLGATE_OUTAGE_STREAMS', 200 if SECONDS else 100))
# A request that meets a fault has left it before the next one comes.
SLOWER = (3 if os.environ.get('TOLLGATE_SANITIZED')
          else 1 if SECONDS else 2)
STEP = 0.7 * SLOWER
PATIENCE = f'{600 * SLOWER}ms'
TEXT = f'@@chunks=15 @@delay={40 * SLOWER}'

# What happens to which channels, a step each; at least one is always well.
SCHEDULE = (
    ('kill', 'a'), ('revive', 'a'),
    ('stop', 'b'), ('go on', 'b'),
    ('@@status=500', 'c'), ('well', 'c'),
    ('@@status=429@@retry_after=1', 'a'), ('well', 'a'),
    ('@@reset', 'b'), ('well', 'b'),
    # Rests: what a fault holds for the first-byte timeout, longer than a
    # step, may not meet the next faults in both other channels as well.
    ('@@stall=0', 'c'), ('well', 'c'), ('well', 'c'), ('well', 'c'),
    ('@@error=0', 'a'), ('@@first=60000', 'b'),
    ('well', 'ab'), ('well', 'ab'), ('well', 'ab'),
    ('kill', 'bc'), ('revive', 'bc'),
)


class Upstream:
    """A mock that can die and come back at the same port."""

    def __init__(self, name):
        self.name = name
        self.mock = harness.Mock()
        self.port = self.mock.port
        self.url = self.mock.url

    def do(self, what):
        pid = self.mock.process.pid
        if what == 'kill':
            self.mock.process.kill()
            self.mock.stop()
        elif what == 'revive':
            self.mock = harness.Mock('--port', str(self.port))
        elif what in ('stop', 'go on'):
            os.kill(pid, signal.SIGSTOP if what == 'stop' else signal.SIGCONT)
        else:
            self.mock.script(None if what == 'well' else what)


class Load:
    """So many requests at once, some of them not streamed."""

    def __init__(self, url, key):
        self.swarm = client.Swarm(url)
        self.key = key
        self.sent = 0

    def ask(self):
        self.sent += 1
        fields = {}
        if self.sent % 5:
            fields = {'stream': True,
                      'stream_options': {'include_usage': True}}
        self.swarm.add(client.request(
            'POST', '/v1/chat/completions',
            client.chat(TEXT if fields else '@@chunks=15', **fields),
            self.key), note=bool(fields))

    def run(self, seconds):
        end = time.monotonic() + seconds

        def top_up():
            running = len(self.swarm.tasks) - self.swarm.answered
            for _ in range(STREAMS - running):
                self.ask()
            return time.monotonic() >= end
        self.swarm.run(top_up, seconds + harness.SLOW)

    def finish(self):
        return self.swarm.run(timeout=3 * harness.SLOW)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] \
        if values else 0


def began_at(entry):
    return datetime.datetime.fromisoformat(
        entry['ts'].replace('Z', '+00:00')).timestamp()


class Outage(unittest.TestCase):
    def gateway(self, workers):
        self.upstreams = {name: Upstream(name) for name in 'abc'}
        self.gate = harness.Gateway(
            [harness.channel(upstream, name, connect_timeout=PATIENCE,
                             first_byte_timeout=PATIENCE,
                             answer_timeout=PATIENCE, idle_timeout=PATIENCE)
             for name, upstream in self.upstreams.items()],
            workers=workers, routing={'attempts': 3, 'cooldown': '500ms'},
            probe={'interval': '500ms', 'timeout': PATIENCE})
        self.gate.account('rich', '1000')
        return self.gate.key('rich')

    def end(self):
        for upstream in self.upstreams.values():
            if upstream.mock.process.poll() is None:
                os.kill(upstream.mock.process.pid, signal.SIGCONT)
                upstream.mock.stop()
        self.gate.close()

    def judge(self, tasks):
        """(failed before its first word, ended in the middle, whole ones)."""
        failed, cut, whole = [], [], []
        for task in tasks:
            answer = task.answer
            if answer.ended != 'complete' or answer.status != 200:
                failed.append(task)
            elif not task.note:
                whole.append(task)
            elif answer.events()[-1:] == ['[DONE]']:
                whole.append(task)
            elif answer.text() and 'error' in answer.chunks()[-1]:
                cut.append(task)
            else:
                failed.append(task)
        return failed, cut, whole

    def check_books(self, whole):
        """Every whole answer is in the ledger once, at its usage's price."""
        harness.wait_until(self.gate.settled)
        rows = {row['request_id']: harness.nano(row['charge_usd'])
                for row in self.gate.report()}
        for task in whole:
            usage = task.answer.usage()
            self.assertEqual(
                rows[task.answer.headers['x-request-id']],
                harness.cost([(usage['prompt_tokens'], ROW['input']),
                              (usage['completion_tokens'], ROW['output'])]))
        self.gate.verify()

    def attempts_at(self, names):
        """Attempts that found nobody at these channels; streams that were
        running there when it ended are none of them."""
        return sum(value for name, value in self.gate.metrics().items()
                   if name.startswith('tollgate_upstream_attempts_total') and
                   'error_type="provider_connect"' in name and
                   any(f'channel="{one}"' in name for one in names))

    def step(self, load, what, names):
        before = self.attempts_at(names) if what == 'kill' else 0
        for name in names:
            self.upstreams[name].do(what)
        began = time.time()
        load.run(STEP)
        dead = self.attempts_at(names) - before if what == 'kill' else None
        self.steps.append((what, names, began, time.time(), dead))

    def say_steps(self, entries):
        for what, names, began, ended, dead in self.steps:
            if what in ('revive', 'go on', 'well'):
                continue
            moved = [ms for at, ms in entries if began <= at < ended]
            print(f'  {what} {names}: {len(moved)} moved on, first word '
                  f'after {percentile(moved, .5):.0f} / '
                  f'{percentile(moved, .99):.0f} / '
                  f'{percentile(moved, 1):.0f} ms' +
                  (f'; {dead:.0f} attempts at the dead' if dead is not None
                   else ''))

    def say(self, workers, load, failed, cut, whole):
        entries = [entry for entry in self.gate.access()
                   if entry.get('route') == '/v1/chat/completions']
        late = [(began_at(entry), entry['t_ttft_us'] / 1000)
                for entry in entries
                if entry.get('attempt', 1) > 1 and 't_ttft_us' in entry]
        moved = [ms for at, ms in late]
        attempts = sum(entry.get('attempt', 0) for entry in entries)
        print(f'{workers} workers: {load.sent} requests, {len(whole)} whole, '
              f'{len(cut)} ended in the middle with an error event, '
              f'{len(failed)} failed; {len(moved)} moved on, first word after '
              f'{percentile(moved, .5):.0f} / {percentile(moved, .99):.0f} / '
              f'{percentile(moved, 1):.0f} ms (p50 / p99 / max); '
              f'{attempts / max(1, len(entries)):.3f} attempts a request')
        self.say_steps(late)

    def outage(self, workers):
        key = self.gateway(workers)
        self.steps = []
        try:
            load = Load(self.gate.url, key)
            end = time.monotonic() + SECONDS
            load.run(STEP)
            while True:
                for what, names in SCHEDULE:
                    self.step(load, what, names)
                if time.monotonic() >= end:
                    break
            self.assertTrue(load.finish(), 'some requests never ended')
            failed, cut, whole = self.judge(load.swarm.tasks)
            self.say(workers, load, failed, cut, whole)
            for task in failed[:5]:
                print(task.answer.ended, task.answer.status,
                      dict(task.answer.headers or {}),
                      bytes(task.answer.body[-300:]))
            self.check_books(whole)
            self.assertEqual(len(failed), 0)
            self.assertGreater(len(whole), len(cut))
        finally:
            self.end()

    def test_upstreams_come_and_go_under_two_workers(self):
        self.outage(2)

    @unittest.skipUnless(SECONDS, 'long')
    def test_under_one_worker(self):
        self.outage(1)

    @unittest.skipUnless(SECONDS, 'long')
    def test_under_four_workers(self):
        self.outage(4)


if __name__ == '__main__':
    unittest.main()
