"""What IntervalLock promises beyond the conformance suite."""

import re
import sys
import threading
import time
from fractions import Fraction
from typing import Any

import pytest

from ft_utils.synchronization import IntervalLock, snapshot, stats

from ..support.threads import LIMIT, exercise, until, waiters, waiting

NEVER = 1e6  # an interval that does not pass within a test


# --- construction ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [0, 0.0, -0.0, 1, 0.005, 3600, 5e-324, 1e300, sys.float_info.max, Fraction(1, 4)])
def test_valid_intervals(interval: Any) -> None:
    lock = IntervalLock(interval)
    assert lock.interval >= 0
    lock.lock()
    lock.poll()
    lock.unlock()
    assert IntervalLock(interval=interval).locked() is False


def test_interval_is_shown_in_seconds() -> None:
    assert IntervalLock().interval == pytest.approx(0.005)
    assert IntervalLock(0.25).interval == pytest.approx(0.25)
    assert IntervalLock(2).interval == pytest.approx(2.0)
    assert isinstance(IntervalLock(2).interval, float)


@pytest.mark.parametrize("interval", [-1, -0.001, float("nan"), float("inf"), float("-inf")])
def test_intervals_out_of_range(interval: float) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        IntervalLock(interval)


@pytest.mark.parametrize("interval", ["0.005", None, b"1", [], 1j, object()])
def test_intervals_of_wrong_type(interval: Any) -> None:
    with pytest.raises(TypeError):
        IntervalLock(interval)


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError):
        IntervalLock(0.005, 1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        IntervalLock(period=0.005)  # type: ignore[call-arg]


def test_error_in_float_is_passed_on() -> None:
    class Broken:
        def __float__(self) -> float:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        IntervalLock(Broken())  # type: ignore[arg-type]


# --- methods --------------------------------------------------------------------------------------------------------


def test_return_values() -> None:
    lock = IntervalLock()
    assert lock.lock() is None
    assert lock.locked() is True
    assert lock.poll() is None
    assert lock.cede() is None
    assert lock.unlock() is None
    assert lock.locked() is False


def test_both_pairs_of_names_are_one_lock() -> None:
    lock = IntervalLock()
    lock.lock()
    lock.release()
    lock.acquire()
    lock.unlock()
    assert not lock.locked()


@pytest.mark.parametrize("name", ["unlock", "release", "poll", "cede"])
def test_methods_of_the_owner_on_a_free_lock(name: str) -> None:
    lock = IntervalLock()
    with pytest.raises(RuntimeError, match=r"\w+ \w+ \w+"):
        getattr(lock, name)()
    assert not lock.locked()


@pytest.mark.parametrize("name", ["unlock", "release", "poll", "cede"])
def test_methods_of_the_owner_by_another_thread(name: str, puppet: Any) -> None:
    lock = IntervalLock()
    puppet.run(lock.lock)
    with pytest.raises(RuntimeError, match=r"\w+ \w+ \w+"):
        getattr(lock, name)()
    assert lock.locked()
    puppet.run(lock.unlock)


@pytest.mark.parametrize("name", ["lock", "acquire", "__enter__"])
def test_locking_by_the_owner(name: str) -> None:
    lock = IntervalLock()
    lock.lock()
    with pytest.raises(RuntimeError, match=r"\w+ \w+ \w+"):
        getattr(lock, name)()
    lock.unlock()
    assert not lock.locked()


def test_locking_by_the_owner_while_others_wait(puppet: Any) -> None:
    lock = IntervalLock()
    lock.lock()
    got = puppet.start(lock.lock)
    waiting(lock)
    with pytest.raises(RuntimeError):
        lock.lock()
    assert len(waiters(lock)) == 1
    lock.unlock()
    got.result(LIMIT)
    puppet.run(lock.unlock)


def test_init_again_does_not_free_the_lock() -> None:
    lock = IntervalLock()
    lock.lock()
    try:
        lock.__init__(1.0)  # type: ignore[misc]
    except RuntimeError:
        pass
    assert lock.locked()
    lock.unlock()


def test_repr(puppet: Any) -> None:
    lock = IntervalLock()
    address = re.escape(hex(id(lock)))
    assert re.fullmatch(rf"<IntervalLock unlocked at {address}>", repr(lock))
    lock.lock()
    owner = threading.get_ident()
    assert re.fullmatch(rf"<IntervalLock locked owner={owner} waiters=0 at {address}>", repr(lock))
    got = puppet.start(lock.lock)
    waiting(lock)
    assert re.fullmatch(rf"<IntervalLock locked owner={owner} waiters=1 at {address}>", repr(lock))
    lock.unlock()
    got.result(LIMIT)
    assert f"locked owner={puppet.ident} waiters=0" in repr(lock)
    puppet.run(lock.unlock)
    assert " unlocked " in repr(lock)


# --- ceding ---------------------------------------------------------------------------------------------------------


class Track:
    """Threads that take the lock and write their names down in the order in which they got it."""

    def __init__(self, lock: IntervalLock) -> None:
        self.lock = lock
        self.order: list[Any] = []

    def visit(self, name: Any) -> None:
        self.lock.lock()
        self.order.append(name)
        self.lock.unlock()

    def line_up(self, puppets: list[Any]) -> list[Any]:
        """Every puppet waits before the next one comes."""
        visits = []
        for number, puppet in enumerate(puppets):
            visits.append(puppet.start(self.visit, number))
            waiting(self.lock, len(visits))
        return visits


@pytest.mark.parametrize("interval", [0, 0.005, NEVER])
def test_cede_hands_over_to_the_longest_waiter(interval: float, puppets: Any) -> None:
    """And to no other, and the caller holds the lock again when it returns."""
    lock = IntervalLock(interval)
    track = Track(lock)
    lock.lock()
    visits = track.line_up(puppets(3))
    lock.cede()
    assert track.order[0] == 0
    assert f"owner={threading.get_ident()} " in repr(lock)
    lock.unlock()
    for visit in visits:
        visit.result(LIMIT)
    assert sorted(track.order) == [0, 1, 2]


def test_the_ceder_queues_last(puppets: Any) -> None:
    """With direct hand-over only, everybody has had the lock once before the one that ceded has it again."""
    lock = IntervalLock(0)
    track = Track(lock)
    lock.lock()
    visits = track.line_up(puppets(4))
    lock.cede()
    assert track.order == [0, 1, 2, 3]
    lock.unlock()
    for visit in visits:
        visit.result(LIMIT)


def test_every_cede_hands_over(puppet: Any) -> None:
    """Two threads that do nothing but cede take strict turns."""
    lock = IntervalLock(NEVER)
    turns: list[int] = []

    def take_turns(name: int) -> None:
        for _ in range(200):
            turns.append(name)
            lock.cede()

    lock.lock()
    other = puppet.start(lambda: (lock.lock(), take_turns(1), lock.unlock()))
    waiting(lock)
    take_turns(0)
    lock.unlock()
    other.result(LIMIT)
    assert turns == [0, 1] * 200


def test_cede_returns_holding(puppet: Any) -> None:
    lock = IntervalLock(NEVER)
    lock.lock()
    got = puppet.start(lock.lock)
    waiting(lock)
    back = puppet.start(lambda: (waiting(lock), lock.unlock()))
    lock.cede()
    assert got.done()
    assert f"owner={threading.get_ident()} " in repr(lock)
    back.result(LIMIT)
    lock.unlock()


def test_cede_is_counted_only_when_somebody_waits(puppet: Any) -> None:
    lock = IntervalLock()
    before = stats().cedes
    lock.lock()
    lock.cede()
    assert stats().cedes == before
    got = puppet.start(lambda: (lock.lock(), lock.unlock()))
    waiting(lock)
    lock.cede()
    assert stats().cedes == before + 1
    lock.unlock()
    got.result(LIMIT)


# --- polling --------------------------------------------------------------------------------------------------------


def pass_time(seconds: float) -> None:
    """Let the interval pass; the passing of time is the event here."""
    time.sleep(seconds)


def test_poll_before_the_interval_keeps_the_lock(puppet: Any) -> None:
    lock = IntervalLock(NEVER)
    lock.lock()
    got = puppet.start(lock.lock)
    waiting(lock)
    for _ in range(100_000):
        lock.poll()
    assert not got.done()
    assert len(waiters(lock)) == 1
    lock.unlock()
    got.result(LIMIT)
    puppet.run(lock.unlock)


def test_poll_after_the_interval_cedes(puppet: Any) -> None:
    lock = IntervalLock(0.02)
    lock.lock()
    inside = puppet.start(lambda: (lock.lock(), lock.unlock()))
    waiting(lock)
    until(lambda: lock.poll() or inside.done(), "poll() to cede")
    inside.result(0)
    lock.unlock()


def test_poll_counts_the_time_before_the_waiter_came(puppet: Any) -> None:
    lock = IntervalLock(0.05)
    lock.lock()
    pass_time(0.06)
    visited: list[bool] = []
    inside = puppet.start(lambda: (lock.lock(), visited.append(True), lock.unlock()))
    waiting(lock)
    lock.poll()  # the first one already
    assert visited
    lock.unlock()
    inside.result(LIMIT)


@pytest.mark.parametrize("interval", [0, 1e-9])
def test_poll_with_no_interval_always_cedes(interval: float, puppet: Any) -> None:
    lock = IntervalLock(interval)
    visited: list[int] = []

    def visit(number: int) -> None:
        lock.lock()
        visited.append(number)
        lock.unlock()

    lock.lock()
    for number in range(50):
        inside = puppet.start(visit, number)
        waiting(lock)
        lock.poll()
        assert visited[-1] == number
        inside.result(LIMIT)
    lock.unlock()


def test_cede_restarts_the_interval(puppet: Any) -> None:
    """Long after the acquisition, but right after cede(), poll() does not cede."""
    interval = 10.0
    lock = IntervalLock(interval)
    start = time.monotonic()
    lock.lock()
    lock.cede()
    inside = puppet.start(lambda: (lock.lock(), lock.unlock()))
    waiting(lock)
    lock.poll()
    assert time.monotonic() - start < interval, "the machine stood still; the test says nothing"
    assert not inside.done()
    lock.unlock()
    inside.result(LIMIT)


def test_cede_without_waiters_restarts_the_interval(puppet: Any) -> None:
    lock = IntervalLock(0.5)
    for _ in range(20):  # until one round is quick enough to say something
        lock.lock()
        pass_time(0.51)
        restart = time.monotonic()
        lock.cede()
        inside = puppet.start(lambda: (lock.lock(), lock.unlock()))
        waiting(lock)
        lock.poll()
        kept, quick = not inside.done(), time.monotonic() - restart < 0.5
        lock.unlock()
        inside.result(LIMIT)
        if quick:
            assert kept
            return
    pytest.fail("the machine was never quick enough")


def test_a_cede_to_a_waiter_restarts_the_interval(puppets: Any) -> None:
    """Counted from the moment at which the caller has the lock again."""
    lock = IntervalLock(0.5)
    first, second = puppets(2)
    for _ in range(20):
        lock.lock()
        pass_time(0.51)
        inside = first.start(lambda: (lock.lock(), lock.unlock()))
        waiting(lock)
        lock.cede()
        restart = time.monotonic()
        later = second.start(lambda: (lock.lock(), lock.unlock()))
        waiting(lock)
        lock.poll()
        kept, quick = not later.done(), time.monotonic() - restart < 0.5
        lock.unlock()
        inside.result(LIMIT)
        later.result(LIMIT)
        if quick:
            assert kept
            return
    pytest.fail("the machine was never quick enough")


# --- fairness -------------------------------------------------------------------------------------------------------


def test_no_interval_is_first_come_first_served(puppets: Any) -> None:
    lock = IntervalLock(0)
    track = Track(lock)
    crowd = puppets(8)
    for _ in range(10):
        track.order.clear()
        lock.lock()
        visits = track.line_up(crowd)
        lock.unlock()
        for visit in visits:
            visit.result(LIMIT)
        assert track.order == list(range(8))


def test_no_interval_does_not_let_a_running_thread_in_first(puppet: Any) -> None:
    lock = IntervalLock(0)
    for _ in range(100):
        lock.lock()
        got = puppet.start(lock.lock)
        waiting(lock)
        lock.unlock()
        assert lock.acquire(blocking=False) is False
        got.result(LIMIT)
        puppet.run(lock.unlock)


def test_after_the_interval_a_running_thread_cannot_keep_the_lock(puppet: Any) -> None:
    """A thread that takes the lock again at once, for ever, does not starve the one that waits."""
    lock = IntervalLock(0.01)
    got = threading.Event()

    def visit() -> None:
        with lock:
            got.set()

    lock.lock()
    visited = puppet.start(visit)
    waiting(lock)
    deadline = time.monotonic() + LIMIT
    while not got.is_set():
        assert time.monotonic() < deadline, "starved"
        lock.unlock()
        lock.lock()
    lock.unlock()
    visited.result(LIMIT)


def test_hand_over_after_the_interval_is_direct(puppet: Any) -> None:
    lock = IntervalLock(0.02)
    lock.lock()
    got = puppet.start(lock.lock)
    until(lambda: (w := waiters(lock)) and w[0].waited > 0.03, "the waiter to have waited for the interval")
    lock.unlock()
    assert lock.acquire(blocking=False) is False, "it was the waiter's"
    got.result(LIMIT)
    puppet.run(lock.unlock)


def test_nobody_starves() -> None:
    lock = IntervalLock()
    entered = [0] * 6
    stop = threading.Event()

    def churn(number: int) -> None:
        while not stop.is_set():
            with lock:
                entered[number] += 1
                if min(entered) >= 20:
                    stop.set()

    exercise(*(lambda n=n: churn(n) for n in range(6)))
    assert min(entered) >= 20
    assert not waiters(lock)


# --- snapshot -------------------------------------------------------------------------------------------------------


def test_snapshot_of_waiters(puppets: Any) -> None:
    lock = IntervalLock(NEVER)
    first, second = puppets(2)
    lock.lock()
    visits = [first.start(lambda: (lock.lock(), lock.unlock()))]
    waiting(lock)
    visits.append(second.start(lambda: (lock.lock(), lock.unlock())))
    entries = waiting(lock, 2)
    assert [entry.thread for entry in entries] == [first.ident, second.ident]
    for entry in entries:
        assert entry.lock == id(lock)
        assert entry.kind == "exclusive"
        assert entry.notified is False
        assert isinstance(entry.waited, float) and 0 <= entry.waited < LIMIT
    lock.unlock()
    for visit in visits:
        visit.result(LIMIT)
    assert not [entry for entry in snapshot() if entry.lock == id(lock)]
