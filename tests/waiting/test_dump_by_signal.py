"""register(): which signals it takes, and what becomes of the file that is dumped to."""

import os
import signal
from pathlib import Path

import pytest

from ft_utils.contention import register, unregister

from ..support.process import run_isolated
from ..support.threads import until

NOBODY = "ft_utils: no thread waits for a lock\n"


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"])
def test_signals_of_crashes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} cannot be registered: .* use another signal"):
        register(getattr(signal, name))


def test_a_crash_stays_one() -> None:
    run_isolated(
        """
        import ctypes
        from ft_utils.contention import register
        try:
            register(signal.SIGSEGV)
        except ValueError:
            pass
        ctypes.string_at(0)
        """,
        expect_code=-signal.SIGSEGV,
        expect_err="Segmentation fault",
    )


def numbers(file: Path) -> int:
    """How many numbers this process has for a file."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}") == str(file)
        except FileNotFoundError:
            pass  # that of the listing itself
    return found


def test_a_file_that_is_closed_and_its_number_used_again(tmp_path: Path) -> None:
    first, second, precious = tmp_path / "first", tmp_path / "second", tmp_path / "precious"
    file = open(first, "w")
    number = file.fileno()
    register(signal.SIGUSR2, file)
    try:
        file.close()
        with open(precious, "w") as other:
            os.dup2(other.fileno(), number)
            signal.raise_signal(signal.SIGUSR2)
            until(lambda: first.read_text() == NOBODY, "a dump in the first file")
            with open(second, "w") as file:
                register(signal.SIGUSR2, file)
            until(lambda: (numbers(first), numbers(second)) == (0, 1), "the watcher to have written and let go")
            signal.raise_signal(signal.SIGUSR2)
            assert unregister(signal.SIGUSR2)  # the dump is under way, and is written
            until(lambda: second.read_text() == NOBODY and numbers(second) == 0, "a dump in the second, closed file")
            if number != other.fileno():
                os.close(number)
        assert precious.read_text() == "" and first.read_text() == NOBODY
    finally:
        unregister(signal.SIGUSR2)


def test_standard_error_that_is_moved(tmp_path: Path) -> None:
    """A program that becomes a daemon, or begins a new log, keeps nothing of the old one open."""
    log = tmp_path / "log"
    run_isolated(
        f"""
        from ft_utils.contention import register
        register(signal.SIGUSR1)
        log = os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 2)
        signal.raise_signal(signal.SIGUSR1)
        while not os.path.getsize({str(log)!r}): time.sleep(0.001)  # that a thread has written is no event
        """
    )
    assert log.read_text() == NOBODY


def test_a_reader_that_does_not_read(tmp_path: Path) -> None:
    """Nobody waits for a dump that stands in a full pipe, and the pipe is closed all the same, by the watcher."""
    run_isolated(
        f"""
        from ft_utils.contention import register, unregister
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        filled = 0
        try:
            while True: filled += os.write(theirs, b"." * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(theirs, True)
        register(signal.SIGUSR1, theirs)
        os.close(theirs)
        signal.raise_signal(signal.SIGUSR1)
        register(signal.SIGUSR1, 2)
        assert unregister(signal.SIGUSR1)
        text = b""
        while chunk := os.read(ours, 65536): text += chunk  # ends when the watcher has closed the pipe
        assert text.lstrip(b".") in (b"", {NOBODY.encode()!r}), text
        """,
        expect_err=None,
    )
