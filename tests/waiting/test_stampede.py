"""Notifying moves waiters to the queue of the lock: nobody is woken only to queue again."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from ft_utils.contention import on_deadlock
from ft_utils.synchronization import Condition as OurCondition
from ft_utils.synchronization import IntervalLock, Lock, RLock, stats

from ..support.family import blocked, wait_holding
from ..support.threads import LIMIT, Puppet, until, waiters, waiting

WAITERS = 8
LOCKS = {"Lock": Lock, "RLock": RLock, "IntervalLock": IntervalLock, "IntervalLock(0)": lambda: IntervalLock(0)}


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """A thread that has waited for 100 ms wakes up to look for a deadlock, which would count here."""
    on_deadlock("off")
    yield
    on_deadlock()


@pytest.fixture(params=LOCKS)
def lock(request: pytest.FixtureRequest) -> Any:
    return LOCKS[request.param]()


def sleeping(condition: Any, crowd: list[Puppet]) -> list[Future[Any]]:
    """All of them wait for the condition, in this order."""
    futures = []
    for count, puppet in enumerate(crowd, start=1):
        futures.append(puppet.start(wait_holding, condition))
        blocked(condition, count)
    return futures


def switches(crowd: list[Puppet]) -> list[int]:
    """How often the kernel has put each thread to sleep, which is once more than it was woken."""
    counts = []
    for puppet in crowd:
        with open(f"/proc/self/task/{puppet._thread.native_id}/status") as file:
            [line] = (line for line in file if line.startswith("voluntary_ctxt_switches"))
        counts.append(int(line.split()[1]))
    return counts


def settled(crowd: list[Puppet]) -> list[int]:
    """The same, once nothing moves: a thread that is in the queue is still on its way to sleep for a moment."""
    last: list[int] = []

    def still() -> bool:
        nonlocal last
        before, last = last, switches(crowd)
        time.sleep(0.005)  # the pace of looking
        return before == last

    until(still, "the waiters to sleep")
    return last


def test_nobody_is_woken_by_notify_all(lock: Any, puppets: Any) -> None:
    """While the notifier holds the lock the waiters stand in its queue, in their order, and sleep on."""
    crowd = puppets(WAITERS)
    condition = OurCondition(lock)
    futures = sleeping(condition, crowd)
    slept, before = settled(crowd), stats()
    condition.acquire()
    condition.notify_all()
    assert waiters(condition) == []
    assert [w.thread for w in waiters(lock)] == [puppet.ident for puppet in crowd]
    assert {w.kind for w in waiters(lock)} == {"exclusive"}
    assert f"waiters={WAITERS}" in repr(lock)
    # Had anybody been woken it would run now: time is all that can be given to what must not happen.
    time.sleep(0.02)
    assert switches(crowd) == slept
    after = stats()
    condition.release()
    assert [future.result(LIMIT) for future in futures] == [True] * WAITERS
    assert (after.notifies, after.handoffs) == (before.notifies, before.handoffs)
    assert after.parks == before.parks, "to be moved is not to go to sleep"


def test_each_is_woken_once(lock: Any, puppets: Any) -> None:
    """N waiters cost N wake-ups and no second sleep, where waking all would cost a sleep more for nearly each."""
    crowd = puppets(WAITERS)
    condition, order = OurCondition(lock), []

    def wait() -> None:
        with condition:
            condition.wait()
            order.append(threading.get_ident())
            # The others would be seen to run and to sleep again meanwhile, if they had been woken.
            assert len(waiters(lock)) == WAITERS - len(order)

    futures = []
    for count, puppet in enumerate(crowd, start=1):
        futures.append(puppet.start(wait))
        blocked(condition, count)
    settled(crowd)
    with condition:
        condition.notify_all()
        before = stats()
    for future in futures:
        future.result(LIMIT)
    after = stats()
    assert order == [puppet.ident for puppet in crowd]
    assert after.notifies - before.notifies + after.handoffs - before.handoffs <= WAITERS
    assert after.parks - before.parks <= 1, "a waiter that had been woken slept again"
    assert not waiters(lock) and not waiters(condition)


@pytest.mark.parametrize("n", [1, 3])
def test_notify_of_n_moves_n(lock: Any, puppets: Any, n: int) -> None:
    crowd = puppets(5)
    condition = OurCondition(lock)
    futures = sleeping(condition, crowd)
    condition.acquire()
    condition.notify(n)
    assert [w.thread for w in waiters(lock)] == [puppet.ident for puppet in crowd[:n]]
    assert [w.thread for w in waiters(condition)] == [puppet.ident for puppet in crowd[n:]]
    condition.notify(n)
    assert len(waiters(lock)) == min(2 * n, 5)
    condition.notify_all()
    assert [w.thread for w in waiters(lock)] == [puppet.ident for puppet in crowd]
    condition.release()
    for future in futures:
        assert future.result(LIMIT) is True


def test_moved_waiters_queue_behind_those_who_came_before(puppets: Any) -> None:
    """With a lock that is strictly first come, first served."""
    lock, order = IntervalLock(0), []
    condition = OurCondition(lock)
    one, two, three = puppets(3)

    def visit(name: str, wait: bool) -> None:
        with condition:
            if wait:
                condition.wait()
            order.append(name)

    futures = [one.start(visit, "notified", True)]
    blocked(condition)
    with condition:
        futures.append(two.start(visit, "earlier", False))
        waiting(lock)
        condition.notify()
        waiting(lock, 2)
        futures.append(three.start(visit, "later", False))
        waiting(lock, 3)
    for future in futures:
        future.result(LIMIT)
    assert order == ["earlier", "notified", "later"]


def test_one_that_was_moved_does_not_time_out(lock: Any, puppet: Puppet) -> None:
    """It was notified in time; that it gets the lock later does not make it a timeout."""
    condition = OurCondition(lock)
    future = puppet.start(wait_holding, condition, 0.05)
    blocked(condition)
    condition.acquire()
    condition.notify()
    before = stats().timeouts
    deadline = time.monotonic() + 0.1
    while time.monotonic() < deadline:
        assert len(waiters(lock)) == 1, "it left the queue"
    condition.release()
    assert future.result(LIMIT) is True
    assert stats().timeouts == before


def test_moved_and_plain_waiters_of_an_rlock_of_several_levels(puppets: Any) -> None:
    """The lock is handed over at the last level, and each comes back to its own."""
    lock = RLock()
    condition = OurCondition(lock)
    one, two = puppets(2)

    def wait() -> int:
        for _ in range(3):
            lock.acquire()
        condition.wait()
        depth = lock._recursion_count()
        for _ in range(3):
            lock.release()
        return depth

    future = one.start(wait)
    blocked(condition)
    lock.acquire()
    lock.acquire()
    condition.notify()
    waiting(lock)
    other = two.start(wait_holding, condition, 0)
    waiting(lock, 2)
    lock.release()
    assert not future.done() and len(waiters(lock)) == 2
    lock.release()
    assert future.result(LIMIT) == 3
    assert other.result(LIMIT) is False


def test_the_counters_see_waits(puppets: Any) -> None:
    """A wait in any of the family counts as a park, one that ran out of time as a timeout."""
    condition = OurCondition(Lock())
    before = stats()
    with condition:
        assert condition.wait(0.001) is False
    after = stats()
    assert after.parks > before.parks and after.timeouts == before.timeouts + 1
