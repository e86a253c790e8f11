"""The command line of ft_utils.contention in a process of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .process import TESTS, Outcome, end_session, spawn

PROGRAM = TESTS / "data" / "store_program.py"

def contention(*arguments: str | Path, timeout: float = 60.0) -> Outcome:
    """python -m ft_utils.contention."""
    return spawn(["-m", "ft_utils.contention", *map(str, arguments)], timeout)


@contextlib.contextmanager
def viewing(*arguments: str | Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A viewer that has said where it listens; it is interrupted afterwards, and has to end well."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ft_utils.contention", "view", "--no-browser", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Started by a shell in the background it would have to ignore what Ctrl-C sends.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={name: value for name, value in os.environ.items() if name != "BROWSER"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, (line, process.communicate(timeout=10))
        yield process, found[0]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0 and not err, err
    finally:
        end_session(process)
        process.communicate()
