"""MemoryError at every allocation: each operation raises it or succeeds, and leaves the lock as it should be."""

import importlib.util
from pathlib import Path

import pytest

from ..support.compiled import compiler
from ..support.nomemory_raw import starving_library
from ..support.process import run_isolated

injected = pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None, reason="no _testcapi, by which allocations are made to fail"
)
compiled = pytest.mark.skipif(compiler() is None, reason="no C compiler for the library that makes allocations fail")

# The lock of this one is used by its methods, as a foreign one.
BY_METHODS = "Condition over RWWriteContext"


def isolated(call: str) -> None:
    run_isolated(
        f"""
        from support.nomemory import *
        {call}
        print("ok")
        """,
        expect_out="ok",
    )


@injected
def test_construction() -> None:
    isolated("construction()")


@injected
def test_construction_of_a_condition_over_a_lock() -> None:
    isolated("construction_over_a_lock()")


@injected
def test_reprs() -> None:
    isolated("reprs()")


@injected
def test_snapshot() -> None:
    isolated("reports()")


@injected
def test_stats() -> None:
    isolated("reports(stats)")


@injected
def test_waits_in_vain() -> None:
    isolated(f"[waits_in_vain(subject) for subject in SUBJECTS if subject.name != {BY_METHODS!r}]")


@injected
def test_waits_in_vain_for_a_condition_whose_lock_is_used_by_its_methods() -> None:
    isolated(f"waits_in_vain(BY_NAME[{BY_METHODS!r}])")


@injected
def test_waits_with_success() -> None:
    isolated("[waits_with_success(each) for each in SUBJECTS if not each.name.startswith(('Condition', 'Barrier'))]")


@injected
def test_wait_of_a_handler() -> None:
    isolated("[in_a_handler(subject) for subject in SUBJECTS]")


@injected
@pytest.mark.parametrize("name", ["Condition", "Condition over Lock"])
def test_notifications(name: str) -> None:
    isolated(f"notifications({name!r})")


@injected
@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("Condition", "__exit__"),
        ("Condition over Lock", "__exit__"),
        ("Condition over IntervalLock", "__exit__"),
        (BY_METHODS, "__exit__"),
        ("Condition", "release"),
        ("Condition over Lock", "release"),
        ("Condition over IntervalLock", "release"),
        (BY_METHODS, "release"),
    ],
)
def test_release_of_a_condition(name: str, method: str) -> None:
    isolated(f"releases({name!r}, {method!r})")


@injected
@pytest.mark.parametrize("call", ["stops()", "waits()"])
def test_recording(call: str) -> None:
    isolated(f"from support.nomemory_recording import *; {call}")


# --- what the types take from the C library -------------------------------------------------------------------------


@compiled
@pytest.mark.parametrize(
    "call",
    ["first_touch()", "release_by_a_new_thread()", "many_reads(False)", "many_reads(True)", "many_reads_contended()"],
)
def test_records_of_threads(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw(call, tmp_path, monkeypatch)


@compiled
def test_seat_of_a_handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw("handlers()", tmp_path, monkeypatch)


@compiled
@pytest.mark.parametrize("call", ["starts_raw()", "waits_raw()"])
def test_table_of_a_recording(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw(call, tmp_path, monkeypatch, "nomemory_recording")


def raw(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str = "nomemory_raw") -> None:
    monkeypatch.setenv("LD_PRELOAD", str(starving_library(tmp_path)))
    run_isolated(f"from support.{module} import *; {call}; print('ok')", expect_out="ok")
