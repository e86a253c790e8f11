"""__init__ called again, by several threads at once, and objects inside each other, a million deep."""

import pytest

from ..support.process import run_isolated


def isolated(call: str) -> None:
    run_isolated(f"from support.making import *; {call}; print('ok')", expect_out="ok")


@pytest.mark.parametrize("cls", ["Barrier", "RWReadContext", "RWWriteContext", "RWUpgradeContext", "Condition"])
def test_made_twice_at_once(cls: str) -> None:
    isolated(f"made_twice_at_once({cls})")


def test_semaphore_made_again_while_somebody_parks() -> None:
    isolated("semaphore_made_again_while_somebody_parks()")


def test_interval_lock_made_again() -> None:
    isolated("interval_lock_made_again()")


@pytest.mark.parametrize("which", ["conditions", "barriers", "contexts", "handles"])
def test_nested(which: str) -> None:
    isolated(f"{which}()")
