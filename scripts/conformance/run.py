"""One suite on one interpreter, with threading as it is or with our names: in processes that may hang or crash."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from results import Results, end_open_test, read_results
from suites import HERE, Suite

MOST_STARTS = 8  # a process that died in a test is followed by one that runs the rest
VARIABLE = "FT_UTILS_CONFORMANCE"
# Where pytest looks for a project's settings.
PYTEST_SETTINGS = (
    *((name, "[pytest]") for name in ("pytest.ini", ".pytest.ini", "tox.ini")),
    *(("pyproject.toml", "[tool.pytest"), ("setup.cfg", "[tool:pytest]")),
)


@dataclass(frozen=True)
class Place:
    """A build's interpreter, which has the wheel and the projects; where sources are and results go."""

    build: str
    python: str
    work: Path

    def tree(self, project: str) -> Path:
        return self.work / "sources" / project

    def results(self, suite: Suite, ours: bool, again: int) -> Path:
        names = "ours" if ours else "baseline"
        return self.work / self.build / f"{suite.name}-{names}{f'-again{again}' if again else ''}.jsonl"


def run_suite(place: Place, suite: Suite, ours: bool, only: list[str] | None = None, again: int = 0) -> Results:
    """Run it to its end, or to the end of its time; `only` names the tests, `again` numbers a repetition."""
    path = place.results(suite, ours, again)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    deadline = time.monotonic() + suite.seconds
    with tempfile.TemporaryDirectory(prefix="ft-") as scratch, path.with_suffix(".log").open("wb") as log:
        env = environment(suite, ours, path, Path(scratch))
        if only is not None:
            chosen = Path(scratch) / "only"
            chosen.write_text("\n".join(only) + "\n", encoding="utf-8")
            env["FT_UTILS_CONFORMANCE_ONLY"] = str(chosen)
        for _ in range(MOST_STARTS):
            process = start(command(place, suite, path), cwd(place, suite, scratch), env, log)
            code = watch(process, path, suite.each, deadline)
            results = read_results(path)
            if not results.open_test:
                break
            end_open_test(path, results.open_test, code)
            if time.monotonic() > deadline:
                break
    results = read_results(path)
    check_names(results, suite, ours, path)
    return results


def command(place: Place, suite: Suite, path: Path) -> list[str]:
    if not suite.is_foreign:
        return [place.python, "-u", "-m", "ft_unittest", str(path), *suite.modules]
    plugins = ("ft_pytest", *suite.plugins, "no:cacheprovider")
    fixed = [word for plugin in plugins for word in ("-p", plugin)]
    fixed += [f"--deselect={pattern}" for pattern in suite.left_out]
    return [place.python, "-u", "-m", "pytest", *fixed, *suite.options, *suite.paths]


def cwd(place: Place, suite: Suite, scratch: str) -> Path:
    return place.tree(suite.project) if suite.is_foreign else Path(scratch)


def environment(suite: Suite, ours: bool, path: Path, scratch: Path) -> dict[str, str]:
    """The caller's, without what would change Python or be taken for a setting of ours."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST", "FT_UTILS_"))}
    kept |= {"TMPDIR": str(scratch), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "FT_UTILS_CONFORMANCE_RESULTS": str(path)}
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        kept.pop(name, None)
    return kept | ({VARIABLE: suite.level} if ours else {})


def start(words: list[str], where: Path, env: dict[str, str], log: BinaryIO) -> subprocess.Popen:
    """It leads a session of its own, so that what it leaves behind can be ended with it."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
    return subprocess.Popen(words, cwd=where, env=env, start_new_session=True, **streams)


def watch(process: subprocess.Popen, path: Path, each: float, deadline: float) -> str:
    """Wait for the process, or end it; how it ended.

    The time of a test is taken here, from outside: a watchdog in the process would be one more thread there, and one
    that forked children miss.
    """
    size, since = -1, time.monotonic()
    try:
        while process.poll() is None:
            now = time.monotonic()
            if path.exists() and path.stat().st_size != size:
                size, since = path.stat().st_size, now
            if now > deadline:
                return abort(process, "the time of the suite was over")
            if now - since > each and read_results(path).open_test:
                return abort(process, f"hung for {each:g} s")
            time.sleep(0.1)
        code = process.returncode
        return f"died by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def abort(process: subprocess.Popen, why: str) -> str:
    """By the signal at which faulthandler says where every thread is."""
    process.send_signal(signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    return why


def check_names(results: Results, suite: Suite, ours: bool, path: Path) -> None:
    """A run that did not have the names that it should have had proves nothing."""
    log = path.with_suffix(".log")
    if not results.tests:
        raise SystemExit(f"conformance: error: no test of {suite.name} ran; see {log}")
    missing = [test.rpartition(".")[2] for test in results.tests if test.startswith("unittest.loader._FailedTest.")]
    if missing:
        raise SystemExit(f"conformance: error: {suite.name} cannot import {' and '.join(missing)}; see {log}")
    if bool(results.replaced) != ours:
        state = "were not replaced" if ours else "were replaced in the baseline"
        raise SystemExit(f"conformance: error: the names of threading {state} in {suite.name}; see {log}")


def prepare(place: Place) -> None:
    """Have every process of this interpreter import child/ft_rebind.py first."""
    ask = [place.python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    if subprocess.run([place.python, "-I", "-c", "import test.lock_tests"], capture_output=True).returncode:
        raise SystemExit(
            f"conformance: error: {place.python} has no tests of CPython (`import test.lock_tests` fails); set "
            f"FT_UTILS_PYTHON_{place.build.replace('.', '_').upper()} to an interpreter that has, and make clean"
        )
    site = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    (Path(site) / "ft_utils_conformance.pth").write_text(f"{HERE / 'child'}\nimport ft_rebind\n", encoding="utf-8")


def unpack(place: Place, project: str, sdists: Path) -> None:
    """The sdist of a project below `sources`, where its tests run; once for both builds."""
    [archive] = [path for path in sdists.glob("*.tar.gz") if path.name.rpartition("-")[0].lower() == project]
    tree = place.tree(project)
    stamp = tree / ".unpacked"
    if stamp.exists() and stamp.read_text() == archive.name:
        return
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(tree), "--strip-components=1"], check=True)
    if not any(heading in text(tree / name) for name, heading in PYTEST_SETTINGS):
        # Else pytest goes up, and takes the settings of the project that it finds there: ours.
        (tree / "pytest.ini").write_text("[pytest]\n")
    stamp.write_text(archive.name)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
