"""The code of the API document is that of the programs in examples/, and they run."""

import re
from pathlib import Path

import pytest

from .support.process import Outcome, spawn

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
DOCUMENT = ROOT / "docs" / "synchronization.md"
BLOCKS = ROOT / "tests" / "data" / "synchronization_blocks.md"  # the code that is given; the text around it is ours
FROM_BLOCKS = ["api_simple.py", "interval_contention.py", "rwlock_contention.py"]


def run(name: str, *options: str) -> Outcome:
    outcome = spawn([str(EXAMPLES / name), *options], timeout=90)
    assert outcome.code == 0, outcome.err
    return outcome


def blocks(path: Path) -> list[bytes]:
    return re.findall(rb"^```python\n(.*?)^```$", path.read_bytes(), re.DOTALL | re.MULTILINE)


def test_document_shows_the_blocks() -> None:
    """Every block, in order and to the byte."""
    assert blocks(DOCUMENT) == blocks(BLOCKS)


def test_examples_are_the_blocks() -> None:
    assert blocks(BLOCKS) == [(EXAMPLES / name).read_bytes() for name in FROM_BLOCKS]


def test_simple_api() -> None:
    outcome = run("api_simple.py")
    work = ["work", "read work", "write work", "read work", "write work"]
    assert outcome.out.splitlines() == [f"Doing some {what}" for what in work]
    assert not outcome.err


def test_interval_contention() -> None:
    """Both work five rounds, and the interval has the lock change hands while they do."""
    outcome = run("interval_contention.py")
    assert not outcome.err
    for name in ("Thread 1", "Thread 2"):
        assert outcome.out.count(f"{name} is working...") == 5
        assert outcome.out.count(f"{name} has finished working") == 1
    finished = min(outcome.out.index(f"Thread {n} has finished") for n in (1, 2))
    assert "Thread 1 is working" in outcome.out[:finished] and "Thread 2 is working" in outcome.out[:finished]


def test_rwlock_contention() -> None:
    """Nobody reads while the writer writes."""
    outcome = run("rwlock_contention.py")
    assert not outcome.err
    for what in ("Reader 1 is reading", "Reader 2 is reading", "Writer is writing"):
        assert outcome.out.count(what) == 5
    start, end = (outcome.out.index(f"Writer has {what}") for what in ("acquired", "finished"))
    assert "is reading" not in outcome.out[start:end]


@pytest.mark.parametrize("threads", ["1", "3"])
def test_index_of_the_standard_library(threads: str) -> None:
    """The program compares its result with that of one thread itself."""
    outcome = run("index_stdlib.py", "--threads", threads, "--limit", "60")
    assert "60 files" in outcome.out
    assert re.search(r"^speed-up \d+\.\d+ on CPython 3\.13", outcome.out, re.MULTILINE)


@pytest.mark.parametrize("option", [["--threads", "0"], ["--limit", "-1"], ["--threads", "x"]], ids=" ".join)
def test_index_refuses_wrong_options(option: list[str]) -> None:
    outcome = spawn([str(EXAMPLES / "index_stdlib.py"), *option], timeout=60)
    assert outcome.code == 2
    assert "usage:" in outcome.err
