"""Deadlocks: found, raised in one thread, and never seen where there is none."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ft_utils.synchronization as ft
from ft_utils import _locks
from ft_utils.contention import on_deadlock

from ..support.crossing import KINDS, Lock, exclusive, reader, the_only, writer
from ..support.threads import LIMIT, exercise, until, waiting


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Look after 20 ms, so that the tests take less time; back to what it was."""
    on_deadlock("raise", 0.02)
    yield
    on_deadlock()


def ring(locks: list[Lock]) -> list[Any]:
    """Each thread holds a lock and asks for the next one's: what each of them got, an error or None."""
    start = threading.Barrier(len(locks))

    def run(mine: Lock, other: Lock) -> Any:
        with mine:
            start.wait(LIMIT)
            try:
                with other:
                    return None
            except ft.DeadlockError as error:
                return error

    pairs = list(zip(locks, [*locks[1:], locks[0]], strict=True))
    return exercise(*[lambda pair=pair: run(*pair) for pair in pairs])


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_crossed_pair(first: str, second: str) -> None:
    locks = [KINDS[first](), KINDS[second]()]
    error = the_only(ring(locks))
    assert isinstance(error, RuntimeError)
    assert {waiter.lock for waiter in error.cycle} == {id(lock.lock) for lock in locks}
    assert {waiter.kind for waiter in error.cycle} == {lock.kind for lock in locks}
    assert len({waiter.thread for waiter in error.cycle}) == 2
    assert all(waiter.waited >= 0.02 for waiter in error.cycle)
    for waiter in error.cycle:
        assert "crossing.py:" in waiter.where
        for fact in (waiter.name, str(waiter.thread), waiter.kind, hex(waiter.lock), waiter.where):
            assert fact in str(error)
    assert ft.snapshot() == []


@pytest.mark.parametrize("kind", KINDS)
def test_names(kind: str) -> None:
    locks = [KINDS[kind]() for _ in range(2)]
    locks[0].lock.name = "accounts"
    error = the_only(ring(locks))
    assert {(waiter.lock, waiter.lock_name) for waiter in error.cycle} == {
        (id(locks[0].lock), "accounts"),
        (id(locks[1].lock), None),
    }
    name, *side = locks[0].kind.split(" ")
    said = " ".join([name, "'accounts'", *side])
    assert f"for {said} at {id(locks[0].lock):#x} in " in str(error)
    assert f"for {locks[1].kind} at {id(locks[1].lock):#x} in " in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_ring_of_three(kind: str) -> None:
    error = the_only(ring([KINDS[kind]() for _ in range(3)]))
    assert len(error.cycle) == 3
    assert [w.lock for w in error.cycle[1:]] + [error.cycle[0].lock] != [w.lock for w in error.cycle]


def test_long_ring_of_all_kinds() -> None:
    locks = [KINDS[kind]() for kind in KINDS for _ in range(3)]
    assert len(the_only(ring(locks)).cycle) == len(locks)


def test_reader_against_writer() -> None:
    """A reads one lock and wants to write the other; B the other way round."""
    one, two = ft.ReaderWriterLock(), ft.ReaderWriterLock()
    start = threading.Barrier(2)

    def run(mine: Any, other: Any) -> Any:
        with reader(mine):
            start.wait(LIMIT)
            try:
                with writer(other):
                    return None
            except ft.DeadlockError as error:
                return error

    error = the_only(exercise(lambda: run(one, two), lambda: run(two, one)))
    assert {waiter.kind for waiter in error.cycle} == {"ReaderWriterLock (write)"}


def test_reader_behind_a_queued_writer() -> None:
    """A reads and waits for B's lock; a writer waits for A; B wants to read, behind the writer."""
    rw, lock = ft.ReaderWriterLock(), ft.IntervalLock()
    reads, locked = threading.Event(), threading.Event()

    def attempt(*locks: Any, first: threading.Event | None = None, then: Callable[[], Any]) -> Any:
        try:
            with locks[0]:
                if first is not None:
                    first.set()
                then()
                with locks[1]:
                    return None
        except ft.DeadlockError as error:
            return error

    def a() -> Any:
        return attempt(reader(rw), exclusive(lambda: lock), first=reads, then=lambda: locked.wait(LIMIT))

    def b() -> Any:
        return attempt(exclusive(lambda: lock), reader(rw), first=locked, then=lambda: waiting(rw))

    def c() -> Any:
        reads.wait(LIMIT)
        return attempt(writer(rw), exclusive(ft.IntervalLock), then=lambda: None)

    error = the_only(exercise(a, b, c))
    assert len(error.cycle) == 3
    assert {w.kind for w in error.cycle} == {"ReaderWriterLock (read)", "ReaderWriterLock (write)", "IntervalLock"}
    assert ft.snapshot() == [] and rw.readers() == 0 and not rw.writer_locked()


def test_a_ring_of_rlocks_held_twice() -> None:
    one, two = ft.RLock(), ft.RLock()
    with one, two:  # nested by one thread: no deadlock
        with one:
            pass
    error = the_only(ring([exclusive(lambda: one), exclusive(lambda: two)]))
    assert {waiter.kind for waiter in error.cycle} == {"RLock"}
    assert not one.locked() and not two.locked()


def test_a_condition_that_takes_its_lock_back_does_not_raise(puppets: Any) -> None:
    """It has to return with the lock, so the other thread of the circle is chosen."""
    a, b = puppets(2)
    condition, other = ft.Condition(ft.RLock()), ft.IntervalLock()

    def wait() -> None:
        with other, condition:
            condition.wait()

    waits = a.start(wait)
    until(lambda: _locks.waiting(condition) == 1)

    def notify() -> Any:
        with condition:
            condition.notify()
            try:
                with other:
                    return None
            except ft.DeadlockError as error:
                return error

    error = b.run(notify)
    assert isinstance(error, ft.DeadlockError)
    assert {waiter.kind for waiter in error.cycle} == {"RLock", "IntervalLock"}
    waits.result(LIMIT)
    assert not other.locked()


def test_cede_in_a_deadlock_gives_up_the_lock(puppets: Any) -> None:
    """The one that ceded has lost its lock; the with block lets the error through."""
    a, b = puppets(2)
    ceded, other = ft.IntervalLock(), ft.IntervalLock()
    started = threading.Event()

    def cede() -> Any:
        with other:
            try:
                with ceded:
                    started.set()
                    until(lambda: ft.snapshot())
                    ceded.cede()
                    return None
            except ft.DeadlockError as error:
                return error

    def cross() -> Any:
        started.wait(LIMIT)
        try:
            with ceded, other:
                return None
        except ft.DeadlockError as error:
            return error

    error = the_only([f.result(LIMIT) for f in (a.start(cede), b.start(cross))])
    assert len(error.cycle) == 2
    assert not ceded.locked() and not other.locked()


# What is not certain to last is not a deadlock.
HARMLESS: dict[str, Callable[[], Any]] = {
    "a Lock, which anybody may release": lambda: ft.Lock(),
    "a Semaphore": lambda: ft.Semaphore(1),
    "a BoundedSemaphore": lambda: ft.BoundedSemaphore(1),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_locks_that_others_may_release(name: str, puppets: Any) -> None:
    a, b = puppets(2)
    first, second = HARMLESS[name](), ft.IntervalLock()
    a.run(first.acquire)
    b.run(second.lock)
    wants_second, wants_first = a.start(second.lock), b.start(first.acquire)
    waiting(first), waiting(second)
    assert not look_for_a_while(wants_first, wants_second)
    first.release()  # this thread, which never had it
    wants_first.result(LIMIT)
    b.run(second.unlock)
    wants_second.result(LIMIT)
    a.run(second.unlock)


def look_for_a_while(*futures: Any) -> bool:
    """Whether one of them ends while the threads have looked several times."""
    done = threading.Event()
    for future in futures:
        future.add_done_callback(lambda _: done.set())
    return done.wait(0.3)  # 20 ms, then 40, 80, 160: nothing else tells that they have looked


@pytest.mark.parametrize("kind", KINDS)
def test_timed_waits(kind: str) -> None:
    """One of them gives up by itself."""
    mine, theirs = KINDS[kind](), KINDS[kind]()
    acquire = theirs.lock.acquire_write if kind == "writer" else theirs.lock.acquire
    start = threading.Barrier(2)

    def timed() -> bool:
        with mine:
            start.wait(LIMIT)
            return acquire(timeout=0.2)

    def untimed() -> None:
        with theirs:
            start.wait(LIMIT)
            with mine:
                pass

    assert exercise(timed, untimed) == [False, None]


@pytest.mark.parametrize("bad", [("fly", 0.1), ("raise", -1), ("raise", float("nan")), ("raise", 1e9)])
def test_bad_settings(bad: Any) -> None:
    with pytest.raises(ValueError):
        on_deadlock(*bad)


def test_settings_of_a_wrong_type() -> None:
    with pytest.raises(TypeError):
        on_deadlock("raise", "soon")  # type: ignore[arg-type]


def test_random_orders_end(rng: random.Random) -> None:
    """Threads take locks in random orders, without a time-out. Each deadlock is found, or this would never end; and
    whoever gets an error is in a circle: the locks that the others wait for are held by the next."""
    locks = [KINDS[kind]() for kind in KINDS for _ in range(2)]
    errors: list[Any] = []
    orders = [[rng.sample(range(len(locks)), 3) for _ in range(15)] for _ in range(6)]

    def work(mine: list[list[int]]) -> int:
        done = 0
        for order in mine:
            held: list[Lock] = []
            try:
                for index in order:
                    locks[index].take()
                    held.append(locks[index])
                done += 1
            except ft.DeadlockError as error:
                errors.append(error)
            finally:
                for lock in held:
                    lock.give()
        return done

    finished = sum(exercise(*[lambda mine=mine: work(mine) for mine in orders], limit=100))
    assert finished + len(errors) == 6 * 15
    for error in errors:
        assert len({waiter.thread for waiter in error.cycle}) == len(error.cycle) > 1
    assert ft.snapshot() == []


def test_an_order_that_all_keep_has_no_deadlock(rng: random.Random) -> None:
    locks = [KINDS[kind]() for kind in KINDS for _ in range(2)]
    orders = [[sorted(rng.sample(range(len(locks)), 3)) for _ in range(15)] for _ in range(6)]

    def work(mine: list[list[int]]) -> None:
        for order in mine:
            with locks[order[0]], locks[order[1]], locks[order[2]]:
                threading.Event().wait(0.002)  # so that the others wait for longer than it takes to look

    on_deadlock("raise", 0.001)
    exercise(*[lambda mine=mine: work(mine) for mine in orders], limit=100)


@pytest.mark.parametrize("kind", KINDS)
def test_looks_in_the_middle_of_naps(kind: str, puppets: Any) -> None:
    """A notified waiter that naps comes back by itself, and no release wakes it: after a look it has to nap on."""
    (other,) = puppets(1)
    on_deadlock("raise", 0.0001)
    for _ in range(60):
        lock = KINDS[kind]()

        def turn(lock: Any = lock) -> None:
            with lock:
                pass

        lock.__enter__()
        turns = other.start(turn)
        waiting(lock.lock)
        for _ in range(4):
            # Takes it back before the waiter comes, which then naps for as long as this takes.
            lock.__exit__()
            lock.__enter__()
            time.sleep(0.0005)  # the waiter tries after its nap: that is no event
        lock.__exit__()
        turns.result(LIMIT)
