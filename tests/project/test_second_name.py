"""ft_locks: the same names as ft_utils.synchronization, also where another package named ft_utils is installed."""

import importlib.machinery
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ft_locks
import ft_utils.synchronization as ours

SITE = Path(ours.__file__).parents[1]
# An extension of the name of ours is what hides it; whether it can be loaded does not matter here.
EXTENSION = "synchronization" + importlib.machinery.EXTENSION_SUFFIXES[0]
HIDDEN = "hides the module ft_utils.synchronization"


def test_it_has_the_same_names_and_the_same_classes() -> None:
    assert ft_locks.__all__ == ours.__all__
    for name in ours.__all__:
        mine, theirs = getattr(ft_locks, name), getattr(ours, name)
        assert mine is theirs or (mine.__name__ == theirs.__name__ and mine.__doc__ == theirs.__doc__), name
        assert mine is theirs or not isinstance(mine, type), f"{name} is another class"
    with pytest.raises(AttributeError, match="module 'ft_locks' has no attribute 'nothing'"):
        ft_locks.nothing  # type: ignore[attr-defined]


def test_contention_is_the_same_module() -> None:
    import ft_locks.contention
    import ft_utils.contention

    assert ft_locks.contention is ft_utils.contention
    assert sys.modules["ft_locks.contention"] is ft_utils.contention
    import ft_locks.typing
    import ft_utils.typing

    assert ft_locks.typing is ft_utils.typing


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The installed packages, in a folder of their own."""
    for name in ("ft_utils", "ft_locks"):
        shutil.copytree(SITE / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def other_package(site: Path, *, last: bool) -> None:
    """Lay the other ft_utils over ours, or ours over that one, as pip does: the files of both are there."""
    package = site / "ft_utils"
    (package / EXTENSION).write_bytes(b"not to be loaded here")
    (package / "concurrency.py").write_text("works = True\n")
    if last:
        (package / "__init__.py").write_text("ENABLE_EXPERIMENTAL = False\n")
        (package / "synchronization.pyi").write_text("")


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    """In an isolated interpreter that finds the packages there and nowhere else."""
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{code}"
    return subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60)


IMPORTED = """
import ft_locks, ft_locks.contention
from ft_locks import *
lock = IntervalLock()
with lock:
    pass
assert ft_locks.stats() and ft_locks.snapshot() == [] and issubclass(DeadlockError, RuntimeError)
print(ft_locks.contention.__name__, ft_locks.__file__)
"""


@pytest.mark.parametrize("last", [False, True], ids=["ours last", "the other last"])
def test_beside_the_other_package(site: Path, last: bool) -> None:
    other_package(site, last=last)
    done = run(site, IMPORTED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ft_utils.contention", str(site / "ft_locks" / "__init__.py")]
    assert not done.stderr, "the name that works warns"
    # Whatever of ours is imported by the name that does not work says so, once, in one sentence.
    done = run(site, "import ft_utils.contention, ft_utils.concurrency")
    assert done.returncode == 0 and done.stderr.count(HIDDEN) == 1 and "import ft_locks" in done.stderr
    done = run(site, "import ft_utils.concurrency; print(ft_utils.concurrency.works)")
    assert done.stdout.strip() == "True"
    assert done.stderr.count(HIDDEN) == (0 if last else 1)


def test_when_the_other_package_has_gone_again(site: Path) -> None:
    """pip takes the files away that both had: ours is then a package without __init__.py."""
    other_package(site, last=True)
    for name in ("__init__.py", "synchronization.pyi", EXTENSION, "concurrency.py"):
        (site / "ft_utils" / name).unlink()
    for code in (IMPORTED, "import ft_utils.synchronization, ft_utils.contention; ft_utils.synchronization.Lock()"):
        done = run(site, code)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_alone_it_says_nothing(site: Path) -> None:
    done = run(site, "import ft_utils.synchronization, ft_utils.contention, ft_locks")
    assert done.returncode == 0 and not done.stderr


def test_import_costs_no_threading() -> None:
    """What the module leaves for later, ft_locks leaves too."""
    done = run(SITE, "import ft_locks; print(sorted({'threading', 'ft_utils.contention'} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr
