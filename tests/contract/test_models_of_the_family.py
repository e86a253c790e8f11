"""Random operations of several threads, one at a time, compared with trivial reference objects (hypothesis).

The models are run over the standard library too: that they agree with it shows that they ask for its behaviour.
"""

import threading
from concurrent.futures import Future
from types import ModuleType
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import ft_utils.synchronization as ours

from ..support.family import blocked
from ..support.threads import LIMIT, Puppet, until

THREADS = 4
SETTINGS = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,  # the machine may be busy
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
threads = st.integers(0, THREADS - 1)
tries = st.sampled_from([{"blocking": False}, {"timeout": 0}, {"timeout": 0.0005}])
ERRORS = (RuntimeError, ValueError)


class Machine(RuleBasedStateMachine):
    """Logical threads are puppets: each rule has one of them make one call."""

    module: ModuleType = ours

    def __init__(self) -> None:
        super().__init__()
        self.puppets = [Puppet(f"logical-{n}") for n in range(THREADS)]

    def result(self, thread: int, call: Any, *args: Any, **kwargs: Any) -> Any:
        """The value, or the type of the exception."""
        try:
            return self.puppets[thread].run(call, *args, **kwargs)
        except ERRORS as error:
            return type(error)

    def teardown(self) -> None:
        for puppet in self.puppets:
            puppet.close()


class LockMachine(Machine):
    """A flag: whoever, even its holder, is kept out while it is up, and anybody may take it down."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = self.module.Lock()
        self.held = False

    @rule(thread=threads, kwargs=tries)
    def acquire(self, thread: int, kwargs: dict[str, Any]) -> None:
        assert self.result(thread, self.lock.acquire, **kwargs) is not self.held
        self.held = True

    @rule(thread=threads)
    def release(self, thread: int) -> None:
        assert self.result(thread, self.lock.release) is (None if self.held else RuntimeError)
        self.held = False

    @rule(thread=threads)
    def reinit(self, thread: int) -> None:
        assert self.result(thread, self.lock._at_fork_reinit) is None
        self.held = False

    @invariant()
    def agrees(self) -> None:
        assert self.lock.locked() is self.held


class RLockMachine(Machine):
    """An owner and a depth."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = self.module.RLock()
        self.owner: int | None = None
        self.depth = 0
        self.saved: dict[int, tuple[Any, int]] = {}

    def mine(self, thread: int) -> bool:
        return self.owner in (None, thread)

    @rule(thread=threads, kwargs=st.one_of(tries, st.just({})))
    def acquire(self, thread: int, kwargs: dict[str, Any]) -> None:
        if not self.mine(thread) and not kwargs:
            return  # it would wait
        assert self.result(thread, self.lock.acquire, **kwargs) is self.mine(thread)
        if self.mine(thread):
            self.owner, self.depth = thread, self.depth + 1

    @rule(thread=threads)
    def release(self, thread: int) -> None:
        expected = None if self.owner == thread else RuntimeError
        assert self.result(thread, self.lock.release) is expected
        if expected is None:
            self.depth -= 1
            self.owner = thread if self.depth else None

    @rule(thread=threads)
    def save(self, thread: int) -> None:
        if self.owner != thread or thread in self.saved:
            if self.owner != thread and self.owner is None:
                assert self.result(thread, self.lock._release_save) is RuntimeError
            return
        self.saved[thread] = self.puppets[thread].run(self.lock._release_save), self.depth
        self.owner, self.depth = None, 0

    @rule(thread=threads)
    def restore(self, thread: int) -> None:
        if self.owner is not None or thread not in self.saved:
            return
        state, depth = self.saved.pop(thread)
        assert self.result(thread, self.lock._acquire_restore, state) is None
        self.owner, self.depth = thread, depth

    @rule(thread=threads)
    def reinit(self, thread: int) -> None:
        assert self.result(thread, self.lock._at_fork_reinit) is None
        self.owner, self.depth = None, 0

    @invariant()
    def agrees(self) -> None:
        for thread, puppet in enumerate(self.puppets):
            assert puppet.run(self.lock._is_owned) is (self.owner == thread)
            assert puppet.run(self.lock._recursion_count) == (self.depth if self.owner == thread else 0)
        if self.module is ours:
            assert self.lock.locked() is (self.owner is not None)


class SemaphoreMachine(Machine):
    """A number, and a queue of those who wait for it to grow."""

    bound: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.value = 2
        self.semaphore = self.module.Semaphore(2) if self.bound is None else self.module.BoundedSemaphore(2)
        self.queue: list[tuple[int, Future[bool]]] = []

    def waits(self, thread: int) -> bool:
        return any(thread == each for each, _ in self.queue)

    @rule(
        thread=threads,
        kwargs=st.one_of(tries, st.sampled_from([{"timeout": -1}, {"blocking": False, "timeout": 1}])),
    )
    def try_to_acquire(self, thread: int, kwargs: dict[str, Any]) -> None:
        if self.waits(thread):
            return
        expected: Any = ValueError if len(kwargs) == 2 else self.value > 0
        assert self.result(thread, self.semaphore.acquire, **kwargs) is expected
        self.value -= expected is True

    @rule(thread=threads)
    def acquire(self, thread: int) -> None:
        """If it has to wait, at least one thread must stay free to release."""
        if self.waits(thread) or len(self.queue) == THREADS - 1:
            return
        if self.value:
            assert self.result(thread, self.semaphore.acquire) is True
            self.value -= 1
        else:
            self.queue.append((thread, self.puppets[thread].start(self.semaphore.acquire)))
            blocked(self.semaphore, len(self.queue))

    @rule(thread=threads, n=st.integers(-1, 4))
    def release(self, thread: int, n: int) -> None:
        if self.waits(thread):
            return
        fits = n >= 1 and (self.bound is None or self.value + n <= self.bound)
        assert self.result(thread, self.semaphore.release, n) is (None if fits else ValueError)
        if fits:
            self.let_in(n)

    def let_in(self, n: int) -> None:
        """Who has waited longest goes first; the standard library does so too when nobody else comes along."""
        for _ in range(min(n, len(self.queue))):
            _, future = self.queue.pop(0)
            assert future.result(LIMIT) is True
            n -= 1
        self.value += n
        blocked(self.semaphore, len(self.queue))

    @invariant()
    def agrees(self) -> None:
        assert not any(future.done() for _, future in self.queue)
        if self.module is ours:
            text = f"value={self.value}" + ("" if self.bound is None else f"/{self.bound}")
            waiters = f" waiters={len(self.queue)}" if self.queue else ""
            assert repr(self.semaphore).endswith(f" at {id(self.semaphore):#x}{waiters}: {text}>")

    def teardown(self) -> None:
        while self.queue:
            self.semaphore.release()
            self.let_in(1)
        super().teardown()


class BoundedSemaphoreMachine(SemaphoreMachine):
    bound = 2


class EventMachine(Machine):
    """A flag, and those who wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.event = self.module.Event()
        self.flag = False
        self.waiting: dict[int, Future[bool]] = {}

    @rule(thread=threads, timeout=st.sampled_from([None, 0, -1, 0.0005, LIMIT]))
    def wait(self, thread: int, timeout: float | None) -> None:
        if thread in self.waiting:
            return
        if self.flag or timeout not in (None, LIMIT):
            assert self.result(thread, self.event.wait, timeout) is self.flag
        elif len(self.waiting) < THREADS - 1:
            self.waiting[thread] = self.puppets[thread].start(self.event.wait, timeout)
            blocked(self.event, len(self.waiting))

    @rule(thread=threads, clear=st.booleans())
    def set(self, thread: int, clear: bool) -> None:
        """Now and then it is cleared in the same breath: who waited goes all the same."""
        if thread in self.waiting:
            return

        def call() -> None:
            self.event.set()
            if clear:
                self.event.clear()

        assert self.result(thread, call) is None
        for future in self.waiting.values():
            assert future.result(LIMIT) is True
        self.waiting.clear()
        self.flag = not clear

    @rule(thread=threads)
    def clear(self, thread: int) -> None:
        if thread not in self.waiting:
            assert self.result(thread, self.event.clear) is None
            self.flag = False

    @invariant()
    def agrees(self) -> None:
        assert self.event.is_set() is self.flag
        assert not any(future.done() for future in self.waiting.values())

    def teardown(self) -> None:
        self.event.set()
        super().teardown()


class BarrierMachine(Machine):
    """How many have arrived, and whether it is broken. Arrivals wait; the rest is done by the thread of the test."""

    parties = 3

    def __init__(self) -> None:
        super().__init__()
        self.acted = 0
        self.fails = False
        self.barrier = self.module.Barrier(self.parties, self.act)
        self.rounds = 0
        self.broken = False
        self.waiting: dict[int, Future[int]] = {}

    def act(self) -> None:
        self.acted += 1
        if self.fails:
            raise ZeroDivisionError

    def break_up(self) -> None:
        for future in self.waiting.values():
            assert type(future.exception(LIMIT)) is threading.BrokenBarrierError
        self.waiting.clear()
        # The standard library's clears up when the last one has left, which is after its future is done.
        until(lambda: self.barrier.n_waiting == 0, "the barrier to be empty")

    @rule(thread=threads, timeout=st.sampled_from([None, LIMIT]), fails=st.sampled_from([False, False, True]))
    def arrive(self, thread: int, timeout: float | None, fails: bool) -> None:
        if thread in self.waiting:
            return
        if self.broken:
            assert self.result(thread, self.barrier.wait, timeout) is threading.BrokenBarrierError
            return
        self.fails = fails
        future = self.puppets[thread].start(self.barrier.wait, timeout)
        if len(self.waiting) + 1 < self.parties:
            self.waiting[thread] = future
            blocked(self.barrier, len(self.waiting))
            return
        self.rounds += 1
        if fails:
            assert isinstance(future.exception(LIMIT), ZeroDivisionError)
            self.broken = True
            self.break_up()
        else:
            indices = [future.result(LIMIT), *(other.result(LIMIT) for other in self.waiting.values())]
            assert sorted(indices) == list(range(self.parties))
            self.waiting.clear()

    @rule(thread=threads, timeout=st.sampled_from([0, -1, 0.0005]))
    def run_out_of_time(self, thread: int, timeout: float) -> None:
        """Unless it is the last to come, which need not wait."""
        if thread in self.waiting:
            return
        if len(self.waiting) + 1 == self.parties and not self.broken:
            self.arrive(thread, None, False)
            return
        assert self.result(thread, self.barrier.wait, timeout) is threading.BrokenBarrierError
        self.broken = True
        self.break_up()

    @rule()
    def abort(self) -> None:
        assert self.barrier.abort() is None
        self.broken = True
        self.break_up()

    @rule()
    def reset(self) -> None:
        assert self.barrier.reset() is None
        self.broken = False
        self.break_up()

    @invariant()
    def agrees(self) -> None:
        assert self.barrier.n_waiting == len(self.waiting)
        assert self.barrier.broken is self.broken
        assert self.acted == self.rounds
        assert not any(future.done() for future in self.waiting.values())

    def teardown(self) -> None:
        self.barrier.abort()
        super().teardown()


def case(machine: type[Machine], module: ModuleType) -> Any:
    name = f"{module.__name__.split('.')[0]}_{machine.__name__.removesuffix('Machine')}"
    cls = type(name, (machine,), {"module": module, "__module__": __name__})
    test = cls.TestCase
    test.settings = SETTINGS
    return test


TestLock = case(LockMachine, ours)
TestRLock = case(RLockMachine, ours)
TestSemaphore = case(SemaphoreMachine, ours)
TestBoundedSemaphore = case(BoundedSemaphoreMachine, ours)
TestEvent = case(EventMachine, ours)
TestBarrier = case(BarrierMachine, ours)
TestStandardLock = case(LockMachine, threading)
TestStandardRLock = case(RLockMachine, threading)
TestStandardSemaphore = case(SemaphoreMachine, threading)
TestStandardBoundedSemaphore = case(BoundedSemaphoreMachine, threading)
TestStandardEvent = case(EventMachine, threading)
TestStandardBarrier = case(BarrierMachine, threading)
