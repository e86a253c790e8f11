"""Misuse that could crash the interpreter, each in a process of its own: it ends with an exception and code 0."""

import pytest

from ..support.family import NAMES
from ..support.process import run_isolated

HELPERS = """
import gc
from fractions import Fraction
from ft_utils.synchronization import (
    Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, Lock, RLock, Semaphore)
from support.family import holding, make, wait_holding
from support.family_forks import Seven, use_alone, use_anew, use_together
from support.threads import LIMIT, Puppet, exercise, until, waiting
import ft_utils.synchronization as ours

ERRORS = (RuntimeError, TypeError, ValueError, AttributeError, OverflowError)

def survived(call, *args, **kwargs):
    try:
        return call(*args, **kwargs)
    except ERRORS as error:
        assert str(error) or isinstance(error, BrokenBarrierError), "an exception without a word"

def public(made):
    return [getattr(made, name) for name in dir(made) if not name.startswith("_")]
"""


def runs(code: str) -> None:
    run_isolated(HELPERS + code, expect_out="ok")


@pytest.mark.parametrize("name", NAMES)
def test_made_by_new_alone(name: str) -> None:
    """It is either not made, or refuses to work, or works; calls that would wait get a timeout where there is one."""
    runs(
        f"""
cls = ours.{name}
for args in ((), (2,), (None,), (-1,), ("x",)):
    made = survived(cls.__new__, cls, *args)
    if made is None:
        continue
    for call in ("acquire", "wait"):
        if hasattr(cls, call):
            survived(getattr(made, call), timeout=0)
    for call in ("release", "notify", "notify_all", "set", "clear", "is_set", "reset", "abort", "locked", "__enter__"):
        if hasattr(cls, call) and not (call == "__enter__" and "Semaphore" in {name!r}):
            survived(getattr(made, call))
    if hasattr(cls, "wait_for"):
        survived(made.wait_for, lambda: False, 0)
    for attribute in ("parties", "n_waiting", "broken"):
        if hasattr(cls, attribute):
            survived(getattr, made, attribute)
    for private in ("_at_fork_reinit", "_is_owned", "_release_save", "_recursion_count"):
        if hasattr(cls, private):
            survived(getattr(made, private))
    survived(repr, made)
    del made
    gc.collect()
print("ok")
"""
    )


@pytest.mark.parametrize("name", NAMES)
def test_init_again_while_others_wait(name: str) -> None:
    """Whatever it does, the waiters are not lost, and nothing crashes."""
    runs(
        f"""
import warnings
from support.family_blocking import CALLS, of
warnings.simplefilter("ignore")  # RLock takes any arguments, and says that it should get none
for name, call in of({name!r}).items():
    target = call.make()
    with Puppet() as friend, Puppet() as waiter:
        friend.run(call.obstruct, target)
        waits = waiter.start(call.block, target)
        until(lambda: snapshot())
        survived(target.__init__)
        survived(target.__init__, 3)
        survived(target.__init__, -1)
        survived(target.__init__, "x")
        let_go = Barrier.abort if isinstance(target, Barrier) else call.let_go  # as many may be needed as it likes now
        while not waits.done():
            survived(friend.run, let_go, target)
        survived(waits.result, LIMIT)
        survived(waiter.run, call.leave, target)
print("ok")
"""
    )


def test_failed_init_leaves_a_whole_object() -> None:
    runs(
        """
class Count(Semaphore):
    def __init__(self):
        survived(super().__init__, -1)
        survived(super().__init__, "x")
class Bounded(BoundedSemaphore):
    def __init__(self):
        survived(super().__init__, -1)
class Meet(Barrier):
    def __init__(self):
        survived(super().__init__, 0)
        survived(super().__init__, "x")
class Cond(Condition):
    def __init__(self):
        survived(super().__init__, 42)
class Bare(Barrier):
    def __init__(self):
        pass
class BareCond(Condition):
    def __init__(self):
        pass
for cls in (Count, Bounded):
    made = cls()
    survived(made.acquire, timeout=0), survived(made.release), survived(repr, made)
for cls in (Meet, Bare):
    made = cls()
    survived(made.wait, 0), survived(made.reset), survived(made.abort)
    survived(repr, made), survived(lambda: made.parties)
for cls in (Cond, BareCond):
    made = cls()
    survived(made.wait, 0), survived(made.notify), survived(repr, made)
    survived(lambda: made.acquire(False)), survived(lambda: made.release())
    survived(lambda: made.__enter__()), survived(lambda: made._is_owned())
    gc.collect()
print("ok")
"""
    )


@pytest.mark.parametrize("how", ["abort", "reset"])
def test_action_that_ends_its_own_round(how: str) -> None:
    """The standard library would wait for itself here. Nobody passes; the barrier is as it was told to be."""
    runs(
        f"""
barrier = Barrier(3, lambda: barrier.{how}())
def meet():
    try:
        barrier.wait(LIMIT)
    except BrokenBarrierError:
        return "broken"
assert exercise(meet, meet, meet) == ["broken"] * 3
assert barrier.broken is {how == "abort"}
assert barrier.n_waiting == 0
print("ok")
"""
    )


def test_action_that_arrives_again() -> None:
    """It waits for itself, as with the standard library, where nothing could help it: here an abort does."""
    runs(
        """
barrier = Barrier(2, lambda: barrier.wait(0.01))
def meet():
    try:
        barrier.wait(LIMIT)
    except BrokenBarrierError:
        return "broken"
with Puppet() as one, Puppet() as two:
    meetings = [puppet.start(meet) for puppet in (one, two)]
    waiting(barrier, 2)
    assert not any(meeting.done() for meeting in meetings)
    barrier.abort()
    assert [meeting.result(LIMIT) for meeting in meetings] == ["broken"] * 2
assert barrier.broken and snapshot() == []
print("ok")
"""
    )


def test_action_that_looks_at_its_barrier() -> None:
    runs(
        """
seen = []
barrier = Barrier(2, lambda: seen.append((barrier.parties, barrier.broken, repr(barrier), gc.collect())))
exercise(barrier.wait, barrier.wait)
assert seen[0][:2] == (2, False)
print("ok")
"""
    )


def test_barrier_dropped_by_its_action() -> None:
    """The calls keep it alive until they return."""
    runs(
        """
class Holder:
    pass
holder = Holder()
def drop():
    del holder.barrier
    gc.collect()
holder.barrier = Barrier(2, drop)
def meet():
    return holder.barrier.wait(LIMIT)
with Puppet() as other:
    first = other.start(meet)
    waiting(holder.barrier)
    indices = [meet(), first.result(LIMIT)]
assert sorted(indices) == [0, 1]
print("ok")
"""
    )


def test_dropped_while_it_waits() -> None:
    """Nothing but the waiting calls refers to them."""
    runs(
        """
import weakref
def forgotten(make, wait, let_go):
    made = make()
    reference = weakref.ref(made)
    with Puppet() as waiter:
        future = waiter.start(wait, made)
        until(lambda: snapshot())
        del made
        gc.collect()
        let_go(reference())
        future.result(LIMIT)
        del future
    gc.collect()
    assert reference() is None
def wait(condition):
    with condition:
        condition.wait()
def notify(condition):
    with condition:
        condition.notify()
forgotten(Event, lambda event: event.wait(), lambda event: event.set())
forgotten(lambda: Semaphore(0), lambda semaphore: semaphore.acquire(), lambda semaphore: semaphore.release())
forgotten(Condition, wait, notify)
forgotten(lambda: Barrier(2), lambda barrier: barrier.wait(), lambda barrier: barrier.wait())
print("ok")
"""
    )


def test_predicate_that_lets_go_of_the_lock() -> None:
    runs(
        """
condition = Condition(Lock())
def careless():
    condition.release()
    return False
condition.acquire()
try:
    condition.wait_for(careless, 1)
    raise AssertionError("waited without the lock")
except RuntimeError:
    pass
assert condition.acquire(blocking=False)
condition.release()
print("ok")
"""
    )


def test_number_that_lets_go_of_the_lock() -> None:
    """Comparing it runs code of its own, which is not the time to wait or to notify any more."""
    runs(
        """
class Careless(float):
    def __gt__(self, other):
        condition.release()
        return True
def refused(call, *args):
    condition.acquire()
    try:
        call(*args)
        raise AssertionError("it went on without the lock")
    except RuntimeError:
        pass
for lock in (Lock(), RLock(), threading.RLock()):
    condition = Condition(lock)
    refused(condition.wait, Careless(1))
    refused(condition.wait_for, lambda: False, Careless(1))
    with Puppet() as waiter:
        future = waiter.start(wait_holding, condition)
        until(lambda: condition._waiters)
        refused(condition.notify, Careless(1))
        with condition:
            condition.notify()
        future.result(LIMIT)
    assert condition.acquire(blocking=False)
    condition.release()
print("ok")
"""
    )


@pytest.mark.parametrize("method", ["release", "acquire", "_release_save", "_acquire_restore", "_is_owned"])
def test_lock_that_fails(method: str) -> None:
    """An exception of the lock's own comes through, and no waiter is left in the queue."""
    runs(
        f"""
class Bad:
    def __init__(self):
        self.lock, self.bad = threading.Lock(), False
    def acquire(self, *args):
        return self.lock.acquire(*args)
    def release(self):
        self.lock.release()
    def _release_save(self):
        self.lock.release()
    def _acquire_restore(self, state):
        self.lock.acquire()
    def _is_owned(self):
        return self.lock.locked()
def fail(*_):
    raise ZeroDivisionError
setattr(Bad, {method!r}, fail)
bad = Bad()
bad.lock.acquire()
condition = Condition(bad)
try:
    condition.wait(0)
except ZeroDivisionError:
    pass
assert snapshot() == []
assert repr(condition).endswith(", 0)>") and not condition._waiters, repr(condition)
print("ok")
"""
    )


def test_lock_that_takes_part_in_its_own_condition() -> None:
    """Its methods call back into the condition."""
    runs(
        """
class Meddling:
    def __init__(self):
        self.lock, self.depth = threading.RLock(), 0
    def acquire(self, *args):
        return self.lock.acquire(*args)
    def release(self):
        self.lock.release()
    def _release_save(self):
        survived(condition.notify_all)
        survived(condition.wait, 0) if self.depth == 0 else None
        self.depth += 1
        return self.lock._release_save()
    def _acquire_restore(self, state):
        self.lock._acquire_restore(state)
        survived(condition.notify_all)
    def _is_owned(self):
        repr(condition)
        return self.lock._is_owned()
lock = Meddling()
condition = Condition(lock)
def step(notifying):
    with holding(condition):
        if notifying:
            condition.notify()
        condition.wait(0.001)
exercise(*[lambda: [step(True) for _ in range(50)]] * 3)
assert snapshot() == []
print("ok")
"""
    )


def test_numbers_with_code_of_their_own() -> None:
    """__index__, __float__ and __bool__ may use the very object that asks them."""
    runs(
        """
seven = Seven()
class Meddling:
    def __init__(self, value):
        self.value = value
    def __index__(self):
        use_alone(seven)
        return self.value
    def __float__(self):
        use_alone(seven)
        return float(self.value)
    def __bool__(self):
        use_alone(seven)
        return bool(self.value)
    def __lt__(self, other):
        use_alone(seven)
        return self.value < other
    def __gt__(self, other):
        use_alone(seven)
        return self.value > other
    def __eq__(self, other):
        use_alone(seven)
        return self.value == other
    def __radd__(self, other):
        use_alone(seven)
        return other + self.value
many = Semaphore(Meddling(0))
many.release(Meddling(3))
survived(many.acquire, timeout=Meddling(0))
survived(many.acquire, Meddling(1))
survived(seven.lock.acquire, Meddling(0)) and seven.lock.release()
survived(seven.rlock.acquire, Meddling(1), Meddling(1)) and seven.rlock.release()
survived(seven.event.wait, Meddling(0))
with seven.condition:
    survived(seven.condition.wait, Meddling(0))
    survived(seven.condition.notify, Meddling(2))
survived(seven.barrier.wait, Meddling(0))
seven.barrier.reset()
odd = BoundedSemaphore(Fraction(5, 2))  # whose arithmetic is Python code
def step():
    for _ in range(200):
        with odd:
            pass
exercise(step, step, step)
assert odd._value == odd._initial_value == Fraction(5, 2)
use_together(seven)
print("ok")
"""
    )


def test_threads_that_end_while_they_hold() -> None:
    """Their locks stay taken, their identifiers come back with other threads."""
    runs(
        """
seven = Seven()
exercise(seven.lock.acquire)
exercise(seven.rlock.acquire)
exercise(seven.condition.acquire)
exercise(seven.semaphore.acquire)
def check():
    for lock in (seven.rlock, seven.condition):
        try:
            lock.release()
            raise AssertionError("released what a thread held that is gone")
        except RuntimeError:
            pass
    for lock in (seven.lock, seven.rlock, seven.condition, seven.semaphore):
        assert lock.acquire(timeout=0.001) is False
    assert not seven.rlock._is_owned() and seven.rlock._recursion_count() == 0
for _ in range(20):
    exercise(check)
seven.lock.release(), seven.semaphore.release()
for lock in (seven.rlock, seven.condition):
    lock._at_fork_reinit()
use_together(seven)
print("ok")
"""
    )
