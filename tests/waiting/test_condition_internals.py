"""What lies between a condition and its lock: levels, the private methods, locks of the other module."""

import threading
from types import ModuleType
from typing import Any

import pytest

import ft_utils.synchronization as ours

from ..support.family import LOCKS, OWNERLESS, REENTRANT, SHARED, blocked, holding, notify, wait_holding
from ..support.threads import LIMIT, Puppet, until


@pytest.fixture(params=sorted(REENTRANT))
def nested(request: pytest.FixtureRequest, module: ModuleType) -> Any:
    return module.Condition(LOCKS[request.param]())


@pytest.mark.parametrize("timeout", [None, 0.01, LIMIT])
def test_wait_lets_go_of_every_level(nested: Any, puppets: Any, timeout: float | None) -> None:
    waiter, notifier = puppets(2)
    depth = 3

    def wait() -> bool:
        for _ in range(depth):
            nested.acquire()
        woken = nested.wait(timeout)
        for _ in range(depth):
            nested.release()
        with pytest.raises(RuntimeError):
            nested.release()
        return woken

    result = waiter.start(wait)
    if timeout == 0.01:
        assert result.result(LIMIT) is False
    else:
        blocked(nested)
        assert notifier.run(nested.acquire, timeout=LIMIT), "a level was kept"
        notifier.run(nested.notify)
        notifier.run(nested.release)
        assert result.result(LIMIT) is True
    assert notifier.run(nested.acquire, False)
    notifier.run(nested.release)


def test_every_waiter_gets_back_its_own_level(nested: Any, puppets: Any) -> None:
    def wait(depth: int) -> int:
        for _ in range(depth):
            nested.acquire()
        nested.wait()
        count = 0
        while nested._is_owned():
            nested.release()
            count += 1
        return count

    crowd = puppets(4)
    results = []
    for depth, puppet in enumerate(crowd, start=1):
        results.append(puppet.start(wait, depth))
        blocked(nested, depth)
    with nested, nested:
        nested.notify_all()
    assert [result.result(LIMIT) for result in results] == [1, 2, 3, 4]


def test_notify_at_a_deeper_level(nested: Any, puppet: Puppet) -> None:
    """The waiter has to wait for the last level, not the first."""
    result = puppet.start(wait_holding, nested)
    blocked(nested)
    nested.acquire()
    nested.acquire()
    nested.notify()
    nested.release()
    assert not result.done()
    nested.release()
    assert result.result(LIMIT) is True


def test_wrong_timeout_keeps_the_levels(nested: Any) -> None:
    with nested, nested:
        with pytest.raises(TypeError):
            nested.wait("1")
        with pytest.raises(OverflowError):
            nested.wait(1e100)
    with pytest.raises(RuntimeError):
        nested.release()


@pytest.mark.parametrize("cls", [ours.RLock, ours.IntervalLock])
def test_timeout_whose_comparison_gives_the_lock_away(cls: Any, puppet: Puppet) -> None:
    """wait() must not release what another thread holds by then."""
    lock = cls()
    condition = ours.Condition(lock)

    class Generous(float):
        def __gt__(self, other: object) -> bool:
            lock.release()
            puppet.run(lock.acquire)
            return True

        __hash__ = None

    for wait in (condition.wait, lambda timeout: condition.wait_for(lambda: False, timeout)):
        lock.acquire()
        with pytest.raises(RuntimeError, match="un-acquired"):
            wait(Generous(LIMIT))
        assert puppet.run(lock._is_owned) and not lock._is_owned()
        puppet.run(lock.release)


@pytest.mark.parametrize("over", LOCKS)
def test_is_owned(module: ModuleType, over: str, puppet: Puppet) -> None:
    condition = module.Condition(LOCKS[over]())
    assert not condition._is_owned()
    condition.acquire()
    assert condition._is_owned()
    if over not in OWNERLESS:
        assert not puppet.run(condition._is_owned)
    condition.release()
    assert not condition._is_owned()


@pytest.mark.parametrize("over", ["no lock given", "threading.Lock", "threading.RLock", "Lock", "RLock"])
def test_reinit_after_a_fork(module: ModuleType, over: str, puppet: Puppet) -> None:
    condition = module.Condition(LOCKS[over]())
    puppet.run(condition.acquire)
    condition._at_fork_reinit()
    assert condition.acquire(blocking=False)
    assert condition.wait(0) is False
    condition.release()


@pytest.mark.parametrize("over", ["Lock", "RLock", "IntervalLock", "RWReadContext", "RWWriteContext"])
def test_our_lock_under_both_conditions_at_once(over: str, puppets: Any) -> None:
    """One lock, a condition of the standard library over it and one of ours."""
    lock = LOCKS[over]()
    theirs, mine = threading.Condition(lock), ours.Condition(lock)
    one, two = puppets(2)
    first = one.start(wait_holding, theirs)
    blocked(theirs)
    second = two.start(wait_holding, mine)
    blocked(mine)
    notify(mine)
    assert second.result(LIMIT) is True
    blocked(theirs)
    assert not first.done()
    notify(theirs)
    assert first.result(LIMIT) is True


def test_lock_is_kept_alive(module: ModuleType) -> None:
    condition = module.Condition(module.RLock())
    with condition:
        assert condition.wait(0) is False


class Counting:
    """A lock that tells a condition how to let go of it, and counts."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: list[str] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.calls.append("acquire")
        return self.lock.acquire(blocking, timeout)

    def release(self) -> None:
        self.calls.append("release")
        self.lock.release()

    def locked(self) -> bool:  # for threading's Condition of 3.14
        return self.lock.locked()

    def __enter__(self) -> str:
        self.acquire()
        return "entered"

    def __exit__(self, *_: object) -> None:
        self.release()


class Saving(Counting):
    def _release_save(self) -> str:
        self.calls.append("save")
        self.lock.release()
        return "state"

    def _acquire_restore(self, state: str) -> None:
        self.calls.append(f"restore {state}")
        self.lock.acquire()

    def _is_owned(self) -> bool:
        self.calls.append("owned?")
        return self.lock.locked()


def test_lock_of_a_class_of_ones_own(module: ModuleType) -> None:
    lock = Counting()
    condition = module.Condition(lock)
    with condition as entered:
        assert entered == "entered"
        assert condition.wait(0) is False
        condition.notify()
    assert not lock.lock.locked()
    assert lock.calls.count("release") == 2
    assert lock.calls[0] == "acquire" and lock.calls[-1] == "release"


def test_lock_that_says_how_to_let_go_of_it(module: ModuleType) -> None:
    lock = Saving()
    condition = module.Condition(lock)
    with condition:
        assert condition.wait(0.001) is False
        condition.notify_all()
    assert lock.calls == ["acquire", "owned?", "save", "restore state", "owned?", "release"]
    lock.calls.clear()
    with pytest.raises(RuntimeError):
        condition.notify()
    assert lock.calls == ["owned?"]


def test_condition_as_the_lock_of_another(module: ModuleType, puppets: Any) -> None:
    """It lets go of every level, as an RLock does: a condition over an RLock hands the RLock's way on."""
    inner = module.Condition()
    outer = module.Condition(inner)
    waiter, notifier = puppets(2)

    def wait() -> bool:
        with outer, outer:
            return outer.wait(LIMIT)

    result = waiter.start(wait)
    blocked(outer)
    assert notifier.run(inner.acquire, timeout=1), "a level was kept"
    notifier.run(outer.notify)
    notifier.run(inner.release)
    assert result.result(LIMIT) is True


def test_subclass_that_overrides_nothing_of_the_queue(puppet: Puppet) -> None:
    """A subclass of our lock may do more at acquire and release; the condition still hands the lock over."""

    class Named(ours.Lock):  # type: ignore[misc]
        name = "mine"

    condition = ours.Condition(Named())
    result = puppet.start(wait_holding, condition)
    blocked(condition)
    notify(condition)
    assert result.result(LIMIT) is True


def test_subclass_with_acquire_and_release_of_its_own(puppets: Any) -> None:
    """What a subclass does at acquire and release is done around a wait as well, as the standard library would."""
    calls: list[str] = []

    class Traced(ours.Lock):  # type: ignore[misc]
        def acquire(self, *args: Any, **kwargs: Any) -> bool:
            if taken := super().acquire(*args, **kwargs):  # a condition may try, to see whether it is held
                calls.append("acquire")
            return taken

        def release(self) -> None:
            calls.append("release")
            super().release()

    waiter, notifier = puppets(2)
    condition = ours.Condition(Traced())

    def wait() -> bool:
        condition.acquire()
        woken = condition.wait()
        condition.release()
        return woken

    result = waiter.start(wait)
    blocked(condition)
    notifier.run(notify, condition)
    assert result.result(LIMIT) is True
    assert calls.count("acquire") == calls.count("release") == 3, calls


def test_shared_side_lets_several_waiters_hold_it_at_once(module: ModuleType, puppets: Any) -> None:
    assert {"RWReadContext"} == SHARED
    condition = module.Condition(LOCKS["RWReadContext"]())
    inside = threading.Barrier(2)

    def wait() -> None:
        with condition:
            assert condition.wait(LIMIT) is True
            inside.wait(LIMIT)  # both have it at once, or this would not end

    results = []
    for count, puppet in enumerate(puppets(2), start=1):
        results.append(puppet.start(wait))
        blocked(condition, count)
    with condition:
        condition.notify_all()
    for result in results:
        result.result(LIMIT)


def test_waiters_can_be_looked_at(puppets: Any) -> None:
    """As many programs do that want to know whether somebody waits. It shows the present, and changes nothing."""
    condition, crowd = ours.Condition(), puppets(3)
    waiters = condition._waiters
    assert len(waiters) == 0 and not waiters and list(waiters) == [] and repr(waiters) == "Waiters([])"
    waits = []
    for count, puppet in enumerate(crowd, start=1):
        waits.append(puppet.start(wait_holding, condition))
        until(lambda count=count: len(waiters) == count)
    assert list(waiters) == [puppet.ident for puppet in crowd]
    assert waiters[0] == crowd[0].ident and crowd[1].ident in waiters and waiters
    with condition:
        condition.notify(2)
    assert list(waiters) == [crowd[2].ident]
    with pytest.raises((AttributeError, TypeError)):
        waiters.clear()
    with condition:
        condition.notify()
    for wait in waits:
        wait.result(LIMIT)
    assert not waiters


# --- making one -----------------------------------------------------------------------------------------------------


def test_made_meanwhile_by_a_look_at_the_lock() -> None:
    """Which of the two locks it has must not be left to chance."""
    condition, first = ours.Condition.__new__(ours.Condition), ours.Lock()
    unmade = [condition]

    class Sly:
        @property
        def acquire(self) -> Any:
            if unmade:
                unmade.pop().__init__(first)
            return first.acquire

        def release(self) -> None:
            first.release()

    with pytest.raises(RuntimeError, match="already"):
        condition.__init__(Sly())
    assert condition._lock is first


def test_lock_that_can_restore_and_not_save(module: ModuleType) -> None:
    """Each private method is asked for by itself."""
    states = []

    class Half:
        def __init__(self) -> None:
            lock = threading.Lock()
            self.acquire, self.release, self.locked = lock.acquire, lock.release, lock.locked

        def _acquire_restore(self, state: object) -> None:
            states.append(state)
            self.acquire()

    condition = module.Condition(Half())
    with holding(condition):
        assert condition.wait(0) is False
    assert states == [None]


def test_lock_whose_look_up_fails(module: ModuleType) -> None:
    class Broken:
        release = None

        @property
        def acquire(self) -> Any:
            raise OSError("no such lock")

    with pytest.raises(OSError, match="no such lock"):
        module.Condition(Broken())
