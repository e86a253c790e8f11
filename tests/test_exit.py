"""The end of the interpreter while daemon threads wait for locks and fight for them."""

import signal

import pytest

from .support.process import run_isolated

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


def ends(code: str, expect_code: int = 0, expect_err: str = "") -> None:
    run_isolated(DAEMONS + code, expect_code=expect_code, expect_err=expect_err, timeout=60)


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
