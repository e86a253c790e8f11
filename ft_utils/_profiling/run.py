"""Runs a program with its contentions recorded, as `python -m cProfile` does with its calls."""

import atexit
import builtins
import importlib.machinery
import importlib.util
import io
import os
import shlex
import sys
import types
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

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
        try:
            self._output = Path(os.path.abspath(output))  # the program may go elsewhere
        except OSError:
            raise ProfileError(f"{output} cannot be written: there is no working directory any more") from None
        self._pid = os.getpid()

    def begin(self) -> None:
        check_writable(Path(self._name))
        _recorder.start(*self._options)
        atexit.register(self._finish)

    def cancel(self) -> None:
        """There was nothing to run."""
        atexit.unregister(self._finish)
        with suppress(RuntimeError):  # something that was imported has ended the recording itself
            _recorder.stop()

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
    """What runs a file as `python FILE args...` does."""
    try:
        path = os.path.abspath(arguments[0])
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        raise ProfileError(f"{arguments[0]} cannot be run: {reason(error)}") from None
    code = compile(source, path, "exec", dont_inherit=True)

    def run() -> None:
        loader = importlib.machinery.SourceFileLoader("__main__", path)
        main = new_main(__file__=path, __cached__=None, __loader__=loader, __spec__=None)
        sys.argv[:] = arguments
        if not sys.flags.safe_path:
            sys.path[0] = os.path.dirname(path)
        exec(code, main)

    return run


def module(arguments: list[str]) -> Callable[[], None]:
    """What runs a module as `python -m MODULE args...` does: the packages that it is in are imported at once."""
    name, *rest = arguments
    sys.argv[:] = ["-m", *rest]  # what those see
    spec = find(name)
    loader: Any = spec.loader if spec is not None else None
    code = loader.get_code(spec.name) if spec is not None and hasattr(loader, "get_code") else None
    if spec is None or code is None:
        raise ProfileError(f"there is no module {name} that can be run")
    origin, cached, package = spec.origin, spec.cached, spec.parent

    def run() -> None:
        main = new_main(__file__=origin, __cached__=cached, __loader__=loader, __package__=package, __spec__=spec)
        sys.argv[0] = origin or "-m"
        exec(code, main)

    return run


def new_main(**attributes: Any) -> dict[str, Any]:
    """The namespace of a new __main__, which stays: threads may look for it when its last line is through."""
    main = types.ModuleType("__main__")
    main.__dict__.update(attributes, __builtins__=builtins)
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    sys.modules["__main__"] = main
    return main.__dict__


def find(name: str) -> ModuleSpec | None:
    """A module, or the __main__ of a package; None where there is none. What a package raises goes on."""
    if not name or name.startswith("."):
        return None
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(name + ".__main__")
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            return None
        raise
    if spec is not None and spec.parent and spec.name in sys.modules:
        warnings.warn(
            f"{spec.name} has been imported by its package {spec.parent}, and runs again as __main__",
            RuntimeWarning,
            stacklevel=2,
        )
    return spec


def call(recording: Recording, prepare: Callable[[list[str]], Callable[[], None]], arguments: list[str]) -> int:
    """Record a program and run it; what it raises is shown as if it had been run alone."""
    recording.begin()
    program = None
    try:
        program = prepare(arguments)
        program()
        return 0
    except SystemExit:
        raise
    except BaseException as error:
        failed = error
    if program is None:
        recording.cancel()
        if isinstance(failed, ProfileError):
            raise failed
    show(failed)
    if isinstance(failed, KeyboardInterrupt):
        sys.excepthook = lambda *shown: None
        raise failed  # the interpreter ends as it does at Ctrl-C: by the signal, once all is written
    return 1


OURS = (str(Path(__file__).parent), "<frozen importlib")


def show(error: BaseException) -> None:
    """In no except block, since a hook may raise, and say what was being handled."""
    strip(error)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit:
        raise
    except BaseException as wrong:
        failed = wrong
    else:
        return
    for title, shown in ("Error in sys.excepthook:", failed), ("\nOriginal exception was:", error):
        if sys.stderr is not None:
            print(title, file=sys.stderr)
        strip(shown)
        sys.__excepthook__(type(shown), shown, shown.__traceback__)


def strip(error: BaseException) -> None:
    """Take our frames, which are the outermost, from its traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(OURS):
        trace = trace.tb_next
    error.__traceback__ = trace
