"""Code of others that an operation calls: predicates, actions, and the methods of locks that are not ours."""

import pytest

from ..support.process import run_isolated


@pytest.mark.parametrize("which", ["predicate", "action"])
def test_callback(which: str) -> None:
    run_isolated(f"from support.intrusions import {which}; {which}(); print('ok')", expect_out="ok")


@pytest.mark.parametrize("how", ["itself", "finalizer", "handler", "trace"])
def test_release_of_a_foreign_lock_waits_for_ours(how: str) -> None:
    """It waits itself, or what runs in the middle of it does."""
    run_isolated(f"from support.intrusions import meddled; meddled({how!r}); print('ok')", expect_out="ok")


@pytest.mark.parametrize("how", ["trace", "profile"])
def test_trace_function_within_a_foreign_lock(how: str) -> None:
    run_isolated(
        f"from support.intrusions import traced; from support.subjects import FOREIGN\n"
        f"traced(FOREIGN, {how!r}); print('ok')",
        expect_out="ok",
    )


def test_other_intrusions_into_a_foreign_lock() -> None:
    run_isolated(
        """
        from support.intrusions import littered, signalled
        from support.subjects import FOREIGN
        littered(FOREIGN), signalled(FOREIGN)
        print("ok")
        """,
        expect_out="ok",
    )
