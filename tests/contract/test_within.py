"""within(timeout): with statements that wait no longer than that, and reading() and writing()."""

import contextlib
import copy
import gc
import math
import pickle
import random
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from ft_utils.synchronization import (
    BoundedSemaphore,
    Condition,
    IntervalLock,
    Lock,
    ReaderWriterLock,
    ResizableSemaphore,
    RLock,
    RWReadContext,
    RWWriteContext,
    Semaphore,
    TimedContext,
)

from ..support.family import Duck
from ..support.kicks import hammer
from ..support.process import run_isolated, with_is_whole
from ..support.subjects import lock as locked_like
from ..support.subjects import timed_turn
from ..support.threads import LIMIT, Puppet, exercise

SHORT = 0.002  # a wait in vain

# How each is made, and whether a thread that is in the block may enter once more.
LOCKS: dict[str, tuple[Callable[[], Any], bool]] = {
    "IntervalLock": (IntervalLock, False),
    "IntervalLock(0)": (lambda: IntervalLock(0), False),
    "Lock": (Lock, False),
    "RLock": (RLock, True),
    "Semaphore": (lambda: Semaphore(1), False),
    "BoundedSemaphore": (lambda: BoundedSemaphore(1), False),
    "ResizableSemaphore": (lambda: ResizableSemaphore(1), False),
    "RWReadContext": (lambda: ReaderWriterLock().reading(), True),
    "RWWriteContext": (lambda: ReaderWriterLock().writing(), False),
    "RWUpgradeContext": (lambda: ReaderWriterLock().upgradable(), False),
    "Condition": (Condition, True),
    "Condition over Lock": (lambda: Condition(Lock()), False),
    "Condition over IntervalLock": (lambda: Condition(IntervalLock()), False),
    "Condition over RWWriteContext": (lambda: Condition(ReaderWriterLock().writing()), False),
    "Condition over threading.Lock": (lambda: Condition(threading.Lock()), False),
    "Condition over threading.RLock": (lambda: Condition(threading.RLock()), True),
    "Condition over a duck": (lambda: Condition(Duck()), False),
}
PERMITS = {"Semaphore", "BoundedSemaphore"}


@pytest.fixture(params=LOCKS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def lock(name: str) -> Any:
    return LOCKS[name][0]()


def rival(lock: Any) -> Any:
    """What keeps everybody out of the lock: the write side, for a reader."""
    return RWWriteContext(lock.lock) if isinstance(lock, RWReadContext) else lock


def attempt(lock: Any) -> bool:
    """Whether this thread could have it at once."""
    if taken := lock.acquire(blocking=False):
        lock.release()
    return taken


# --- entering and leaving -------------------------------------------------------------------------------------------


def test_it_holds_what_the_block_needs(lock: Any, puppet: Puppet) -> None:
    with lock.within(LIMIT) as entered:
        assert entered is lock
        assert puppet.run(attempt, rival(lock)) is False
    assert puppet.run(attempt, rival(lock)) is True


def test_it_raises_when_the_time_is_over(lock: Any, puppet: Puppet) -> None:
    puppet.run(rival(lock).acquire)
    for timeout in (0, 0.0, SHORT):
        with pytest.raises(TimeoutError, match=f"could not be taken within {float(timeout)} s"):
            with lock.within(timeout):
                raise AssertionError("the block was entered without the lock")
    puppet.run(rival(lock).release)
    with lock.within(0):  # a free one needs no time
        pass
    assert puppet.run(attempt, rival(lock)) is True


def test_the_error_shows_the_lock(lock: Any, puppet: Puppet) -> None:
    puppet.run(rival(lock).acquire)
    shown = repr(lock)
    with pytest.raises(TimeoutError) as raised:
        lock.within(SHORT).__enter__()
    assert str(raised.value) == f"{shown} could not be taken within {SHORT} s"
    puppet.run(rival(lock).release)


def test_it_waits_for_the_lock(lock: Any, puppets: Callable[[int], list[Puppet]]) -> None:
    holder, waiter = puppets(2)
    holder.run(rival(lock).acquire)
    entered = threading.Event()

    def enter() -> None:
        with lock.within(LIMIT):
            entered.set()

    waits = waiter.start(enter)
    assert not entered.is_set()
    holder.run(rival(lock).release)
    waits.result(LIMIT)
    assert entered.is_set()


def test_an_exception_comes_through_and_the_lock_is_free(lock: Any, puppet: Puppet) -> None:
    with pytest.raises(ZeroDivisionError):
        with lock.within(LIMIT):
            raise ZeroDivisionError
    assert puppet.run(attempt, rival(lock)) is True


def test_it_may_be_kept(lock: Any, puppet: Puppet) -> None:
    kept = lock.within(SHORT)
    for _ in range(3):
        with kept:
            pass
        puppet.run(rival(lock).acquire)
        with pytest.raises(TimeoutError), kept:
            pass
        puppet.run(rival(lock).release)


def test_it_nests_as_the_lock_does(lock: Any, name: str, puppet: Puppet) -> None:
    kept = lock.within(SHORT)
    with kept:
        if LOCKS[name][1]:
            with kept, kept:
                assert puppet.run(attempt, rival(lock)) is False
        else:
            with pytest.raises((TimeoutError, RuntimeError)), kept:
                raise AssertionError("entered twice")
        assert puppet.run(attempt, rival(lock)) is False
    assert puppet.run(attempt, rival(lock)) is True


def test_waiting_for_oneself_is_refused_as_by_acquire() -> None:
    for lock in (IntervalLock(), ReaderWriterLock().writing()):
        with lock, pytest.raises(RuntimeError, match="holds the"), lock.within(LIMIT):
            pass
        assert not lock.locked()
    rw = ReaderWriterLock()
    with rw.reading(), pytest.raises(RuntimeError, match="release it before"), rw.writing().within(LIMIT):
        pass
    assert rw.readers() == 0


def test_leaving_what_was_not_entered(lock: Any, name: str, puppet: Puppet) -> None:
    """It must not release what somebody else took, not even where anybody may."""
    context = lock.within(LIMIT)
    lock.acquire()
    with pytest.raises(RuntimeError, match="not entered"):
        context.__exit__(None, None, None)
    assert puppet.run(attempt, rival(lock)) is False
    lock.release()
    with context:
        pass
    with pytest.raises(RuntimeError, match="not entered"):
        context.__exit__()
    if name in PERMITS:
        assert lock._value == 1


OWNED = ["IntervalLock", "RLock", "RWReadContext", "RWWriteContext", "RWUpgradeContext", "Condition"]


@pytest.mark.parametrize("name", OWNED)
def test_leaving_for_another_thread(lock: Any, puppet: Puppet) -> None:
    """It is refused, and the one that entered can leave all the same."""
    context = lock.within(LIMIT)
    with context:
        with pytest.raises(RuntimeError):
            puppet.run(context.__exit__)
        assert puppet.run(attempt, rival(lock)) is False
    assert puppet.run(attempt, rival(lock)) is True


@pytest.mark.parametrize("name", OWNED)
def test_leaving_while_another_thread_is_refused(lock: Any, puppet: Puppet) -> None:
    """What is refused at the same moment is not counted: the one that entered leaves."""
    context, done = lock.within(LIMIT), threading.Event()

    def disturb() -> None:
        while not done.is_set():
            with contextlib.suppress(RuntimeError):
                context.__exit__(None, None, None)

    disturbed = puppet.start(disturb)
    try:
        for _ in range(20_000):
            context.__enter__()
            context.__exit__(None, None, None)
    finally:
        done.set()
    disturbed.result(LIMIT)
    assert attempt(rival(lock))


def test_one_context_in_many_threads(name: str) -> None:
    lock = LOCKS[name][0]()
    shared = lock.within(LIMIT)
    total = [0]

    def add() -> None:
        for _ in range(500):
            with shared:
                if not isinstance(lock, RWReadContext):
                    total[0] += 1

    exercise(add, add, add)
    if not isinstance(lock, RWReadContext):
        assert total == [1500]
    with pytest.raises(RuntimeError):
        shared.__exit__()


def test_a_semaphore_is_entered_by_as_many_as_it_has_permits(puppets: Callable[[int], list[Puppet]]) -> None:
    semaphore = BoundedSemaphore(2)
    context = semaphore.within(SHORT)
    one, two = puppets(2)
    one.run(context.__enter__)
    two.run(context.__enter__)
    with pytest.raises(TimeoutError), context:
        pass
    one.run(context.__exit__)
    with context:
        assert semaphore._value == 0
    two.run(context.__exit__)
    assert semaphore._value == 2


def test_a_semaphore_that_never_makes_anybody_wait() -> None:
    endless = Semaphore(math.inf)  # type: ignore[arg-type]
    with endless.within(0):
        pass


def test_a_condition_waits_in_the_block(puppet: Puppet) -> None:
    condition = Condition()
    with condition.within(LIMIT) as entered:
        assert entered.wait(SHORT) is False

        def notify() -> None:
            with condition.within(LIMIT):
                condition.notify()

        notified = puppet.start(notify)
        assert condition.wait(LIMIT)
    notified.result(LIMIT)


def test_a_condition_without_a_lock() -> None:
    unmade = Condition.__new__(Condition)
    with pytest.raises(RuntimeError, match="__new__"), unmade.within(1):
        pass


def test_a_context_without_a_lock() -> None:
    for cls in (RWReadContext, RWWriteContext):
        with pytest.raises(RuntimeError, match="__new__"), cls.__new__(cls).within(1):
            pass


def test_cede_in_the_block() -> None:
    lock = IntervalLock(0)
    with lock.within(LIMIT):
        lock.poll()
        lock.cede()
    assert not lock.locked()


def test_replaced_methods_of_a_semaphore() -> None:
    """As in a with statement: release() is the replaced one."""
    released: list[int] = []

    class Counting(Semaphore):
        def release(self, n: int = 1) -> None:
            released.append(n)
            super().release(n)

    semaphore = Counting(1)
    with semaphore.within(LIMIT):
        assert semaphore._value == 0
    assert released == [1] and semaphore._value == 1


def test_a_subclass_is_entered_as_itself() -> None:
    class Sub(IntervalLock):
        def __repr__(self) -> str:
            raise ZeroDivisionError

    lock = Sub()
    with lock.within(1) as entered:
        assert entered is lock
        with Puppet() as other, pytest.raises(TimeoutError, match=r"^the Sub could not be taken within 0\.0 s$"):
            other.run(lock.within(0).__enter__)


# --- arguments and the object ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, 0.0, 1, 0.5, True, threading.TIMEOUT_MAX])
def test_timeouts(lock: Any, timeout: float) -> None:
    context = lock.within(timeout)
    assert context.timeout == float(timeout) and type(context.timeout) is float
    assert context.lock is lock
    with context:
        pass


WRONG: list[tuple[Any, type[Exception]]] = [
    (-1, ValueError),
    (-0.5, ValueError),
    (-1e-9, ValueError),
    (math.nan, ValueError),
    (math.inf, OverflowError),
    (threading.TIMEOUT_MAX * 2, OverflowError),
    (10**30, OverflowError),
    (None, TypeError),
    ("1", TypeError),
    (1j, TypeError),
]


@pytest.mark.parametrize(("timeout", "error"), WRONG, ids=lambda value: repr(value))
def test_wrong_timeouts(lock: Any, timeout: Any, error: type[Exception]) -> None:
    """At the call, not at the entry. There is no waiting for ever: that is what the lock itself is for."""
    with pytest.raises(error) as raised:
        lock.within(timeout)
    assert str(raised.value)


def test_wrong_arguments(lock: Any) -> None:
    for args, kwargs in (((), {}), ((1, 1), {}), ((), {"seconds": 1}), ((1,), {"timeout": 1})):
        with pytest.raises(TypeError):
            lock.within(*args, **kwargs)
    assert lock.within(timeout=2).timeout == 2


def test_the_context_as_an_object(lock: Any) -> None:
    context = lock.within(0.5)
    assert type(context) is TimedContext
    assert repr(context) == f"<TimedContext of {lock!r} within 0.5 s at {hex(id(context))}>"
    reference = weakref.ref(context)
    assert reference() is context
    for refused in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            refused(context)
    with pytest.raises(AttributeError):
        context.timeout = 1
    del context
    gc.collect()
    assert reference() is None


def test_it_is_made_by_within_alone() -> None:
    with pytest.raises(TypeError):
        TimedContext()  # type: ignore[misc]
    with pytest.raises(TypeError):
        type("Sub", (TimedContext,), {})
    with pytest.raises(TypeError):
        object.__new__(TimedContext)


def test_it_says_of_what_it_is() -> None:
    assert TimedContext[Lock].__origin__ is TimedContext


def test_references_are_balanced(lock: Any) -> None:
    before = sys.getrefcount(lock)
    for _ in range(100):
        with lock.within(1):
            pass
        with pytest.raises(ValueError):
            lock.within(-1)
    gc.collect()
    assert sys.getrefcount(lock) == before


def test_garbage_is_found() -> None:
    semaphore = Semaphore()
    semaphore.context = semaphore.within(1)  # type: ignore[attr-defined]
    reference = weakref.ref(semaphore)
    del semaphore
    gc.collect()
    assert reference() is None


# --- exceptions from outside ----------------------------------------------------------------------------------------


@with_is_whole
def test_asynchronous_exceptions(name: str, puppets: Callable[[int], list[Puppet]], rng: random.Random) -> None:
    """Wherever they come, the lock is free afterwards: it is not taken, or the with statement gives it back."""
    subject = locked_like(name, LOCKS[name][0], timed_turn)
    lock = subject.make()
    friend, *crowd = puppets(4)
    hammer(subject, lock, crowd, rng, kicks=15)
    assert friend.run(attempt, rival(lock)) is True


def test_an_interrupted_cede_in_the_block() -> None:
    """The lock is not held any more when the block ends; the KeyboardInterrupt comes through all the same."""
    run_isolated(
        """
        from support.blocking import Handler, signalled
        from support.threads import LIMIT, Puppet, waiting
        Handler(signal.SIGINT, raises=True)
        lock = IntervalLock(0)
        with Puppet() as other:
            try:
                with lock.within(LIMIT):
                    got = other.start(lock.lock)
                    waiting(lock)
                    with signalled(signal.SIGINT, lock):
                        lock.cede()
            except KeyboardInterrupt as error:
                assert error.__context__ is None, repr(error.__context__)
                print("through")
            got.result(LIMIT)
            other.run(lock.unlock)
        """,
        expect_out="through",
    )


def test_in_a_forked_child() -> None:
    """What the forking thread holds by it, it can leave; what other threads hold stays taken."""
    run_isolated(
        """
        from support.forks import in_child
        from support.threads import Puppet
        from ft_utils.synchronization import Lock
        mine, theirs = Lock(), Lock()
        context = mine.within(1)
        with Puppet() as other:
            other.run(theirs.within(1).__enter__)
            with context:
                def child():
                    context.__exit__()
                    with context:
                        pass
                    try:
                        with theirs.within(0.01):
                            raise AssertionError
                    except TimeoutError:
                        pass
                in_child(child)
            assert not mine.locked()
        print("ok")
        """,
        expect_out="ok",
        expect_err=None,
        options=("-W", "ignore"),
    )


# --- reading() and writing() ----------------------------------------------------------------------------------------


def test_sides_by_name(puppet: Puppet) -> None:
    rw = ReaderWriterLock()
    reading, writing = rw.reading(), rw.writing()
    assert type(reading) is RWReadContext and type(writing) is RWWriteContext
    assert reading.lock is rw and writing.lock is rw
    assert rw.reading() is not reading, "each thread has a handle of its own"
    with rw.reading() as entered, rw.reading():
        assert type(entered) is RWReadContext
        assert rw.readers() == 2
        assert puppet.run(rw.acquire_write, blocking=False) is False
    with rw.writing():
        assert rw.writer_locked()
        assert puppet.run(rw.acquire_read, blocking=False) is False
    assert not rw.writer_locked() and rw.readers() == 0


def test_sides_of_a_subclass() -> None:
    class Sub(ReaderWriterLock):
        pass

    with Sub().writing() as entered:
        assert type(entered.lock) is Sub


def test_sides_take_no_arguments() -> None:
    rw = ReaderWriterLock()
    for method in (rw.reading, rw.writing):
        with pytest.raises(TypeError):
            method(1)  # type: ignore[call-arg]


def test_the_lock_in_a_with_statement_names_the_sides() -> None:
    with pytest.raises(TypeError, match=r"lock\.reading\(\).*lock\.writing\(\)"):
        with ReaderWriterLock():  # type: ignore[attr-defined]
            pass
