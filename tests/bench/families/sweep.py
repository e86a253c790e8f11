"""Throughput and fairness over the number of threads: what the plot shows."""

from ..crowd import Crowd
from ..libraries import Libraries
from ..model import Case, Row, Settings
from .contended import codes
from .locks import Spelling, exclusive

THREADS = (1, 2, 4, 8, 16, 32, 64)


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    def case(threads: int) -> Case:
        def measure(spelling: Spelling) -> tuple[float | None, ...]:
            window = Crowd(codes(spelling, threads, "work")).run(settings.seconds(1.0), settings.quick)
            return window.rate / 1000, window.share

        rows = (
            Row(f"sweep-{threads}-rate", "k/s", f"{threads} thread{'s' * (threads > 1)}, 50 iterations inside"),
            Row(f"sweep-{threads}-share", "share", "least / largest share of the same"),
        )
        return Case(
            rows, {name: lambda s=s: measure(s) for name, s in exclusive(libraries).items()}, settings.rounds(3)
        )

    return [case(threads) for threads in THREADS]
