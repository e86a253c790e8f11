"""The locks that are compared, ours and the peers', side by side in one process."""

import contextlib
import importlib
import importlib.machinery
import importlib.util
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from .model import FASTENERS, META, READERWRITERLOCK

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@dataclass
class Libraries:
    ours: ModuleType
    meta: Any = None
    readerwriterlock: Any = None
    fasteners: Any = None
    peers: Path | None = None
    missing: dict[str, str] = field(default_factory=dict)
    """The peers that could not be loaded, and why."""

    def lacking(self, *names: str) -> str:
        """Which of the names our package does not have (yet), as a reason to skip; empty if it has all."""
        absent = [name for name in names if not hasattr(self.ours, name)]
        return f"ft_utils.synchronization has no {', '.join(absent)}" if absent else ""


def _meta(peers: Path) -> ModuleType:
    """Load the C peer under a name of our choice: its own import name is ours.

    The last part of the name stays, because it says what the module's init function is called.
    """
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    path = peers / "ft_utils" / f"synchronization{suffix}"
    if not path.exists():
        raise ImportError(f"no {path}")
    name = "bench_peer_ft_utils.synchronization"
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def load(peers: str | None) -> Libraries:
    """Import ours, then the peers from their directory; a peer that cannot be loaded is left out."""
    libraries = Libraries(importlib.import_module("ft_utils.synchronization"))
    if not peers:
        return libraries
    libraries.peers = Path(peers).resolve()
    # At the end of the path, and after our own import: Meta's ft_utils lies in that directory too.
    sys.path.append(str(libraries.peers))
    wanted = {
        META: ("meta", lambda: _meta(libraries.peers)),
        READERWRITERLOCK: ("readerwriterlock", lambda: importlib.import_module("readerwriterlock.rwlock")),
        FASTENERS: ("fasteners", lambda: importlib.import_module("fasteners")),
    }
    for name, (attribute, importer) in wanted.items():
        try:
            setattr(libraries, attribute, importer())
        except Exception as error:  # a peer may fail in any way; the table goes on without it
            libraries.missing[name] = f"{type(error).__name__}: {error}"
    return libraries


def versions(libraries: Libraries) -> dict[str, str]:
    """The version of everything that is measured."""
    from importlib.metadata import PackageNotFoundError, distributions

    found = {}
    with contextlib.suppress(ImportError, AttributeError):
        found["ours"] = importlib.import_module("ft_utils").__version__
    if libraries.peers:
        for name, attribute in ((META, "meta"), (READERWRITERLOCK,) * 2, (FASTENERS,) * 2):
            if getattr(libraries, attribute) is None:
                continue
            with contextlib.suppress(PackageNotFoundError, StopIteration):
                found[name] = next(iter(distributions(name=name, path=[str(libraries.peers)]))).version
    return found
