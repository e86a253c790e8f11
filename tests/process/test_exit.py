"""The end of the interpreter while daemon threads wait for locks and fight for them."""

import signal
import sys

import pytest

from ..support.process import run_isolated

DAEMONS = """
from support.threads import Puppet, contend, until, waiting

def daemon(body):
    threading.Thread(target=body, daemon=True).start()

def forever(*calls):
    def churn():
        while True:
            for call in calls:
                call()
    daemon(churn)

def blocked():
    "Threads that wait at each kind of call, with and without a timeout."
    lock, rw, read = IntervalLock(), ReaderWriterLock(), ReaderWriterLock()
    lock.lock(), rw.lock_write(), read.lock_read()
    for body in (
        lock.lock, lambda: lock.acquire(timeout=1000),
        rw.lock_read, lambda: rw.acquire_read(timeout=1000), rw.lock_write,
        read.lock_write, lambda: read.acquire_write(timeout=1000), RWReadContext(rw).acquire,
    ):
        daemon(body)
    waiting(lock, 2), waiting(rw, 4), waiting(read, 2)
    return lock, rw, read

def churning():
    lock, strict, rw = IntervalLock(), IntervalLock(0), ReaderWriterLock()
    for _ in range(2):
        forever(lock.lock, lock.poll, lock.unlock)
        forever(strict.lock, strict.cede, strict.unlock)
        forever(rw.lock_read, rw.unlock_read, rw.lock_write, rw.unlock_write)
        forever(lambda: lock.acquire(timeout=1e-5) and lock.unlock())
    before = stats().contended
    until(lambda: stats().contended > before + 20)
    return lock, strict, rw
"""


# CPython 3.13 frees the state of a daemon thread at exit while that may be detaching itself, and reads the state once
# more then (gh-124878; 3.14 counts references). Whoever stops a thread there with a debugger, in time.sleep(), sees the
# process crash. Of some thousand ends with daemons that never rest one was like that.
MAY_CRASH = sys.version_info < (3, 14)


def ends_as_expected(code: str, expect_code: int, expect_err: str) -> None:
    """What crashes twice running is ours."""
    try:
        run_isolated(code, expect_code=expect_code, expect_err=expect_err)
    except AssertionError as error:
        if not MAY_CRASH or f"exit code {-signal.SIGSEGV}\n" not in str(error):
            raise
        run_isolated(code, expect_code=expect_code, expect_err=expect_err)


def ends(code: str, expect_code: int = 0, expect_err: str = "") -> None:
    ends_as_expected(DAEMONS + code, expect_code, expect_err)


@pytest.mark.parametrize("_", range(20))
def test_exit_with_blocked_and_churning_daemons(_: int) -> None:
    ends("kept = blocked(), churning()")


def test_exit_when_nobody_keeps_the_locks() -> None:
    ends("blocked(); churning()")


def test_sys_exit_inside() -> None:
    ends("lock, *_ = churning()\nwith lock:\n    sys.exit(3)", expect_code=3)


def test_unhandled_exception_inside() -> None:
    ends("lock, *_ = churning()\nwith lock:\n    1 / 0", expect_code=1, expect_err="ZeroDivisionError")


def test_hard_exit() -> None:
    ends("blocked(), churning(); os._exit(4)", expect_code=4)


def test_termination() -> None:
    ends("blocked(), churning(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", -signal.SIGTERM)


def test_exit_handler_that_contends() -> None:
    ends("import atexit\natexit.register(contend)\nkept = blocked(), churning()")


def test_finalizers_that_use_locks() -> None:
    """Module globals die while the interpreter is being taken down; their locks still work."""
    ends(
        """
lock, *_ = churning()
class Late:
    def __init__(self):
        self.own, self.rw = IntervalLock(), ReaderWriterLock()
        self.read = RWReadContext(self.rw)
    def __del__(self):
        with self.own, self.read:
            repr(self.own)
        self.rw.lock_write()
late = Late()
late.itself = late
"""
    )


def test_threads_that_are_no_daemons_are_waited_for() -> None:
    ends(
        """
lock, order = IntervalLock(), []
lock.lock()
def late():
    waiting(lock)
    lock_owner.start(lock.unlock)
lock_owner = Puppet()
lock.unlock()
lock_owner.run(lock.lock)
threading.Thread(target=lambda: (lock.lock(), os.write(1, b"taken"), lock.unlock())).start()
threading.Thread(target=late).start()
"""
    )


def test_daemons_of_a_subclass() -> None:
    ends(
        """
class Sub(IntervalLock):
    def __del__(self):
        self.lock()
        self.unlock()
kept = [Sub() for _ in range(3)]
for each in kept:
    forever(each.lock, each.unlock)
    forever(each.lock, each.cede, each.unlock)
"""
    )


# --- the threading family ------------------------------------------------------------------------------------------

FAMILY_DAEMONS = """
from ft_utils.synchronization import (
    Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, Lock, RLock, Semaphore)
from support.family_forks import Seven, waits_at
from support.threads import until, waiting

def daemon(body):
    threading.Thread(target=body, daemon=True).start()

def forever(*calls):
    def churn():
        while True:
            for call in calls:
                call()
    daemon(churn)

def blocked():
    "Threads that wait at each of them, with and without a timeout."
    seven = Seven(barrier=Barrier(5))
    for each in (seven.lock, seven.rlock, seven.semaphore, seven.bounded):
        each.acquire()
        daemon(lambda each=each: each.acquire(timeout=1000))
    def wait():
        with seven.condition:
            seven.condition.wait(1000)
    daemon(wait)
    daemon(lambda: seven.event.wait(1000))
    daemon(lambda: seven.barrier.wait(1000))
    for call in waits_at(seven):
        daemon(call)
    for each in seven.all():
        waiting(each, 2)
    return seven

def relocking():
    "Threads that were notified and wait for the lock of their condition."
    condition = Condition()
    def wait():
        with condition:
            condition.wait()
    for _ in range(2):
        daemon(wait)
    waiting(condition, 2)
    condition.acquire()
    condition.notify_all()
    until(lambda: len(snapshot()) >= 2)
    return condition

def churning():
    seven = Seven(event=Event())
    def converse():
        with seven.condition:
            seven.condition.notify()
            seven.condition.wait(0.001)
    def meet():
        try:
            seven.barrier.wait(0.001)
        except BrokenBarrierError:
            seven.barrier.reset()
    locks = [getattr(each, call) for each in (seven.lock, seven.rlock, seven.semaphore, seven.bounded)
             for call in ("acquire", "release")]
    for _ in range(2):
        forever(*locks)
        forever(converse, meet, seven.event.set, seven.event.clear, lambda: seven.event.wait(0.0001))
    before = stats().contended
    until(lambda: stats().contended > before + 20)
    return seven
"""


def family_ends(code: str, expect_code: int = 0, expect_err: str = "") -> None:
    ends_as_expected(FAMILY_DAEMONS + code, expect_code, expect_err)


@pytest.mark.parametrize("_", range(5))
def test_exit_with_blocked_and_churning_daemons_of_the_family(_: int) -> None:
    family_ends("kept = blocked(), relocking(), churning()")


def test_exit_when_nobody_keeps_them() -> None:
    family_ends("blocked(); relocking(); churning()")


def test_sys_exit_inside_of_the_family() -> None:
    family_ends("seven = churning()\nwith seven.lock, seven.rlock, seven.condition:\n    sys.exit(3)", expect_code=3)


def test_unhandled_exception_inside_of_the_family() -> None:
    family_ends("seven = churning()\nwith seven.condition:\n    1 / 0", expect_code=1, expect_err="ZeroDivisionError")


def test_hard_exit_of_the_family() -> None:
    family_ends("blocked(), churning(); os._exit(4)", expect_code=4)


def test_termination_of_the_family() -> None:
    family_ends("blocked(), churning(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", -signal.SIGTERM)


def test_exit_handler_that_contends_of_the_family() -> None:
    family_ends(
        """
import atexit
from support.family_forks import use_together
atexit.register(use_together, Seven(), 12)
kept = blocked(), churning()
"""
    )


def test_finalizers_that_use_them() -> None:
    """Module globals die while the interpreter is being taken down; what they hold still works."""
    family_ends(
        """
from support.family_forks import use_alone
kept = churning()
class Late:
    def __init__(self):
        self.seven, self.use = Seven(), use_alone
    def __del__(self):
        seven = self.seven
        with seven.lock, seven.rlock, seven.semaphore, seven.bounded, seven.condition:
            seven.condition.notify_all()
            seven.condition.wait(0.001)
        seven.event.set()
        seven.event.wait()
        repr(seven.barrier), seven.barrier.abort()
late = Late()
late.itself = late
"""
    )


def test_threads_that_are_no_daemons_are_waited_for_of_the_family() -> None:
    run_isolated(
        FAMILY_DAEMONS
        + """
condition, ready = Condition(), []
def late():
    with condition:
        condition.wait_for(lambda: ready)
        os.write(1, b"woken")
def wake():
    waiting(condition)
    with condition:
        ready.append(True)
        condition.notify()
threading.Thread(target=late).start()
threading.Thread(target=wake).start()
""",
        expect_out="woken",
    )
