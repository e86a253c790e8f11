"""Threads that Python has not made: they wait, hold, hammer, end with locks in hand, and use locks while they end."""

import pytest

from ..support.compiled import compiler
from ..support.process import TESTS, run_isolated

compiled = pytest.mark.skipif(compiler() is None, reason="no C compiler, which makes threads that call back twice")


def isolated(call: str) -> None:
    run_isolated(
        f"""
        from support.foreign import *
        {call}
        print("ok")
        """,
        expect_out="ok",
    )


@pytest.mark.parametrize("stack", [0, 64 * 1024], ids=["usual stack", "small stack"])
def test_wait_for_each_other(stack: int) -> None:
    """The Go library is loaded by such a thread, on its stack."""
    isolated(f"wait_for_each_other({stack})")


def test_hammer() -> None:
    isolated("[hammer(subject) for subject in SUBJECTS]")


def test_come_and_go() -> None:
    isolated("come_and_go()")


def test_end_with_locks_in_hand() -> None:
    isolated("end_with_locks_in_hand()")


def test_signals_elsewhere() -> None:
    isolated("signals_elsewhere()")


@compiled
def test_hold_between_two_calls() -> None:
    isolated("from support.compiled import helper; hold_between_two_calls(helper())")


@compiled
@pytest.mark.parametrize("early", [False, True], ids=["after our own destructor", "before our own destructor"])
def test_wait_at_the_end(early: bool) -> None:
    """Destructors of a thread run in the order of their keys: ours is made when the package is imported."""
    first, then = "from support.foreign import *", "assert (lib := helper()).make_key() == 0"
    if early:
        first, then = then, first
    run_isolated(
        f"""
        from support.compiled import helper
        {first}
        {then}
        wait_at_the_end(lib)
        print("ok")
        """,
        expect_out="ok",
        prelude=f"import sys; sys.path.insert(0, {str(TESTS)!r})",  # without our package
    )


def test_end_of_the_interpreter() -> None:
    run_isolated("from support.foreign import *; kept = left_behind(); print('ends')", expect_out="ends")
