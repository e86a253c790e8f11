"""The same in a with statement, by contexts that are kept and contexts made anew for each use."""

import threading
from typing import Any

from ..libraries import Libraries
from ..loops import Code, per_statement
from ..model import FASTENERS, META, OURS, READERWRITERLOCK, THREADING, Case, Mark, Row, Settings


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    def case(name: str, title: str, mark: float, statements: dict[str, tuple[dict[str, Any], str]]) -> Case:
        statements = {**statements, THREADING: ({"lock": threading.Lock()}, "lock")}
        subjects = {
            subject: per_statement(Code(names, f"with {expression}:\n    pass"), settings.quick)
            for subject, (names, expression) in statements.items()
        }
        return Case((Row(name, "ns", title, Mark("<=", mark)),), subjects, settings.rounds(41))

    modules = {OURS: libraries.ours}
    if libraries.meta:
        modules[META] = libraries.meta
    locks = {subject: ({"lock": module.IntervalLock()}, "lock") for subject, module in modules.items()}
    found = [case("with-interval", "with IntervalLock", 0.85, locks)]
    for which, letter in (("Read", "r"), ("Write", "w")):
        context = f"RW{which}Context"
        anew, kept = {}, {}
        for subject, module in modules.items():
            make, lock = getattr(module, context), module.RWLock()
            anew[subject] = ({"make": make, "lock": lock}, "make(lock)")
            kept[subject] = ({"lock": make(lock)}, "lock")
        if libraries.readerwriterlock:
            lock = libraries.readerwriterlock.RWLockFair()
            anew[READERWRITERLOCK] = ({"lock": lock}, f"lock.gen_{letter}lock()")
            kept[READERWRITERLOCK] = ({"lock": getattr(lock, f"gen_{letter}lock")()}, "lock")
        if libraries.fasteners:
            lock = libraries.fasteners.ReaderWriterLock()
            anew[FASTENERS] = ({"lock": lock}, f"lock.{which.lower()}_lock()")
        found += [
            case(f"with-{which.lower()}-new", f"with {context}(lock), made anew", 1.2, anew),
            case(f"with-{which.lower()}-kept", f"with {context}(lock), kept", 0.9, kept),
        ]
    return found
