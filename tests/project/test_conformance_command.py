"""scripts/conformance: what it replaces, what it records of suites that fail, hang and crash, how it judges that."""

import importlib
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "conformance"
MODULES = ("suites", "results", "differences", "report", "run")
BUILD = "3.13" if sys._is_gil_enabled() else "3.13t"

TINY_UNITTEST = """
import faulthandler, os, subprocess, sys, threading, time, unittest

class Tiny(unittest.TestCase):
    def test_a_passes(self):
        pass
    def test_b_fails(self):
        raise ValueError("as it should")
    def test_c_crashes(self):
        faulthandler.disable()
        os.abort()
    def test_d_hangs(self):
        time.sleep(600)
    def test_e_fails_in_a_part(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertNotEqual(n, 1)
    @unittest.skip("no reason")
    def test_f_skips(self):
        pass
    @unittest.expectedFailure
    def test_g_fails_as_expected(self):
        self.fail()
    def test_h_knows_our_names(self):
        self.assertEqual(threading.Lock.__module__, "ft_utils.synchronization")
    def test_i_starts_others_that_know_them(self):
        code = "import threading; print(threading.Event.__module__)"
        out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True).stdout
        self.assertEqual(out.strip(), "ft_utils.synchronization")
    def test_j_forks(self):
        pid = os.fork()
        if pid == 0:
            raise SystemExit(0)  # runs on into the runner, which must not record it
        os.waitpid(pid, 0)
"""

TINY_PYTEST = """
import os, queue, time, pytest

def test_passes():
    pass
def test_fails():
    raise ValueError("as it should")
def test_crashes():
    os._exit(3)
def test_hangs():
    time.sleep(600)
def test_skips():
    pytest.skip("no reason")
@pytest.mark.xfail
def test_fails_as_expected():
    assert 0
@pytest.mark.parametrize("n", [1, 2])
def test_knows_our_names(n):
    assert type(queue.Queue().mutex).__module__ == "ft_utils.synchronization"
@pytest.fixture
def broken():
    yield
    raise ValueError("at the end")
def test_fails_afterwards(broken):
    pass
"""


@pytest.fixture
def command():
    """The command's modules, which have no package and no place on the path afterwards."""
    before, hidden = list(sys.path), {name: sys.modules.pop(name, None) for name in MODULES}
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path[:] = before
        for name, module in hidden.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


@pytest.fixture
def place(command, tmp_path):
    """An environment that sees what this one has, and the tests above."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    ask = [python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    (site / "more.pth").write_text(f"{sysconfig.get_path('purelib')}\n{tmp_path}\n")
    place = command.run.Place(BUILD, str(python), tmp_path / "work")
    (tmp_path / "tiny_unittest.py").write_text(TINY_UNITTEST)
    tree = place.tree("tiny")
    tree.mkdir(parents=True)
    (tree / "test_tiny.py").write_text(TINY_PYTEST)
    (site / "ft_utils_conformance.pth").write_text(f"{SCRIPTS / 'child'}\nimport ft_rebind\n")
    return place


def kinds(results):
    return {test.rpartition(".")[2].rpartition("::")[2]: outcome.kind for test, outcome in results.tests.items()}


def test_a_run_of_unittest_is_recorded_to_its_end(command, place):
    suite = command.suites.Suite("tiny", seconds=100, each=8, modules=("tiny_unittest",))
    expected = {
        "test_a_passes": "passed",
        "test_b_fails": "failed",
        "test_c_crashes": "no end",
        "test_d_hangs": "no end",
        "test_e_fails_in_a_part": "failed",
        "test_f_skips": "skipped",
        "test_g_fails_as_expected": "xfailed",
        "test_h_knows_our_names": "failed",
        "test_i_starts_others_that_know_them": "failed",
        "test_j_forks": "passed",
    }
    baseline = command.run.run_suite(place, suite, ours=False)
    assert kinds(baseline) == expected and baseline.finished and not baseline.replaced
    assert baseline.tests["tiny_unittest.Tiny.test_c_crashes"].why == "died by SIGABRT"
    names = ("test_h_knows_our_names", "test_i_starts_others_that_know_them")
    only = [f"tiny_unittest.Tiny.{name}" for name in (*names, "test_b_fails")]
    ours = command.run.run_suite(place, suite, ours=True, only=only, again=1)
    assert kinds(ours) == dict.fromkeys(names, "passed") | {"test_b_fails": "failed"} and ours.finished
    assert "threading.Lock" in ours.replaced and "_thread.RLock" not in ours.replaced


def test_a_run_of_pytest_is_recorded_to_its_end(command, place):
    suite = command.suites.Suite("tiny", seconds=100, each=8, level="_thread", project="tiny", paths=("test_tiny.py",))
    expected = {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_crashes": "no end",
        "test_hangs": "no end",
        "test_skips": "skipped",
        "test_fails_as_expected": "xfailed",
        "test_knows_our_names[1]": "failed",
        "test_knows_our_names[2]": "failed",
        "test_fails_afterwards": "failed",
    }
    baseline = command.run.run_suite(place, suite, ours=False)
    assert kinds(baseline) == expected and baseline.finished and not baseline.replaced
    names = ("test_knows_our_names[1]", "test_knows_our_names[2]")
    only = [f"test_tiny.py::{name}" for name in (*names, "test_fails")]
    ours = command.run.run_suite(place, suite, ours=True, only=only, again=1)
    assert kinds(ours) == dict.fromkeys(names, "passed") | {"test_fails": "failed"} and ours.finished
    assert "_thread.RLock" in ours.replaced
    assert ours.tests["test_tiny.py::test_fails"].why == "ValueError: as it should"


def test_the_settings_of_the_project_above_are_not_taken(command, place, tmp_path):
    """An sdist without settings for pytest is unpacked below a project that has some."""
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--no-such-option"\n')
    for name, settings in (("plain", ""), ("own", "[pytest]\npython_files = tiny_*.py\n")):
        folder = tmp_path / f"{name}-1.0"
        folder.mkdir()
        (folder / "tox.ini").write_text(settings)
        (folder / ("test_it.py" if name == "plain" else "tiny_it.py")).write_text("def test_passes(): pass\n")
        archive = ["tar", "-czf", str(tmp_path / f"{name}-1.0.tar.gz"), "-C", str(tmp_path), folder.name]
        subprocess.run(archive, check=True)
        command.run.unpack(place, name, tmp_path)
        suite = command.suites.Suite(name, seconds=60, project=name, paths=(".",))
        assert kinds(command.run.run_suite(place, suite, ours=False)) == {"test_passes": "passed"}


def test_a_suite_that_takes_too_long_is_ended(command, place):
    suite = command.suites.Suite("tiny", seconds=4, each=100, modules=("tiny_unittest",))
    results = command.run.run_suite(place, suite, ours=False)
    assert kinds(results)["test_d_hangs"] == "no end" and not results.finished
    assert results.tests["tiny_unittest.Tiny.test_d_hangs"].why == "the time of the suite was over"


def test_a_suite_that_does_not_run_is_an_error(command, place):
    suite = command.suites.Suite("tiny", seconds=60, project="tiny", paths=("absent.py",))
    with pytest.raises(SystemExit, match="no test of tiny ran"):
        command.run.run_suite(place, suite, ours=True)
    suite = command.suites.Suite("tiny", seconds=60, modules=("tiny_unittest", "test.absent"))
    with pytest.raises(SystemExit, match="tiny cannot import absent"):
        command.run.run_suite(place, suite, ours=True, only=["unittest.loader._FailedTest.absent"])


def results_of(command, **outcomes):
    made = command.results.Results(finished=True)
    made.tests = {test: command.results.Outcome(kind, "why") for test, kind in outcomes.items()}
    return made


def test_differences_are_told_from_what_is_the_same(command):
    same = {"a": "passed", "b": "failed"}
    baseline = results_of(command, **same, c="passed", d="passed", e="skipped", f="xfailed", g="failed")
    ours = results_of(command, **same, c="failed", d="no end", e="passed", f="passed", h="failed")
    found = command.differences.differences(baseline, ours)
    assert {each.test: (each.baseline.kind, each.ours.kind) for each in found} == {
        "c": ("passed", "failed"),
        "d": ("passed", "no end"),
        "e": ("skipped", "passed"),
        "g": ("failed", "absent"),
        "h": ("absent", "failed"),
    }


def test_a_reason_explains_its_suite_its_builds_and_its_tests(command):
    reason = command.differences.Reason
    reasons = [
        reason("s", ("x.*",), "all of x"),
        reason("s", ("y.one",), "on the other build", builds=("other",)),
        reason("s", ("z.gone",), "no longer so"),
        reason("s", ("z.rare",), "under load", sometimes=True),
        reason("t", ("y.*",), "another suite"),
    ]
    tests = {"x.one": "passed", "x.two": "passed", "y.one": "passed"}
    baseline, ours = results_of(command, **tests), results_of(command, **dict.fromkeys(tests, "failed"))
    verdict = command.differences.judge("s", "this", baseline, ours, reasons)
    assert [each.test for each in verdict.unexplained] == ["y.one"]
    assert [each.reason for each in verdict.stale] == ["no longer so"]
    assert not command.differences.judge("s", "other", baseline, ours, reasons).unexplained
    text = command.report.listing([verdict], Path("work"))
    assert "unexplained, s on this: y.one" in text and "stale, s on this: z.gone" in text
    assert not verdict.good and not verdict.unfinished
    assert command.report.table([verdict]).splitlines()[-1].split() == "s this 3 + 0 0 + 3 3 2 1".split()


def test_a_run_without_an_end_is_no_success(command):
    baseline, ours = results_of(command, a="passed"), results_of(command, a="passed")
    assert command.differences.judge("s", "this", baseline, ours, []).good
    ours.finished = False
    verdict = command.differences.judge("s", "this", baseline, ours, [])
    assert not verdict.good
    assert "unfinished, s on this: the run with our names" in command.report.listing([verdict], Path("work"))


@pytest.mark.parametrize(
    ("ours", "again", "unexplained"), [("failed", 0, False), ("failed", 1, True), ("no end", 0, True)]
)
def test_what_never_comes_again_is_put_down_to_the_machine(command, ours, again, unexplained):
    outcome = command.results.Outcome
    difference = command.differences.Difference("a", outcome("passed"), outcome(ours), again=again, repeated=3)
    assert difference.unexplained is unexplained


def test_the_tables_can_be_read_and_agree(command):
    suites = command.suites.read_suites()
    for reason in command.differences.read_reasons():
        assert reason.suite in suites and set(reason.builds) <= {"3.13", "3.13t"}
