"""Unpack the CPython that Maven's registry has as an artefact, for scripts/interpreters.py.

Only 3.14 with the GIL, for Linux on x86-64: a whole installation in a jar, which finds its libraries beside itself.
mvn checks what it fetches. Any Python from 3.9 on runs this file; it imports the standard library alone.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Callable, Optional

from interpreter_build import builder_lock, publish
from interpreter_flavours import Flavour, Unavailable, cache_root, clean_environment, say

FLAVOUR = "3.14"
VERSION = "3.14.3"
ARTEFACT = f"org.bytedeco:cpython:{VERSION}-1.5.13:jar:linux-x86_64"
INSIDE = "org/bytedeco/cpython/linux-x86_64/"
MAVEN_SECONDS = 300


def has(flavour: Flavour) -> bool:
    fits = flavour.name == FLAVOUR and platform.system() == "Linux" and platform.machine() == "x86_64"
    return fits and shutil.which("mvn") is not None


def fetch(flavour: Flavour, cached: Callable[[Flavour], Optional[str]]) -> Optional[str]:
    """The path of the interpreter in the cache, where it is put now unless another process has done so meanwhile."""
    with builder_lock():
        if not cached(flavour):
            say(f"fetching {ARTEFACT} by mvn")
            with tempfile.TemporaryDirectory(prefix="work-", dir=cache_root()) as name:
                work = Path(name)
                download(work)
                (jar,) = work.glob("*.jar")
                unpack(jar, work / "installed")
                publish(work / "installed", cache_root() / f"cpython-{VERSION}" / flavour.name)
        return cached(flavour)


def download(work: Path) -> None:
    command = ["mvn", "--quiet", "--batch-mode", "dependency:copy"]
    command += [f"-Dartifact={ARTEFACT}", f"-DoutputDirectory={work}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MAVEN_SECONDS, env=clean_environment(), cwd=work
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"mvn did not fetch {ARTEFACT} ({error})") from error
    if done.returncode:
        reason = ((done.stdout + done.stderr).strip().splitlines() or ["no reason given"])[0]
        raise Unavailable(f"mvn did not fetch {ARTEFACT} ({reason})")


def unpack(jar: Path, target: Path) -> None:
    """A jar knows nothing of executable files."""
    with zipfile.ZipFile(jar) as archive:
        for entry in archive.infolist():
            if not entry.filename.startswith(INSIDE) or entry.is_dir():
                continue
            path = target / entry.filename[len(INSIDE) :]
            if ".." in path.parts:
                raise Unavailable(f"{ARTEFACT} has a file outside of its folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(entry))
            if path.parent.name == "bin" or ".so" in path.name:
                os.chmod(path, 0o755)
