"""Trace and profile functions that use locks while the threads that they watch use them too."""

import pytest

from ..support.process import run_isolated
from ..support.subjects import SUBJECTS, Subject


@pytest.mark.parametrize("how", ["trace", "profile"])
@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_at_any_moment(subject: Subject, how: str) -> None:
    run_isolated(
        f"""
        from support.intrusions import traced
        from support.subjects import BY_NAME
        traced(BY_NAME[{subject.name!r}], {how!r})
        print("ok")
        """,
        expect_out="ok",
    )
