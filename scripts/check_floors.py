#!/usr/bin/env python3
"""Check that no C file includes a header of a higher floor: a part of `make lint`.

pybind/types has four floors. A file may include headers of its own floor and of those below, by their path from
pybind/types; so each floor can be read without those above it. On one floor headers form no circle.
"""

import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

TYPES = Path(__file__).resolve().parents[1] / "pybind" / "types"
FLOORS = ("platform", "core", "locks", "objects")  # the lowest first
SHARED = "ft_shared.h"  # generated; from pybind/include, below all floors

INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def complaints() -> list[str]:
    found = []
    includes: dict[str, set[str]] = {}
    for path in sorted(TYPES.rglob("*.[ch]")):
        name = path.relative_to(TYPES).as_posix()
        floor = name.split("/")[0]
        if floor not in FLOORS:
            found.append(f"{name} is on no floor: the floors are {', '.join(FLOORS)}")
            continue
        includes[name] = set(INCLUDE.findall(path.read_text())) - {SHARED}
        for included in sorted(includes[name]):
            if not (TYPES / included).is_file():
                found.append(f"{name} includes {included}, which is no path below pybind/types")
            elif FLOORS.index(included.split("/")[0]) > FLOORS.index(floor):
                found.append(f"{name} includes {included}, which is on a higher floor")
    try:
        TopologicalSorter({name: names for name, names in includes.items() if name.endswith(".h")}).prepare()
    except CycleError as error:
        found.append("headers include each other: " + " -> ".join(error.args[1]))
    return found


if __name__ == "__main__":
    if found := complaints():
        sys.exit("\n".join(found))
