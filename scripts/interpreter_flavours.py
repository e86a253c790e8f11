"""What finding and building an interpreter both speak of: the two builds, the cache, the one error.

Like its users, it runs on any Python from 3.9 and imports the standard library alone.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

SERIES = "3.13"


class Unavailable(Exception):
    """One sentence that says why an interpreter cannot be had."""


@dataclass(frozen=True)
class Flavour:
    """One of the two builds of the series."""

    name: str
    free_threaded: bool

    @property
    def command(self) -> str:
        return f"python{self.name}"

    @property
    def variable(self) -> str:
        return "FT_UTILS_PYTHON_" + self.name.replace(".", "_").upper()


FLAVOURS = {
    SERIES: Flavour(SERIES, free_threaded=False),
    SERIES + "t": Flavour(SERIES + "t", free_threaded=True),
}


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
