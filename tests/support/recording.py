"""A recorder of contentions in Python, for what comes after recording: real stacks of real waits, taken the slow way.

It puts recorded types in the place of two names of ft_utils.synchronization, so a program has to import these after the
start, as one does that `run` runs.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import ft_utils.synchronization as synchronization
from ft_utils import _recorder
from ft_utils.synchronization import Event, IntervalLock

type Stack = tuple[tuple[str, str, int, int], ...]


def stack(frame: FrameType | None) -> Stack:
    """The frames of the program, the innermost first, without those of this file."""
    found = []
    while frame is not None:
        code = frame.f_code
        if code.co_filename != __file__:
            found.append((code.co_qualname, code.co_filename, frame.f_lineno, code.co_firstlineno))
        frame = frame.f_back
    return tuple(found)


class Recorder:
    """What ft_utils._recorder.connect takes."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._locks: dict[int, tuple[str, str]] = {}
        self._samples: dict[tuple[Any, ...], dict[str, Any]] = {}

    def start(self, options: _recorder.Options) -> None:
        self._options = options
        self._seen = 0
        self._began = time.time_ns(), time.perf_counter_ns()
        recorder = self

        class RecordedLock(IntervalLock):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                recorder.name(self, "IntervalLock")
                self._holder: tuple[str, Stack] = ("", ())

            def lock(self) -> None:
                holder = self._holder
                if not self.acquire(blocking=False):
                    waited = timed(super().lock)
                    recorder.add(self, "exclusive", waited)
                    recorder.add(self, "exclusive", waited, holder)
                self._holder = threading.current_thread().name, stack(sys._getframe(1))

            def __enter__(self) -> Any:
                self.lock()
                return self

        class RecordedEvent(Event):
            def __init__(self) -> None:
                recorder.name(self, "Event")

            def wait(self, timeout: float | None = None) -> bool:
                begin = time.perf_counter_ns()
                done: bool = super().wait(timeout)
                recorder.add(self, "wait", time.perf_counter_ns() - begin)
                return done

        synchronization.IntervalLock, synchronization.Event = RecordedLock, RecordedEvent  # type: ignore[misc]

    def name(self, lock: Any, kind: str) -> None:
        _, file, line, _ = stack(sys._getframe(1))[0]
        self._locks[id(lock)] = kind, f"{Path(file).name}:{line}"

    def add(self, lock: Any, side: str, ns: int, holder: tuple[str, Stack] | None = None) -> None:
        """A wait of this thread; with a holder, the part that it had in it."""
        thread, frames = holder or (threading.current_thread().name, stack(sys._getframe(1)))
        with self._mutex:
            if holder is None:
                self._seen += 1
            if ns < self._options.minimum * 1e9 or self._seen % self._options.rate:
                return
            role = "waiter" if holder is None else "holder"
            sample = self._samples.setdefault(
                (role, id(lock), side, thread, frames),
                {"count": 0, "ns": 0, "max_ns": 0, "histogram": [0] * 63 if holder is None else []},
            )
            sample["count"] += 1
            sample["ns"] += ns
            if holder is None:
                sample["max_ns"] = max(sample["max_ns"], ns)
                sample["histogram"][max(ns.bit_length() - 1, 0)] += 1

    def stop(self) -> str:
        synchronization.IntervalLock, synchronization.Event = IntervalLock, Event  # type: ignore[misc]
        frames: dict[tuple[str, str, int, int], int] = {}
        locks = {key: number for number, key in enumerate(self._locks)}
        samples = [
            {"role": role, "lock": locks[lock], "side": side, "thread": thread, **sample}
            | {"stack": [frames.setdefault(frame, len(frames)) for frame in frames_of]}
            for (role, lock, side, thread, frames_of), sample in self._samples.items()
        ]
        fields = ("function", "file", "line", "first_line")
        return json.dumps(
            {
                "start_unix_ns": self._began[0],
                "duration_ns": time.perf_counter_ns() - self._began[1],
                "rate": self._options.rate,
                "minimum_ns": int(self._options.minimum * 1e9),
                "dropped": {"stacks": 0, "samples": 0},
                "frames": [dict(zip(fields, frame, strict=True)) for frame in frames],
                "locks": [{"id": key, "kind": kind, "name": name} for key, (kind, name) in self._locks.items()],
                "samples": samples,
            }
        )


def timed(wait: Callable[[], object]) -> int:
    begin = time.perf_counter_ns()
    wait()
    return time.perf_counter_ns() - begin


def connect() -> None:
    """Record with the above in this process."""
    _recorder.connect(Recorder())
