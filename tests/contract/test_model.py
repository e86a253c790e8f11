"""Random operations of several threads, one at a time, compared with trivial reference locks (hypothesis)."""

from collections import Counter
from concurrent.futures import Future
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext

from ..support.threads import LIMIT, Puppet, until, waiters, waiting

THREADS = 4
SETTINGS = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,  # the machine may be busy
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
threads = st.integers(0, THREADS - 1)


class Machine(RuleBasedStateMachine):
    """Logical threads are puppets: each rule has one of them make one call."""

    def __init__(self) -> None:
        super().__init__()
        self.puppets = [Puppet(f"logical-{n}") for n in range(THREADS)]

    def result(self, thread: int, call: Any, *args: Any, **kwargs: Any) -> Any:
        """The value, or the type of the exception."""
        try:
            return self.puppets[thread].run(call, *args, **kwargs)
        except RuntimeError:
            return RuntimeError

    def teardown(self) -> None:
        for puppet in self.puppets:
            puppet.close()


class IntervalMachine(Machine):
    """Strict first come, first served: an owner and a queue say everything, blocking calls included."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = IntervalLock(0)
        self.owner: int | None = None
        self.queue: list[int] = []
        self.blocked: dict[int, Future[Any]] = {}

    def grant(self) -> None:
        """The model's release: the longest waiter is the owner, and its call returns."""
        self.owner = self.queue.pop(0) if self.queue else None
        if self.owner is not None:
            assert self.blocked.pop(self.owner).result(LIMIT) in (None, True)

    def wait(self, thread: int, call: Any, *args: Any) -> None:
        self.queue.append(thread)
        self.blocked[thread] = self.puppets[thread].start(call, *args)

    @rule(thread=threads, call=st.sampled_from(["lock", "acquire"]))
    def lock_blocking(self, thread: int, call: str) -> None:
        if thread in self.blocked:
            return
        if self.owner is None:
            assert self.result(thread, getattr(self.lock, call)) in (None, True)
            self.owner = thread
        elif self.owner == thread:
            assert self.result(thread, getattr(self.lock, call)) is RuntimeError
        else:
            self.wait(thread, getattr(self.lock, call))
            waiting(self.lock, len(self.queue))

    @rule(thread=threads, kwargs=st.sampled_from([{"blocking": False}, {"timeout": 0}, {"timeout": 0.0005}]))
    def lock_trying(self, thread: int, kwargs: dict[str, Any]) -> None:
        if thread in self.blocked:
            return
        expected: Any = self.owner is None
        if self.owner == thread and kwargs.get("timeout"):
            expected = RuntimeError  # it would wait for itself
        assert self.result(thread, self.lock.acquire, **kwargs) is expected
        if expected is True:
            self.owner = thread

    @rule(thread=threads, call=st.sampled_from(["unlock", "release"]))
    def unlock(self, thread: int, call: str) -> None:
        if thread in self.blocked:
            return
        if self.owner != thread:
            assert self.result(thread, getattr(self.lock, call)) is RuntimeError
        else:
            assert self.result(thread, getattr(self.lock, call)) is None
            self.grant()

    @rule(thread=threads, call=st.sampled_from(["cede", "poll"]))
    def cede(self, thread: int, call: str) -> None:
        if thread in self.blocked:
            return
        if self.owner != thread:
            assert self.result(thread, getattr(self.lock, call)) is RuntimeError
        elif not self.queue:
            assert self.result(thread, getattr(self.lock, call)) is None
        else:
            self.wait(thread, getattr(self.lock, call))
            self.grant()
            waiting(self.lock, len(self.queue))

    @invariant()
    def agrees(self) -> None:
        assert self.lock.locked() is (self.owner is not None)
        assert [w.thread for w in waiters(self.lock)] == [self.puppets[n].ident for n in self.queue]
        if self.owner is not None:
            ident = self.puppets[self.owner].ident
            assert f"locked owner={ident} waiters={len(self.queue)} " in repr(self.lock)

    def teardown(self) -> None:
        while self.owner is not None:
            self.puppets[self.owner].run(self.lock.unlock)
            self.grant()
        super().teardown()


class ReaderWriterMachine(Machine):
    """Readers counted by thread, a writer, and at most one writer that waits behind the readers."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = ReaderWriterLock()
        self.read, self.write = RWReadContext(self.lock), RWWriteContext(self.lock)
        self.readers: Counter[int] = Counter()
        self.writer: int | None = None
        self.waiting: tuple[int, Future[Any]] | None = None

    def is_waiting(self, thread: int) -> bool:
        return self.waiting is not None and self.waiting[0] == thread

    @rule(
        thread=threads,
        kwargs=st.sampled_from([{"blocking": False}, {"timeout": 0}, {"timeout": 0.0005}]),
        context=st.booleans(),
    )
    def acquire_read(self, thread: int, kwargs: dict[str, Any], context: bool) -> None:
        if self.is_waiting(thread):
            return
        expected: Any = self.writer is None and (self.waiting is None or self.readers[thread] > 0)
        if self.writer == thread and kwargs.get("timeout"):
            expected = RuntimeError  # it would wait for itself
        acquire = self.read.acquire if context else self.lock.acquire_read
        assert self.result(thread, acquire, **kwargs) is expected
        if expected is True:
            self.readers[thread] += 1

    @rule(
        thread=threads,
        kwargs=st.sampled_from([{"blocking": False}, {"timeout": 0}, {"timeout": 0.0005}]),
        context=st.booleans(),
    )
    def acquire_write(self, thread: int, kwargs: dict[str, Any], context: bool) -> None:
        if self.is_waiting(thread):
            return
        expected: Any = self.writer is None and not self.readers.total()
        if (self.writer == thread or self.readers[thread]) and kwargs.get("timeout"):
            expected = RuntimeError  # it would wait for itself
        acquire = self.write.acquire if context else self.lock.acquire_write
        assert self.result(thread, acquire, **kwargs) is expected
        if expected is True:
            self.writer = thread

    @precondition(lambda self: self.waiting is None and self.readers.total() > 0)
    @rule(thread=threads)
    def wait_to_write(self, thread: int) -> None:
        if self.readers[thread]:
            assert self.result(thread, self.lock.lock_write) is RuntimeError
            return
        self.waiting = thread, self.puppets[thread].start(self.lock.lock_write)
        until(lambda: self.lock.writers_waiting() == 1, "the writer to wait")

    @rule(thread=threads, context=st.booleans())
    def release_read(self, thread: int, context: bool) -> None:
        if self.is_waiting(thread):
            return
        release = self.read.release if context else self.lock.unlock_read
        if not self.readers[thread]:
            assert self.result(thread, release) is RuntimeError
            return
        assert self.result(thread, release) is None
        self.readers[thread] -= 1
        if self.waiting is not None and not self.readers.total():
            self.writer, future = self.waiting
            self.waiting = None
            future.result(LIMIT)

    @rule(thread=threads, context=st.booleans())
    def release_write(self, thread: int, context: bool) -> None:
        if self.is_waiting(thread):
            return
        release = self.write.release if context else self.lock.unlock_write
        expected = None if self.writer == thread else RuntimeError
        assert self.result(thread, release) is expected
        if expected is None:
            self.writer = None

    @rule(thread=threads)
    def downgrade(self, thread: int) -> None:
        if self.is_waiting(thread):
            return
        expected = None if self.writer == thread else RuntimeError
        assert self.result(thread, self.lock.downgrade) is expected
        if expected is None:
            self.writer = None
            self.readers[thread] += 1

    @invariant()
    def agrees(self) -> None:
        assert self.lock.readers() == self.readers.total()
        assert self.lock.writer_locked() is (self.writer is not None)
        assert self.lock.writers_waiting() == (self.waiting is not None)
        assert self.read.locked() is (self.readers.total() > 0)
        assert self.write.locked() is (self.writer is not None)

    def teardown(self) -> None:
        for thread in list(self.readers.elements()):
            self.release_read(thread, False)
        if self.writer is not None:
            self.puppets[self.writer].run(self.lock.unlock_write)
        super().teardown()


TestIntervalLock = IntervalMachine.TestCase
TestIntervalLock.settings = SETTINGS
TestReaderWriterLock = ReaderWriterMachine.TestCase
TestReaderWriterLock.settings = SETTINGS
