"""Random operations of several threads on a ResizableSemaphore, one at a time, compared with numbers (hypothesis)."""

from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ft_utils.synchronization import ResizableSemaphore

from ..support.threads import LIMIT, Puppet, waiting

THREADS = 4
threads = st.integers(0, THREADS - 1)


class ResizableMachine(RuleBasedStateMachine):
    """A limit, what is taken of it, and a queue in which nobody overtakes."""

    def __init__(self) -> None:
        super().__init__()
        self.puppets = [Puppet(f"logical-{n}") for n in range(THREADS)]
        self.semaphore = ResizableSemaphore(3)
        self.limit, self.taken = 3, 0
        self.queue: list[tuple[int, int, Future[bool]]] = []

    def waits(self, thread: int) -> bool:
        return any(thread == each for each, _, _ in self.queue)

    def result(self, thread: int, call: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.puppets[thread].run(call, *args, **kwargs)
        except ValueError as error:
            return type(error)

    def outcome(self, n: int) -> Any:
        """What a try gives."""
        if n < 1 or (self.limit and n > self.limit):
            return ValueError
        return not self.queue and self.taken + n <= self.limit

    @rule(thread=threads, n=st.integers(0, 5), kwargs=st.sampled_from([{"blocking": False}, {"timeout": 0.0005}]))
    def try_to_acquire(self, thread: int, n: int, kwargs: dict[str, Any]) -> None:
        if not self.waits(thread):
            expected = self.outcome(n)
            assert self.result(thread, self.semaphore.acquire, n, **kwargs) is expected
            self.taken += n * (expected is True)

    @rule(thread=threads, n=st.integers(1, 5))
    def acquire(self, thread: int, n: int) -> None:
        """If it has to wait, at least one thread must stay free to release."""
        expected = self.outcome(n)
        if self.waits(thread) or (expected is False and len(self.queue) == THREADS - 1):
            return
        if expected is False:
            self.queue.append((thread, n, self.puppets[thread].start(self.semaphore.acquire, n)))
            waiting(self.semaphore, len(self.queue))
        else:
            assert self.result(thread, self.semaphore.acquire, n) is expected
            self.taken += n * (expected is True)

    @rule(thread=threads, n=st.integers(0, 6))
    def release(self, thread: int, n: int) -> None:
        if not self.waits(thread):
            fits = 1 <= n <= self.taken
            assert self.result(thread, self.semaphore.release, n) is (None if fits else ValueError)
            self.taken -= n * fits
            self.deal()

    @rule(thread=threads, limit=st.integers(-1, 6))
    def resize(self, thread: int, limit: int) -> None:
        if not self.waits(thread):
            assert self.result(thread, self.semaphore.resize, limit) is (None if limit >= 0 else ValueError)
            if limit >= 0:
                self.limit = limit
                self.deal()

    def deal(self) -> None:
        for entry in [entry for entry in self.queue if 0 < self.limit < entry[1]]:
            self.queue.remove(entry)
            with pytest.raises(ValueError):
                entry[2].result(LIMIT)
        while self.queue and self.taken + self.queue[0][1] <= self.limit:
            _, n, future = self.queue.pop(0)
            assert future.result(LIMIT) is True
            self.taken += n

    @invariant()
    def agrees(self) -> None:
        assert not any(future.done() for _, _, future in self.queue)
        shown = f"value={self.limit - self.taken}/{self.limit} waiters={len(self.queue)}"
        assert repr(self.semaphore) == f"<ResizableSemaphore {shown} at {id(self.semaphore):#x}>"

    def teardown(self) -> None:
        self.semaphore.resize(2**56 - 1)
        for _, _, future in self.queue:
            assert future.result(LIMIT) is True
        for puppet in self.puppets:
            puppet.close()


TestModel = ResizableMachine.TestCase
TestModel.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,  # the machine may be busy
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
