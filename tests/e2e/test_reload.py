"""Reloads: under load, with bad files, with other channels and prices."""

import os
import shutil
import ssl
import tempfile
import threading
import time
import unittest

import client
import harness


class Load(threading.Thread):
    """Requests one after the other, each on a connection of its own, until
    end(): what went wrong stands in `bad`."""

    def __init__(self, gateway, key, stream):
        super().__init__()
        self.gateway, self.key, self.stream = gateway, key, stream
        self.stopping = False
        self.done, self.bad = 0, []
        self.start()

    def run(self):
        while not self.stopping:
            try:
                answer = self.gateway.chat(
                    self.key, '@@chunks=4 @@delay=20', stream=self.stream)
            except OSError as failed:
                self.bad.append(repr(failed))
                continue
            whole = answer.ended == 'complete' and answer.status == 200
            if self.stream:
                whole = whole and answer.events()[-1] == '[DONE]'
            if not whole:
                self.bad.append((answer.status, answer.ended, answer.body))
            self.done += 1

    def end(self):
        self.stopping = True
        self.join(2 * harness.SLOW)


# Signals of the storm; the long suite sends more, and has longer streams.
HUPS = int(os.environ.get('TOLLGATE_HUPS', '50'))
GENERATIONS = 8   # at most at once


class Long(threading.Thread):
    """Streams of some seconds, one after the other, until end()."""

    def __init__(self, gateway, key, seconds):
        super().__init__()
        self.gateway, self.key = gateway, key
        self.text = f'@@chunks={seconds * 10} @@delay=100'
        self.stopping = False
        self.done, self.bad = 0, []
        self.start()

    def run(self):
        while not self.stopping:
            answer = self.gateway.chat(self.key, self.text, stream=True,
                                       timeout=10 * harness.SLOW)
            if (answer.ended, answer.events()[-1:]) != (
                    'complete', ['[DONE]']):
                self.bad.append((answer.status, answer.ended))
            self.done += 1

    def end(self):
        self.stopping = True
        self.join()


class Reload(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.mock = harness.Mock(workers=2)

    @classmethod
    def tearDownClass(cls):
        cls.mock.stop()

    def setUp(self):
        self.mock.reset()

    def start(self, upstream=None, ready=True, **keys):
        gateway = harness.Gateway(upstream or self.mock, start=False, **keys)
        self.addCleanup(gateway.close)
        gateway.start(ready=ready)
        if not ready:
            harness.wait_until(lambda: 'serving' in gateway.errors(),
                               what='the start')
        gateway.account('acme', '100.00')
        return gateway, gateway.key('acme')

    def generation(self, gateway):
        return gateway.ctl('status')['generation']

    def reload(self, gateway, **keys):
        gateway.configure(**keys)
        return gateway.ctl('reload')

    def refused(self, gateway, pattern):
        """A reload that is refused for this reason."""
        done = gateway.run_tool(gateway.control_program, '-p', gateway.folder,
                                'reload', status=None)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, pattern)

    def test_fifty_hups_under_load_fail_no_request_and_cut_no_stream(self):
        gateway, key = self.start(drain_timeout='5m')
        loads = [Load(gateway, key, stream=bool(i % 2)) for i in range(4)]
        long = []
        for _ in range(3):
            one = threading.Thread(target=lambda: long.append(gateway.chat(
                key, '@@chunks=40 @@delay=100', stream=True)))
            one.start()
            long.append(one)
        threads = [one for one in long if isinstance(one, threading.Thread)]
        for _ in range(50):
            gateway.hup()
            time.sleep(0.06)
        # A slow machine makes fewer generations of as many signals.
        harness.wait_until(
            lambda: self.generation(gateway) > 10 or gateway.hup(),
            what='more generations', every=0.2)
        harness.wait_until(
            lambda: not any(one.is_alive() for one in threads)
            and sum(load.done for load in loads) > 50, what='all streams')
        for load in loads:
            load.end()
        for one in threads:
            one.join()
        self.assertEqual([load.bad for load in loads], [[]] * 4)
        answers = [one for one in long
                   if not isinstance(one, threading.Thread)]
        self.assertEqual(len(answers), 3)
        for answer in answers:
            self.assertEqual((answer.ended, answer.events()[-1]),
                             ('complete', '[DONE]'))
        harness.wait_until(gateway.settled, what='settling')
        rows = gateway.report()
        self.assertEqual(len(rows), sum(load.done for load in loads) + 3)
        charged = sum(harness.nano(row['charge_usd']) for row in rows)
        self.assertEqual(harness.nano(gateway.show('acme')['balance']),
                         harness.nano('100.00') - charged)
        self.assertNotIn('died', gateway.errors())
        gateway.verify()

    def changing(self, other, step):
        """Another configuration at each step: channels come, go, change
        their names and keys, prices change."""
        dear = str(1 + step % 3)
        models = [{**model, 'input': dear + '.00', 'output': dear + '0.00'}
                  for model in harness.MODELS]
        channels = [harness.channel(
            self.mock, f'name-{step % 4}',
            keys=['env:TOLLGATE_TEST_KEY', 'env:SECOND_KEY'][:1 + step % 2])]
        if step % 3:
            channels.append(harness.channel(other, 'other'))
        return {'models': models, 'channels': channels}

    def test_a_storm_of_changing_files_fails_no_request(self):
        with harness.Mock() as other:
            self.storm(other)

    def storm(self, other):
        gateway, key = self.start(
            drain_timeout='10m',
            environment={'SECOND_KEY': harness.UPSTREAM_KEY})
        loads = [Load(gateway, key, stream=bool(i % 2)) for i in range(4)]
        loads += [Long(gateway, key, 1 + HUPS // 100 * (i + 1))
                  for i in range(3)]
        most, began = 0, time.monotonic()
        try:
            for step in range(HUPS):
                gateway.configure(**self.changing(other, step))
                gateway.hup()
                time.sleep(max(0, began + 0.05 * step - time.monotonic()))
                if step % 10 == 0:
                    most = max(most, len({row['generation']
                                          for row in gateway.workers()}))
            # The last file counts, however many were taken together.
            last = [row['name'] for row in self.changing(
                other, HUPS - 1)['channels']]
            harness.wait_until(lambda: last == [
                row['name'] for row in
                gateway.ctl('show', 'channels')['channels']],
                what='the last file', every=0.2)
        finally:
            for load in loads:
                load.end()
        self.assertEqual([load.bad for load in loads], [[]] * len(loads))
        self.assertGreater(most, 1)
        self.assertLessEqual(most, GENERATIONS)
        self.check_storm(gateway, other, sum(load.done for load in loads))
        print(f'# {HUPS} signals, {self.generation(gateway)} generations, '
              f'{most} at once, {sum(load.done for load in loads)} requests, '
              '0 failed, 0 cut', flush=True)

    def check_storm(self, gateway, other, count):
        harness.wait_until(gateway.settled, what='settling')
        rows = gateway.report()
        self.assertEqual(len(rows), count)
        charged = sum(harness.nano(row['charge_usd']) for row in rows)
        self.assertEqual(harness.nano(gateway.show('acme')['balance']),
                         harness.nano('100.00') - charged)
        prices = set()
        for row in rows:
            usage = [int(row['input_tokens']), int(row['output_tokens'])]
            fits = [n for n in (1, 2, 3) if harness.nano(row['charge_usd'])
                    == harness.cost([(usage[0], n), (usage[1], 10 * n)])]
            # The first generation has the usual prices.
            prices.update(fits or [0])
        self.assertLessEqual({1, 2, 3}, prices)
        tokens = sum(mock.tally(0)['completion_tokens']
                     for mock in (self.mock, other))
        self.assertEqual(sum(int(row['output_tokens']) for row in rows),
                         tokens)
        gateway.ledger('verify', '--recompute')
        self.assertNotIn('died', gateway.errors())
        harness.wait_until(
            lambda: {row['state'] for row in gateway.workers()} == {'ready'},
            what='the end of the old ones')

    def test_at_eight_generations_the_next_reload_waits(self):
        gateway, key = self.start(drain_timeout='5m', workers=1)
        threads = []
        for at in range(GENERATIONS):
            one = threading.Thread(target=gateway.chat, args=(
                key, '@@chunks=6 @@hold_at=3'), kwargs={'stream': True})
            one.start()
            threads.append(one)
            self.mock.wait(lambda tally, at=at: tally['holding'] == at + 1,
                           what='a stream')
            if at < GENERATIONS - 1:
                gateway.ctl('reload')
        for _ in range(3):
            gateway.hup()
        harness.wait_until(
            lambda: 'the next one waits' in gateway.errors(),
            what='a line in the log')
        self.assertEqual(self.generation(gateway), GENERATIONS)
        self.assertEqual(len({row['generation']
                              for row in gateway.workers()}), GENERATIONS)
        self.mock.release(1)
        harness.wait_until(
            lambda: self.generation(gateway) == GENERATIONS + 1,
            what='the next generation')
        self.mock.release()
        for one in threads:
            one.join(harness.SLOW)
        self.assertEqual(gateway.errors().count('the next one waits'), 1)

    def test_a_new_certificate_counts_for_new_handshakes(self):
        folder = tempfile.mkdtemp(prefix='tollgate-')
        self.addCleanup(shutil.rmtree, folder, True)
        pair = harness.certificate(folder)
        port = harness.free_port()
        gateway, key = self.start(listen=[{
            'address': f'127.0.0.1:{port}', 'certificate': pair[0],
            'private_key': f'file:{pair[1]}'}], ready=False)
        gateway.url = f'https://127.0.0.1:{port}'

        def shown(context):
            with client.Connection(gateway.url, context=context) as one:
                self.assertEqual(one.ask('GET', '/healthz').status, 200)
                return one.sock.getpeercert()['serialNumber']
        old = ssl.create_default_context(cafile=pair[0])
        first = shown(old)
        request = client.request('POST', '/v1/chat/completions', client.chat(
            '@@chunks=6 @@hold_at=3', stream=True), key)
        with client.Connection(gateway.url, context=old) as stream:
            stream.send(request)
            self.mock.wait(lambda tally: tally['holding'] == 1,
                           what='a stream')
            os.truncate(pair[0], 100)
            self.refused(gateway, 'certificate')
            self.assertEqual(shown(old), first)
            harness.certificate(folder)
            gateway.ctl('reload')
            new = ssl.create_default_context(cafile=pair[0])

            def trusted(context):
                try:
                    return shown(context)
                except ssl.SSLError:
                    return None
            # old workers close their listeners a moment later
            harness.wait_until(lambda: trusted(new) and not trusted(old))
            self.assertNotEqual(shown(new), first)
            self.mock.release()
            answer = stream.read('POST')
            self.assertEqual((answer.ended, answer.events()[-1]),
                             ('complete', '[DONE]'))

    def test_a_bad_file_changes_nothing_and_says_where(self):
        gateway, key = self.start()
        pids, generation = gateway.pids, self.generation(gateway)
        with open(gateway.file, encoding='utf-8') as stream:
            good = stream.read()
        for text, pattern in (
                (good + 'colour = "red";\n', r'tollgate\.conf:\d+: .*colour'),
                (good + 'models = (', r'tollgate\.conf:\d+: '),
                (good.replace('"2.50"', '"2.5.0"'),
                 r'tollgate\.conf:\d+: .*input'),
                ('', r'tollgate\.conf'),
                (good.replace('"openai"', '"openay"'),
                 r'tollgate\.conf:\d+: .*openay')):
            gateway.write(text)
            self.refused(gateway, pattern)
        os.unlink(gateway.file)
        self.refused(gateway, 'tollgate.conf')
        gateway.hup()
        harness.wait_until(
            lambda: gateway.errors().count('nothing has changed') >= 7,
            what='a line of the log')
        self.assertEqual(gateway.pids, pids)
        self.assertEqual(self.generation(gateway), generation)
        self.assertEqual(gateway.chat(key).status, 200)
        metrics = gateway.metrics()
        self.assertEqual(metrics['tollgate_config_last_reload_success'], 0)
        self.assertEqual(
            metrics['tollgate_config_reloads_total{result="refused"}'], 7)
        gateway.write(good)
        gateway.ctl('reload')
        self.assertEqual(
            gateway.metrics()['tollgate_config_last_reload_success'], 1)
        self.assertEqual(self.generation(gateway), generation + 1)

    def test_a_key_that_needs_a_restart_is_refused(self):
        gateway, _ = self.start()
        for change in ({'workers': 3}, {'state_dir': 'elsewhere'},
                       {'listen': [{'address': '127.0.0.1:1'}]},
                       {'ledger': {'durability': 'relaxed',
                                   'map_size': '256MiB'}}):
            keys = dict(gateway.keys)
            gateway.configure(**change)
            self.refused(gateway, next(iter(change)))
            gateway.configure(**keys)
        gateway.ctl('reload')

    def test_new_prices_channels_and_models_count_from_the_reload_on(self):
        gateway, key = self.start()
        self.assertEqual(gateway.chat(key, model='new-model').status, 404)
        old = self.mock.tally(0)['requests']
        dear = [{**model, 'input': '100.00', 'output': '100.00'}
                for model in harness.MODELS]
        dear.append({'name': 'new-model', 'input': '1.00', 'output': '1.00'})
        with harness.Mock() as other:
            route = harness.channel(other, 'other')
            route['models'].append({'name': 'new-model'})
            self.reload(gateway, models=dear, channels=[route])
            answer = gateway.chat(key, '@@chunks=2')
            self.assertEqual(answer.status, 200)
            usage = answer.usage()
            self.assertEqual(
                harness.nano(f'{usage["cost"]:.9f}'),
                harness.cost([(usage['prompt_tokens'], 100),
                              (usage['completion_tokens'], 100)]))
            self.assertEqual(gateway.chat(key, model='new-model').status, 200)
            self.assertEqual(self.mock.tally(0)['requests'], old)
            self.assertEqual(other.tally(0)['requests'], 2)
            self.assertEqual(
                [row['name'] for row in gateway.ctl('show', 'channels')
                 ['channels']], ['other'])
        self.assertEqual(len(gateway.report()), 2)

    def test_a_stream_of_the_old_generation_goes_on_with_its_prices(self):
        gateway, key = self.start()
        answers = []
        one = threading.Thread(target=lambda: answers.append(gateway.chat(
            key, '@@chunks=10 @@hold_at=3', stream=True,
            stream_options={'include_usage': True})))
        one.start()
        self.mock.wait(lambda tally: tally['holding'] == 1, what='a stream')
        self.reload(gateway, models=[
            {**model, 'input': '900.00', 'output': '900.00'}
            for model in harness.MODELS])
        states = {row['state'] for row in gateway.workers()}
        self.assertEqual(states, {'ready', 'draining'})
        self.mock.release()
        one.join(harness.SLOW)
        usage = answers[0].usage()
        self.assertEqual(
            harness.nano(f'{usage["cost"]:.9f}'),
            harness.cost([(usage['prompt_tokens'], '2.50'),
                          (usage['completion_tokens'], '10.00')]))

    def test_an_old_generation_ends_at_the_drain_timeout(self):
        gateway, key = self.start(drain_timeout='500ms')
        answers = []
        one = threading.Thread(target=lambda: answers.append(gateway.chat(
            key, '@@chunks=1000 @@delay=100', stream=True)))
        one.start()
        self.mock.wait(lambda tally: tally['requests'] >= 1, what='a stream')
        gateway.ctl('reload')
        one.join(harness.SLOW)
        self.assertFalse(one.is_alive())
        self.assertNotEqual(answers[0].events()[-1:], ['[DONE]'])
        harness.wait_until(
            lambda: {row['state'] for row in gateway.workers()} == {'ready'},
            what='the end of the old ones')

    def test_what_an_operator_said_of_a_channel_outlives_reloads(self):
        channels = [harness.channel(self.mock, 'one'),
                    harness.channel(self.mock, 'two')]
        gateway, key = self.start(channels)
        gateway.ctl('channel', 'one', 'drain')
        gateway.ctl('reload')
        shown = {row['name']: row['state'] for row in
                 gateway.ctl('show', 'channels')['channels']}
        self.assertEqual(shown, {'one': 'drain', 'two': 'up'})
        for _ in range(4):
            answer = gateway.chat(key)
            self.assertEqual(answer.headers['x-tollgate-channel'], 'two')
        gateway.ctl('channel', 'one', 'up')
        gateway.ctl('channel', 'two', 'down')
        answer = gateway.chat(key)
        self.assertEqual(answer.headers['x-tollgate-channel'], 'one')

    def test_a_channel_that_refuses_opens_and_comes_back(self):
        port = harness.free_port()
        channels = [
            harness.channel(f'http://127.0.0.1:{port}', 'weak', priority=1),
            harness.channel(self.mock, 'strong', priority=2)]
        gateway, key = self.start(
            channels, probe={'interval': '200ms', 'timeout': '1s'},
            routing={'cooldown': '0s'})

        def state():
            return {row['name']: row['state'] for row in
                    gateway.ctl('show', 'channels')['channels']}['weak']

        def asked():
            self.assertEqual(gateway.chat(key).status, 200)
            return state() in ('open', 'half')
        harness.wait_until(asked, what='an open breaker', every=0.05)
        mock = harness.Mock('--port', str(port))
        try:
            harness.wait_until(lambda: state() in ('up', 'degraded'),
                               what='the channel')
            harness.wait_until(
                lambda: gateway.chat(key).headers['x-tollgate-channel']
                == 'weak', what='traffic')
        finally:
            mock.stop()

    def test_a_name_is_resolved_by_the_master(self):
        gateway, key = self.start(
            [harness.channel(f'http://localhost:{self.mock.port}')])
        self.assertEqual(gateway.chat(key).status, 200)
        row = gateway.ctl('show', 'channels')['channels'][0]
        self.assertIn(f'127.0.0.1:{self.mock.port}', row['addresses'])

    def test_a_name_nobody_knows_leaves_its_channel_open(self):
        gateway, key = self.start([
            harness.channel('http://no-such-name.invalid:1', 'lost'),
            harness.channel(self.mock, 'found')])
        answer = gateway.chat(key)
        self.assertEqual(answer.status, 200)
        harness.wait_until(
            lambda: {row['name']: row['state'] for row in
                     gateway.ctl('show', 'channels')['channels']}
            == {'lost': 'open', 'found': 'up'}, what='an open channel')


if __name__ == '__main__':
    unittest.main()
