"""What the package ft_locks has of ft_utils.synchronization: laid into what is built, so that it is written once.

The other package of the name ft_utils overwrites or hides ft_utils/synchronization.py and its stub. So ft_locks gets a
copy of both, and ft_utils' own stub refers to that: a type checker then takes the classes for the same.
"""

import os
from pathlib import Path

STUB = """\
from ft_locks._names import *
from ft_locks._names import __all__ as __all__
"""


def lay(source: Path, target: Path) -> None:
    """Complete the packages in the folder *target* from those of the folder *source*."""
    for suffix in (".py", ".pyi"):
        put(target / "ft_locks" / f"_names{suffix}", (source / "ft_utils" / f"synchronization{suffix}").read_text())
    put(target / "ft_utils" / "synchronization.pyi", STUB)


def put(path: Path, text: str) -> None:
    """By renaming, since somebody may be importing what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    os.replace(fresh, path)
