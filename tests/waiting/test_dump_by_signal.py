"""register(): which signals it takes, and what becomes of the file that is dumped to."""

import signal

import pytest

from ft_utils.contention import register

from ..support.process import run_isolated


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
