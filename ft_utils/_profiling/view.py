"""Looking at a profile: pprof's pages by a program of our own, or a flame graph as one HTML file."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from ft_utils._profiling.flame import flame_graph
from ft_utils._profiling.profile import Profile, ProfileError, reason, replacing

VIEWER = Path(__file__).parent.parent / "_viewer"


def serve(file: str, port: int, browser: bool) -> NoReturn:
    """Become the program that shows *file*; nothing of Python stays in memory."""
    Profile.read(file)  # says what is wrong with it in the words of the other commands
    options = ["-port", str(port), *(["-python", sys.executable] if browser and sys.executable else [])]
    sys.stdout.flush()
    try:
        os.execv(VIEWER, [str(VIEWER), *options, "--", file])
    except OSError as error:
        raise ProfileError(
            f"{VIEWER} cannot be run: {reason(error)}; reinstall ft_utils, or use view -o FILE.html"
        ) from None


def write_page(file: str, output: str) -> None:
    profile = Profile.read(file)
    path = Path(output)
    if path.exists() and path.samefile(file):
        raise ProfileError(f"{output} is the profile itself: name another file for the page")
    with replacing(path) as out:
        out.write(flame_graph(profile, os.path.basename(file)).encode("utf-8", "replace"))
