"""Calls that fail on demand in the programs of a server: it runs with the
library of calls.c preloaded and reads its orders from a file.

    with faults.Orders() as orders:
        gateway = harness.Gateway(mock, environment=orders.environment)
        orders.fail('malloc', pid, at=3)
        ...
        hits = orders.off()
"""

import errno
import mmap
import os
import struct
import tempfile
import unittest

CALLS = ('none', 'malloc', 'pwrite', 'short', 'sync', 'mmap', 'allocate')
LAYOUT = struct.Struct('<IIIIQQQI4x')     # struct faults of calls.h
ERRORS = {'malloc': errno.ENOMEM, 'mmap': errno.ENOMEM, 'short': 0,
          'pwrite': errno.EIO, 'sync': errno.EIO, 'allocate': errno.ENOSPC}


class Orders:
    def __init__(self):
        library = os.environ.get('TOLLGATE_FAULTS_LIBRARY')
        if not library or os.environ.get('TOLLGATE_SANITIZED'):
            raise unittest.SkipTest('calls cannot be made to fail here')
        with tempfile.NamedTemporaryFile(prefix='tollgate-faults-',
                                         delete=False) as file:
            file.truncate(4096)
            self.path = file.name
            self.memory = mmap.mmap(file.fileno(), 4096)
        self.environment = {'LD_PRELOAD': library,
                            'TOLLGATE_FAULTS': self.path}

    def fail(self, call, pid, at=1, for_ever=False, error=None):
        """The `at`-th call of a kind from now on, in one process."""
        if error is None:
            error = ERRORS[call]
        self.off()
        self.memory[:LAYOUT.size] = LAYOUT.pack(
            0, pid, error, int(for_ever), at, 0, 0, 0)
        self.memory[:4] = struct.pack('<I', CALLS.index(call))

    def off(self):
        """Nothing fails any more; how many calls have."""
        self.memory[:4] = struct.pack('<I', 0)
        return self.hits()

    def hits(self):
        return LAYOUT.unpack(self.memory[:LAYOUT.size])[6]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.memory.close()
        os.unlink(self.path)
