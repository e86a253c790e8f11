#!/usr/bin/env python3
"""Check the installed ft_utils from the environment that it was installed into.

It has to come from the wheel and not from the source tree, must not start a thread or switch the GIL back on when
imported, and its Go library must do neither when loaded. The wheel has to say what is linked into it, under which
licences, and to have a page without links that lead nowhere.
"""

import importlib
import importlib.metadata
import json
import os
import re
import sys
import sysconfig
from pathlib import Path


def gil_enabled() -> bool:
    return sys._is_gil_enabled()


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def metadata_problems() -> list[str]:
    """What is wrong with the wheel's metadata."""
    problems = []
    wheel = importlib.metadata.distribution("ft-utils-synchronization")
    names = {str(path).partition(".dist-info/")[2]: path for path in wheel.files or ()}
    bill = names.get("sboms/ft-utils-synchronization.cdx.json")
    linked = json.loads(bill.read_text())["components"] if bill else []
    if {"Go runtime and standard library", "github.com/go-python/gopy"} - {each["name"] for each in linked}:
        problems.append("the wheel's bill of materials does not name Go and gopy")
    for each in linked:
        (file,) = [entry["value"] for entry in each["properties"] if entry["name"] == "ft-utils:licence-file"]
        if f"licenses/{file}" not in names:
            problems.append(f"the wheel has not the licence of {each['name']}, {file}")
    page = re.sub(r"^```.*?^```$", "", wheel.metadata.get_payload() or "", flags=re.MULTILINE | re.DOTALL)
    problems += [f"the page of the wheel has the link {link}" for link in re.findall(r"\]\((?!https://)[^)]*\)", page)]
    return problems


def main() -> int:
    problems = metadata_problems()
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
