"""The providers' program of tests/providers, and channels to it."""

import json
import os
import subprocess
import sys
import urllib.request

try:
    from tests.e2e import client, harness
except ImportError:
    import client
    import harness

FOLDER = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), 'providers')


def environment():
    """Nothing that Python compiles comes into the sources' folders."""
    if 'PYTHONPYCACHEPREFIX' in os.environ:
        return dict(os.environ)
    return {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}


class Providers:
    """All upstream dialects on one port; see tests/providers/README.md."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(FOLDER, 'providers.py'), *options],
            stdout=subprocess.PIPE, preexec_fn=harness.die_with_parent,
            env=environment())
        line = self.process.stdout.readline().split()
        if len(line) != 2:
            raise harness.Failed('providers.py did not start')
        self.url = f'http://127.0.0.1:{int(line[1])}'
        self.setup = self.get('/_setup')

    def get(self, path):
        with urllib.request.urlopen(self.url + path,
                                    timeout=client.SLOW) as answer:
            return json.loads(answer.read())

    def tally(self):
        return self.get('/_tally')

    def row(self, upstream, model):
        """The counters of a model; all zero before its first request."""
        rows = self.tally()['upstreams'].get(upstream, {})
        return rows.get(model)

    def last(self, model=''):
        return self.get(f'/_last?model={model}')

    def stop(self):
        self.process.stdout.close()
        return harness.end_process(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
