"""Recording from within a program: see ft_utils.contention."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from ft_utils import _recorder
from ft_utils._profiling.profile import Profile, check_format, check_writable


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
    """Record while the block runs, and write that to *file*, in the format "pprof" or "speedscope".

    ProfileError before the block for another format, or where no file can be written; ValueError and RuntimeError as
    for start(). The block may change the working directory: *file* is where it was meant before. Where the block ends
    with an exception, that one goes on, and a failure to write is a note of it.
    """
    check_format(format)
    check_writable(Path(file))
    path = Path(file).absolute()
    start(rate=rate, minimum=minimum)
    try:
        yield
    except BaseException as error:
        try:
            stop().write(path, format)
        except Exception as failed:  # RuntimeError, if the block has ended the recording itself
            error.add_note(f"ft_utils.contention: {failed}")
        raise
    stop().write(path, format)
