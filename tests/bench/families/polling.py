"""poll() and cede() of a held IntervalLock that nobody waits for."""

from ..libraries import Libraries
from ..loops import Code, per_statement
from ..model import META, OURS, Case, Mark, Row, Settings


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    found = []
    for method, mark in (("poll", Mark("<=", 0.5, META)), ("cede", None)):
        subjects = {}
        for subject, module in ((OURS, libraries.ours), (META, libraries.meta)):
            if not module:
                continue
            # Taken by the setup, because only the owner may poll; never let go: each run has its own.
            code = Code({"make": module.IntervalLock}, f"lock.{method}()", "lock = make()\nlock.lock()")
            subjects[subject] = per_statement(code, settings.quick)
        row = Row(f"{method}-idle", "ns", f"{method}() with nobody waiting", mark)
        found.append(Case((row,), subjects, settings.rounds(41)))
    return found
