"""The benchmark runs and its report is whole. Nothing here depends on time."""

import json
from pathlib import Path
from typing import Any

import pytest

from ..support.process import spawn

BENCH = str(Path(__file__).resolve().parents[1] / "bench")
# The rows that carry the project's marks; more may come, none of these may go.
MARKED = """
    interval-pair interval-acquire read-pair write-pair with-interval with-read-new with-read-kept poll-idle
    contended-2-empty contended-8-empty contended-32-empty contended-2-work contended-8-work contended-32-work
    fair-8-empty fair-8-work fair-32-empty fair-32-work cede-handed cede-time cede-order read-methods-2
    bytes-interval bytes-rwlock import-time import-threads first-contention
    lock-pair rlock-pair semaphore-pair bounded-semaphore-pair event-set-clear event-is-set notify-nobody
    record-interval-pair record-write-pair record-with-read-kept
    record-2-empty record-2-work record-8-empty record-8-work
    condition-ping-pong barrier-2 barrier-4 barrier-8 queue-alone queue-1-1 queue-4-4
""".split()
MACHINE = {"cpu", "cores", "kernel", "python", "free_threaded"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("bench") / "report.json"
    outcome = spawn([BENCH, "--quick", "--json", str(path)], timeout=90)
    assert outcome.code == 0, outcome.out + outcome.err
    assert not outcome.err
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_row_is_there(report: dict[str, Any]) -> None:
    listed = spawn([BENCH, "--list"], timeout=60).out.splitlines()
    names = [row["name"] for row in report["rows"]]
    assert names == [line.split()[0] for line in listed]
    assert len(set(names)) == len(names)
    assert not set(MARKED) - {row["name"] for row in report["rows"] if row["mark"]}


def test_no_row_failed(report: dict[str, Any]) -> None:
    assert not [(row["name"], row["errors"]) for row in report["rows"] if row["errors"]]
    for row in report["rows"]:
        assert ("skipped" in row) != bool(row["subjects"]), row["name"]
        for name, subject in row["subjects"].items():
            assert subject["rounds"], (row["name"], name)


def test_the_report_says_where_it_was_measured(report: dict[str, Any]) -> None:
    assert set(report["machine"]) >= MACHINE
    assert report["quick"] is True


def test_rows_can_be_chosen() -> None:
    outcome = spawn([BENCH, "--list", "--rows", "sweep-2 pol"], timeout=60)
    assert [line.split()[0] for line in outcome.out.splitlines()] == ["poll-idle", "sweep-2-rate", "sweep-2-share"]
    assert spawn([BENCH, "--rows", "no-such-row"], timeout=60).code == 2
