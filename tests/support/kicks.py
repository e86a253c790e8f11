"""Exceptions that one thread sends to another, and threads that take them."""

import ctypes
import random
import threading
from collections.abc import Callable
from typing import Any

from .subjects import Subject, nothing
from .threads import LIMIT, Puppet, until

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exc.argtypes = [ctypes.c_ulong, ctypes.py_object]


class Kick(Exception):
    """Came from another thread."""


def kick(thread: int) -> None:
    """Let the thread raise Kick as soon as it runs Python code."""
    assert _set_async_exc(thread, Kick) == 1, "there is no such thread"


def wait_and_leave(subject: Subject, target: Any) -> bool:
    """Wait for as long as it takes; whether a kick came at the end. What was had by then is given back."""
    try:
        subject.wait(target, None)
        nothing(target)  # 3.14 does not look after a call in C with keywords, threading's neither; here it does
    except Kick:
        subject.leave(target)
        return True
    return False


def wait_in_vain(subject: Subject, target: Any, timeout: float, begun: threading.Event) -> int:
    """Wait again and again until a kick comes, in a wait or between two; the number of waits that ended."""
    ended = 0
    try:
        while True:
            assert subject.wait(target, timeout) is False
            ended += 1
            begun.set()
    except Kick:
        return ended


def hold_until(subject: Subject, target: Any, held: threading.Event, gate: threading.Event) -> bool:
    """Hold it in a with block until the gate opens; whether a kick came in the block."""
    try:
        with subject.hold(target):
            held.set()
            gate.wait(LIMIT)
    except Kick:
        return True
    return False


class Hammer:
    """A thread that takes one turn after the other, however often it is kicked."""

    def __init__(self, turn: Callable[[Any], Any], target: Any) -> None:
        self.turn = turn
        self.target = target
        self.turns = self.kicks = 0
        self.stopped = False

    def run(self) -> int:
        while True:
            try:
                self._rounds()
                return self.kicks
            except Kick:
                self.kicks += 1

    def _rounds(self) -> None:
        while not self.stopped:
            self.turn(self.target)
            self.turns += 1


def hammer(subject: Subject, target: Any, puppets: list[Puppet], rng: random.Random, kicks: int) -> None:
    """Threads take turns and are kicked at random; each kick arrives, and it is at rest afterwards."""
    hammers = [Hammer(turn, target) for turn in subject.turns()]
    ends = [puppet.start(each.run) for puppet, each in zip(puppets, hammers, strict=True)]
    sent = [0] * len(hammers)
    try:
        for _ in range(kicks):
            which = rng.randrange(len(hammers))
            each = hammers[which]
            # Two kicks at once would be one, and a kick while the last one is being counted would end the thread.
            until(lambda each=each, which=which: each.kicks == sent[which], "the last kick to arrive")
            turns = each.turns
            until(lambda each=each, turns=turns: each.turns > turns, f"another turn with {target!r}")
            kick(puppets[which].ident)
            sent[which] += 1
        until(lambda: [each.kicks for each in hammers] == sent, "the last kicks to arrive")
    finally:
        for each in hammers:
            each.stopped = True
    assert [end.result(LIMIT) for end in ends] == sent
