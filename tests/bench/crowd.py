"""Many threads on one lock for a while: how often each of them got it.

What the threads touch in their loops must not be shared, or on the free-threaded build the reference counts
of flags, counters and bound methods would be contended as much as the lock. So every thread makes its own
when it has started (objects that a thread made are counted without atomics by that thread) and runs a
function of its own. What cannot be avoided is what the statements themselves name: `lock.acquire()` counts
references of the shared lock, `acquire()` of a bound method made by the thread does not.

A thread's counter is an itertools.count that its loop runs over. Another thread can see how far it has come
from its repr, so that a window is cut out of the run while all threads are under way, at no cost to the loop.
"""

import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from textwrap import indent
from typing import Any, NamedTuple

from .libraries import FREE_THREADED
from .loops import Code, define
from .model import Hung

JOIN_SECONDS = 20.0


class Window(NamedTuple):
    """What happened between two looks at the counters."""

    seconds: float
    counts: list[int]

    @property
    def rate(self) -> float:
        return sum(self.counts) / self.seconds

    @property
    def share(self) -> float | None:
        """Least count by largest, 1 when all threads got the same."""
        return min(self.counts) / max(self.counts) if max(self.counts) else None


def looper(code: Code, head: str = "for n in progress:", after: str = "") -> Callable[..., Any]:
    """Compile run(progress, stop, gate, <names>), which loops over the statements until stop is not empty."""
    source = (
        f"def run(progress, stop, gate, {', '.join(code.names)}):\n"
        + indent(f"{code.setup}\ngate()\n{head}\n    if stop:\n        break\n", "    ")
        + indent(code.body, " " * 8)
        + (f"\n    return {after}\n" if after else "\n")
    )
    return define(source, "run")


class Crowd:
    """Threads that have started, set themselves up and wait to be let loose."""

    def __init__(self, codes: list[Code], head: str = "for n in progress:", after: str = "") -> None:
        self.size = len(codes)
        self._stops: list[list[bool]] = [[] for _ in codes]
        self._counters = [count() for _ in codes]
        self.results: list[Any] = [None] * len(codes)
        self._errors: list[BaseException] = []
        self._ready = threading.Semaphore(0)
        self._gates = [threading.Lock() for _ in codes]
        self._threads = []
        for index, code in enumerate(codes):
            self._gates[index].acquire()
            run = looper(code, head, after)
            thread = threading.Thread(target=self._member, args=(index, run, code.names), daemon=True)
            self._threads.append(thread)
            thread.start()
        for _ in codes:
            if not self._ready.acquire(timeout=JOIN_SECONDS):
                raise Hung("a thread did not start")

    def _member(self, index: int, run: Callable[..., Any], names: dict[str, Any]) -> None:
        self._stops[index] = stop = []
        self._counters[index] = progress = count()

        def gate() -> None:
            self._ready.release()
            self._gates[index].acquire()

        try:
            self.results[index] = run(progress, stop, gate, **names)
        except BaseException as error:
            self._errors.append(error)
            self._ready.release()  # in case it failed in its setup

    def _look(self) -> list[int]:
        return [int(repr(counter)[6:-1]) for counter in self._counters]

    def run(self, seconds: float, quick: bool = False) -> Window:
        """Let them loose, return what a window of that many seconds saw, and join them."""
        for gate in self._gates:
            gate.release()
        if not quick:
            # On the GIL build a thread that starts must wait for a running one to be switched out, so that it
            # takes them one switch interval each until all are under way.
            time.sleep(0.02 if FREE_THREADED else 0.02 + 1.5 * self.size * sys.getswitchinterval())
        before, start = self._look(), time.perf_counter()
        time.sleep(seconds)
        after, end = self._look(), time.perf_counter()
        self.stop()
        return Window(end - start, [b - a for a, b in zip(before, after, strict=True)])

    def stop(self) -> None:
        for stop in self._stops:
            stop.append(True)
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        left = sum(thread.is_alive() for thread in self._threads)
        if left:
            raise Hung(f"{left} of {self.size} threads still wait for the lock {JOIN_SECONDS:.0f} s after the end")
        if self._errors:
            raise self._errors[0]


def together(targets: list[Callable[[], Any]], seconds: float = JOIN_SECONDS) -> list[Any]:
    """Run the functions in a thread each, released at one moment, and return their results."""
    results: list[Any] = [None] * len(targets)
    errors: list[BaseException] = []
    start = threading.Barrier(len(targets))

    def member(index: int) -> None:
        try:
            start.wait(seconds)
            results[index] = targets[index]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=member, args=(index,), daemon=True) for index in range(len(targets))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if errors:
        raise errors[0]
    if any(thread.is_alive() for thread in threads):
        raise Hung(f"not done after {seconds:.0f} s")
    return results
