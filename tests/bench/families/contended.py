"""Throughput of one lock that many threads want all the time."""

from ..crowd import Crowd
from ..libraries import Libraries
from ..loops import Code
from ..model import Case, Mark, Row, Settings
from .locks import Spelling, exclusive

# The critical sections: nothing, and a loop of 50 iterations, which is about half a microsecond.
SECTIONS = {"empty": ("", ""), "work": ("for _ in work:\n    pass", "work = range(50)")}


def codes(spelling: Spelling, threads: int, section: str) -> list[Code]:
    """The same code for so many threads over one lock."""
    inside, setup = SECTIONS[section]
    lock = spelling.make()
    return [spelling.code(inside, lock, setup) for _ in range(threads)]


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    def case(threads: int, section: str) -> Case:
        def throughput(spelling: Spelling) -> tuple[float]:
            crowd = Crowd(codes(spelling, threads, section))
            return (crowd.run(settings.seconds(0.3), settings.quick).rate / 1000,)

        row = Row(
            f"contended-{threads}-{section}",
            "k/s",
            f"{threads} threads, {'empty section' if section == 'empty' else '50 iterations inside'}",
            Mark(">=", 1.0),
        )
        subjects = {name: lambda s=s: throughput(s) for name, s in exclusive(libraries, peers=False).items()}
        return Case((row,), subjects, settings.rounds(7))

    return [case(threads, section) for threads in (2, 8, 32) for section in SECTIONS]
