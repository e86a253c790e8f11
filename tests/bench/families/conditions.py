"""Threads that wait for each other: Condition ping-pong and rounds of a Barrier."""

import threading
import time
from typing import Any

from ..crowd import together
from ..libraries import Libraries
from ..model import OURS, THREADING, Case, Mark, Row, Settings


def ping_pong(module: Any, count: int) -> tuple[float]:
    """Two threads that wake each other in turn; microseconds for each wake-up."""
    condition, turn = module.Condition(), [0]

    def player(me: int) -> float:
        start = time.perf_counter()
        with condition:
            for _ in range(count):
                while turn[0] != me:
                    condition.wait()
                turn[0] = 1 - me
                condition.notify()
        return time.perf_counter() - start

    return (1e6 * max(together([lambda me=me: player(me) for me in range(2)])) / (2 * count),)


def rounds(module: Any, parties: int, count: int) -> tuple[float]:
    """Microseconds for a round of a barrier, all parties arriving at once."""
    barrier = module.Barrier(parties)

    def party() -> float:
        wait = barrier.wait
        start = time.perf_counter()
        for _ in range(count):
            wait()
        return time.perf_counter() - start

    return (1e6 * max(together([party] * parties)) / count,)


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    modules = {OURS: libraries.ours, THREADING: threading}

    def case(name: str, title: str, kind: str, measure: Any) -> Case:
        skipped = libraries.lacking(kind)
        subjects = {} if skipped else {s: lambda m=module: measure(m) for s, module in modules.items()}
        row = Row(name, "µs", title, Mark("<=", 0.4))
        return Case((row,), subjects, settings.rounds(9), skipped=skipped)

    found = [
        case(
            "condition-ping-pong",
            "a wake-up in Condition ping-pong, 2 threads",
            "Condition",
            lambda module: ping_pong(module, settings.count(4000)),
        )
    ]
    for parties in (2, 4, 8):
        found.append(
            case(
                f"barrier-{parties}",
                f"a Barrier round of {parties} threads",
                "Barrier",
                lambda module, parties=parties: rounds(module, parties, settings.count(4000 // parties)),
            )
        )
    return found
