"""Signals at every blocking call of the family. Each test has a process, whose main thread gets the signals."""

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


CONDITION = """
from support.blocking import Handler, send_until_counted
from support.family_blocking import asleep
from support.threads import LIMIT, Puppet, until, waiters, waiting
from ft_utils.synchronization import Barrier, BrokenBarrierError, Condition, Event, Lock, RLock, Semaphore

me = threading.get_ident()

def in_lock_queue(lock):
    until(lambda: [w.thread for w in waiters(lock)] == [me], "the main thread to wait for the lock")
"""


@pytest.mark.parametrize("lock", ["Lock()", "RLock()", "IntervalLock()", "RWWriteContext(ReaderWriterLock())"])
@pytest.mark.parametrize("notified", [True, False])
@pytest.mark.parametrize("signals", [1, 3])
def test_ctrl_c_while_another_thread_has_the_lock_of_the_condition(lock: str, notified: bool, signals: int) -> None:
    """The wait is over, and the exception comes once the lock is had; no further Ctrl-C makes it do without."""
    run_isolated(
        f"""
        {CONDITION}
        lock = {lock}
        condition, queue = Condition(lock), getattr(lock, "lock", lock)
        queue = lock if callable(queue) else queue  # of a context: the lock's
        class Raising(Handler):
            def __call__(self, *_):
                self.count += 1
                raise KeyboardInterrupt(self.count)
        handler = Raising(signal.SIGINT)
        with Puppet() as friend, Puppet() as watcher:
            def watch():
                asleep(me)
                friend.run(condition.acquire)
                if {notified}:
                    friend.run(condition.notify)
                    in_lock_queue(queue)
                for n in range({signals}):
                    signal.pthread_kill(me, signal.SIGINT)
                    until(lambda: handler.count > n or not waiting_for_lock_can_be_interrupted(n))
                    in_lock_queue(queue)
                assert not ended
                friend.run(condition.release)
            def waiting_for_lock_can_be_interrupted(n):
                # The first ends the wait; whether a handler runs during the wait for the lock is left open.
                return n == 0 and not {notified}
            ended = []
            watched = watcher.start(watch)
            condition.acquire()
            try:
                condition.wait()
            except KeyboardInterrupt:
                ended.append(True)
                assert condition._is_owned(), "the wait ended without the lock"
                print("KeyboardInterrupt")
            watched.result(LIMIT)
            condition.release()
        assert snapshot() == []
        with condition:
            pass
        """.replace("        " + CONDITION, CONDITION.replace("\n", "\n        ")),
        expect_out="KeyboardInterrupt",
    )
