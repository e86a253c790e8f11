"""queue.Queue rebuilt on our Lock and Condition, against the standard library's."""

import queue
import time
from typing import Any

from ..crowd import together
from ..libraries import Libraries
from ..model import OURS, THREADING, Case, Mark, Row, Settings


def _rebuilt(module: Any) -> type[queue.Queue]:
    """The standard library's own code over our primitives: only what its __init__ makes is ours."""

    class Queue(queue.Queue):
        def __init__(self, maxsize: int = 0) -> None:
            super().__init__(maxsize)
            self.mutex = module.Lock()
            self.not_empty = module.Condition(self.mutex)
            self.not_full = module.Condition(self.mutex)
            self.all_tasks_done = module.Condition(self.mutex)

    return Queue


def _alone(make: type[queue.Queue], count: int) -> tuple[float]:
    """Thousands of items a second that one thread puts and gets."""
    subject = make()
    put, get = subject.put, subject.get
    start = time.perf_counter()
    for item in range(count):
        put(item)
        get()
    return (count / (time.perf_counter() - start) / 1000,)


def _passed(make: type[queue.Queue], each: int, count: int) -> tuple[float]:
    """Thousands of items a second from so many producers to as many consumers, 100 under way at most."""
    subject = make(100)

    def produce() -> float:
        put, start = subject.put, time.perf_counter()
        for item in range(count // each):
            put(item)
        return time.perf_counter() - start

    def consume() -> float:
        get, start = subject.get, time.perf_counter()
        for _ in range(count // each):
            get()
        return time.perf_counter() - start

    return (count / max(together([produce] * each + [consume] * each)) / 1000,)


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    skipped = libraries.lacking("Lock", "Condition")
    makers = {} if skipped else {OURS: _rebuilt(libraries.ours), THREADING: queue.Queue}
    count = settings.count(20_000)

    def case(name: str, title: str, measure: Any) -> Case:
        subjects = {subject: lambda make=make: measure(make) for subject, make in makers.items()}
        return Case((Row(name, "k/s", title, Mark(">=", 1.5)),), subjects, settings.rounds(9), skipped=skipped)

    return [
        case("queue-alone", "queue.Queue on our Condition, one thread", lambda make: _alone(make, count)),
        case("queue-1-1", "the same, 1 producer, 1 consumer", lambda make: _passed(make, 1, count)),
        case("queue-4-4", "the same, 4 producers, 4 consumers", lambda make: _passed(make, 4, count)),
    ]
