"""What the first import and the first contention cost, each in a fresh process."""

import os
import subprocess
import sys

from ..libraries import Libraries
from ..model import FASTENERS, META, OURS, READERWRITERLOCK, THREADING, Case, Mark, Row, Settings

_IMPORT = """
import os, time
def tasks():
    return len(os.listdir('/proc/self/task'))
before, start = tasks(), time.perf_counter()
import {module}
end, after = time.perf_counter(), tasks()
print(1e3 * (end - start), after - before)
"""

# The second wait costs the same but for what the first had to load. No thread runs meanwhile.
_CONTENTION = """
import threading, time
from ft_utils.synchronization import IntervalLock
lock, held, done = IntervalLock(), threading.Event(), threading.Event()
def holder():
    with lock:
        held.set()
        done.wait()
thread = threading.Thread(target=holder)
thread.start()
held.wait()
def wait():
    start = time.perf_counter()
    assert not lock.acquire(timeout=0.001)
    return time.perf_counter() - start
first, second = wait(), wait()
done.set()
thread.join()
print(1e3 * (first - second))
"""


def _fresh(source: str, peers: str | None = None) -> tuple[float, ...]:
    """Run a program in a fresh process and return the numbers that it prints."""
    environment = dict(os.environ)
    if peers:
        environment["PYTHONPATH"] = peers
    output = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, timeout=30)
    if output.returncode:
        raise RuntimeError(output.stderr.decode(errors="replace").strip().splitlines()[-1:] or output.returncode)
    return tuple(map(float, output.stdout.split()))


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    modules = {OURS: ("ft_utils.synchronization", False), THREADING: ("threading", False)}
    for name, there, module in (
        (META, libraries.meta, "ft_utils.synchronization"),
        (READERWRITERLOCK, libraries.readerwriterlock, "readerwriterlock.rwlock"),
        (FASTENERS, libraries.fasteners, "fasteners"),
    ):
        if there:
            modules[name] = (module, True)
    imports = {
        name: lambda module=module, peer=peer: _fresh(
            _IMPORT.format(module=module), str(libraries.peers) if peer else None
        )
        for name, (module, peer) in modules.items()
    }
    return [
        Case(
            (
                Row("import-time", "ms", "import", Mark("<=", 5.0, None)),
                Row("import-threads", "count", "threads that the import starts", Mark("<=", 0, None)),
            ),
            imports,
            settings.rounds(15),
        ),
        Case(
            (Row("first-contention", "ms", "loading Go's library at the first contention", Mark("<=", 10.0, None)),),
            {OURS: lambda: _fresh(_CONTENTION)},
            settings.rounds(15),
        ),
    ]
