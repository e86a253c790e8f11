"""Puts our locks in the place of threading's, at the start of every process of a conformance run.

A .pth file of the environment imports this module, so it comes before everything else, also in what the tests start
themselves, by `python -I` too. FT_UTILS_CONFORMANCE says what is replaced: "threading" the names of that module,
"_thread" those of the module below it as well; without it nothing is.

threading itself is replaced in when it is imported, not before, so that the order of imports stays what it was.
"""

import _frozen_importlib_external as machinery
import _thread
import os
import sys

VARIABLE = "FT_UTILS_CONFORMANCE"
NAMES = ("Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier", "BrokenBarrierError")
# Under these names threading and _thread hand out a plain lock and a re-entrant one.
PLAIN = {"threading": ("_allocate_lock",), "_thread": ("allocate_lock", "allocate", "lock", "LockType")}
REENTRANT = {"threading": ("_CRLock",), "_thread": ("RLock",)}

# What was replaced in threading, by name.
originals = {}


def wanted():
    """What is to be replaced: nothing, "threading" or "_thread"."""
    value = os.environ.get(VARIABLE, "")
    if value not in ("", "threading", "_thread"):
        raise ValueError(f'{VARIABLE} is "{value}"; set it to "threading" or "_thread", or not at all')
    return value


def rebind(module):
    import ft_utils.synchronization as ours

    name = module.__name__
    for plain in PLAIN[name]:
        setattr(module, plain, ours.Lock)
    for reentrant in REENTRANT[name]:
        setattr(module, reentrant, ours.RLock)
    if name == "threading":
        for each in NAMES:
            originals[each] = getattr(module, each)
            setattr(module, each, getattr(ours, each))
        module._active_limbo_lock = ours.RLock()  # made while threading was imported


def replaced():
    """The names that are ours in this process, for the record."""
    import threading

    found = []
    for module, names in ((threading, (*NAMES, "_allocate_lock", "_CRLock")), (_thread, ("allocate_lock", "RLock"))):
        for name in names:
            if getattr(module, name).__module__ == "ft_utils.synchronization":
                found.append(f"{module.__name__}.{name}")
    return found


class Finder:
    """Finds threading where it is, and nothing else."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "threading":
            return None
        spec = machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                rebind(module)

            spec.loader.exec_module = exec_module  # of this one loader, whose type some tests look at
        return spec


def begin():
    level = wanted()
    if not level:
        return
    if level == "_thread":
        rebind(_thread)
    if "threading" in sys.modules:
        rebind(sys.modules["threading"])
    sys.meta_path.insert(0, Finder)


begin()
