"""Rebinds threading's primitives to ours, for child processes: imported first, before what is to be built on them.

`queue`, `concurrent.futures`, `logging` and threading's own Thread and Timer look the names up in the module.
"""

import sys
import threading

import ft_utils.synchronization as ours

BUILT_ON_THEM = ("queue", "concurrent.futures", "logging")
early = [name for name in BUILT_ON_THEM if name in sys.modules]
assert not early, f"imported too early: {early}"

for _name in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition", "Barrier", "BrokenBarrierError"):
    setattr(threading, _name, getattr(ours, _name))


def is_ours(*targets: object) -> bool:
    return all(type(target).__module__ == ours.__name__ for target in targets)
