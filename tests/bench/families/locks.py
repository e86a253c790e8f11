"""How each library spells its locks, as source for the loops."""

import threading
from typing import Any, NamedTuple

from ..libraries import Libraries
from ..loops import Code
from ..model import FASTENERS, META, OURS, READERWRITERLOCK, THREADING


class Spelling(NamedTuple):
    """One side of a lock: how it is made, taken and let go."""

    make: Any
    """Makes the shared object; called once for a run."""
    take: str
    leave: str
    setup: str = ""
    """Run by each thread, so that the objects that it makes are its own."""

    def code(self, inside: str = "", lock: Any = None, setup: str = "") -> Code:
        body = f"{self.take}\n{inside}\n{self.leave}" if inside else f"{self.take}\n{self.leave}"
        return Code({"lock": lock if lock is not None else self.make()}, body, f"{self.setup}\n{setup}")


def methods(make: Any, take: str, leave: str) -> Spelling:
    """Calls written as programs write them, `lock.acquire()`."""
    return Spelling(make, f"lock.{take}()", f"lock.{leave}()")


def bound(make: Any, take: str, leave: str) -> Spelling:
    """Calls of methods that the thread has bound for itself."""
    return Spelling(make, "take()", "leave()", f"take = lock.{take}\nleave = lock.{leave}")


def _generated(side: str) -> str:
    """readerwriterlock makes an object for each side and thread."""
    return f"side = lock.gen_{side}lock()"


def exclusive(libraries: Libraries, spell: Any = bound, peers: bool = True) -> dict[str, Spelling]:
    """The mutual exclusion locks; readerwriterlock's by its writer's side."""
    found = {
        OURS: spell(libraries.ours.IntervalLock, "lock", "unlock"),
        THREADING: spell(threading.Lock, "acquire", "release"),
    }
    if libraries.meta:
        found[META] = spell(libraries.meta.IntervalLock, "lock", "unlock")
    if peers and libraries.readerwriterlock:
        setup = f"{_generated('w')}\ntake = side.acquire\nleave = side.release"
        found[READERWRITERLOCK] = Spelling(libraries.readerwriterlock.RWLockFair, "take()", "leave()", setup)
    return found


def side(libraries: Libraries, which: str, spell: Any = methods) -> dict[str, Spelling]:
    """One side ("read" or "write") of the readers-writer locks, beside threading.Lock."""
    found = {
        OURS: spell(libraries.ours.ReaderWriterLock, f"lock_{which}", f"unlock_{which}"),
        THREADING: spell(threading.Lock, "acquire", "release"),
    }
    if libraries.meta:
        found[META] = spell(libraries.meta.RWLock, f"lock_{which}", f"unlock_{which}")
    if libraries.readerwriterlock:
        make = libraries.readerwriterlock.RWLockFair
        found[READERWRITERLOCK] = Spelling(make, "side.acquire()", "side.release()", _generated(which[0]))
    if libraries.fasteners:
        make = libraries.fasteners.ReaderWriterLock
        found[FASTENERS] = spell(make, f"acquire_{which}_lock", f"release_{which}_lock")
    return found
