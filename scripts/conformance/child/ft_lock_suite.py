"""CPython's lock_tests on every type: threading's, whose names may be ours, and those that threading has not.

Where threading has no such type, the baseline is the one of its types that comes nearest.
"""

import threading

import ft_rebind
from test import lock_tests

import ft_utils.synchronization as ours

REPLACED = bool(ft_rebind.wanted())
ThreadingsCondition = ft_rebind.originals.get("Condition", threading.Condition)


def made_of(own, nearest):
    return staticmethod(own if REPLACED else nearest)


class LockTests(lock_tests.LockTests):
    locktype = staticmethod(threading.Lock)


class RLockTests(lock_tests.RLockTests):
    locktype = staticmethod(threading.RLock)


class EventTests(lock_tests.EventTests):
    eventtype = staticmethod(threading.Event)


class ConditionTests(lock_tests.ConditionTests):
    condtype = staticmethod(threading.Condition)


class ConditionAsRLockTests(lock_tests.RLockTests):
    locktype = staticmethod(threading.Condition)

    def test_recursion_count(self):
        self.skipTest("Condition has no _recursion_count()")


class SemaphoreTests(lock_tests.SemaphoreTests):
    semtype = staticmethod(threading.Semaphore)


class BoundedSemaphoreTests(lock_tests.BoundedSemaphoreTests):
    semtype = staticmethod(threading.BoundedSemaphore)


class BarrierTests(lock_tests.BarrierTests):
    barriertype = staticmethod(threading.Barrier)


class SemaphoreAsLockTests(lock_tests.BaseLockTests):
    """One permit is a lock, but for its repr and its rules on time-outs."""

    locktype = staticmethod(lambda: threading.Semaphore(1))
    test_locked_repr = test_repr = test_timeout = None


class IntervalLockTests(lock_tests.LockTests):
    locktype = made_of(ours.IntervalLock, threading.Lock)


class StrictIntervalLockTests(lock_tests.LockTests):
    locktype = made_of(lambda: ours.IntervalLock(0), threading.Lock)


class WriteContextTests(lock_tests.LockTests):
    locktype = made_of(lambda: ours.RWWriteContext(ours.ReaderWriterLock()), threading.Lock)


class ConditionOnLockTests(lock_tests.ConditionTests):
    """A condition on each lock that it can be made on; a lock that the test gives stays what it is."""

    own = staticmethod(threading.Lock)
    test_acquire = None  # it takes the lock twice

    def condtype(self, lock=None):
        return threading.Condition(self.own() if lock is None else lock)


class ConditionOnIntervalLockTests(ConditionOnLockTests):
    own = made_of(ours.IntervalLock, threading.Lock)


class ConditionOnWriteContextTests(ConditionOnLockTests):
    own = made_of(lambda: ours.RWWriteContext(ours.ReaderWriterLock()), threading.Lock)


class ThreadingsConditionOnLockTests(ConditionOnLockTests):
    """threading's own Condition, written in Python, on our locks."""

    def condtype(self, lock=None):
        return ThreadingsCondition(self.own() if lock is None else lock)


class ThreadingsConditionTests(lock_tests.ConditionTests):
    condtype = staticmethod(ThreadingsCondition)


class ThreadingsConditionOnIntervalLockTests(ThreadingsConditionOnLockTests):
    own = made_of(ours.IntervalLock, threading.Lock)


class ThreadingsConditionOnWriteContextTests(ThreadingsConditionOnLockTests):
    own = made_of(lambda: ours.RWWriteContext(ours.ReaderWriterLock()), threading.Lock)
