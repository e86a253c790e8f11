#!/usr/bin/env python3
"""Find or make the interpreters that ft_utils is built for and tested on.

    python3 scripts/interpreters.py 3.13     prints the path of CPython 3.13
    python3 scripts/interpreters.py 3.13t    prints the path of its free-threaded build
    python3 scripts/interpreters.py --all    prepares these two, prints a path a line
    python3 scripts/interpreters.py --ready  prints which of the others (3.14 to 3.15t) are here already, a name a line

Looked at in turn: an explicit variable (FT_UTILS_PYTHON_3_13, FT_UTILS_PYTHON_3_13T and so on), PATH, an earlier build
in the cache, uv, Maven (3.14 alone), and last a build from Debian's source package, kept in the cache. Only the answer
goes to standard output. Any Python from 3.9 on runs this file; it imports the standard library alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator, Optional

# Explicit, because a safe path (python -P) leaves a script's own directory out, and so does an import by file name.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import interpreter_maven as maven
from interpreter_build import build
from interpreter_flavours import ALWAYS, FLAVOURS, Flavour, Unavailable, cache_root, clean_environment, say

PROBE_SECONDS = 60
UV_SECONDS = 240

# Modules that a build without its libraries lacks.
NEEDED = ("venv", "ensurepip", "ssl", "zlib", "sqlite3", "ctypes")
# What we build has CPython's own tests too, for `make conformance`; earlier builds in the cache may lack them.
BUILT_IN = (*NEEDED, "test.lock_tests")

# Run by a candidate to tell about itself and which of the named modules it lacks. The base executable, because a
# candidate inside an activated virtual environment would otherwise be asked to re-create the very environment it
# lives in.
PROBE = """
import importlib, json, os, sys, sysconfig
missing = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "implementation": sys.implementation.name,
    "version": "%d.%d" % sys.version_info[:2],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "header": os.path.isfile(os.path.join(sysconfig.get_paths()["include"], "Python.h")),
    "missing": missing,
}))
"""


# --- judging a candidate ---------------------------------------------------------------------------------------


def examine(flavour: Flavour, candidate: str, modules: tuple[str, ...] = NEEDED) -> str:
    """The real path of the candidate, which was run and found fit; Unavailable says what it lacks."""
    try:
        answer = subprocess.run(
            [candidate, "-I", "-c", PROBE, *modules],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            env=clean_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{candidate} does not run ({error})") from error
    try:
        facts = json.loads(answer.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Unavailable(f"{candidate} does not run as an interpreter (exit code {answer.returncode})") from None
    complaint = lacks(flavour, facts)
    if complaint:
        raise Unavailable(f"{candidate} {complaint}")
    return os.path.abspath(facts["executable"])


def lacks(flavour: Flavour, facts: dict) -> str:
    """What keeps an interpreter with these facts from being the flavour; empty when nothing does."""
    if facts["implementation"] != "cpython" or facts["version"] != flavour.series.name:
        return f"is {facts['implementation']} {facts['version']}, not CPython {flavour.series.name}"
    if facts["free_threaded"] != flavour.free_threaded:
        return "is a free-threaded build" if facts["free_threaded"] else "is not a free-threaded build"
    if not facts["header"]:
        return "has no Python.h (its development package is not installed)"
    if facts["missing"]:
        return "lacks the standard library's " + ", ".join(facts["missing"])
    return ""


# --- where one may already be ----------------------------------------------------------------------------------


def from_variable(flavour: Flavour) -> Optional[str]:
    """The interpreter that the user named. One that is named and does not work is an error, never passed over."""
    value = os.environ.get(flavour.variable)
    if not value:
        return None
    try:
        return examine(flavour, os.path.abspath(shutil.which(value) or value))
    except Unavailable as error:
        raise Unavailable(f"{flavour.variable} is set, but {error}.") from None


def from_path(flavour: Flavour) -> Optional[str]:
    """The first on PATH that works: the first of that name may be a shim that only says it is not installed."""
    for directory in os.get_exec_path():
        candidate = shutil.which(flavour.command, path=directory)
        if candidate:
            with reporting():
                return examine(flavour, os.path.abspath(candidate))
    return None


def version_key(directory: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in directory.name.rpartition("-")[2].split(".") if part.isdigit())


def from_cache(flavour: Flavour) -> Optional[str]:
    for directory in sorted(cache_root().glob(f"cpython-{flavour.series.name}.*"), key=version_key, reverse=True):
        candidate = directory / flavour.name / "bin" / flavour.command
        if candidate.exists():
            with reporting():
                return examine(flavour, str(candidate), BUILT_IN)
    return None


def known_to_uv(flavour: Flavour) -> Optional[str]:
    uv = shutil.which("uv")
    if not uv:
        return None
    with reporting():
        return examine(flavour, uv_python(uv, "find", flavour))
    return None


def from_uv(flavour: Flavour) -> Optional[str]:
    """What uv can fetch; without a network it must not hold up the build that comes next."""
    uv = shutil.which("uv")
    if not uv:
        return None
    with reporting():
        uv_python(uv, "install", flavour)
        return examine(flavour, uv_python(uv, "find", flavour))
    return None


def uv_python(uv: str, verb: str, flavour: Flavour) -> str:
    try:
        answer = subprocess.run(
            [uv, "python", verb, flavour.name],
            capture_output=True,
            text=True,
            timeout=UV_SECONDS,
            env={**clean_environment(), "UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "0"},
            cwd=tempfile.gettempdir(),  # away from any project whose pinned version would overrule
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"uv python {verb} {flavour.name} did not finish ({error})") from error
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1].strip()
        raise Unavailable(f"uv python {verb} {flavour.name} failed ({reason})")
    return answer.stdout.strip()


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Tell about a candidate that is unfit, and let the search go on."""
    try:
        yield
    except Unavailable as error:
        say(f"passed over: {error}")


def from_maven(flavour: Flavour) -> Optional[str]:
    if maven.has(flavour):
        with reporting():
            return maven.fetch(flavour, from_cache)
    return None


# Those that fetch nothing, and all.
HERE = (from_variable, from_path, from_cache, known_to_uv)
ANYWHERE = (*HERE, from_uv, from_maven)


def find(flavour: Flavour, sources: tuple[Callable[[Flavour], Optional[str]], ...] = ANYWHERE) -> Optional[str]:
    """An interpreter that needs no build, or None."""
    for source in sources:
        found = source(flavour)
        if found:
            return found
    return None


# --- the command -----------------------------------------------------------------------------------------------


def prepare(flavours: list[Flavour]) -> list[str]:
    """A working interpreter for each flavour, in their order."""
    found = {flavour.name: find(flavour) for flavour in flavours}
    missing = [flavour for flavour in flavours if not found[flavour.name]]
    if missing:
        try:
            found.update(build(missing, from_cache))
        except Unavailable as error:
            ways = " and ".join(f"set {flavour.variable} to a CPython {flavour.name}" for flavour in missing)
            raise Unavailable(f"{ways}, put it on PATH, or install uv: none was found, and {error}.") from None
    return [str(found[flavour.name]) for flavour in flavours]


def ready() -> list[str]:
    """The names of the flavours beside those that are always needed that are here already."""
    return [name for name, flavour in FLAVOURS.items() if name not in ALWAYS and find(flavour, HERE)]


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Find or make the interpreters that ft_utils is built for.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("flavour", nargs="?", choices=sorted(FLAVOURS))
    which.add_argument("--all", action="store_true", help=f"prepare {' and '.join(ALWAYS)}, print a path a line")
    which.add_argument("--ready", action="store_true", help="print which of the others are here already, a name a line")
    options = parser.parse_args(arguments)
    names = list(ALWAYS) if options.all else [options.flavour]
    try:
        for line in ready() if options.ready else prepare([FLAVOURS[name] for name in names]):
            print(line)
    except Unavailable as error:
        print(f"interpreters: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
