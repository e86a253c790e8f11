"""Runs a program with its contentions recorded, as `python -m cProfile` does with its calls."""

import atexit
import builtins
import importlib.machinery
import importlib.util
import io
import os
import runpy
import shlex
import sys
import types
from collections.abc import Callable
from pathlib import Path

from ft_utils import _recorder
from ft_utils._profiling.profile import Profile, ProfileError, check_writable, reason
from ft_utils._profiling.summary import seconds, summarize


class Recording:
    """A recording that is written when the interpreter ends: after all threads but daemons have.

    A forked child that ends as a program does comes by here too, and leaves the file to its parent.
    """

    def __init__(self, output: str, format: str, command: str, rate: int, minimum: float) -> None:
        self._name, self._format, self._command = output, format, command
        self._options = rate, minimum
        self._output = Path.cwd() / output  # the program may go elsewhere
        self._pid = os.getpid()

    def begin(self) -> None:
        check_writable(Path(self._name))
        _recorder.start(*self._options)
        atexit.register(self._finish)

    def _finish(self) -> None:
        if os.getpid() != self._pid:
            return
        try:
            profile = Profile(_recorder.stop())
            profile.data["command"] = self._command
            profile.write(self._output, self._format)
        except (ProfileError, RuntimeError) as error:  # the second, if the program has ended the recording itself
            print(f"ft_utils.contention: {error}", file=sys.stderr)
            return
        summary = summarize(profile)
        print(
            f"ft_utils.contention: {summary.contentions} contentions, {seconds(summary.ns)} waited for locks; "
            f"see {self._name}",
            file=sys.stderr,
        )


def command_of(arguments: list[str], module: bool) -> str:
    return shlex.join((["-m"] if module else []) + arguments)


def script(arguments: list[str]) -> Callable[[], None]:
    """What runs a file as `python FILE args...` does; a file that cannot be compiled fails here."""
    path = os.path.abspath(arguments[0])
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        raise ProfileError(f"{arguments[0]} cannot be run: {reason(error)}") from None
    code = compile(source, path, "exec", dont_inherit=True)

    def run() -> None:
        main = types.ModuleType("__main__")
        main.__dict__.update(__file__=path, __builtins__=builtins, __cached__=None)
        main.__spec__ = None
        main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
        sys.modules["__main__"] = main
        sys.argv[:] = arguments
        if not sys.flags.safe_path:
            sys.path[0] = os.path.dirname(path)
        exec(code, main.__dict__)

    return run


def module(arguments: list[str]) -> Callable[[], None]:
    """What runs a module as `python -m MODULE args...` does."""
    name = arguments[0]
    if not can_be_run(name):
        raise ProfileError(f"there is no module {name} that can be run")

    def run() -> None:
        sys.argv[:] = arguments
        runpy.run_module(name, run_name="__main__", alter_sys=True)

    return run


def can_be_run(name: str) -> bool:
    """Whether there is such a module; the packages that it is in are imported, and may fail in their own words."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(name + ".__main__")
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            return False
        raise
    return spec is not None


OURS = (str(Path(__file__).parent), "<frozen runpy>")


def call(program: Callable[[], None]) -> int:
    """Run it; what it raises is shown as if it had been run alone."""
    try:
        program()
    except Exception as error:
        show(error)
        return 1
    except KeyboardInterrupt as error:
        show(error)
        sys.excepthook = lambda *shown: None
        raise  # the interpreter ends as it does at Ctrl-C: by the signal, once all is written
    return 0


def show(error: BaseException) -> None:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(OURS):
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)
