"""Where a recorder is connected to the profiles of ft_utils.contention: the one place between the two.

What calls from above are start(options) and stop(); what is connected below is anything with these two methods, by
connect(). stop() returns the JSON text that golib/contention/profile/profile.go defines; "command" in it is optional.
"""

from typing import NamedTuple, Protocol


class Options(NamedTuple):
    """What to record."""

    rate: int = 1
    """One of so many contentions."""
    minimum: float = 0.0
    """Only waits of so many seconds and more."""


class Recorder(Protocol):
    def start(self, options: Options) -> None: ...
    def stop(self) -> str: ...


class NoRecorderError(RuntimeError):
    """Nothing is connected."""


_recorder: Recorder | None = None
_running: Recorder | None = None


def connect(recorder: Recorder | None) -> None:
    """Record with this from the next start on; None takes the connection away."""
    global _recorder
    _recorder = recorder


def start(options: Options) -> None:
    """Begin to record. RuntimeError where that is going on already, NoRecorderError where nothing can."""
    global _running
    if _running is not None:
        raise RuntimeError("contentions are being recorded already: stop that first")
    if _recorder is None:
        raise NoRecorderError("this build of ft_utils has no recorder of contentions")
    _recorder.start(options)
    _running = _recorder


def stop() -> str:
    """End the recording and return what it has seen. RuntimeError where none is going on."""
    global _running
    if _running is None:
        raise RuntimeError("no contentions are being recorded")
    recorder, _running = _running, None
    return recorder.stop()
