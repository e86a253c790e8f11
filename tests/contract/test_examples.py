"""The code of the documents is that of the programs in examples/, and they run."""

import importlib.util
import re
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ft_utils._profiling.summary import summarize
from ft_utils.contention import Profile

from ..support.process import Outcome, run_isolated, spawn

ROOT = Path(__file__).resolve().parents[2]
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


def test_rwlock_upgrade() -> None:
    outcome = run("rwlock_upgrade.py")
    assert outcome.out.splitlines() == ["200 entries, 200 computed", "0 entries"]
    assert not outcome.err


@pytest.mark.parametrize("threads", ["1", "3"])
def test_index_of_the_standard_library(threads: str) -> None:
    """The program compares its result with that of one thread itself."""
    outcome = run("index_stdlib.py", "--threads", threads, "--limit", "60")
    assert "60 files" in outcome.out
    assert re.search(r"^speed-up \d+\.\d+ on CPython 3\.1[345]", outcome.out, re.MULTILINE)


@pytest.mark.parametrize("option", [["--threads", "0"], ["--limit", "-1"], ["--threads", "x"]], ids=" ".join)
def test_index_refuses_wrong_options(option: list[str]) -> None:
    outcome = spawn([str(EXAMPLES / "index_stdlib.py"), *option], timeout=60)
    assert outcome.code == 2
    assert "usage:" in outcome.err


# --- the threading family ------------------------------------------------------------------------------------------

FAMILY_EXAMPLES = ROOT / "examples"
FAMILY_DOCUMENT = ROOT / "docs" / "locking.md"
FAMILY_BLOCKS = ROOT / "tests" / "data" / "locking_blocks.md"  # the code that is given; the text around it is ours
# In the order of the blocks.
PROGRAMS = ["lock", "rlock", "semaphore", "bounded_semaphore", "event", "condition", "barrier"]
NEEDED = "import ft_utils.synchronization as threading\nfrom threading import Thread\n"


def snippets(path: Path = FAMILY_BLOCKS) -> list[str]:
    return re.findall(r"^```py\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def program(name: str) -> Path:
    return FAMILY_EXAMPLES / f"threading_{name}.py"


def run_of_the_family(path: Path, *options: str) -> Outcome:
    outcome = spawn([str(path), *options], timeout=90)
    assert outcome.code == 0, outcome.err
    assert not outcome.err
    return outcome


def test_document_shows_the_snippets() -> None:
    """Every one, in order and to the letter."""
    assert snippets(FAMILY_DOCUMENT) == snippets()


def test_every_snippet_has_a_program() -> None:
    assert len(snippets()) == len(PROGRAMS)
    assert sorted(FAMILY_EXAMPLES.glob("threading_*.py")) == sorted(program(name) for name in PROGRAMS)


@pytest.mark.parametrize(("number", "name"), list(enumerate(PROGRAMS)), ids=PROGRAMS)
def test_program_contains_its_snippet(number: int, name: str) -> None:
    """Every line of it, in order. Where a part stands inside a function it is indented deeper, and nothing else."""
    lines = iter(program(name).read_text(encoding="utf-8").splitlines())
    for wanted in snippets()[number].splitlines():
        if wanted.strip():
            assert any(line.strip() == wanted.strip() and line.endswith(wanted) for line in lines), wanted


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_begins_with_the_replacement(name: str) -> None:
    text = program(name).read_text(encoding="utf-8")
    _, docstring, code = text.split('"""', 2)
    assert docstring.strip()
    assert code.lstrip("\n").startswith(NEEDED.rstrip("\n"))
    assert "\ndef main():\n" in code and 'if __name__ == "__main__":\n    main()\n' in code


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_runs(name: str) -> None:
    """Each checks by itself what it says."""
    assert run_of_the_family(program(name)).out.strip()


def test_what_the_programs_say() -> None:
    assert "left: 0" in run_of_the_family(program("lock")).out
    assert "ValueError: " in run_of_the_family(program("bounded_semaphore")).out


@pytest.mark.parametrize("number", range(len(PROGRAMS)), ids=PROGRAMS)
def test_snippet_runs_unchanged_on_either_module(number: int, module: ModuleType) -> None:
    """With what it calls and does not define, and a `pass` where a block holds nothing but a comment."""
    snippet = snippets()[number]
    if snippet.rstrip().splitlines()[-1].lstrip().startswith("#"):
        snippet = snippet.rstrip() + "\n    pass\n"
    use = """
threads = []
if "consumer" in globals():
    threads = [Thread(target=consumer), Thread(target=consumer), Thread(target=producer, args=(1,)),
               Thread(target=producer, args=(2,))]
elif "phase" in globals():
    threads = [Thread(target=phase) for _ in range(4)]
elif "f" in globals():
    threads = [Thread(target=f) for _ in range(4)]
elif "worker" in globals():
    threads = [Thread(target=worker)]
for thread in threads:
    thread.daemon = True
    thread.start()
for thread in threads:
    thread.join(30)
    assert not thread.is_alive()
"""
    prelude = NEEDED.replace("ft_utils.synchronization", module.__name__)
    given = "def do_work():\n    pass\ndef do_part():\n    pass\n"
    run_isolated(prelude + given + snippet + use + 'print("ran")', prelude="", expect_out="ran")


# --- the store whose lock is looked at ------------------------------------------------------------------------------


def test_store_before_and_after(tmp_path: Path) -> None:
    """The line that is to be found is on both sides of the first profile; both profiles stay."""
    outcome = run("store_contention.py", "--threads", "2", "--searches", "60", "--keep", str(tmp_path))
    assert not outcome.err
    assert re.search(r"^\d+\.\d+ times as fast on CPython 3\.13", outcome.out, re.MULTILINE)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["after.pb.gz", "before.pb.gz"]
    summary = summarize(Profile.read(tmp_path / "before.pb.gz"))
    text = (EXAMPLES / "store_contention.py").read_text().splitlines()
    for table in (summary.lines, summary.holders):
        line = next(line for line in table if line.function == "Store.search")
        assert text[line.line - 1].strip() == "with self._lock:"
    after = summarize(Profile.read(tmp_path / "after.pb.gz"))
    assert {lock.kind for lock in after.locks} <= {"ReaderWriterLock"}


# --- the pipeline ---------------------------------------------------------------------------------------------------

PIPELINE = FAMILY_EXAMPLES / "pipeline_ast.py"


@pytest.mark.parametrize("threads", ["1", "3"])
def test_pipeline(threads: str) -> None:
    """It compares what it finds on the two modules itself."""
    outcome = run_of_the_family(PIPELINE, "--threads", threads, "--limit", "6")
    assert "6 files, " in outcome.out and f"{threads} trees at once" in outcome.out
    assert re.search(r"^\d+ functions and \d+ classes in \d+ lines$", outcome.out, re.MULTILINE)
    findings = r"^the same findings, in \d+\.\d+ of the time of threading, on CPython 3\.1[345]"
    assert re.search(findings, outcome.out, re.MULTILINE)
    for name in ("ft_utils.synchronization", "threading"):
        assert re.search(rf"^{name}: \d+\.\d+ s$", outcome.out, re.MULTILINE)


@pytest.mark.parametrize("option", [["--threads", "0"], ["--limit", "-1"], ["--threads", "x"]], ids=" ".join)
def test_pipeline_refuses_wrong_options(option: list[str]) -> None:
    outcome = spawn([str(PIPELINE), *option], timeout=60)
    assert outcome.code == 2
    assert "usage:" in outcome.err


@pytest.fixture(scope="module")
def pipeline() -> Any:
    spec = importlib.util.spec_from_file_location("pipeline_ast", PIPELINE)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded  # dataclasses look their module up
    spec.loader.exec_module(loaded)
    yield loaded
    del sys.modules[spec.name]


def test_pipeline_finds_what_is_there(pipeline: Any, module: ModuleType, tmp_path: Path) -> None:
    source = """
        class A(list):
            def one(self):
                two(), self.one(), print(len(self))
        async def two():
            pass
        """
    (tmp_path / "good.py").write_text(textwrap.dedent(source))
    (tmp_path / "bad.py").write_text("def (")
    found = pipeline.Pipeline(module, sorted(tmp_path.glob("*.py")), 2).run()
    assert (found.files, found.unparsable, found.functions, found.classes) == (2, 1, 2, 1)
    assert found.defined == {"A", "one", "two"}
    assert dict(found.called) == {"two": 1, "one": 1, "print": 1, "len": 1}
    assert (found.known, found.lines, found.longest) == (2, 6, (2, "two"))


def test_pipeline_stops_when_a_worker_fails(pipeline: Any, module: ModuleType, tmp_path: Path) -> None:
    """Wherever the others are: parsing, waiting for room, at the barrier."""
    files = pipeline.sources(None)[200:212]
    for place in (0, 6, 12):
        start = time.monotonic()
        with pytest.raises(FileNotFoundError):
            pipeline.Pipeline(module, [*files[:place], tmp_path / "missing.py", *files[place:]], 2).run()
        assert time.monotonic() - start < 60
        assert not [thread for thread in threading.enumerate() if "_guard" in thread.name]
