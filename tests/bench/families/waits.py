"""How long threads wait for a contended lock; apart from the throughput, which reading a clock would disturb."""

import time
from array import array
from functools import partial

from ..crowd import Crowd
from ..libraries import Libraries
from ..model import Case, Row, Settings
from .contended import SECTIONS
from .locks import Spelling, exclusive

FIGURES = ("p50", "p99", "max")


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    def case(threads: int, section: str) -> Case:
        def waits(spelling: Spelling) -> tuple[float | None, ...]:
            inside, setup = SECTIONS[section]
            # A clock of its own for each thread: calling a partial counts no reference of the shared function.
            setup += "\nclock = partial(perf_counter)\nwaits = array('d')\nnote = waits.append"
            timed = spelling._replace(take=f"start = clock()\n{spelling.take}\nnote(clock() - start)")
            lock = spelling.make()
            members = [timed.code(inside, lock, setup) for _ in range(threads)]
            for member in members:
                member.names.update(partial=partial, perf_counter=time.perf_counter, array=array)
            crowd = Crowd(members, after="waits")
            crowd.run(settings.seconds(1.0), settings.quick)
            taken = sorted(wait for waits in crowd.results for wait in waits)
            if not taken:
                return (None,) * len(FIGURES)
            return tuple(1e6 * taken[min(len(taken) - 1, int(len(taken) * q))] for q in (0.50, 0.99, 1.0))

        rows = tuple(
            Row(f"wait-{threads}-{section}-{figure}", "µs", f"wait, {threads} threads, {section}: {figure}")
            for figure in FIGURES
        )
        subjects = {name: lambda s=s: waits(s) for name, s in exclusive(libraries, peers=False).items()}
        return Case(rows, subjects, settings.rounds(3))

    return [case(threads, section) for threads in (8, 32) for section in SECTIONS]
