"""Small programs on threading's locks and on ours: what a program gains or loses, rather than a lock."""

import threading

from ..crowd import Crowd
from ..libraries import FREE_THREADED, Libraries
from ..loops import Code
from ..model import OURS, THREADING, Case, Mark, Row, Settings
from ..programs import PROGRAMS

TITLES = {
    "cache": "an LRU cache",
    "pool": "a pool of four connections",
    "log": "a logging handler",
    "queue": "a work queue",
    "index": "an index, 1 % writes",
}
THREADS = (1, 2, 4, 8)


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    modules = {OURS: libraries.ours, THREADING: threading}

    def case(name: str, threads: int) -> Case:
        def throughput(subject: str) -> tuple[float]:
            program = PROGRAMS[name](modules[subject])
            codes = [
                Code({"program": program, "seed": seed}, "turn()", "turn = program.worker(seed)")
                for seed in range(threads)
            ]
            return (Crowd(codes).run(settings.seconds(0.2), settings.quick).rate / 1000,)

        # Readers that run at the same time gain where there is no GIL; elsewhere a program must not lose.
        gains = name == "index" and threads > 1 and FREE_THREADED
        row = Row(
            f"program-{name}-{threads}",
            "k/s",
            f"{TITLES[name]}, {threads} thread{'s' * (threads > 1)}",
            Mark(">=", 1.05 if gains else 0.95),
        )
        return Case((row,), {s: lambda s=s: throughput(s) for s in modules}, settings.rounds(9))

    return [case(name, threads) for name in PROGRAMS for threads in THREADS]
