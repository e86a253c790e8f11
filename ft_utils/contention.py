"""See who waits for what: dumps of the locks that are waited for, and what happens in a deadlock.

dump() writes which threads wait for which lock, who holds it and since when; register() has that written whenever a
signal comes, even when no thread can run. locks_waited_for() returns the same as facts. on_deadlock() says what
happens when threads wait for each other for ever; by default one of them gets DeadlockError.
"""

from ft_utils import _beside
from ft_utils._deadlock import DeadlockError, Waiter, on_deadlock
from ft_utils._dump import dump, locks_waited_for, register, unregister

__all__ = ["DeadlockError", "Waiter", "dump", "locks_waited_for", "on_deadlock", "register", "unregister"]

_beside.look()
