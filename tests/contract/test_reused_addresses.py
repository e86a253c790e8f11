"""Locks that are freed in every state, and new ones at the same addresses: nothing may be left of the old ones."""

import pytest

from ..support.process import run_isolated
from ..support.subjects import SUBJECTS, Subject


def isolated(call: str) -> None:
    run_isolated(
        f"""
        from support.rebirth import *
        from support.subjects import BY_NAME
        {call}
        print("ok")
        """,
        expect_out="ok",
    )


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_freed_in_every_state(subject: Subject) -> None:
    isolated(f"in_every_state(BY_NAME[{subject.name!r}])")


@pytest.mark.parametrize("ended", [False, True], ids=["reader lives", "reader has ended"])
@pytest.mark.parametrize("make", ["counted", "biased"])
def test_freed_while_read(make: str, ended: bool) -> None:
    """Once or more often, by a thread that reads few others or more than fit into its record."""
    isolated(f"[freed_while_read({make}, times, others, {ended}) for times in (1, 3) for others in (0, 4, 9, 20)]")


def test_records_of_threads() -> None:
    isolated("records_go_with_their_locks()")


def test_freed_beside_writers() -> None:
    isolated("freed_beside_writers()")


def test_identity_of_a_dead_thread() -> None:
    isolated("identity_of_a_dead_thread()")


def test_locks_that_come_and_go() -> None:
    isolated("churn()")


def test_lock_that_was_lost_once() -> None:
    """That a signal once ended a cede() excuses no later mistake, also when an exception is on its way."""
    isolated("lost_lock_later()")


def test_lock_at_the_address_of_one_that_was_lost() -> None:
    isolated("lost_lock_reborn()")
