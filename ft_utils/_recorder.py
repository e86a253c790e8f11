"""Record where threads wait for locks, and put that into the form of a contention profile.

C records (pybind/types/core/record.h); what the lines are called is asked here, when it is over. What the names of a
profile mean is told by golib/contention/profile/profile.go. Kept out of the import of ft_utils.synchronization.
"""

import operator
import shlex
import sys
import time
from types import CodeType
from typing import Any

from ft_utils import _deadlock, _locks

ROOM = 8192
"""How many places (one stack, one lock, one thread) a recording has room for. Each takes 600 bytes, when it is used."""

MOST_SECONDS = 1e6

_begun = (0, 0, 1, 0)  # time.time_ns(), time.monotonic_ns(), rate and minimum of the recording


def start(rate: int = 1, minimum: float = 0.0) -> None:
    """Record from now on: one contention in *rate*, chosen at random, and waits of at least *minimum* seconds.

    RuntimeError while a recording goes on. There is one for the process, and this interpreter's code alone is recorded.
    ValueError and TypeError for a rate that is no whole number from 1 on, and a minimum that is no time.
    """
    global _begun
    rate, ns = operator.index(rate), nanoseconds(minimum)
    if not 1 <= rate < 2**32:
        raise ValueError(f"rate must be from 1 (every contention) to 4294967295, not {rate}")
    _locks.record_start(rate, ns, ROOM)
    _begun = time.time_ns(), time.monotonic_ns(), rate, ns


def nanoseconds(minimum: float) -> int:
    if not isinstance(minimum, (int, float)):
        raise TypeError(f"minimum must be a number of seconds, not {type(minimum).__name__}")
    if not 0 <= minimum <= MOST_SECONDS:  # nor is it NaN
        given = repr(minimum) if isinstance(minimum, float) or abs(minimum) < 10**100 else "a number of so many digits"
        raise ValueError(f"minimum must be from 0 to {MOST_SECONDS:.0f} seconds, not {given}")
    return round(minimum * 1e9)


def stop() -> dict[str, Any]:
    """End the recording, and return what was recorded. RuntimeError when nothing is being recorded."""
    began, clock, rate, minimum = _begun
    locks, threads, stacks, samples, (no_stack, nothing) = _locks.record_stop()
    frames = Frames()
    return {
        "start_unix_ns": began,
        "duration_ns": time.monotonic_ns() - clock,
        "command": command(),
        "rate": rate,
        "minimum_ns": minimum,
        "dropped": {"stacks": no_stack, "samples": nothing},
        "locks": [lock(word - _locks.WORD_OFFSET, *known) for word, *known in locks],
        "samples": made_of(samples, named(threads), [frames.numbers(stack) for stack in stacks]),
        "frames": frames.listed,
    }


def running() -> bool:
    """Whether a recording is going on. A child that was forked meanwhile does not go on with it."""
    return _locks.recording()


def command() -> str:
    """What the process was told to run, for people to recognise it by."""
    return shlex.join(text(word) for word in sys.orig_argv)


def text(name: str) -> str:
    """Names of files may have what is no text; JSON for other languages may not."""
    return name.encode("utf-8", "replace").decode()


def lock(address: int, kind: str, name: str, named: bool) -> dict[str, Any]:
    """A lock goes by its name; without one by the line that made it, if that was while it was recorded."""
    if not named and name:
        place, _, _ = name.rpartition(" in ")  # "/srv/store.py:12 in Store.__init__"
        name = place.rpartition("/")[2]
    return {"id": address, "kind": kind, "name": name or f"{address:#x}"}


def named(threads: "tuple[tuple[int, int, str], ...]") -> list[str]:
    """The names of threads; those that had none when they were recorded have it now, if they live.

    An ident may be another thread's by now; that one has another native id.
    """
    known = {(ident, getattr(thread, "native_id", None)): thread.name for ident, thread in _deadlock.living()}
    return [text(name or known.get((ident, native), "")) for ident, native, name in threads]


class Frames:
    """Numbers the lines of the stacks as they come."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self._numbers: dict[tuple[int, int], int] = {}

    def numbers(self, stack: "tuple[tuple[CodeType, int], ...]") -> list[int]:
        return [self._number(code, max(line, 0)) for code, line in stack]

    def _number(self, code: CodeType, line: int) -> int:
        known = self._numbers.get((id(code), line))
        if known is None:
            known = self._numbers[id(code), line] = len(self.listed)
            self.listed.append(
                {
                    "function": text(code.co_qualname),
                    "file": text(code.co_filename),
                    "line": line,
                    "first_line": code.co_firstlineno,
                }
            )
        return known


def made_of(samples: "list[tuple[Any, ...]]", threads: list[str], stacks: list[list[int]]) -> list[dict[str, Any]]:
    return [
        {
            "role": "holder" if holder else "waiter",
            "lock": number,
            "side": side,
            "thread": threads[thread],
            "count": sum(histogram),
            "ns": ns,
            "max_ns": longest,
            "histogram": list(histogram),
            "stack": [] if stack < 0 else stacks[stack],
        }
        for holder, side, number, thread, stack, ns, longest, histogram in samples
    ]
