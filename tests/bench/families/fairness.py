"""How evenly a lock with the default interval is shared out in three seconds."""

from ..crowd import Crowd
from ..libraries import Libraries
from ..model import Case, Mark, Row, Settings
from .contended import SECTIONS, codes
from .locks import Spelling, exclusive


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    def case(threads: int, section: str, mark: float) -> Case:
        def share(spelling: Spelling) -> tuple[float | None]:
            return (Crowd(codes(spelling, threads, section)).run(settings.seconds(3.0), settings.quick).share,)

        row = Row(
            f"fair-{threads}-{section}",
            "share",
            f"least / largest of {threads} threads, {section}",
            Mark(">=", mark, None),
        )
        subjects = {name: lambda s=s: share(s) for name, s in exclusive(libraries, peers=False).items()}
        return Case((row,), subjects, settings.rounds(3))

    return [case(threads, section, mark) for threads, mark in ((8, 0.5), (32, 0.3)) for section in SECTIONS]
