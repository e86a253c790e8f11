"""Recording from within a program: see ft_utils.contention."""

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from ft_utils import _recorder
from ft_utils._profiling.profile import Profile


def start(*, rate: int = 1, minimum: float = 0.0) -> None:
    """Record the contentions of this process: one in *rate*, and only waits of *minimum* seconds and more."""
    rate, minimum = operator.index(rate), float(minimum)
    if rate < 1:
        raise ValueError(f"the rate is 1 for every contention, n for one in n, and not {rate}")
    if not 0 <= minimum < 1e9:
        raise ValueError(f"the minimum is a time in seconds, and not {minimum}")
    _recorder.start(_recorder.Options(rate, minimum))


def stop() -> Profile:
    """End what start() began, and return what was seen."""
    return Profile.from_json(_recorder.stop())


@contextmanager
def profile(file: str | PathLike[str], *, format: str = "pprof", rate: int = 1, minimum: float = 0.0) -> Iterator[None]:
    """Record while the block runs, and write that to *file*, in the format "pprof" or "speedscope"."""
    start(rate=rate, minimum=minimum)
    try:
        yield
    finally:
        stop().write(file, format)
