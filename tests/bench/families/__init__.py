"""The rows of the table, one module for each family of them."""

import importlib
from types import ModuleType

NAMES = (
    "pairs",
    "contexts",
    "polling",
    "contended",
    "fairness",
    "waits",
    "cede",
    "readers",
    "mixes",
    "footprint",
    "startup",
    "primitives",
    "conditions",
    "queues",
    "recording",
    "sweep",
    "programs",
)


def family(name: str) -> ModuleType:
    """The module of a family; its cases(libraries, settings) returns what it measures."""
    return importlib.import_module(f"{__name__}.{name}")
