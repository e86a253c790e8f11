"""Looking at a profile: pprof's pages by a program of our own, or a flame graph as one HTML file."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from ft_utils._profiling.flame import flame_graph
from ft_utils._profiling.profile import Profile, ProfileError, read_bytes, reason, replacing

VIEWER = Path(__file__).parent.parent / "_viewer"


def serve(file: str, port: int, browser: bool) -> NoReturn:
    """Become the program that shows *file*; nothing of Python stays in memory."""
    path = Path(file)
    if not path.exists() or path.is_file():
        Profile.read(path)  # says what is wrong with it in the words of the other commands
    else:
        file = kept(path)
    options = ["-port", str(port), *(["-python", sys.executable] if browser and sys.executable else [])]
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        os.execv(VIEWER, [str(VIEWER), *options, "--", file])
    except OSError as error:
        raise ProfileError(
            f"{VIEWER} cannot be run: {reason(error)}; reinstall ft_utils, or use view -o FILE.html"
        ) from None


def kept(path: Path) -> str:
    """What a pipe has given, which it does so once, as a file in memory that the viewer inherits."""
    try:
        content = read_bytes(path)
        Profile.from_bytes(content)
    except ProfileError as error:
        raise ProfileError(f"{path} cannot be read: {error}") from None
    number = os.memfd_create(path.name, 0)
    with open(number, "wb", closefd=False) as memory:
        memory.write(content)
    return f"/dev/fd/{number}"


def write_page(file: str, output: str) -> None:
    profile = Profile.read(file)
    path = Path(output)
    if path.exists() and path.samefile(file):
        raise ProfileError(f"{output} is the profile itself: name another file for the page")
    with replacing(path) as out:
        out.write(flame_graph(profile, os.path.basename(file)).encode("utf-8", "replace"))
