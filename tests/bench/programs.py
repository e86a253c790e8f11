"""Small programs as people write them around a lock; each takes the module whose locks it uses.

What a program does with its lock is what is measured, so the work around it is the least that makes it that program.
Each is made once for all threads; worker() returns what one thread runs again and again.
"""

import bisect
import io
import itertools
import logging
import queue
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any, Protocol

Turn = Callable[[], Any]

# Numbers drawn beforehand, since drawing costs as much as some of the programs' turns. A prime: threads do not fall
# into step.
DRAWN = 1009


class Program(Protocol):
    def worker(self, seed: int) -> Turn:
        """What a thread runs in a loop. Called in that thread."""
        ...


def drawn(seed: int, below: int) -> Callable[[], int]:
    """Numbers below that, the low ones oftener, as keys of a cache are asked for; the same in every run."""
    source = random.Random(seed)
    numbers = [int(below * source.random() ** 2) for _ in range(DRAWN)]
    return itertools.cycle(numbers).__next__


class Cache:
    """An LRU cache as a decorator has it: a lookup under the lock, and the value made outside when it is not there."""

    SIZE, KEYS = 128, 400

    def __init__(self, module: ModuleType) -> None:
        self.lock = module.RLock()
        self.values: OrderedDict[int, str] = OrderedDict()

    def get(self, key: int) -> str:
        with self.lock:
            value = self.values.get(key)
            if value is not None:
                self.values.move_to_end(key)
                return value
        value = str(key)
        with self.lock:
            self.values[key] = value
            if len(self.values) > self.SIZE:
                self.values.popitem(last=False)
        return value

    def worker(self, seed: int) -> Turn:
        get, key = self.get, drawn(seed, self.KEYS)
        return lambda: get(key())


class Pool:
    """A pool of four connections: a thread waits for one, works with it for some microseconds and gives it back."""

    def __init__(self, module: ModuleType) -> None:
        self.available = module.Condition(module.Lock())
        self.connections = [object() for _ in range(4)]

    @contextmanager
    def connection(self) -> Iterator[object]:
        with self.available:
            while not self.connections:
                self.available.wait()
            connection = self.connections.pop()
        try:
            yield connection
        finally:
            with self.available:
                self.connections.append(connection)
                self.available.notify()

    def worker(self, seed: int) -> Turn:
        connection, rows = self.connection, list(range(100))

        def turn() -> int:
            with connection():
                return sum(row * row for row in rows)

        return turn


class Log:
    """A logger whose handler formats and writes one line under its lock."""

    def __init__(self, module: ModuleType) -> None:
        class Stream(io.StringIO):
            def write(self, text: str) -> int:
                return len(text)

        class Handler(logging.StreamHandler[io.StringIO]):
            def createLock(self) -> None:
                self.lock = module.RLock()

        handler = Handler(Stream())
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        self.logger = logging.Logger("program", logging.INFO)
        self.logger.addHandler(handler)

    def worker(self, seed: int) -> Turn:
        info, number = self.logger.info, drawn(seed, 1000)
        return lambda: info("request %d took %d ms", number(), 12)


class WorkQueue:
    """The standard library's queue over the module's locks. Each thread puts a job, and does the next one."""

    def __init__(self, module: ModuleType) -> None:
        class Jobs(queue.Queue[int]):
            def __init__(self) -> None:
                super().__init__()
                self.mutex = module.Lock()
                self.not_empty = module.Condition(self.mutex)
                self.not_full = module.Condition(self.mutex)
                self.all_tasks_done = module.Condition(self.mutex)

        self.jobs = Jobs()

    def worker(self, seed: int) -> Turn:
        put, get, done, job = self.jobs.put, self.jobs.get, self.jobs.task_done, drawn(seed, 50)

        def turn() -> int:
            put(job())
            result = sum(range(get()))
            done()
            return result

        return turn


class Index:
    """A sorted index that is searched all the time and changed now and then: one write in a hundred."""

    KEYS = 5000

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.keys = list(range(0, 2 * self.KEYS, 2))
        self.rows = {key: str(key) for key in self.keys}
        self.sides = self._sides()

    def _sides(self) -> Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]:
        """What each thread uses to read and to write: with threading's locks, the same."""
        if hasattr(self.module, "ReaderWriterLock"):
            lock, module = self.module.ReaderWriterLock(), self.module
            return lambda: (module.RWReadContext(lock), module.RWWriteContext(lock))
        one = self.module.Lock()
        return lambda: (one, one)

    def worker(self, seed: int) -> Turn:
        reading, writing = self.sides()
        keys, rows, key, turns = self.keys, self.rows, drawn(seed, 2 * self.KEYS - 40), itertools.cycle(range(100))

        def turn() -> list[str] | None:
            first = key()
            if next(turns):
                with reading:
                    start = bisect.bisect_left(keys, first)
                    return [rows[k] for k in keys[start : start + 20]]
            with writing:
                rows[keys[first // 2]] = str(first)
            return None

        return turn


PROGRAMS: dict[str, Callable[[ModuleType], Program]] = {
    "cache": Cache,
    "pool": Pool,
    "log": Log,
    "queue": WorkQueue,
    "index": Index,
}
