"""Exceptions sent to threads that wait, that hold and that hammer (PyThreadState_SetAsyncExc).

As with threading, an exception waits until the call ends that the thread is in. So nothing is lost by it: a wait that
was let go on has what it waited for, and a with block gives back what it took.
"""

import random
import threading
from collections.abc import Callable

import pytest

from ..support.kicks import hammer, hold_until, kick, wait_and_leave, wait_in_vain
from ..support.process import run_isolated, with_is_whole
from ..support.subjects import SHORT, SUBJECTS, Subject, nothing
from ..support.threads import LIMIT, Puppet, waiting

Puppets = Callable[[int], list[Puppet]]
HELD = [subject for subject in SUBJECTS if subject.hold is not None]


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_to_a_thread_that_waits(subject: Subject, puppets: Puppets) -> None:
    friend, victim = puppets(2)
    target = subject.make()
    friend.run(subject.obstruct, target)
    kicked = victim.start(wait_and_leave, subject, target)
    subject.waited_for(target)
    for _ in range(3):
        kick(victim.ident)
    subject.waited_for(target)
    assert not kicked.done(), "the exception did not wait for the end of the call"
    friend.run(subject.admit, target)
    assert kicked.result(LIMIT), "the exception was lost"
    subject.rested(target)
    subject.usable(target, friend)


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_to_a_thread_whose_waits_run_out(subject: Subject, puppets: Puppets) -> None:
    friend, victim = puppets(2)
    target = subject.make()
    with subject.obstructed(target, friend):
        for _ in range(5):
            begun = threading.Event()
            waits = victim.start(wait_in_vain, subject, target, SHORT, begun)
            assert begun.wait(LIMIT)
            kick(victim.ident)
            assert waits.result(LIMIT) >= 1
            assert subject.waiters(target) == []
    subject.rested(target)
    subject.usable(target, friend)


@pytest.mark.parametrize("subject", HELD, ids=str)
def test_to_a_thread_that_holds(subject: Subject, puppets: Puppets) -> None:
    """The with block gives it to whoever waits for it."""
    friend, holder = puppets(2)
    target = subject.make()
    held, gate = threading.Event(), threading.Event()
    kicked = holder.start(hold_until, subject, target, held, gate)
    assert held.wait(LIMIT)
    next_one = friend.start(subject.obstruct, target)
    if subject.obstruct is not nothing:
        waiting(subject.queue(target))
    kick(holder.ident)
    gate.set()
    assert kicked.result(LIMIT), "the exception was lost"
    next_one.result(LIMIT)
    if subject.obstruct is not nothing:
        friend.run(subject.admit, target)
    subject.rested(target)
    subject.usable(target, friend)


@with_is_whole
@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_to_threads_that_hammer(subject: Subject, puppets: Puppets, rng: random.Random) -> None:
    target = subject.make()
    friend, *crowd = puppets(1 + len(subject.turns()))
    hammer(subject, target, crowd, rng, kicks=15)
    subject.rested(target)
    subject.usable(target, friend)


def test_to_the_main_thread_that_waits() -> None:
    """It looks for signals now and then, and must not take the exception for one."""
    run_isolated(
        """
        from support.kicks import kick, wait_and_leave
        from support.subjects import SUBJECTS
        from support.threads import LIMIT, Puppet, until
        me = threading.get_ident()
        with Puppet() as friend:
            for subject in SUBJECTS:
                target = subject.make()
                friend.run(subject.obstruct, target)
                def watch():
                    subject.waited_for(target)
                    kick(me)
                    # Until it has looked for a signal at least once: the first look is 10 ms after the beginning. A
                    # thread that looks may be out of the queue for that moment.
                    until(lambda: any(w.waited > 0.05 for w in subject.waiters(target)))
                    subject.admit(target)
                watched = friend.start(watch)
                assert wait_and_leave(subject, target), subject
                watched.result(LIMIT)
                subject.rested(target)
                subject.usable(target, friend)
        print("ok")
        """,
        expect_out="ok",
    )
