#!/usr/bin/env python3
"""The whole Python suite, again and again, on a machine that is busy: `make soak`.

    soak.py [--rounds N] [--busy N] [--seconds N] PYTHON … [-- option of pytest …]

Each PYTHON has the wheel and pytest. A round runs the suite on all of them at the same time, beside processes that
do nothing but compute. The first failure ends it: its log is shown and the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "soak"
SHOWN_LINES = 200
# It looks for its parent, so that it ends even where the parent was killed and could not end it.
BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for n in range(100_000):
        n * n
"""


class Run(NamedTuple):
    """One suite on one interpreter."""

    build: str
    log: Path
    process: subprocess.Popen


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute, until the end of the block, however it ends.

    Each in a session of its own, as somebody else's processes are: Linux shares the processors out among sessions
    first. In one session with them CPython 3.13t hardly moves, as it gives its turn away forty times for each class
    that it makes (PyMutex yields before it sees that its own thread has the lock).
    """
    processes = []
    try:
        for _ in range(count):
            processes.append(subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True))
        yield
        ended = [process.returncode for process in processes if process.poll() is not None]
        if ended:
            raise SystemExit(f"soak: error: a busy process ended by itself (exit code {ended[0]}); nothing was proved")
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def start(python: str, options: list[str]) -> Run:
    build = Path(python).absolute().parents[1].name  # .venv/3.13t/bin/python; a venv's link is its identity
    log = LOGS / f"{build}.log"
    command = [os.path.abspath(python), "-m", "pytest", "-x", "-p", "no:cacheprovider", *options]
    # As `make test` does: the working directory stays off the path, so the wheel is tested. A session of its own as the
    # busy processes have: all suites in one would share what Linux gives one of them.
    env = {**os.environ, "PYTHONSAFEPATH": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return Run(build, log, process)


def stop(runs: list[Run]) -> None:
    """Interrupt what still runs, so that the tests end their own children; kill what does not mind."""
    for run in runs:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGINT)
    for run in runs:
        try:
            run.process.wait(20)
        except subprocess.TimeoutExpired:
            run.process.kill()
            run.process.wait()


def first_failure(runs: list[Run], seconds: float) -> str:
    """Wait for all of them, no longer than until one fails; what failed, or nothing."""
    deadline = time.monotonic() + seconds
    waiting = list(runs)
    while waiting:
        for run in list(waiting):
            code = run.process.poll()
            if code is None:
                continue
            waiting.remove(run)
            if code:
                return show(run, f"exit code {code}")
        if time.monotonic() > deadline:
            return show(waiting[0], f"no end after {seconds:g} s")
        time.sleep(0.2)
    return ""


def show(run: Run, what: str) -> str:
    lines = run.log.read_text(errors="replace").splitlines()
    print("\n".join(lines[-SHOWN_LINES:]))
    return f"{run.build} failed ({what}); the whole log is in {run.log.relative_to(ROOT)}"


def one_round(pythons: list[str], seconds: float, options: list[str]) -> tuple[str, str]:
    """The last lines of the suites' logs, and what failed."""
    runs: list[Run] = []
    try:
        for python in pythons:
            runs.append(start(python, options))
        failure = first_failure(runs, seconds)
    finally:
        stop(runs)
    ends = [(run.log.read_text(errors="replace").splitlines() or ["no output"])[-1].strip("= ") for run in runs]
    return "; ".join(f"{run.build} {end}" for run, end in zip(runs, ends, strict=True)), failure


def main() -> int:
    arguments = sys.argv[1:]
    at = arguments.index("--") if "--" in arguments else len(arguments)
    arguments, options = arguments[:at], arguments[at + 1 :]
    parser = argparse.ArgumentParser(description="Run the whole Python suite again and again on a busy machine.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--busy", type=int, default=4, help="processes that compute beside the tests")
    parser.add_argument("--seconds", type=float, default=2400, help="what one round may take")
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` runs
    LOGS.mkdir(parents=True, exist_ok=True)
    with busy(chosen.busy):
        for number in range(1, chosen.rounds + 1):
            began = time.monotonic()
            line, failure = one_round(chosen.pythons, chosen.seconds, options)
            if failure:
                print(f"soak: round {number} of {chosen.rounds}: {failure}", file=sys.stderr)
                return 1
            print(f"round {number} of {chosen.rounds}, {time.monotonic() - began:.0f} s: {line}", flush=True)
    print(f"no failure in {chosen.rounds} rounds beside {chosen.busy} busy processes")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
