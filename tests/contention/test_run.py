"""`run`: programs and modules as they run alone, and what is left of them in the file."""

import json
import os
import signal
from pathlib import Path

import pytest

from ft_utils.contention import Profile

from ..support.command import PROGRAM, contention
from ..support.process import Outcome, spawn


def program(tmp_path: Path, text: str, name: str = "program.py") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


def fails(outcome: Outcome, sentence: str, command: str = "run") -> None:
    """One line and exit code 2."""
    assert outcome.code == 2, outcome
    assert outcome.err.startswith(f"python -m ft_utils.contention {command}".strip() + ": "), outcome.err
    assert sentence in outcome.err and outcome.err.count("\n") == 1, outcome.err
    assert not outcome.out


def test_profile_of_a_program(profile: Path) -> None:
    data = Profile.read(profile).data
    assert data["command"] == f"{PROGRAM} 25" and data["rate"] == 1
    assert {"Store.refresh_prices", "Store.answer_query", "reader"} <= {frame["function"] for frame in data["frames"]}
    assert os.listdir(profile.parent) == [profile.name]


def test_default_file_and_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = contention("run", PROGRAM, "3")
    assert outcome.code == 0 and outcome.out == "price 2\n"
    assert outcome.err.startswith("ft_utils.contention: ") and outcome.err.endswith("see contention.pb.gz\n")
    assert os.listdir(tmp_path) == ["contention.pb.gz"]


def test_speedscope_format(tmp_path: Path) -> None:
    outcome = contention("run", "--format", "speedscope", "-o", tmp_path / "s.json", PROGRAM, "3")
    assert outcome.code == 0
    assert json.loads((tmp_path / "s.json").read_text())["profiles"][0]["unit"] == "nanoseconds"


def test_options_reach_the_recorder(tmp_path: Path) -> None:
    outcome = contention("run", "--rate", "3", "--minimum", "0.002", "-o", tmp_path / "p", PROGRAM, "10")
    data = Profile.read(tmp_path / "p").data
    assert outcome.code == 0 and (data["rate"], data["minimum_ns"]) == (3, 2_000_000)
    waits = [sample for sample in data["samples"] if sample["role"] == "waiter"]
    assert waits and all(sample["ns"] >= 2_000_000 * sample["count"] for sample in waits)


def test_program_is_main(tmp_path: Path) -> None:
    """Its name, file, arguments and path are what they are without us; arguments like our options are its own."""
    file = program(
        tmp_path,
        """
import pickle, sys
class Here: pass
assert type(pickle.loads(pickle.dumps(Here()))) is Here
import __main__
print(__name__, __file__, __main__.Here is Here, sys.argv, __spec__, sep="|")
""",
    )
    outcome = contention("run", "-o", tmp_path / "p", file, "-o", "x", "--rate", "-1", "-m")
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"__main__|{file}|True|{[str(file), '-o', 'x', '--rate', '-1', '-m']}|None\n"


def test_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    program(package, "", "__init__.py")
    program(package, "import sys; print(__name__, __package__, sys.argv[1:])", "__main__.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = contention("run", "-o", tmp_path / "p", "-m", "shop", "-m", "x")
    assert outcome.code == 0 and outcome.out == "__main__ shop ['-m', 'x']\n", outcome
    assert Profile.read(tmp_path / "p").data["command"] == "-m shop -m x"


ALIKE = """
import sys, threading

if __name__ == "__main__":
    import pickle, shop as package
    def later():
        threading.main_thread().join()
        import __main__
        print(sys.argv, __main__ is main, pickle.loads(pickle.dumps(later)) is later)
    main = sys.modules["__main__"]
    print(package.argv, __package__, __file__, __spec__.name, __spec__.origin == __file__, __cached__)
    print(sorted(globals()))
    threading.Thread(target=later).start()
"""


@pytest.mark.parametrize("name", ["shop.part", "shop"])
def test_module_as_it_runs_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what its packages see, while they are imported, and its threads, when it is through."""
    (tmp_path / "shop").mkdir()
    program(tmp_path / "shop", "import sys\nargv = list(sys.argv)\n", "__init__.py")
    for file in "part.py", "__main__.py":
        program(tmp_path / "shop", ALIKE, file)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    alone = spawn(["-m", name, "x", "-m"], 60.0)
    recorded = contention("run", "-o", tmp_path / "p", "-m", name, "x", "-m")
    assert alone.code == recorded.code == 0, recorded
    assert recorded.out == alone.out and "['-m', 'x', '-m'] shop" in alone.out and "True True\n" in alone.out


def test_module_whose_name_is_no_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "import sys; print(sys.argv[1:], __name__)", "foo-bar.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = contention("run", "-o", tmp_path / "p", "-m", "foo-bar", "x")
    assert outcome.code == 0 and outcome.out == "['x'] __main__\n", outcome


def test_locks_of_packages_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are imported before the module is found, and while the recording goes on: it knows the lines of locks."""
    (tmp_path / "shop").mkdir()
    program(tmp_path / "shop", "from ft_utils.synchronization import Lock\nlock = Lock()\n", "__init__.py")
    program(tmp_path / "shop", "import shop\nshop.lock.acquire()\nshop.lock.acquire(timeout=1e-6)\n", "part.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert contention("run", "-o", tmp_path / "p", "-m", "shop.part").code == 0
    assert [lock["name"] for lock in Profile.read(tmp_path / "p").data["locks"]] == ["__init__.py:2"]


@pytest.mark.parametrize("end", ["sys.exit(7)", "raise KeyError('bread')", "sys.exit('words')"])
def test_end_of_a_program(tmp_path: Path, end: str) -> None:
    """Its exit code and words are its own, none of our frames stands in a traceback, and the profile is written."""
    file = program(tmp_path, f"import sys\ndef f():\n    {end}\nf()\n")
    outcome = contention("run", "-o", tmp_path / "p", file)
    assert outcome.code == (7 if "7" in end else 1)
    assert "_profiling" not in outcome.err
    assert ("KeyError: 'bread'" in outcome.err) == ("KeyError" in end)
    assert f'File "{file}", line 3, in f' in outcome.err or "KeyError" not in end
    assert Profile.read(tmp_path / "p").data["samples"] == []


def test_threads_that_outlive_main(tmp_path: Path) -> None:
    """Threads go on after the last line, and so do pools that nobody has shut down: their waits are recorded."""
    file = program(
        tmp_path,
        """
import threading, time
from concurrent.futures import ThreadPoolExecutor
from ft_utils.synchronization import IntervalLock, snapshot
lock = IntervalLock()
ended, held = threading.Event(), threading.Event()
def late():
    ended.wait()
    with lock:
        held.set()
        while not any(wait.lock == id(lock) for wait in snapshot()):
            time.sleep(0.001)  # that a thread waits is no event
def later():
    held.wait()
    with lock:
        pass
threading.Thread(target=late).start()
ThreadPoolExecutor().submit(later)
ended.set()
""",
    )
    outcome = contention("run", "-o", tmp_path / "p", file)
    assert outcome.code == 0, outcome.err
    assert "later" in {frame["function"] for frame in Profile.read(tmp_path / "p").data["frames"]}


def test_forked_children_leave_the_file_alone(tmp_path: Path) -> None:
    file = program(
        tmp_path,
        f"""
import os, sys
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
    print(os.path.exists({str(tmp_path / "p")!r}))
""",
    )
    outcome = contention("run", "-o", tmp_path / "p", file)
    assert outcome.code == 0 and outcome.out == "False\n" and (tmp_path / "p").exists()
    assert outcome.err.count("ft_utils.contention:") == 1


def test_ctrl_c(tmp_path: Path) -> None:
    """It interrupts the wait of the program, ends it as it would end it alone, and the profile is written."""
    file = program(
        tmp_path,
        """
import os, signal, threading
from ft_utils.synchronization import IntervalLock, snapshot
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
lock = IntervalLock()
held = threading.Event()
def hold():
    with lock:
        held.set()
        while not any(wait.lock == id(lock) for wait in snapshot()):
            pass
        os.kill(os.getpid(), signal.SIGINT)
        ended.wait(60)
ended = threading.Event()
threading.Thread(target=hold, daemon=True).start()
held.wait()
def wait_for_it():
    lock.lock()
wait_for_it()
""",
    )
    outcome = contention("run", "-o", tmp_path / "p", file)
    assert outcome.code == -signal.SIGINT, outcome
    assert outcome.err.count("KeyboardInterrupt") == 1 and "_profiling" not in outcome.err, outcome.err
    assert f'File "{file}", line 18, in wait_for_it' in outcome.err
    data = Profile.read(tmp_path / "p").data
    (sample,) = (sample for sample in data["samples"] if sample["role"] == "waiter" and sample["side"] != "wait")
    assert data["frames"][sample["stack"][0]]["function"] == "wait_for_it"


def test_program_that_goes_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program(tmp_path, "import os; os.chdir('/')")
    assert contention("run", "-o", "p", "program.py").code == 0
    assert (tmp_path / "p").exists()


def test_long_name(tmp_path: Path) -> None:
    outcome = contention("run", "-o", tmp_path / ("n" * 255), program(tmp_path, ""))
    assert outcome.code == 0 and Profile.read(tmp_path / ("n" * 255)).data["samples"] == [], outcome


def test_into_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    outcome = contention("run", "-o", tmp_path / "pipe", program(tmp_path, ""))
    assert outcome.code == 0 and os.read(reader, 1 << 16).startswith(b"\x1f\x8b"), outcome
    os.close(reader)
    assert sorted(os.listdir(tmp_path)) == ["pipe", "program.py"]


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rate", "-3", PROGRAM], "'-3' is not a rate"),
        (["--rate", "0", PROGRAM], "'0' is not a rate"),
        (["--rate", "x", PROGRAM], "'x' is not a rate"),
        (["--minimum", "-1", PROGRAM], "'-1' is not a time in seconds"),
        (["--minimum", "inf", PROGRAM], "'inf' is not a time in seconds"),
        (["--format", "xml", PROGRAM], "there is no format 'xml': take pprof or speedscope"),
        (["-o", "/nonexistent/p", PROGRAM], "there is no directory /nonexistent"),
        (["-o", "/", PROGRAM], "is a directory"),
        (["-o", "n" * 256, PROGRAM], "file name too long"),
        (["nowhere.py"], "nowhere.py cannot be run: no such file or directory"),
        (["/"], "/ cannot be run: is a directory"),
        (["-m", "no.such.module"], "there is no module no.such.module that can be run"),
        (["-m", "xml.dom"], "there is no module xml.dom that can be run"),
        (["-m", "..x"], "there is no module ..x that can be run"),
        ([], "name a script to run"),
    ],
    ids=lambda value: " ".join(map(str, value)).replace("/", "_") if isinstance(value, list) else None,
)
def test_refused(arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fails(contention("run", *arguments), sentence)
    assert not os.listdir(tmp_path)


def test_package_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its own imports lack is said by Python, and is not what was asked for."""
    (tmp_path / "broken").mkdir()
    program(tmp_path / "broken", "import no_such_dependency", "__init__.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = contention("run", "-o", tmp_path / "p", "-m", "broken.part")
    assert outcome.code == 1 and "No module named 'no_such_dependency'" in outcome.err
    assert not (tmp_path / "p").exists()


def test_unknown_option() -> None:
    fails(contention("run", "--nonsense", PROGRAM), "unrecognized arguments: --nonsense", "")


@pytest.mark.parametrize("text", [b"def f(:\n", b"x = 1\0\n", b"x = '\xff'\n"], ids=["grammar", "null", "encoding"])
@pytest.mark.parametrize("module", [False, True])
def test_syntax_error(text: bytes, module: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own words, none of ours, and no profile."""
    (tmp_path / "wrong.py").write_bytes(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = contention("run", "-o", tmp_path / "p", *(["-m", "wrong"] if module else [tmp_path / "wrong.py"]))
    assert outcome.code == 1 and "SyntaxError" in outcome.err, outcome
    assert "_profiling" not in outcome.err and "importlib" not in outcome.err, outcome.err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "end",
    [
        "raise asyncio.CancelledError('bread')",
        "raise GeneratorExit",
        "raise BaseExceptionGroup('bread', [KeyboardInterrupt()])",
        "sys.excepthook = lambda *_: 1 / 0; raise KeyError('bread')",
        "sys.excepthook = lambda *_: sys.exit(5); raise KeyError('bread')",
    ],
    ids=lambda end: end.split("(")[0],
)
def test_errors_are_shown_as_alone(end: str, tmp_path: Path) -> None:
    file = program(tmp_path, f"import asyncio, sys\ndef f():\n    {end}\nf()\n")
    alone = spawn([str(file)], 60.0)
    recorded = contention("run", "-o", tmp_path / "p", file)
    assert recorded.code == alone.code
    assert recorded.err.rpartition("ft_utils.contention: ")[0] == alone.err
    assert (tmp_path / "p").exists()


REMOVED = """
import os, subprocess, sys
os.mkdir(sys.argv[1]), os.chdir(sys.argv[1]), os.rmdir(sys.argv[1])
command = [sys.executable, "-P", "-m", "ft_utils.contention", *sys.argv[2:]]
sys.exit(subprocess.run(command).returncode)
"""


def test_working_directory_that_was_removed(profile: Path, tmp_path: Path) -> None:
    def removed(*arguments: str | Path) -> Outcome:
        return spawn(["-c", REMOVED, str(tmp_path / "here"), *map(str, arguments)], 60.0)

    file = program(tmp_path, "print('done')")
    assert removed("run", "-o", tmp_path / "p", file).out == "done\n"
    fails(removed("run", file), "contention.pb.gz cannot be written: there is no working directory any more")
    assert "Store.refresh_prices" in removed("report", "--by", "line", profile).out


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["report"], ["view"]], ids=str)
def test_no_command(arguments: list[str]) -> None:
    outcome = contention(*arguments)
    assert outcome.code == 2 and outcome.err.count("\n") == 1, outcome


def test_help() -> None:
    for arguments in (["--help"], ["run", "--help"], ["report", "--help"], ["view", "--help"]):
        outcome = contention(*arguments)
        assert outcome.code == 0 and "usage: python -m ft_utils.contention" in outcome.out
