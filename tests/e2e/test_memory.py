"""What a stream costs the worker that relays it."""

import os
import unittest

import client
import harness

STREAMS = 2000
# So many begin at once: what a beginning costs is given back when the first
# word is there, and is no part of what an idle stream costs.
AT_ONCE = 100
IDLE_BYTES = 4096


def resident(pid):
    """RSS of a process in bytes, shared pages that it touched included."""
    return harness.memory_of(pid, 'VmRSS')


class Memory(unittest.TestCase):
    def setUp(self):
        if os.environ.get('TOLLGATE_SANITIZED'):
            self.skipTest('a sanitizer has a memory of its own')
        harness.need_files(3 * STREAMS)
        self.mock = harness.Mock('--max-connections', str(3 * STREAMS))
        self.addCleanup(self.mock.stop)
        self.gateway = harness.Gateway(self.mock, workers=1, limits={
            'connections_per_source': 0})
        self.addCleanup(self.gateway.close)
        self.gateway.account('acme', '1000.00')
        self.key = self.gateway.key('acme')

    def stream(self, swarm, text):
        return swarm.add(client.request(
            'POST', '/v1/chat/completions', client.chat(text, stream=True),
            self.key))

    def test_an_idle_stream_costs_a_page_at_most(self):
        """The upstream is silent after its first chunk."""
        worker, = self.gateway.pids
        self.mock.script('@@chunks=3 @@stall=1 @@stall_ms=600000')
        with client.Swarm(self.gateway.url) as swarm:
            def open_streams(count):
                for _ in range(0, count, AT_ONCE):
                    begun = [self.stream(swarm, 'hello')
                             for _ in range(AT_ONCE)]
                    self.assertTrue(swarm.run(lambda: all(
                        b'data: ' in task.answer.raw for task in begun)))
                return resident(worker)
            before = open_streams(2 * AT_ONCE)
            after = open_streams(STREAMS)
            each = (after - before) / STREAMS
            print(f'# an idle stream costs {each:.0f} bytes of RSS '
                  f'({STREAMS} streams, {after >> 10} KiB in all)')
            self.assertLessEqual(each, IDLE_BYTES)

    def test_a_client_that_does_not_read_costs_no_more_than_its_queue(self):
        """Each answer is 4 MiB; what the client leaves is not collected."""
        worker, = self.gateway.pids
        count = 20
        self.mock.script('@@chunks=1000 @@size=4096')
        with client.Swarm(self.gateway.url) as swarm:
            for _ in range(count):
                swarm.add(client.request(
                    'POST', '/v1/chat/completions',
                    client.chat('hello', stream=True), self.key),
                    stop_at=1000, linger=True)
            before = resident(worker)
            self.assertTrue(swarm.run())
            peak = 0
            for _ in range(40):
                peak = max(peak, resident(worker))
                swarm.run(lambda: True, 0.1)
                harness.time.sleep(0.05)
            each = (peak - before) / count
            print(f'# a stream that is not read costs {each / 1024:.0f} KiB')
            self.assertLessEqual(each, 320 * 1024)


if __name__ == '__main__':
    unittest.main()
