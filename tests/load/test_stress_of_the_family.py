"""Invariants of the family under random load, over the standard library as well."""

import itertools
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest

import ft_utils.synchronization as ours

from ..support.family import LOCKS, SHARED, holding
from ..support.process import run_isolated, with_is_whole
from ..support.threads import LIMIT, exercise, waiters

SECONDS = 0.4


def crowd(body: Callable[[int, random.Random], None], threads: int, rng: random.Random) -> None:
    """The same body in several threads, each with a number and random numbers of its own."""
    exercise(*(partial(body, n, random.Random(rng.random())) for n in range(threads)))


def until_time(step: Callable[[], Any], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        step()


def some_timeout(rng: random.Random, none: Any) -> dict[str, Any]:
    short = rng.random() * 1e-3
    return rng.choice([{}, {}, {"timeout": none}, {"timeout": short}, {"timeout": 10.0}, {"blocking": False}])


# --- locks and semaphores -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [2, 8])
@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_one_inside(module: ModuleType, name: str, threads: int, rng: random.Random) -> None:
    lock, slots = getattr(module, name)(), [0] * threads

    def body(me: int, own: random.Random) -> None:
        def step() -> None:
            if not lock.acquire(**some_timeout(own, -1)):
                return
            depth = own.randrange(3) if name == "RLock" else 0
            for _ in range(depth):
                assert lock.acquire(**some_timeout(own, -1))
            slots[me] = 1
            assert sum(slots) == 1
            slots[me] = 0
            for _ in range(depth + 1):
                lock.release()

        until_time(step)

    crowd(body, threads, rng)
    assert lock.acquire(blocking=False)
    lock.release()
    assert module is threading or not waiters(lock)


@pytest.mark.parametrize("permits", [1, 3])
@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])
def test_never_more_inside_than_permits(module: ModuleType, name: str, permits: int, rng: random.Random) -> None:
    semaphore, slots = getattr(module, name)(permits), [0] * 8

    def body(me: int, own: random.Random) -> None:
        def step() -> None:
            if semaphore.acquire(**some_timeout(own, None)):
                slots[me] = 1
                assert sum(slots) <= permits
                slots[me] = 0
                semaphore.release()

        until_time(step)

    crowd(body, 8, rng)
    got = [semaphore.acquire(blocking=False) for _ in range(permits + 1)]
    assert got == [True] * permits + [False], "permits were lost or made"


def test_permits_are_conserved(module: ModuleType, rng: random.Random) -> None:
    """Those handed out by release(n) and those taken are equally many, with timeouts in between."""
    semaphore, given, taken = module.Semaphore(0), [0] * 2, [0] * 4
    all_given, last = threading.Event(), threading.Barrier(2, lambda: all_given.set())

    def give(me: int, own: random.Random) -> None:
        for _ in range(800):
            n = own.randrange(1, 4)
            semaphore.release(n)
            given[me] += n
        last.wait(LIMIT)

    def take(me: int, own: random.Random) -> None:
        while True:
            over = all_given.is_set()  # before the try: if it fails then, there is nothing more to come
            if semaphore.acquire(timeout=own.random() * 1e-3):
                taken[me] += 1
            elif over:
                return

    crowd(lambda me, own: give(me, own) if me < 2 else take(me - 2, own), 6, rng)
    assert sum(taken) == sum(given)


# --- conditions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", [name for name in LOCKS if name not in SHARED])
@pytest.mark.parametrize("size", [1, 10])
def test_producers_and_consumers(module: ModuleType, over: str, size: int, rng: random.Random) -> None:
    """A bounded queue over two conditions with one lock loses and doubles nothing, whatever times out."""
    lock = LOCKS[over]() or module.RLock()
    not_empty, not_full = module.Condition(lock), module.Condition(lock)
    items: list[int] = []
    each, made, got = 150, [0], [[] for _ in range(3)]

    def produce(me: int, own: random.Random) -> None:
        for number in range(each):
            with holding(lock):
                while len(items) >= size:
                    not_full.wait(own.choice([None, 1e-4, 1.0]))
                items.append(me * each + number)
                not_empty.notify()
        with holding(lock):
            made[0] += 1
            not_empty.notify_all()

    def consume(me: int, own: random.Random) -> None:
        while True:
            with holding(lock):
                while not items:
                    if made[0] == 3:
                        return
                    not_empty.wait(own.choice([None, 1e-4, 1.0]))
                got[me].append(items.pop(0))
                not_full.notify(own.choice([1, 2]))

    crowd(lambda me, own: produce(me, own) if me < 3 else consume(me - 3, own), 6, rng)
    assert sorted(itertools.chain(*got)) == list(range(3 * each))
    for numbers in got:
        for producer in range(3):
            of_one = [n for n in numbers if n // each == producer]
            assert of_one == sorted(of_one), "what one put in first came out later"


def test_no_notification_is_lost(module: ModuleType, rng: random.Random) -> None:
    """Each notify() ends one wait: as many are woken as there were tickets, though others run out of time."""
    condition, tickets, woken, stop = module.Condition(), [0], [0] * 6, [False]

    def wait(me: int, own: random.Random) -> None:
        while True:
            with condition:
                while not tickets[0]:
                    if stop[0]:
                        return
                    condition.wait(own.choice([None, None, 2e-4]))
                tickets[0] -= 1
                woken[me] += 1

    def give(me: int, own: random.Random) -> None:
        for _ in range(500):
            with condition:
                n = own.randrange(1, 3)
                tickets[0] += n
                condition.notify(n)
        with condition:
            stop[0] = True
            condition.notify_all()

    crowd(lambda me, own: give(me, own) if me == 6 else wait(me, own), 7, rng)
    assert tickets == [0]
    assert sum(woken) >= 500


# --- events and barriers --------------------------------------------------------------------------------------------


def test_set_wakes_everybody(module: ModuleType) -> None:
    """Rounds of a gate that opens and closes at once: nobody is left behind in a round that is over."""
    gate, rounds, count = module.Event(), 150, 5
    waiting, passed = module.Semaphore(0), module.Semaphore(0)

    def pass_through() -> None:
        for _ in range(rounds):
            waiting.release()
            while not gate.wait(LIMIT):
                raise AssertionError("left behind")
            passed.release()
            assert again.wait(LIMIT) is not None

    def keep() -> None:
        for _ in range(rounds):
            for _ in range(count):
                assert waiting.acquire(timeout=LIMIT)
            gate.set()
            for _ in range(count):
                assert passed.acquire(timeout=LIMIT)
            gate.clear()
            again.wait(LIMIT)

    again = module.Barrier(count + 1)
    exercise(*[pass_through] * count, keep)


@pytest.mark.parametrize("parties", [2, 5])
def test_nobody_is_a_phase_ahead(module: ModuleType, parties: int, rng: random.Random) -> None:
    """Within a phase each sees every other in the same one or, once it has passed, in the next."""
    phases = 150
    acted: list[int] = []
    phase = [0] * parties
    barrier = module.Barrier(parties, lambda: acted.append(min(phase)))

    def body(me: int, own: random.Random) -> None:
        for number in range(phases):
            phase[me] = number
            if own.random() < 0.3:
                sum(range(own.randrange(300)))
            barrier.wait(own.choice([None, LIMIT]))
            assert all(number <= other <= number + 1 for other in phase)

    crowd(body, parties, rng)
    assert acted == list(range(phases)), "the action saw somebody behind, or ran once too often"


def test_barrier_between_resets_and_timeouts(module: ModuleType, rng: random.Random) -> None:
    """Whatever breaks it, nobody hangs, and every whole round is passed by all its parties or told broken."""
    parties = 3
    barrier, rounds, ends = module.Barrier(parties), [0] * parties, threading.Event()

    def body(me: int, own: random.Random) -> None:
        if me == parties:
            until_time(lambda: (own.choice([barrier.reset, barrier.reset, barrier.abort])(), time.sleep(1e-4)))
            ends.set()
            barrier.abort()
            return
        while not ends.is_set():
            try:
                assert barrier.wait(own.choice([None, 1.0, 1e-4])) in range(parties)
                rounds[me] += 1
            except threading.BrokenBarrierError:
                if barrier.broken and not ends.is_set():
                    barrier.reset()

    def run(me: int, own: random.Random) -> None:
        try:
            body(me, own)
        finally:
            if ends.is_set():
                barrier.abort()

    crowd(run, parties + 1, rng)
    assert barrier.broken


# --- torn waits -----------------------------------------------------------------------------------------------------


@with_is_whole
def test_interrupts_amid_contention(rng: random.Random) -> None:
    """The main thread is torn out of its waits at random moments; nothing is left held, lost or queued."""
    run_isolated(
        f"""
        import random
        from ft_utils.synchronization import Barrier, BoundedSemaphore, Condition, Event, Lock, RLock
        from support.threads import join
        class Torn(Exception):
            pass
        def handler(*_):
            raise Torn
        rng = random.Random({rng.randrange(2**32)})
        lock, rlock, semaphore, event = Lock(), RLock(), BoundedSemaphore(2), Event()
        over_lock, over_interval, own = Condition(Lock()), Condition(IntervalLock()), Condition()
        conditions = [own, over_lock, over_interval]
        stop = threading.Event()
        def converse(condition):
            with condition:
                condition.notify(rng.randrange(3))
                condition.wait(0.001)
        def enter(managed):
            with managed:
                sum(range(200))
        steps = [lambda each=each: enter(each) for each in (lock, rlock, semaphore, semaphore)]
        steps += [lambda each=each: converse(each) for each in conditions]
        steps += [lambda: event.wait(0.001)]
        def churn(own):
            while not stop.is_set():
                own.choice(steps)()
                if own.random() < 0.2:
                    event.set(), event.clear()
        threads = [threading.Thread(target=churn, args=(random.Random(rng.random()),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        torn = whole = 0
        deadline = time.monotonic() + 3 * {SECONDS}
        signal.signal(signal.SIGALRM, handler)
        while time.monotonic() < deadline or torn < 20:
            step = rng.choice(steps)
            try:
                signal.setitimer(signal.ITIMER_REAL, 10 ** rng.uniform(-5, -3), 0.01)
                step()
                whole += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Torn:
                torn += 1
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Torn:
                    signal.setitimer(signal.ITIMER_REAL, 0)
        stop.set()
        join(threads)
        for each in (lock, rlock, *conditions, semaphore, semaphore):
            assert each.acquire(blocking=False), repr(each)
        assert not semaphore.acquire(blocking=False), "a permit was made"
        assert snapshot() == []
        print("torn" if torn else "never torn", "whole" if whole else "never whole")
        """,
        expect_out="torn whole",
    )


def test_all_seven_at_once(rng: random.Random) -> None:
    """Waiters for different objects meet in the same buckets, and new objects come to lie where old ones were."""

    def fresh() -> tuple[Any, ...]:
        return ours.Lock(), ours.RLock(), ours.BoundedSemaphore(1), ours.Condition(ours.Lock()), ours.Event(), [0] * 6

    shelf = [fresh() for _ in range(4)]

    def body(me: int, own: random.Random) -> None:
        def step() -> None:
            place = own.randrange(len(shelf))
            lock, rlock, semaphore, condition, event, slots = shelf[place]
            outer = own.choice([lock, rlock, semaphore])
            with lock, rlock, semaphore:  # always in this order
                slots[me] = 1
                assert sum(slots) == 1
                slots[me] = 0
            with outer:
                pass
            with condition:
                condition.notify_all()
                condition.wait(own.choice([0, 1e-4]))
            event.set()
            event.clear()
            event.wait(own.choice([0, 1e-4]))
            if own.random() < 0.02:
                shelf[place] = fresh()

        until_time(step)

    crowd(body, 6, rng)
    for lock, rlock, *_ in shelf:
        assert not lock.locked() and not rlock.locked()
