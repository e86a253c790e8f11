"""Recordings that begin and end while many threads wait: nobody is held up, and nothing is lost or counted twice."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import ft_utils.synchronization as ft
from ft_utils import _recorder

from ..support.subjects import SUBJECTS, Subject
from ..support.threads import LIMIT, exercise


def waits() -> int:
    """Stop, and return how many waits were recorded."""
    return sum(sample["count"] for sample in _recorder.stop()["samples"] if sample["role"] == "waiter")


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_start_and_stop_while_threads_take_turns(subject: Subject) -> None:
    target, over = subject.make(), threading.Event()

    def repeat(turn: Callable[[Any], Any]) -> None:
        while not over.is_set():
            turn(target)

    def toggle() -> None:
        for _ in range(20):
            _recorder.start()
            time.sleep(0.002)  # some turns are recorded
            waits()
        over.set()

    exercise(toggle, *(partial(repeat, turn) for turn in subject.turns()))
    subject.rested(target)


def test_start_and_stop_while_threads_hammer() -> None:
    locks = [ft.IntervalLock(), ft.Lock(), ft.IntervalLock(0)]
    rw, condition = ft.ReaderWriterLock(), ft.Condition(ft.RLock())
    over = threading.Event()

    def hammer() -> None:
        while not over.is_set():
            for lock in locks:
                with lock:
                    pass
            rw.lock_read()
            rw.unlock_read()
            rw.lock_write()
            rw.unlock_write()
            ft.IntervalLock().lock()
            with condition:
                condition.wait(0.0001)
                condition.notify_all()

    def toggle() -> int:
        seen = 0
        end = time.monotonic() + 1
        while time.monotonic() < end or seen == 0:
            _recorder.start()
            time.sleep(0.005)  # some of the hammering is recorded
            seen += waits()
        over.set()
        return seen

    results = exercise(toggle, hammer, hammer, hammer, hammer, limit=2 * LIMIT)
    assert results[0] > 0


def test_two_stop_at_once() -> None:
    """One of them has it, the others are told that there is none."""

    def try_stop() -> bool:
        try:
            _recorder.stop()
        except RuntimeError:
            return False
        return True

    for _ in range(20):
        _recorder.start()
        assert sum(exercise(try_stop, try_stop, try_stop)) == 1
