"""The end of the interpreter while daemon threads wait at each of the seven, and fight for them."""

import signal

import pytest

from ..support.process import run_isolated

DAEMONS = """
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


def ends(code: str, expect_code: int = 0, expect_err: str = "") -> None:
    run_isolated(DAEMONS + code, expect_code=expect_code, expect_err=expect_err, timeout=60)


@pytest.mark.parametrize("_", range(5))
def test_exit_with_blocked_and_churning_daemons(_: int) -> None:
    ends("kept = blocked(), relocking(), churning()")


def test_exit_when_nobody_keeps_them() -> None:
    ends("blocked(); relocking(); churning()")


def test_sys_exit_inside() -> None:
    ends("seven = churning()\nwith seven.lock, seven.rlock, seven.condition:\n    sys.exit(3)", expect_code=3)


def test_unhandled_exception_inside() -> None:
    ends("seven = churning()\nwith seven.condition:\n    1 / 0", expect_code=1, expect_err="ZeroDivisionError")


def test_hard_exit() -> None:
    ends("blocked(), churning(); os._exit(4)", expect_code=4)


def test_termination() -> None:
    ends("blocked(), churning(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", -signal.SIGTERM)


def test_exit_handler_that_contends() -> None:
    ends(
        """
import atexit
from support.family_forks import use_together
atexit.register(use_together, Seven(), 12)
kept = blocked(), churning()
"""
    )


def test_finalizers_that_use_them() -> None:
    """Module globals die while the interpreter is being taken down; what they hold still works."""
    ends(
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


def test_threads_that_are_no_daemons_are_waited_for() -> None:
    run_isolated(
        DAEMONS
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
