"""Recording from within a program: see ft_utils.contention."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from ft_utils import _recorder
from ft_utils._profiling.profile import Profile


def start(*, rate: int = 1, minimum: float = 0.0) -> None:
    """Record the contentions of this process: one in *rate*, and only waits of *minimum* seconds and more.

    ValueError for a rate below 1 and for a minimum that is negative or no number. RuntimeError while a recording goes
    on, in this interpreter or another one of the process. Forked children do not record.
    """
    _recorder.start(rate, minimum)


def stop() -> Profile:
    """End what start() began, and return what was seen. RuntimeError where nothing is being recorded."""
    return Profile(_recorder.stop())


@contextmanager
def profile(file: str | PathLike[str], *, format: str = "pprof", rate: int = 1, minimum: float = 0.0) -> Iterator[None]:
    """Record while the block runs, and write that to *file*, in the format "pprof" or "speedscope"."""
    start(rate=rate, minimum=minimum)
    try:
        yield
    finally:
        stop().write(file, format)
