"""What finding and building an interpreter both speak of: the builds, the cache, the one error.

Like its users, it runs on any Python from 3.9 and imports the standard library alone.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


class Unavailable(Exception):
    """One sentence that says why an interpreter cannot be had."""


@dataclass(frozen=True)
class Series:
    """A version of CPython, and where Debian has the source of it."""

    name: str
    suite: str  # the Debian release that carries the source package

    @property
    def package(self) -> str:
        return f"python{self.name}"


@dataclass(frozen=True)
class Flavour:
    """One of the two builds of a series."""

    series: Series
    free_threaded: bool

    @property
    def name(self) -> str:
        return self.series.name + ("t" if self.free_threaded else "")

    @property
    def command(self) -> str:
        return f"python{self.name}"

    @property
    def variable(self) -> str:
        return "FT_UTILS_PYTHON_" + self.name.replace(".", "_").upper()


SERIES = (Series("3.13", "trixie"), Series("3.14", "forky"), Series("3.15", "forky"))
FLAVOURS = {
    flavour.name: flavour for series in SERIES for flavour in (Flavour(series, False), Flavour(series, True))
}
# Every change has to pass on these; on the others where they can be had.
ALWAYS = ("3.13", "3.13t")


def say(message: str) -> None:
    print(f"interpreters: {message}", file=sys.stderr, flush=True)


def clean_environment() -> dict[str, str]:
    """The environment without what would leak the caller's Python or make into the called one."""
    leaks = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")
    return {key: value for key, value in os.environ.items() if key not in leaks}


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    # The specification has relative paths ignored.
    root = Path(base) if base and os.path.isabs(base) else Path.home() / ".cache"
    return root / "ft_utils"
