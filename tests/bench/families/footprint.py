"""Memory of a lock that nobody uses."""

import os
import subprocess
import sys
import threading

from ..libraries import Libraries
from ..model import META, OURS, THREADING, Case, Mark, Row, Settings

# Bytes that the process grows by for each lock, read in a process of its own: sys.getsizeof sees neither what
# the allocator adds nor what a lock keeps elsewhere.
_GROWTH = """
import mmap, sys
import {module} as module
def resident():
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1]) * mmap.PAGESIZE
count = {count}
kept = [None] * count
for i in range(1000):
    kept[i] = module.{name}()
before = resident()
for i in range(1000, count):
    kept[i] = module.{name}()
print((resident() - before) / (count - 1000))
"""


def _growth(libraries: Libraries, settings: Settings, subject: str, name: str) -> float:
    environment = dict(os.environ)
    if subject == META:
        environment["PYTHONPATH"] = str(libraries.peers)  # it comes before site-packages, and so before ours
    module = "threading" if subject == THREADING else "ft_utils.synchronization"
    source = _GROWTH.format(module=module, name=name, count=2000 if settings.quick else 200_000)
    output = subprocess.run(
        [sys.executable, "-c", source], env=environment, capture_output=True, timeout=60, check=True
    )
    return float(output.stdout)


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    found = []
    for label, name in (("interval", "IntervalLock"), ("rwlock", "RWLock")):
        types = {OURS: getattr(libraries.ours, name), THREADING: threading.Lock}
        if libraries.meta:
            types[META] = getattr(libraries.meta, name)
        names = {s: "Lock" if s == THREADING else name for s in types}
        found += [
            Case(
                (Row(f"bytes-{label}", "bytes", f"sys.getsizeof of an idle {name}", Mark("<=", 96, None)),),
                {s: lambda make=make: (sys.getsizeof(make()),) for s, make in types.items()},
            ),
            Case(
                (Row(f"resident-{label}", "bytes", f"growth for each idle {name}", Mark("<=", 96, None)),),
                {s: lambda s=s, n=n: (_growth(libraries, settings, s, n),) for s, n in names.items()},
                settings.rounds(3),
            ),
        ]
    return found
