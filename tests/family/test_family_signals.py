"""Signals at every blocking call of the family. Each test has a process, whose main thread gets the signals."""

import signal

import pytest

from ..support.family import NAMES
from ..support.process import run_isolated

SCENARIOS = [
    "interrupted",
    "undisturbed",
    "ended_during_handler",
    "ended_by_handler",
    "ended_by_handler_that_raises",
    "handler_waits",
]


@pytest.mark.parametrize("primitive", NAMES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_call(scenario: str, primitive: str) -> None:
    run_isolated(
        f"from support import family_blocking as calls; calls.each(calls.{scenario}, {primitive!r})",
        expect_out="ok",
        expect_err=None,
    )


def test_every_call_is_in_one_of_these_groups() -> None:
    run_isolated(
        f"""
        from support.family_blocking import CALLS, of
        groups = [name for primitive in {NAMES} for name in of(primitive)]
        print(sorted(groups) == sorted(CALLS), all(of(primitive) for primitive in {NAMES}))
        """,
        expect_out="True True",
    )


def test_signals_do_not_put_the_deadline_off() -> None:
    run_isolated(
        """
        from support.family_blocking import TIMED, timed_out
        for name, row in TIMED.items():
            print(name, file=sys.stderr)
            timed_out(*row)
        print("ok")
        """,
        expect_out="ok",
        expect_err=None,
    )


# --- a wait whose end has to wait for the lock ----------------------------------------------------------------------

LOCKS = {
    "Lock": ("Lock()", "lock"),
    "RLock": ("RLock()", "lock"),
    "IntervalLock": ("IntervalLock(0)", "lock"),
    "RWWriteContext": ("RWWriteContext(ReaderWriterLock())", "lock.lock"),
}

RELOCKING = """
from support.blocking import Handler, send_until_counted
from support.family_blocking import asleep
from support.threads import LIMIT, Puppet, until, waiters
from ft_utils.synchronization import Condition, Lock, RLock

me = threading.get_ident()

def in_queue():
    until(lambda: [w.thread for w in waiters(queue)] == [me], "the main thread to wait for the lock")

def attempt():
    with condition:  # the exit would raise if the wait had ended without the lock
        return condition.wait()

def send_and_wait_for_delivery(number):
    signal.pthread_kill(me, number)
    os.read(reading, 1)  # written by the C part of the signal's handling

reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
"""


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("notified", [True, False])
def test_ctrl_c_while_another_thread_has_the_lock(lock: str, notified: bool) -> None:
    """The exception comes once the lock is had, and no further Ctrl-C makes the wait end without it."""
    made, queue = LOCKS[lock]
    run_isolated(
        f"""{RELOCKING}
lock = {made}
queue, condition, ended = {queue}, Condition(lock), []

def handler(*_):
    raise KeyboardInterrupt

def watch():
    asleep(me)
    friend.run(condition.acquire)
    if {notified}:
        friend.run(condition.notify)
        in_queue()
    for _ in range(3):
        send_and_wait_for_delivery(signal.SIGINT)
        in_queue()
    assert not ended
    friend.run(condition.release)

signal.signal(signal.SIGINT, handler)
with Puppet() as friend, Puppet() as watcher:
    watched = watcher.start(watch)
    try:
        try:
            attempt()
        except KeyboardInterrupt:
            ended.append(True)
        for _ in range(1000):  # a handler that was put off has its turn here
            pass
    except KeyboardInterrupt:
        pass
    watched.result(LIMIT)
assert ended and snapshot() == []
with condition:
    pass
print("ok")
""",
        expect_out="ok",
    )


def test_unhandled_ctrl_c_ends_the_program() -> None:
    """As a user at a terminal would see it: the signal goes to the process, with Python's own handler."""
    run_isolated(
        """
        from ft_utils.synchronization import Event
        from support.family_blocking import asleep
        event, me = Event(), threading.get_ident()
        def interrupt():
            asleep(me)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        event.wait()
        """,
        expect_code=-signal.SIGINT,
        expect_err="KeyboardInterrupt",
    )


def test_other_parties_of_an_interrupted_barrier() -> None:
    """As with the standard library's: who is interrupted does not count any more, and the barrier is whole."""
    run_isolated(
        """
        from ft_utils.synchronization import Barrier
        from support.blocking import Handler
        from support.family_blocking import signals
        from support.threads import LIMIT, Puppet, until
        Handler(signal.SIGINT, raises=True)
        barrier = Barrier(3)
        with Puppet() as one, Puppet() as two:
            first = one.start(barrier.wait)
            until(lambda: barrier.n_waiting == 1)
            try:
                with signals(signal.SIGINT):
                    barrier.wait()
            except KeyboardInterrupt:
                print("interrupted", barrier.n_waiting, barrier.broken)
            second = two.start(barrier.wait)
            until(lambda: barrier.n_waiting == 2)
            indices = [barrier.wait(LIMIT), first.result(LIMIT), second.result(LIMIT)]
            print(sorted(indices))
        """,
        expect_out="interrupted 1 False\n[0, 1, 2]",
    )


def test_interrupted_action_breaks_the_barrier() -> None:
    run_isolated(
        """
        from ft_utils.synchronization import Barrier, BrokenBarrierError
        from support.blocking import Handler
        from support.threads import LIMIT, Puppet, until
        Handler(signal.SIGINT, raises=True)
        barrier = Barrier(2, lambda: signal.raise_signal(signal.SIGINT))
        with Puppet() as other:
            waiting = other.start(barrier.wait)
            until(lambda: barrier.n_waiting == 1)
            try:
                barrier.wait()
            except KeyboardInterrupt:
                print("interrupted", barrier.broken)
            try:
                waiting.result(LIMIT)
            except BrokenBarrierError:
                print("broken")
        """,
        expect_out="interrupted True\nbroken",
    )
