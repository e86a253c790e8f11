"""Locks that are freed beside those who look at who waits for them."""

import sys

import pytest

from ..support.compiled import compiler
from ..support.inspected import FREED, preloaded
from ..support.process import run_isolated

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler for the library that stops a look")


def run(function: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with preloaded() as libraries:
        monkeypatch.setenv("LD_PRELOAD", libraries)
        run_isolated(f"from support.inspected import {function}; {function}({kind!r})", expect_out="ok")


@pytest.mark.parametrize("kind", FREED)
def test_freed_beside_a_dump(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("beside_a_dump", kind, monkeypatch)


@pytest.mark.skipif(sys._is_gil_enabled(), reason="with the GIL no lock is freed while a thread looks for a deadlock")
@pytest.mark.parametrize("kind", FREED)
def test_freed_beside_a_look_for_a_deadlock(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("beside_a_look", kind, monkeypatch)
