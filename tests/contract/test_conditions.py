"""Condition, to the letter of the threading documentation, over every lock that it may be given."""

import time
from collections.abc import Callable
from concurrent.futures import wait as wait_for_futures
from types import ModuleType
from typing import Any

import pytest

from ..support.family import LOCKS, OWNERLESS, SHARED, blocked, holding, notify, notify_all, wait_holding
from ..support.threads import LIMIT, Puppet, exercise, until


@pytest.fixture(params=LOCKS)
def over(request: pytest.FixtureRequest) -> str:
    """The name of the lock under the condition."""
    return request.param


@pytest.fixture
def condition(module: ModuleType, over: str) -> Any:
    return module.Condition(LOCKS[over]())


def taken(condition: Any, puppet: Puppet) -> bool:
    """Whether another thread is kept out."""
    if not puppet.run(condition.acquire, False):
        return True
    puppet.run(condition.release)
    return False


def pending(futures: list[Any]) -> int:
    return sum(not future.done() for future in futures)


def done(futures: list[Any]) -> list[Any]:
    _, unfinished = wait_for_futures(futures, LIMIT)
    assert not unfinished
    return [future.result() for future in futures]


def waits(condition: Any, crowd: list[Puppet], *args: Any, **kwargs: Any) -> list[Any]:
    """Every puppet waits for the condition, in this order."""
    futures = []
    for count, puppet in enumerate(crowd, start=1):
        futures.append(puppet.start(wait_holding, condition, *args, **kwargs))
        blocked(condition, count)
    return futures


# --- its lock -------------------------------------------------------------------------------------------------------


def test_acquire_and_release_are_those_of_the_lock(condition: Any, over: str, puppet: Puppet) -> None:
    assert condition.acquire() is True
    assert taken(condition, puppet) is (over not in SHARED)
    assert condition.release() is None
    assert condition.acquire(False) is True
    condition.release()
    assert condition.acquire(True, 1) is True
    condition.release()
    assert condition.acquire(blocking=True, timeout=0) is True
    condition.release()
    with pytest.raises(RuntimeError):
        condition.release()


def test_condition_excludes_whoever_holds_its_lock(module: ModuleType, over: str, puppet: Puppet) -> None:
    lock = LOCKS[over]()
    if lock is None:
        return
    condition = module.Condition(lock)
    puppet.run(lock.acquire)
    assert condition.acquire(blocking=False) is (over in SHARED)
    if over in SHARED:
        condition.release()
    puppet.run(lock.release)
    condition.acquire()
    assert puppet.run(lock.acquire, False) is (over in SHARED)
    if over in SHARED:
        puppet.run(lock.release)
    lock.release()


def test_with_gives_what_the_lock_gives(module: ModuleType, over: str, puppet: Puppet) -> None:
    lock = LOCKS[over]()
    condition = module.Condition(lock=lock)
    if over == "Duck":
        with pytest.raises((AttributeError, TypeError)), condition:
            pass
        return
    expected: Any = True
    if lock is not None:
        with lock as expected:
            pass
    with condition as entered:
        assert entered is expected
        assert taken(condition, puppet) is (over not in SHARED)
    with pytest.raises(ZeroDivisionError), condition:
        1 / 0
    assert not taken(condition, puppet)


def test_with_after_an_early_release(condition: Any, over: str) -> None:
    if over == "Duck":
        return
    with pytest.raises(RuntimeError), condition:
        condition.release()


@pytest.mark.parametrize("lock", [42, "lock", object()], ids=["int", "str", "object"])
def test_what_is_no_lock(module: ModuleType, lock: object) -> None:
    with pytest.raises((AttributeError, TypeError)):
        module.Condition(lock)


def test_own_lock_is_reentrant(module: ModuleType, puppet: Puppet) -> None:
    condition = module.Condition()
    with condition, condition:
        assert taken(condition, puppet)
    assert not taken(condition, puppet)


# --- without the lock -----------------------------------------------------------------------------------------------


def test_calls_without_the_lock(condition: Any, puppet: Puppet) -> None:
    for call in (
        condition.wait,
        lambda: condition.wait(timeout=1),
        lambda: condition.wait(0),
        condition.notify,
        lambda: condition.notify(2),
        condition.notify_all,
        lambda: condition.wait_for(lambda: False),
        lambda: condition.wait_for(lambda: False, 1),
    ):
        with pytest.raises(RuntimeError, match=r"\w+ \w+"):
            call()
    assert not taken(condition, puppet)


def test_calls_while_another_thread_has_the_lock(condition: Any, over: str, puppet: Puppet) -> None:
    if over in OWNERLESS:
        return  # nothing says whose it is
    puppet.run(condition.acquire)
    for call in (condition.wait, condition.notify, condition.notify_all):
        with pytest.raises(RuntimeError):
            call()
    puppet.run(condition.release)


def test_predicate_that_is_true_needs_no_wait(condition: Any) -> None:
    condition.acquire()
    assert condition.wait_for(lambda: "yes") == "yes"
    condition.release()


# --- wait -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -0.5, 0.0001])
def test_wait_that_nobody_ends(condition: Any, over: str, puppet: Puppet, timeout: float) -> None:
    with holding(condition):
        assert condition.wait(timeout) is False
        assert condition.wait(timeout=timeout) is False
        assert taken(condition, puppet) is (over not in SHARED)
    assert not taken(condition, puppet)


def test_timeout_ends_the_wait_not_before_its_time(condition: Any) -> None:
    with holding(condition):
        start = time.monotonic()
        assert condition.wait(0.05) is False
        assert 0.05 <= time.monotonic() - start < 10


@pytest.mark.parametrize(("timeout", "error"), [(1e100, OverflowError), ("1", TypeError), ([], TypeError)])
def test_wrong_timeouts_leave_the_lock_held(
    condition: Any, over: str, puppet: Puppet, timeout: Any, error: type[Exception]
) -> None:
    with holding(condition):
        with pytest.raises(error):
            condition.wait(timeout)
        assert taken(condition, puppet) is (over not in SHARED)
    blocked(condition, 0)
    assert not taken(condition, puppet)


@pytest.mark.parametrize("args", [(), (None,), (LIMIT,)], ids=repr)
def test_wait_lets_go_of_the_lock_and_has_it_again(condition: Any, puppets: Any, args: tuple[Any, ...]) -> None:
    waiter, notifier = puppets(2)
    back = waiter.start(wait_holding, condition, *args)
    blocked(condition)
    notifier.run(condition.acquire, timeout=LIMIT)  # which it could not if the waiter had kept it
    notifier.run(condition.notify)
    notifier.run(condition.release)
    assert back.result(LIMIT) is True
    assert not taken(condition, notifier)


def test_notified_waiter_waits_for_the_lock(condition: Any, over: str, puppets: Any) -> None:
    if over in SHARED:
        return
    waiter, notifier = puppets(2)
    order: list[str] = []

    def wait() -> None:
        with holding(condition):
            condition.wait()
            order.append("waiter")

    back = waiter.start(wait)
    blocked(condition)
    with holding(condition):
        condition.notify()
        assert taken(condition, notifier)
        order.append("notifier")
    back.result(LIMIT)
    assert order == ["notifier", "waiter"]


def test_notified_waiter_has_the_lock(condition: Any, over: str, puppets: Any) -> None:
    waiter, other = puppets(2)

    def wait() -> bool:
        with holding(condition):
            assert condition.wait(LIMIT) is True
            return taken(condition, other)

    back = waiter.start(wait)
    blocked(condition)
    notify(condition)
    assert back.result(LIMIT) is (over not in SHARED)


# --- notify ---------------------------------------------------------------------------------------------------------


def test_notify_wakes_one_after_another(condition: Any, puppets: Any) -> None:
    futures = waits(condition, puppets(3))
    for count in range(3):
        notify(condition)
        assert futures[count].result(LIMIT) is True, "it has waited longest"
        blocked(condition, 2 - count)
        assert pending(futures) == 2 - count


@pytest.mark.parametrize("call", ["positional", "keyword"])
def test_notify_of_n(condition: Any, puppets: Any, call: str) -> None:
    futures = waits(condition, puppets(4))
    if call == "keyword":
        notify(condition, n=3)
    else:
        notify(condition, 3)
    assert done(futures[:3]) == [True] * 3
    blocked(condition)
    assert not futures[3].done()
    notify(condition, 100)  # more than there are
    assert done(futures) == [True] * 4


def test_notify_of_nobody(condition: Any, puppet: Puppet) -> None:
    [future] = waits(condition, [puppet])
    notify(condition, 0)
    blocked(condition)
    assert not future.done()
    notify(condition, 1)
    assert future.result(LIMIT) is True


def test_notify_all(condition: Any, puppets: Any) -> None:
    for _ in range(3):
        crowd = puppets(4)
        futures = waits(condition, crowd)
        notify_all(condition)
        assert done(futures) == [True] * 4


def test_notify_is_not_kept(condition: Any) -> None:
    notify(condition)
    notify(condition, 5)
    notify_all(condition)
    with holding(condition):
        assert condition.wait(0.001) is False


def test_several_notifies_under_one_hold(condition: Any, puppets: Any) -> None:
    futures = waits(condition, puppets(3))
    with holding(condition):
        condition.notify()
        condition.notify()
        condition.notify()
        condition.notify()
    assert done(futures) == [True] * 3


def test_one_that_timed_out_takes_no_notification(condition: Any, puppets: Any) -> None:
    first, second, third = puppets(3)
    one = waits(condition, [first])[0]
    assert second.run(wait_holding, condition, 0.01) is False
    other = third.start(wait_holding, condition)
    blocked(condition, 2)
    notify(condition, 2)
    assert done([one, other]) == [True, True]


def test_old_name(module: ModuleType, puppet: Puppet) -> None:
    condition = module.Condition()
    [future] = waits(condition, [puppet])
    with condition, pytest.warns(DeprecationWarning, match="notify_all"):
        condition.notifyAll()
    assert future.result(LIMIT) is True


def test_two_conditions_over_one_lock(module: ModuleType, over: str, puppets: Any) -> None:
    """Each has its own waiters."""
    lock = LOCKS[over]()
    if lock is None:
        return
    full, empty = module.Condition(lock), module.Condition(lock)
    one, two = puppets(2)
    [for_full], [for_empty] = waits(full, [one]), waits(empty, [two])
    notify_all(empty)
    assert for_empty.result(LIMIT) is True
    blocked(full)
    assert not for_full.done()
    notify(full)
    assert for_full.result(LIMIT) is True


# --- wait_for -------------------------------------------------------------------------------------------------------


def test_wait_for_gives_what_the_predicate_gave(condition: Any, over: str, puppet: Puppet, puppets: Any) -> None:
    state: list[str] = []
    asked: list[bool] = []
    [other] = puppets(1)

    def predicate() -> list[str]:
        asked.append(taken(condition, other))
        return list(state)

    def wait() -> Any:
        with holding(condition):
            return condition.wait_for(predicate)

    result = puppet.start(wait)
    blocked(condition)
    notify(condition)  # for nothing: it asks and waits on
    blocked(condition)
    while len(asked) < 2:
        notify(condition)
    assert not result.done()
    blocked(condition)
    with holding(condition):
        state.append("ready")
        condition.notify_all()
    assert result.result(LIMIT) == ["ready"]
    assert len(asked) >= 3
    assert set(asked) == {over not in SHARED}, "the predicate is asked with the lock held"


def test_wait_for_gives_the_last_answer_after_its_time(condition: Any) -> None:
    no: list[int] = []
    with holding(condition):
        assert condition.wait_for(lambda: no, timeout=0.01) is no
        assert condition.wait_for(lambda: 0, 0) == 0
        assert condition.wait_for(lambda: None, -1) is None
        assert condition.wait_for(predicate=lambda: 7, timeout=None) == 7


def test_wait_for_asks_once_more_after_its_time(condition: Any) -> None:
    answers = iter([False, "late"])
    with holding(condition):
        assert condition.wait_for(lambda: next(answers), 0.01) == "late"


def test_notifies_for_nothing_do_not_put_the_deadline_off(condition: Any, puppet: Puppet) -> None:
    def wait() -> Any:
        with holding(condition):
            return condition.wait_for(lambda: False, 0.1)

    start = time.monotonic()
    result = puppet.start(wait)
    while not result.done():
        notify_all(condition)
        wait_for_futures([result], 0.005)  # the pace of the notifies, until it has given up
        assert time.monotonic() - start < LIMIT
    assert result.result() is False
    assert time.monotonic() - start >= 0.1


def test_predicate_that_raises(condition: Any, over: str, puppets: Any) -> None:
    waiter, other = puppets(2)
    answers: list[Callable[[], bool]] = [lambda: False, lambda: 1 // 0 == 0]

    def wait() -> bool:
        with holding(condition):
            with pytest.raises(ZeroDivisionError):
                condition.wait_for(lambda: answers.pop(0)())
            return taken(condition, other)

    result = waiter.start(wait)
    blocked(condition)
    notify(condition)
    assert result.result(LIMIT) is (over not in SHARED)
    assert not taken(condition, other)


def test_wait_for_wants_a_callable(condition: Any) -> None:
    with holding(condition), pytest.raises(TypeError):
        condition.wait_for(True)
    with pytest.raises(TypeError):
        condition.wait_for()


# --- together -------------------------------------------------------------------------------------------------------


def test_ping_pong(condition: Any, over: str) -> None:
    """Two threads that take turns."""
    if over in SHARED:
        return  # nothing keeps the other from its turn between a look at the state and the wait
    turn, rounds = [0], 150

    def player(mine: int) -> Callable[[], None]:
        def play() -> None:
            for _ in range(rounds):
                with holding(condition):
                    assert condition.wait_for(lambda: turn[0] % 2 == mine, LIMIT)
                    turn[0] += 1
                    condition.notify()

        return play

    exercise(player(0), player(1))
    assert turn == [2 * rounds]


# --- the time and the lock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notified", [True, False])
def test_time_passes_while_the_lock_is_taken(condition: Any, over: str, puppet: Puppet, notified: bool) -> None:
    """It returns when it has the lock; what it says is whether it was notified in time."""
    if over in SHARED:
        return
    timeout = 0.01
    while not tried_in_time(condition, puppet, timeout, notified):
        timeout *= 4  # the machine is busy: the wait was over before it could be looked at
        assert timeout < LIMIT


def tried_in_time(condition: Any, puppet: Puppet, timeout: float, notified: bool) -> bool:
    """False when the waiter's time was over too early for the test to be one."""
    started = time.monotonic()
    result = puppet.start(wait_holding, condition, timeout)
    until(lambda: result.done() or len(condition._waiters) == 1, "the waiter to wait")
    with holding(condition):
        if notified:
            condition.notify()
        if result.done() or time.monotonic() - started >= timeout:
            valid = False
        else:
            # Past the deadline by a good deal: the waiter would have left by now, if it could.
            wait_for_futures([result], timeout + 0.02)
            valid = True
            assert not result.done()
    assert not valid or result.result(LIMIT) is notified
    result.result(LIMIT)
    return valid
