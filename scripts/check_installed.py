#!/usr/bin/env python3
"""Check the installed ft_utils from the environment that it was installed into.

It has to come from the wheel and not from the source tree, must not start a thread or switch the GIL back on when
imported, and its Go library must do neither when loaded.
"""

import importlib
import os
import sys
import sysconfig
from pathlib import Path


def gil_enabled() -> bool:
    return sys._is_gil_enabled()


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def main() -> int:
    problems = []
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    before = threads()
    package = importlib.import_module("ft_utils.synchronization")
    home = Path(package.__file__).resolve()
    if not home.is_relative_to(Path(sys.prefix).resolve()):
        problems.append(f"ft_utils was imported from {home}, not from the wheel installed in {sys.prefix}")
    if threads() != before:
        problems.append("importing ft_utils.synchronization started a thread")
    if gil_enabled() == free_threaded:
        problems.append("importing ft_utils.synchronization changed the state of the GIL")
    importlib.import_module("ft_utils._golib")
    if gil_enabled() == free_threaded:
        problems.append("loading the Go library changed the state of the GIL")
    for problem in problems:
        print(f"check_installed: {problem}", file=sys.stderr)
    if not problems:
        state = "enabled" if gil_enabled() else "disabled"
        print(f"{home.parent} on {sys.version.split()[0]}, GIL {state}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
