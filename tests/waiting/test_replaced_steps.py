"""A condition whose _is_owned, _release_save or _acquire_restore is replaced: wait() and notify() call the new ones."""

from types import ModuleType
from typing import Any
from unittest import mock

import pytest

import ft_utils.synchronization as ours

from ..support.buffer import pass_through
from ..support.family import LOCKS, REENTRANT, blocked, holding, notify_all, wait_holding
from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet

STEPS = ["_is_owned", "_release_save", "_acquire_restore"]


def traced(cls: Any, how: str, lock: Any, steps: list[str] = STEPS) -> tuple[Any, list[str]]:
    """A condition with these steps replaced by ones that note their names, and call the original."""
    log: list[str] = []

    def around(name: str, original: Any) -> Any:
        def step(*args: Any) -> Any:
            log.append(name)
            return original(*args)

        return step

    if how == "subclass":
        return type("Traced", (cls,), {name: around(name, getattr(cls, name)) for name in steps})(lock), log
    condition = cls(lock)
    for name in steps:
        setattr(condition, name, around(name, getattr(condition, name)))
    return condition, log


@pytest.mark.parametrize("how", ["instance", "subclass"])
@pytest.mark.parametrize("over", LOCKS)
def test_which_are_called(module: ModuleType, over: str, how: str) -> None:
    """Those of an instance, and those of a class where the lock has none of that name."""
    condition, log = traced(module.Condition, how, LOCKS[over]())
    called = [name for name in STEPS if how == "instance" or not hasattr(condition._lock, name)]
    with holding(condition):
        assert condition.wait(0) is False
        assert log == called
        condition.notify()
        condition.notify_all()
    assert log == called + ["_is_owned"] * 2 * ("_is_owned" in called)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("over", LOCKS)
def test_one_of_them_alone(module: ModuleType, over: str, step: str, puppet: Puppet) -> None:
    """The others are the lock's still; the notified thread comes back with what it held, as deep as that was."""
    condition, log = traced(module.Condition, "instance", LOCKS[over](), [step])
    depth = 3 if over in REENTRANT else 1

    def wait() -> bool:
        for _ in range(depth):
            condition.acquire()
        notified = condition.wait(LIMIT)
        for _ in range(depth):
            condition.release()
        assert not condition._is_owned()
        return notified

    waiting = puppet.start(wait)
    blocked(condition)
    notify_all(condition)
    assert waiting.result(LIMIT) is True
    assert set(log) == {step}


@pytest.mark.parametrize("over", ["no lock given", "Lock", "RLock", "IntervalLock", "IntervalLock(0)"])
def test_replaced_while_a_thread_waits(over: str, puppets: Any) -> None:
    """That one comes back as it went, the later ones by the new methods."""
    condition, log, crowd = ours.Condition(LOCKS[over]()), [], puppets(3)
    waits = [crowd[0].start(wait_holding, condition)]
    blocked(condition)
    original = condition._acquire_restore
    condition._acquire_restore = lambda state: (log.append("restore"), original(state))
    for count, puppet in enumerate(crowd[1:], start=2):
        waits.append(puppet.start(wait_holding, condition))
        blocked(condition, count)
    notify_all(condition)
    assert [wait.result(LIMIT) for wait in waits] == [True] * 3
    assert log == ["restore"] * 2
    assert ours.snapshot() == [] and crowd[0].run(condition.acquire, timeout=LIMIT)
    crowd[0].run(condition.release)


@pytest.mark.parametrize("over", ["threading.Lock", "Lock", "Duck"])
def test_ownership_that_the_class_tells(over: str, puppet: Puppet) -> None:
    """It may say yes where the lock is not held: the notified thread still comes back with it."""

    class Anybodys(ours.Condition):  # type: ignore[misc]
        def _is_owned(self) -> bool:
            return True

    condition = Anybodys(LOCKS[over]())
    condition.notify()
    waiting = puppet.start(wait_holding, condition)
    blocked(condition)
    condition.notify_all()
    assert waiting.result(LIMIT) is True
    with pytest.raises(RuntimeError):
        condition.wait(0)  # which has no lock to let go of
    assert ours.snapshot() == []


@pytest.mark.parametrize("over", ["no lock given", "RLock", "Lock", "threading.RLock"])
def test_ownership_that_a_mock_tells(module: ModuleType, over: str) -> None:
    condition = module.Condition(LOCKS[over]())
    with mock.patch.object(condition, "_is_owned", return_value=True) as asked:
        condition.notify_all()
        condition.notify(2)
    assert asked.call_count == 2
    with mock.patch.object(condition, "_is_owned", return_value=False), holding(condition):
        for call in (condition.notify, condition.notify_all, condition.wait):
            with pytest.raises(RuntimeError, match="un-acquired"):
                call()
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.wait_for(lambda: False, LIMIT)
    with mock.patch.object(condition, "_is_owned", side_effect=OSError), holding(condition):
        with pytest.raises(OSError):
            condition.notify()
        with pytest.raises(OSError):
            condition.wait(LIMIT)


@pytest.mark.parametrize("over", ["no lock given", "Lock", "RLock", "IntervalLock"])
def test_steps_that_fail(module: ModuleType, over: str) -> None:
    """Who cannot let go keeps the lock and does not wait; who cannot take it back says so."""
    condition = module.Condition(LOCKS[over]())
    with holding(condition):
        save, restore = condition._release_save, condition._acquire_restore
        condition._release_save = mock.Mock(side_effect=OSError("not saved"))
        with pytest.raises(OSError, match="not saved"):
            condition.wait(LIMIT)
        assert condition._is_owned()
        condition._release_save = save

        def fail(state: object) -> None:
            restore(state)
            raise OSError("not restored")

        condition._acquire_restore = fail
        with pytest.raises(OSError, match="not restored"):
            condition.wait(0)
        condition._acquire_restore = restore
        assert condition.wait(0) is False
    assert ours.snapshot() == []


@pytest.mark.parametrize("how", ["instance", "subclass"])
@pytest.mark.parametrize("over", ["no lock given", "Lock", "RLock", "IntervalLock", "threading.Lock"])
def test_bounded_buffer(module: ModuleType, over: str, how: str) -> None:
    """Every item arrives, whichever of the methods a wait goes by."""
    condition, log = traced(module.Condition, how, LOCKS[over](), STEPS[1:])
    pass_through(condition, 100, 2)
    assert log.count("_release_save") == log.count("_acquire_restore")
    assert ours.snapshot() == []


@pytest.mark.parametrize("over", ["Lock", "RLock"])
def test_in_a_forked_child(over: str) -> None:
    """Where nothing is queued by Go."""
    run_isolated(
        f"""
        from ft_utils import synchronization as ft
        from support.threads import LIMIT, Puppet, waiting
        log = []
        condition = ft.Condition(ft.{over}())
        save, restore = condition._release_save, condition._acquire_restore
        condition._release_save = lambda: (log.append("save"), save())[1]
        condition._acquire_restore = lambda state: (log.append("restore"), restore(state))
        with condition:
            assert not condition.wait(0.001)  # Go is there
        child = os.fork()
        if child == 0:
            def notify():
                with condition:
                    condition.notify_all()
            with condition:
                assert not condition.wait(0.001)
                helper = threading.Thread(target=notify)
                helper.start()
                assert condition.wait(LIMIT)
                assert condition._is_owned()
            helper.join(LIMIT)
            os._exit(0 if log == ["save", "restore"] * 3 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print("ok")
        """,
        expect_out="ok",
        expect_err=None,  # the warning of a fork beside threads
    )


def test_steps_of_a_patched_class(module: ModuleType) -> None:
    """They count over locks without such methods. In a process of its own, since classes are everybody's."""
    run_isolated(
        f"""
        from unittest import mock
        import {module.__name__} as module
        before = module.Condition(module.Lock()), module.Condition()
        with mock.patch.object(module.Condition, "_is_owned", return_value=True) as asked:
            before[0].notify()
            module.Condition(module.Lock()).notify()
            assert asked.call_count == 2
            for condition in before[1], module.Condition():
                with condition:
                    condition.notify()
                try:
                    condition.notify()
                except RuntimeError:
                    print("refused")
            assert asked.call_count == 2
        """,
        expect_out="refused\nrefused",
    )
