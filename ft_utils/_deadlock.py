"""Deadlocks: the exception, its text, and the setting. C finds them (pybind/types/core/deadlock.c).

Kept out of the import of ft_utils.synchronization: it is imported when a deadlock is found, or by name.
"""

import sys
from typing import Annotated, Any, NamedTuple

from ft_utils import _locks
from ft_utils._fields import described

ACTIONS = ("off", "report", "raise")
Member = tuple[int, int, str, float, str | None, str | None]  # as C gives it
ADDRESS = (
    "id() of the lock. For a key of a KeyedLock, the address of that key's lock, which is no object: the name tells "
    "the KeyedLock, nothing tells the key."
)


@described
class Waiter(NamedTuple):
    """One thread of a deadlock, and what it waits for."""

    thread: Annotated[int, "threading.get_ident() of the thread."]
    name: Annotated[str, "Its name."]
    lock: Annotated[int, ADDRESS]
    kind: Annotated[str, 'The type of the lock, and the side where it has two: "ReaderWriterLock (write)".']
    waited: Annotated[float, "Seconds since it began to wait."]
    where: Annotated[str, 'The line that waits: "file.py:12 in function".']
    lock_name: Annotated[str | None, "The name of the lock, as far as it is shown: its first 127 bytes."] = None


class DeadlockError(RuntimeError):
    """Threads wait for each other in a circle. The lock of the call that raised it is not taken."""

    __module__ = "ft_utils.synchronization"  # where it is public

    def __init__(self, cycle: "tuple[Waiter, ...]") -> None:
        super().__init__(text(cycle))
        self.cycle = cycle
        """The threads, each waiting for what the next one holds, the last for the first."""

    def __reduce__(self) -> "tuple[type[DeadlockError], tuple[tuple[Waiter, ...]]]":
        return type(self), (self.cycle,)


def text(cycle: "tuple[Waiter, ...]") -> str:
    lines = [f"deadlock of {len(cycle)} threads, each waiting for the next:"]
    for waiter in cycle:
        lines.append(
            f"  {waiter.name} ({waiter.thread}) has waited {waiter.waited:.1f} s for "
            f"{named(waiter)} at {waiter.lock:#x} in {waiter.where}"
        )
    return "\n".join(lines)


def named(waiter: Waiter) -> str:
    """What kind of lock it is and its name, before the side: "ReaderWriterLock 'prices' (write)"."""
    if waiter.lock_name is None:
        return waiter.kind
    kind, _, side = waiter.kind.partition(" ")
    return f"{kind} {waiter.lock_name!r} {side}".rstrip()


def living() -> "list[tuple[int, Any]]":
    """The threads that threading knows, each with its ident. It is not imported for that."""
    threading = sys.modules.get("threading")
    # Without threading's own lock, which the interrupted code may hold.
    return [] if threading is None else list(threading._active.items())


def names() -> "dict[int, str]":
    return {ident: thread.name for ident, thread in living()}


def made_of(members: "list[Member]") -> "tuple[Waiter, ...]":
    known = names()
    return tuple(
        Waiter(
            ident, known.get(ident, "thread"), word - _locks.WORD_OFFSET, kind, waited, where or "unknown line", lock
        )
        for ident, word, kind, waited, where, lock in members
    )


def error(members: "list[Member]") -> DeadlockError:
    """Called by C in the thread of the circle that gives up."""
    return DeadlockError(made_of(members))


def report(members: "list[Member]") -> None:
    """Called by C where nobody gives up."""
    if sys.stderr is not None:
        print(f"ft_utils: {text(made_of(members))}", file=sys.stderr, flush=True)


def on_deadlock(action: str = "raise", after: float = 0.1) -> None:
    """Say what happens when threads wait for each other for ever.

    "raise": one of them gets DeadlockError; "report": the circle is written to sys.stderr; "off": nothing. A thread
    looks for a circle when it has waited for `after` seconds without a time-out; 0 is "off". It holds for waits that
    begin later. ValueError and TypeError for anything else.
    """
    if action not in ACTIONS:
        raise ValueError(f"action must be one of {', '.join(ACTIONS)}, not {action!r}")
    if not isinstance(after, (int, float)):
        raise TypeError(f"after must be a number of seconds, not {type(after).__name__}")
    if not 0 <= after <= 1e6:
        raise ValueError(f"after must be from 0 to 1000000 seconds, not {after!r}")
    _locks.set_deadlocks(ACTIONS.index(action), int(after * 1e9))
