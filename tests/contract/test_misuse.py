"""Misuse that could crash the interpreter, each in a process of its own: it has to end with an exception and code 0."""

import pytest

from ..support.process import run_isolated

HELPERS = """
import gc
from support.threads import LIMIT, Puppet, contend, exercise, waiting

ERRORS = (RuntimeError, TypeError, ValueError, AttributeError)

def refused(call, *args, errors=ERRORS):
    try:
        call(*args)
    except errors as error:
        assert str(error), "an exception without a word"
        return
    raise AssertionError(f"{call} succeeded")

def survived(call, *args):
    try:
        call(*args)
    except ERRORS:
        pass
"""


def runs(code: str) -> None:
    run_isolated(HELPERS + code, expect_out="ok")


@pytest.mark.parametrize("context", ["RWReadContext", "RWWriteContext"])
def test_context_made_by_new_alone(context: str) -> None:
    runs(
        f"""
try:
    made = {context}.__new__({context})
except TypeError:
    print("ok")  # it cannot even be made
    sys.exit()
for call in (made.acquire, made.release, made.locked, made.__enter__):
    refused(call)
refused(made.acquire, False)
refused(made.__exit__, None, None, None)
survived(repr, made)
survived(lambda: made.lock)
survived(made._is_owned) if hasattr(made, "_is_owned") else None
gc.collect()
made.__init__(ReaderWriterLock())
with made:
    pass
del made
gc.collect()
print("ok")
"""
    )


@pytest.mark.parametrize("lock", ["IntervalLock", "ReaderWriterLock"])
def test_lock_made_by_new_alone(lock: str) -> None:
    """It is either not made, or refuses to work, or works."""
    runs(
        f"""
try:
    made = {lock}.__new__({lock})
except TypeError:
    print("ok")
    sys.exit()
names = [name for name in dir({lock}) if not name.startswith("_")]
for name in names:
    value = None
    try:
        value = getattr(made, name)
    except ERRORS:
        continue
    if callable(value):
        survived(value)
survived(repr, made)
del made, value
gc.collect()
print("ok")
"""
    )


def test_failed_init_leaves_a_whole_object() -> None:
    runs(
        """
class Sub(IntervalLock):
    def __init__(self):
        survived(super().__init__, -1)
        survived(super().__init__, "x")
made = Sub()
survived(made.lock), survived(made.poll), survived(made.cede), survived(made.unlock)
repr(made)
class Read(RWReadContext):
    def __init__(self):
        survived(super().__init__, None)
try:
    made = Read()
    refused(made.acquire), refused(made.release)
    survived(repr, made)
except TypeError:
    pass
print("ok")
"""
    )


def test_init_again_while_others_wait() -> None:
    """The lock stays as it was: the waiter gets it after the owner's release, not before."""
    runs(
        """
lock = IntervalLock()
with Puppet() as other:
    lock.lock()
    got = other.start(lock.lock)
    waiting(lock)
    survived(lock.__init__, 1.0)
    waiting(lock)
    assert lock.locked() and not got.done()
    lock.unlock()
    got.result(LIMIT)
    other.run(lock.unlock)
rw = ReaderWriterLock()
with Puppet() as other:
    rw.lock_read()
    got = other.start(rw.lock_write)
    waiting(rw)
    survived(rw.__init__)
    waiting(rw)
    rw.unlock_read()
    got.result(LIMIT)
    other.run(rw.unlock_write)
print("ok")
"""
    )


def test_context_changed_while_it_is_held() -> None:
    runs(
        """
first, second = ReaderWriterLock(), ReaderWriterLock()
for context in (RWReadContext, RWWriteContext):
    made = context(first)
    for _ in range(3):
        made.acquire()
        survived(made.__init__, second)
        survived(made.__init__, None)
        survived(made.release)
        survived(context(first).release)
        survived(made.__init__, first)
del first, second, made
gc.collect()
print("ok")
"""
    )


def test_locks_that_die_while_they_are_held() -> None:
    """By this thread and by others, nested; what comes to lie at their addresses is free."""
    runs(
        """
def hold():
    for _ in range(50):
        lock, rw, written = IntervalLock(), ReaderWriterLock(), ReaderWriterLock()
        lock.lock(), rw.lock_read(), rw.lock_read(), written.lock_write()
hold()
with Puppet() as other:
    other.run(hold)
exercise(hold, hold)
gc.collect()
for _ in range(500):
    lock, rw = IntervalLock(), ReaderWriterLock()
    assert not lock.locked() and rw.readers() == 0 and not rw.writer_locked()
    refused(lock.unlock), refused(rw.unlock_read), refused(rw.unlock_write)
    assert lock.acquire(False) and rw.acquire_write(False)
print("ok")
"""
    )


def test_methods_on_foreign_objects() -> None:
    runs(
        """
for cls in (IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext):
    for name in dir(cls):
        method = getattr(cls, name)
        if callable(method) and not name.startswith("__"):
            for wrong in (None, 1, object(), threading.Lock()):
                refused(method, wrong, errors=(TypeError,))
refused(IntervalLock.lock, ReaderWriterLock(), errors=(TypeError,))
refused(RWReadContext.acquire, RWWriteContext(ReaderWriterLock()), errors=(TypeError,))
print("ok")
"""
    )


def test_class_cannot_be_swapped_for_another_layout() -> None:
    runs(
        """
for make in (IntervalLock, ReaderWriterLock):
    made = make()
    for other in (RWReadContext, RWWriteContext, object, dict, threading.Thread):
        refused(setattr, made, "__class__", other)
class Both(object):
    pass
refused(lambda: type("Mixed", (IntervalLock, ReaderWriterLock), {}), errors=(TypeError,))
for cls in (IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext):
    refused(setattr, cls, "acquire", None)  # the types are shared by the whole process
print("ok")
"""
    )


def test_exit_without_enter() -> None:
    runs(
        """
for make in (IntervalLock, lambda: RWReadContext(ReaderWriterLock()), lambda: RWWriteContext(ReaderWriterLock())):
    made = make()
    refused(made.__exit__, None, None, None)
    refused(made.__exit__, ValueError, ValueError("x"), None)
    made.acquire()
    assert not made.__exit__(None, None, None)
    assert not made.locked()
print("ok")
"""
    )


def test_misuse_during_contention() -> None:
    """Refused again and again while others really use the lock; nothing they do is disturbed."""
    runs(
        """
lock, rw, total, stop = IntervalLock(), ReaderWriterLock(), [0, 0], threading.Event()
def use():
    for _ in range(3000):
        with lock:
            total[0] += 1
        with RWWriteContext(rw):
            total[1] += 1
    stop.set()
def misuse():
    while not stop.is_set():
        for call in (lock.unlock, lock.poll, lock.cede, rw.unlock_read, rw.unlock_write, rw.downgrade):
            refused(call, errors=(RuntimeError,))
        refused(lock.acquire, True, -2, errors=(ValueError,))
exercise(use, misuse, misuse)
assert total == [3000, 3000]
assert not lock.locked() and not rw.writer_locked() and rw.readers() == 0
print("ok")
"""
    )


def test_errors_without_recursion() -> None:
    """A __float__ or __bool__ that uses the very lock that it is asked for."""
    runs(
        """
lock = IntervalLock()
class Odd:
    def __bool__(self):
        lock.lock()
        return True
    def __float__(self):
        lock.lock()
        return 0.5
refused(lock.acquire, Odd())
lock.unlock()
survived(lock.acquire, True, Odd())
survived(lock.unlock)
assert not lock.locked()
survived(IntervalLock, Odd())
assert lock.locked()
lock.unlock()
print("ok")
"""
    )


def test_finalizers_that_release() -> None:
    """The garbage collector may run them at any allocation, in any thread."""
    runs(
        """
rw = ReaderWriterLock()
class Handle:
    def __init__(self):
        rw.lock_read()
    def __del__(self):
        survived(rw.unlock_read)
def churn():
    for _ in range(500):
        handle = Handle()
        handle.itself = handle
        del handle
    gc.collect()
exercise(churn, churn)
churn()
refused(lambda: [rw.unlock_read() for _ in range(10_000)])
print("ok")
"""
    )
