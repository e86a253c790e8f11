"""Objects that are made twice, by threads at once, or inside each other. Run in child processes of the tests."""

import contextlib
import gc
import os
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

from ft_utils.synchronization import (
    Barrier,
    Condition,
    IntervalLock,
    KeyedLock,
    Lock,
    ReaderWriterLock,
    RWReadContext,
    RWUpgradeContext,
    RWWriteContext,
    Semaphore,
)

from .threads import LIMIT, contend, exercise, waiters

# With the GIL threads take turns, so that there is little to be seen, and a round takes as long as a turn.
ROUNDS = 100 if sys._is_gil_enabled() else 20_000

Body = Callable[[int], Any]


def together(rounds: int, *bodies: Body, enough: Callable[[int], bool] = lambda number: False) -> None:
    """Run the bodies in threads, round by round, and begin each round at the same moment, as near as can be.

    It ends after so many rounds, or when they are enough, or after some seconds: where there are fewer free processors
    than threads the moments are far between.
    """
    at, last = [-1] * len(bodies), [rounds]
    deadline = time.monotonic() + 5

    def body(me: int, run: Body) -> Callable[[], None]:
        def go() -> None:
            for number in range(rounds):
                if me == 0 and (time.monotonic() > deadline or enough(number)):
                    last[0] = number
                at[me] = number
                meet(at, number)
                if number >= last[0]:
                    return
                run(number)

        return go

    exercise(*(body(me, run) for me, run in enumerate(bodies)), limit=2 * LIMIT)


def meet(at: list[int], number: int) -> None:
    """Wait for the others; an event would have the threads begin one after the other."""
    looks = 0
    while min(at) < number:
        looks += 1
        if looks % 200 == 0:
            os.sched_yield()


class Part:
    """Something to make an object of."""

    def __call__(self) -> None:
        pass


# The parts, and what makes an object of one.
TWICE: dict[type, tuple[Callable[[], Any], Callable[[Any], tuple[Any, ...]]]] = {
    Barrier: (Part, lambda part: (2, part)),
    RWReadContext: (ReaderWriterLock, lambda part: (part,)),
    RWWriteContext: (ReaderWriterLock, lambda part: (part,)),
    RWUpgradeContext: (ReaderWriterLock, lambda part: (part,)),
    Condition: (Lock, lambda part: (part,)),
}


def made_twice_at_once(cls: type, rounds: int = ROUNDS) -> None:
    """One of two calls of __init__ makes it, the other one is refused; nothing of it is left."""
    twice, refs = race(cls, rounds)
    gc.collect()
    kept = sum(ref() is not None for ref in refs)
    assert (twice, kept) == (0, 0), f"{twice} was made twice, {kept} parts are never freed"


def race(cls: type, rounds: int) -> tuple[int, list[Any]]:
    """How many were made twice, and what refers to the parts that were given; all objects are gone afterwards."""
    make, arguments_of = TWICE[cls]
    made = [cls.__new__(cls) for _ in range(rounds)]
    parts = [[make() for _ in range(rounds)] for _ in range(2)]
    done = [[False] * rounds for _ in range(2)]

    def init(me: int) -> Body:
        def run(number: int) -> None:
            with contextlib.suppress(RuntimeError):
                made[number].__init__(*arguments_of(parts[me][number]))
                done[me][number] = True

        return run

    def enough(number: int) -> bool:
        return number > 1 and done[0][number - 2] and done[1][number - 2]

    together(rounds, init(0), init(1), enough=enough)
    twice = sum(one and other for one, other in zip(*done, strict=True))
    return twice, [weakref.ref(part) for each in parts for part in each]


def semaphore_made_again_while_somebody_parks() -> None:
    """Either it is refused, or whoever waits is still given the next permit."""
    contend()
    rounds = ROUNDS
    semaphores = [Semaphore(0) for _ in range(rounds)]
    got, lost = [-1], []

    def wait(number: int) -> None:
        while not semaphores[number].acquire(timeout=1.0):
            pass  # in vain only beside a permit: see below
        got[0] = number

    def init(number: int) -> None:
        semaphore = semaphores[number]
        for _ in range(number % 300):
            pass  # not always at the same moment of the other's way to sleep
        with contextlib.suppress(RuntimeError):
            semaphore.__init__(0)
        semaphore.release()
        looks = 0
        while got[0] < number and not lost:
            looks += 1
            if looks % 500 == 0:
                os.sched_yield()
                if waits_beside_a_permit(semaphore):
                    lost.append(repr(semaphore))

    together(rounds, wait, init, enough=lambda _: bool(lost))
    assert not lost, f"a thread waited beside a permit: {lost[0]}"


def waits_beside_a_permit(semaphore: Semaphore) -> bool:
    """A permit is given to who waits, so there is no moment at which this is true."""
    before, value, after = waiters(semaphore), semaphore._value, waiters(semaphore)
    return value > 0 and len(before) == len(after) == 1 and before[0].waited < after[0].waited


def interval_lock_made_again() -> None:
    """Of a lock that comes into use at the same moment; whichever interval it has, it works."""
    rounds = ROUNDS // 4
    locks = [IntervalLock(0) for _ in range(rounds)]
    inside = [0]

    def take(number: int) -> None:
        for _ in range(3):
            with locks[number] as lock:
                inside[0] += 1
                assert inside[0] == 1
                inside[0] -= 1
                lock.poll()

    def init(number: int) -> None:
        with contextlib.suppress(RuntimeError):
            locks[number].__init__(0.001)
        take(number)

    together(rounds, take, take, init)
    assert not any(lock.locked() for lock in locks)


# --- inside each other ----------------------------------------------------------------------------------------------


def nested(make: Callable[[Any], Any], innermost: Any, depth: int = 1_000_000) -> Any:
    one = innermost
    for _ in range(depth):
        one = make(one)
    return one


def conditions() -> None:
    """Every method reaches for the innermost lock, and says that it is too deep. Then they are freed."""
    one = nested(Condition, Lock())
    for method in (one.acquire, one.__enter__, one.release, one._is_owned, one.notify, one.wait, one.__repr__):
        try:
            method()
        except RecursionError:
            continue
        raise AssertionError(f"{method} did not end")


def barriers() -> None:
    """Each is the action of the next."""
    nested(lambda action: Barrier(1, action), int)


def contexts() -> None:
    """Locks that refer to contexts that refer to locks."""

    class Linked(ReaderWriterLock):
        link: Any = None

    def make(context: Any) -> RWReadContext:
        lock = Linked()
        lock.link = context
        return RWReadContext(lock)

    nested(make, None, 200_000)


def handles() -> None:
    """Of locks whose keys are handles, or contexts of handles."""
    nested(lambda key: KeyedLock()(key), None, 200_000)
    nested(lambda key: KeyedLock().within(key, 1), None, 200_000)
    held = nested(lambda key: KeyedLock()(key), None, 50_000)
    held.acquire()
