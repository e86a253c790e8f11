"""`report`: the numbers of the tables are those of the profile."""

import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ft_utils._profiling.summary import seconds, summarize
from ft_utils.contention import Profile

from ..support.command import PROGRAM, contention
from ..support.process import spawn
from .test_run import fails

PLAIN = "import sys; sys.modules['rich'] = None; from ft_utils._profiling.command import main; sys.exit(main())"


def report(profile: Path, *options: str) -> Any:
    outcome = contention("report", "--json", *options, profile)
    assert outcome.code == 0 and not outcome.err
    return json.loads(outcome.out)


def test_sums_by_lock(profile: Path) -> None:
    samples = Profile.read(profile).data["samples"]
    waits = [s for s in samples if s["role"] == "waiter" and s["side"] == "exclusive"]
    answer = report(profile)
    (lock,) = answer["locks"]
    assert lock["kind"] == "IntervalLock" and re.fullmatch(r"store_program\.py:\d+", lock["name"])
    assert lock["count"] == answer["contentions"] == sum(s["count"] for s in waits)
    assert lock["ns"] == answer["ns"] == sum(s["ns"] for s in waits)
    assert lock["longest_ns"] == max(s["max_ns"] for s in waits)
    assert 0 < lock["p50_ns"] <= lock["p99_ns"] <= lock["longest_ns"]
    assert lock["held_at"][0]["function"] == "Store.refresh_prices"
    assert {line["function"] for line in lock["waited_at"]} == {"Store.refresh_prices", "Store.answer_query"}
    (event,) = answer["waits"]
    assert event["kind"] == "Event" and event["count"] == 5


def test_sums_by_line(profile: Path) -> None:
    by_lock, by_line = report(profile), report(profile, "--by", "line")
    assert sum(line["ns"] for line in by_line["lines"]) == by_lock["ns"]
    assert sum(line["count"] for line in by_line["lines"]) == by_lock["contentions"]
    assert by_line["holders"][0]["function"] == "Store.refresh_prices"
    source = PROGRAM.read_text().splitlines()
    for line in by_line["lines"]:
        assert line["file"] == str(PROGRAM) and source[line["line"] - 1] == "        with self.lock:"


@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize("by", ["lock", "line"])
def test_tables(profile: Path, rich: bool, by: str) -> None:
    if rich:
        pytest.importorskip("rich", reason="rich is not installed")
        outcome = contention("report", "--by", by, profile)
    else:
        outcome = spawn(["-c", PLAIN, "report", "--by", by, str(profile)], 60)
    assert outcome.code == 0 and not outcome.err, outcome
    answer = report(profile, "--by", by)
    row = answer["locks" if by == "lock" else "lines"][0]
    line = next(line for line in outcome.out.splitlines() if re.search(rf"\b{row['count']}\b +[\d.]+ m?s", line))
    for figure in ("ns", "p50_ns", "p99_ns", "longest_ns"):
        assert f" {seconds(row[figure])} " in line
    for part in (row["name"], row["kind"], "store_program.py:16") if by == "lock" else (row["function"],):
        assert part in line
    assert ("─" in outcome.out) == rich and ("----" in outcome.out) != rich
    assert outcome.out.startswith(f"{PROGRAM} 25: {answer['contentions']} contentions, ")
    assert "sampled in time" in outcome.out and "Event" in outcome.out


@pytest.mark.parametrize("rich", [True, False])
def test_terminal_without_the_letters(profile: Path, rich: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    outcome = contention("report", profile) if rich else spawn(["-c", PLAIN, "report", str(profile)], 60)
    assert outcome.code == 0 and "IntervalLock" in outcome.out and not outcome.err


def test_rich_escapes_nothing_and_styles_nothing(profile: Path, tmp_path: Path) -> None:
    """Names that look like rich's markup are shown as they are."""
    pytest.importorskip("rich", reason="rich is not installed")
    data = Profile.read(profile).data
    data["locks"][0]["name"] = data["locks"][1]["name"] = "[red]cache[/red]"
    Profile(data).write(tmp_path / "p")
    assert contention("report", tmp_path / "p").out.count("[red]cache[/red]") == 2


def test_locks_of_one_line_are_told_apart(profile: Path, tmp_path: Path) -> None:
    data = Profile.read(profile).data
    number = next(i for i, lock in enumerate(data["locks"]) if lock["kind"] == "IntervalLock")
    data["locks"].append(dict(data["locks"][number], id=0x1234))
    next(s for s in data["samples"] if s["lock"] == number and s["role"] == "waiter")["lock"] = len(data["locks"]) - 1
    Profile(data).write(tmp_path / "p")
    assert len(report(tmp_path / "p")["locks"]) == 2
    assert "(0x1234)" in contention("report", tmp_path / "p").out


def test_what_limits_the_numbers_is_said(profile: Path, tmp_path: Path) -> None:
    data = Profile.read(profile).data
    whole = report(profile)
    data |= {"rate": 10, "minimum_ns": 1_500_000, "dropped": {"stacks": 4, "samples": 7}}
    data["samples"][0]["stack"] = []
    Profile(data).write(tmp_path / "p")
    out = contention("report", "--by", "line", tmp_path / "p").out
    assert "One contention in 10 was recorded; counts and times are multiplied by 10." in out
    assert "Waits shorter than 1.50 ms were not recorded." in out
    assert "no room for the stacks of 4 contentions" in out and "no room for 7 contentions" in out
    answer = report(tmp_path / "p")
    assert answer["contentions"] == 10 * whole["contentions"] and answer["ns"] == 10 * whole["ns"]
    assert answer["locks"][0]["longest_ns"] == whole["locks"][0]["longest_ns"]
    lines = report(tmp_path / "p", "--by", "line")
    names = {line["function"] for part in ("lines", "waits", "holders") for line in lines[part]}
    assert "[stack dropped]" in names


@pytest.mark.parametrize("options", [(), ("--json",)], ids=str)
def test_output_that_cannot_be_written(options: tuple[str, ...], profile: Path) -> None:
    """One sentence each: nothing is tried again when the interpreter ends."""
    become = "; os.execv(sys.executable, [sys.executable, '-P', *sys.argv[1:]])"
    command = ["-m", "ft_utils.contention", "report", *options, str(profile)]
    for change, sentence in (
        ("os.close(1)", "there is no standard output to print tables to"),
        ("os.dup2(os.open('/dev/full', os.O_WRONLY), 1)", "the output: no space left on device"),
    ):
        fails(spawn(["-c", "import os, sys; " + change + become, *command], 60.0), sentence, "report")


def test_recordings_of_different_rates(profile: Path, tmp_path: Path) -> None:
    """As a profile that pprof has added up says it."""
    data = Profile.read(profile).data | {"rates": [1, 10]}
    Profile(data).write(tmp_path / "p")
    assert report(tmp_path / "p")["contentions"] == report(profile)["contentions"]
    out = contention("report", tmp_path / "p").out
    assert "Recordings of one contention in 1, 10 are added up; counts and times are multiplied by those rates." in out


def test_percentiles_are_near_the_true_ones(rng: random.Random, tmp_path: Path) -> None:
    """Powers of two tell a time to within a factor of two, and what is reported is never off by more."""
    for _ in range(30):
        waits = sorted(int(rng.lognormvariate(12, 2)) for _ in range(rng.randrange(1, 2000)))
        histogram = [0] * 63
        for wait in waits:
            histogram[max(wait.bit_length() - 1, 0)] += 1
        sample = {"role": "waiter", "lock": 0, "side": "write", "stack": [], "histogram": histogram}
        sample |= {"count": len(waits), "ns": sum(waits), "max_ns": waits[-1]}
        locks = [{"id": 1, "kind": "ReaderWriterLock", "name": "prices"}]
        data = {"start_unix_ns": 1, "duration_ns": 1, "frames": [], "locks": locks, "samples": [sample]}
        Profile(data).write(tmp_path / "p")
        (row,) = summarize(Profile.read(tmp_path / "p")).locks.values()
        assert (row.count, row.ns, row.longest) == (len(waits), sum(waits), waits[-1])
        for part in (0.5, 0.99):
            true = waits[math.ceil(len(waits) * part) - 1]
            assert true / 2 - 1 <= row.percentile(part) <= 2 * true + 1


def test_words_of_times() -> None:
    words = {0: "0 ns", 999: "999 ns", 1000: "1.00 µs", 9_999: "10.0 µs", 123_456: "123 µs", 1_000_000: "1.00 ms"}
    words |= {99_960_000: "100 ms", 999_600_000: "1.00 s", 12_345_678_901: "12.3 s", 4_000_000_000_000: "4000 s"}
    assert {ns: seconds(ns) for ns in words} == words


def test_reader_that_has_seen_enough(profile: Path) -> None:
    """A pipe that is closed early, as by head, ends it quietly."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ft_utils.contention", "report", str(profile)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and not err


@pytest.mark.parametrize("command", ["report", "view"])
def test_refused(tmp_path: Path, command: str) -> None:
    fails(contention(command, tmp_path / "none"), f"{tmp_path / 'none'} cannot be read: there is no such file", command)
    (tmp_path / "text").write_text("price 3\n")
    fails(contention(command, tmp_path / "text"), "no profile in pprof's format", command)
    fails(contention(command, tmp_path), "is a directory", command)


def test_refused_options(profile: Path) -> None:
    fails(contention("report", "--by", "size", profile), "there is no table by 'size': take lock or line", "report")
    fails(contention("report", profile, profile), "unrecognized arguments", "")
