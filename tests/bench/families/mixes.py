"""Readers and writers on one lock, in fixed proportions."""

import itertools
import random

from ..crowd import Crowd
from ..libraries import Libraries
from ..loops import Code
from ..model import FASTENERS, Case, Row, Settings
from .contended import SECTIONS
from .locks import Spelling, side

PERCENTS = (0, 1, 10, 50)
THREADS = (1, 2, 8)


def _code(reading: Spelling, writing: Spelling, lock: object, percent: int, section: str, seed: int) -> Code:
    """Reads and writes in an order that each thread draws for itself, the same in every run."""
    inside, setup = SECTIONS[section]

    def indented(spelling: Spelling) -> str:
        return "\n".join(f"    {line}" for line in spelling.code(inside, lock).body.splitlines())

    def renamed(spelling: Spelling, name: str) -> Spelling:
        return Spelling(*(part.replace("side", name) if isinstance(part, str) else part for part in spelling))

    reading, writing = renamed(reading, "reader"), renamed(writing, "writer")
    order = [turn < percent for turn in range(100)]
    random.Random(seed).shuffle(order)
    body = f"if write:\n{indented(writing)}\nelse:\n{indented(reading)}"
    # The thread's own copy of the order, because the tuple in names is shared by all threads of a run.
    setup = f"{reading.setup}\n{writing.setup}\n{setup}\norder = cycle(list(order))"
    return Code({"lock": lock, "order": order, "cycle": itertools.cycle, "zip": zip, "list": list}, body, setup)


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    reading, writing = side(libraries, "read"), side(libraries, "write")

    def case(percent: int, threads: int, section: str) -> Case:
        def throughput(name: str) -> tuple[float]:
            lock = reading[name].make()
            codes = [_code(reading[name], writing[name], lock, percent, section, seed) for seed in range(threads)]
            crowd = Crowd(codes, "for n, write in zip(progress, order):")
            return (crowd.run(settings.seconds(0.1), settings.quick).rate / 1000,)

        title = f"{percent} % writes, {threads} thread{'s' * (threads > 1)}, {section}"
        return Case(
            (Row(f"mix-{percent}-{threads}-{section}", "k/s", title),),
            {name: lambda name=name: throughput(name) for name in reading if name != FASTENERS},
            settings.rounds(5),
        )

    return [case(p, threads, section) for section in SECTIONS for p in PERCENTS for threads in THREADS]
