"""See who waits for what: dumps of the locks that are waited for, what happens in a deadlock, and profiles.

dump() writes which threads wait for which lock, who holds it and since when; register() has that written whenever a
signal comes, even when no thread can run. locks_waited_for() returns the same as facts. on_deadlock() says what
happens when threads wait for each other for ever; by default one of them gets DeadlockError.

start() and stop(), or profile() around a block, record at which lines threads wait, for how long and for whom. The
command line does that to a whole program, and shows what was recorded:

    python -m ft_utils.contention run [-o FILE] script.py args...
    python -m ft_utils.contention report FILE
    python -m ft_utils.contention view FILE
"""

from ft_utils import _beside
from ft_utils._deadlock import DeadlockError, Waiter, on_deadlock
from ft_utils._dump import dump, locks_waited_for, register, unregister
from ft_utils._profiling.profile import Profile, ProfileError
from ft_utils._profiling.recording import profile, start, stop

__all__ = [
    "DeadlockError",
    "Profile",
    "ProfileError",
    "Waiter",
    "dump",
    "locks_waited_for",
    "on_deadlock",
    "profile",
    "register",
    "start",
    "stop",
    "unregister",
]

_beside.look()

if __name__ == "__main__":
    import sys

    from ft_utils._profiling.command import main as _main

    sys.exit(_main())
