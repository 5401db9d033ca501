"""The files of the project, for the checks in this folder."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = ('base', 'conf', 'http', 'shm', 'adapters', 'billing', 'worker',
           'admin', 'master', 'tools')
FOLDERS = PROGRAM + ('tests', 'scripts', 'docs', 'etc', '.ci')
SKIPPED = ('node_modules', '__pycache__')


def files(folders=FOLDERS, endings=None, top=False):
    """Paths below ROOT, sorted; with the files of the top folder if top."""
    found = []
    for folder in folders:
        for where, names, leaves in os.walk(os.path.join(ROOT, folder)):
            names[:] = [n for n in names
                        if n not in SKIPPED and not n.startswith('build')]
            found += [os.path.join(where, leaf) for leaf in leaves]
    if top:
        found += [os.path.join(ROOT, leaf) for leaf in os.listdir(ROOT)
                  if os.path.isfile(os.path.join(ROOT, leaf))
                  and leaf != '.git']
    found = [os.path.relpath(path, ROOT) for path in found]
    if endings:
        found = [path for path in found if path.endswith(tuple(endings))]
    return sorted(found)


def read(path):
    """The text of a file of the tree; None if it is not text."""
    try:
        with open(os.path.join(ROOT, path), encoding='utf-8') as stream:
            return stream.read()
    except UnicodeDecodeError:
        return None


def finish(faults, what):
    """Print file:line: reason for each fault and leave with the status."""
    for fault in faults:
        print(fault)
    if faults:
        print(f'{len(faults)} fault{"" if len(faults) == 1 else "s"}')
        sys.exit(1)
    print(f'{what}: ok')
    sys.exit(0)


def skip(reason):
    """Leave as a skipped test: 77 is what meson takes for that."""
    print(f'SKIP: {reason}')
    sys.exit(77)
