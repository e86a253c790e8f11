"""What forked children do with the threading family. Run in child processes of the tests."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ft_utils.synchronization import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
    snapshot,
)

from .blocking import Handler, send_until
from .family_blocking import CALLS, Call, nothing
from .forks import in_child
from .threads import LIMIT, Puppet, exercise, until, waiting


@dataclass
class Seven:
    """One of each, at rest: the locks free, a permit in each semaphore, the event clear."""

    lock: Any = field(default_factory=Lock)
    rlock: Any = field(default_factory=RLock)
    semaphore: Any = field(default_factory=lambda: Semaphore(1))
    bounded: Any = field(default_factory=lambda: BoundedSemaphore(1))
    event: Any = field(default_factory=Event)
    condition: Any = field(default_factory=Condition)
    barrier: Any = field(default_factory=lambda: Barrier(2))

    def all(self) -> list[Any]:
        return [self.lock, self.rlock, self.semaphore, self.bounded, self.event, self.condition, self.barrier]


def use_without_waiting(seven: Seven) -> None:
    """What must not load Go: no call of these has to wait or to end a wait."""
    with seven.lock, seven.rlock, seven.rlock, seven.semaphore, seven.bounded:
        assert not seven.lock.acquire(blocking=False)
        assert not seven.semaphore.acquire(timeout=0) and not seven.bounded.acquire(blocking=False)
        assert not seven.event.wait(0)
    with seven.condition, seven.condition:
        seven.condition.notify()
        seven.condition.notify_all()
        assert seven.condition.wait_for(lambda: True)
    seven.event.set()
    assert seven.event.wait() and seven.event.is_set()
    seven.event.clear()
    assert seven.barrier.n_waiting == 0 and not seven.barrier.broken
    for each in seven.all():
        repr(each)


def use_alone(seven: Seven) -> None:
    """Everything that needs nobody else."""
    use_without_waiting(seven)
    with seven.condition:
        assert not seven.condition.wait(0)
    assert Barrier(1).wait() == 0
    seven.barrier.abort()
    assert seven.barrier.broken
    seven.barrier.reset()


def use_together(seven: Seven, rounds: int = 60) -> None:
    """Everything under contention, by threads of this process."""
    total, items, got = [0] * 4, [], []

    def count(number: int, lock: Any) -> Callable[[], None]:
        def run() -> None:
            for _ in range(rounds):
                with lock:
                    total[number] += 1

        return run

    def produce() -> None:
        for number in range(rounds):
            with seven.condition:
                items.append(number)
                seven.condition.notify()

    def consume() -> None:
        while len(got) < rounds:
            with seven.condition:
                assert seven.condition.wait_for(lambda: items, LIMIT)
                got.append(items.pop(0))

    def meet() -> None:
        for _ in range(rounds // 4):
            assert seven.barrier.wait(LIMIT) in (0, 1)

    locks = (seven.lock, seven.rlock, seven.semaphore, seven.bounded)
    exercise(
        *(count(number, lock) for number, lock in enumerate(locks) for _ in range(2)), produce, consume, meet, meet
    )
    assert total == [2 * rounds] * 4, total
    assert got == list(range(rounds))
    flag = seven.event
    for _ in range(rounds // 4):
        assert exercise(lambda: flag.wait(LIMIT), flag.set) == [True, None]
        flag.clear()


def time_out(seven: Seven) -> None:
    """Waits in vain end in time, and take nothing with them."""
    with Puppet("holder") as holder:
        for each in (seven.lock, seven.rlock, seven.semaphore, seven.bounded):
            holder.run(each.acquire)
            start = time.monotonic()
            assert each.acquire(timeout=0.02) is False
            assert time.monotonic() - start >= 0.02
            holder.run(each.release)
            assert each.acquire(timeout=LIMIT)
            each.release()
    assert seven.event.wait(0.02) is False
    with seven.condition:
        assert seven.condition.wait(0.02) is False
    try:
        seven.barrier.wait(0.02)
        raise AssertionError("passed a barrier alone")
    except BrokenBarrierError:
        assert seven.barrier.broken
    seven.barrier.reset()


def use_anew() -> None:
    seven = Seven()
    use_alone(seven)
    use_together(seven)
    time_out(seven)


# --- forks while others wait or hold --------------------------------------------------------------------------------


def waits_at(seven: Seven) -> list[Callable[[], Any]]:
    """For each of the seven, a call that waits until the main thread lets it go."""

    def visit(lock: Any) -> Callable[[], Any]:
        def run() -> None:
            with lock:
                pass

        return run

    def wait() -> bool:
        with seven.condition:
            return seven.condition.wait()

    return [
        *map(visit, (seven.lock, seven.rlock, seven.semaphore, seven.bounded)),
        seven.event.wait,
        wait,
        seven.barrier.wait,
    ]


def fork_while_others_wait() -> None:
    """The child forgets the waiters and goes on with threads of its own; in the parent they wait on."""
    seven = Seven(barrier=Barrier(2))
    calls, puppets = waits_at(seven), [Puppet(f"waiter-{n}") for n in range(7)]
    with seven.lock, seven.rlock, seven.rlock, seven.semaphore, seven.bounded:
        futures = [puppet.start(call) for puppet, call in zip(puppets, calls, strict=True)]
        for each in seven.all():
            waiting(each)
        in_child(lambda: without_waiters(seven))
        for each in seven.all():
            waiting(each)
    seven.event.set()
    with seven.condition:
        seven.condition.notify()
    assert seven.barrier.wait(LIMIT) in (0, 1)
    for future in futures:
        future.result(LIMIT)
    for puppet in puppets:
        puppet.close()
    seven.event.clear()
    use_together(seven)


def without_waiters(seven: Seven) -> None:
    """In the child: what the forking thread held is still its own, and nobody waits."""
    assert snapshot() == []
    me = threading.get_ident()
    assert f" owner={me} waiters=0" in repr(seven.lock), repr(seven.lock)
    assert f" owner={me} count=2 waiters=0" in repr(seven.rlock), repr(seven.rlock)
    for each in (seven.semaphore, seven.bounded, seven.event):
        assert " waiters=" not in repr(each), repr(each)
    assert repr(seven.condition).endswith(", 0)>") and not seven.condition._waiters
    assert seven.rlock._is_owned() and seven.rlock._recursion_count() == 2
    assert seven.barrier.n_waiting == 0 and not seven.barrier.broken
    with seven.condition:
        seven.condition.notify_all()
    seven.event.set()
    seven.event.clear()
    for each in (seven.lock, seven.rlock, seven.rlock, seven.semaphore, seven.bounded):
        each.release()
    use_alone(seven)
    use_together(seven)
    time_out(seven)
    use_anew()


def fork_while_others_hold() -> None:
    """What another thread held stays held in the child, until it is made new, as logging and random do it."""
    seven = Seven()

    def child() -> None:
        for each in (seven.lock, seven.rlock, seven.condition):
            assert each.acquire(blocking=False) is False
            assert each.acquire(timeout=0.01) is False
        try:
            seven.rlock.release()
            raise AssertionError("released what another thread held")
        except RuntimeError:
            pass
        assert seven.semaphore.acquire(timeout=0.01) is False
        for each in (seven.lock, seven.rlock, seven.condition, seven.event):
            each._at_fork_reinit()
        seven.semaphore.release()  # permits belong to nobody
        use_alone(seven)
        use_together(seven)

    with Puppet("holder") as holder:
        for each in (seven.lock, seven.rlock, seven.semaphore, seven.condition):
            holder.run(each.acquire)
        in_child(child)
        assert seven.lock.locked() and seven.rlock.locked()
        for each in (seven.lock, seven.rlock, seven.semaphore, seven.condition):
            holder.run(each.release)
    use_together(seven)


def reinit_while_others_wait() -> None:
    """A lock made new in the child although the parent's threads queued for it."""
    seven = Seven()
    calls, puppets = waits_at(seven), [Puppet(f"waiter-{n}") for n in range(7)]
    with Puppet("holder") as holder:
        for each in (seven.lock, seven.rlock, seven.semaphore, seven.bounded):
            holder.run(each.acquire)
        futures = [puppet.start(call) for puppet, call in zip(puppets, calls, strict=True)]
        for each in seven.all():
            waiting(each)

        def child() -> None:
            for each in (seven.lock, seven.rlock, seven.condition, seven.event):
                each._at_fork_reinit()
            seven.semaphore.release()
            seven.bounded.release()
            use_alone(seven)
            use_together(seven)

        in_child(child)
        for each in (seven.lock, seven.rlock, seven.semaphore, seven.bounded):
            holder.run(each.release)
    seven.event.set()
    with seven.condition:
        seven.condition.notify_all()
    seven.barrier.wait(LIMIT)
    for future in futures:
        future.result(LIMIT)
    for puppet in puppets:
        puppet.close()


def fork_from_a_thread() -> None:
    """The thread that forks is the child's main thread, and still the owner of its locks."""
    seven = Seven()
    with Puppet("forker") as forker:
        for each in (seven.lock, seven.rlock, seven.rlock):
            forker.run(each.acquire)

        def child() -> None:
            assert seven.rlock._recursion_count() == 2
            for each in (seven.lock, seven.rlock, seven.rlock):
                each.release()
            use_together(seven)
            in_child(use_anew)  # and a grandchild

        forker.run(in_child, child)
        for each in (seven.lock, seven.rlock, seven.rlock):
            forker.run(each.release)
    use_together(seven)


def fork_while_others_churn() -> None:
    """At any moment of a contended operation of another thread. Its locks are lost to the child, new ones work."""
    seven, stop = Seven(), threading.Event()

    def churn() -> None:
        while not stop.is_set():
            with seven.lock, seven.rlock:
                pass
            with seven.semaphore, seven.bounded:
                pass
            with seven.condition:
                seven.condition.notify()
                seven.condition.wait(0.0001)
            seven.event.set()
            seven.event.clear()
            seven.event.wait(0.0001)

    def child() -> None:
        # Whoever held one is not here; the answer may be no, but it has to come.
        for each in (seven.lock, seven.rlock, seven.semaphore, seven.bounded, seven.condition):
            if each.acquire(timeout=0.001):
                each.release()
        seven.event.set()
        assert seven.event.wait(LIMIT)
        use_anew()

    def fork() -> None:
        try:
            for _ in range(8):
                in_child(child)
        finally:
            stop.set()

    exercise(fork, churn, churn, limit=3 * LIMIT)
    assert not seven.lock.locked() and not seven.rlock.locked()


def interrupt_in_child() -> None:
    """Ctrl-C ends a wait in the child too."""
    for name in ("Lock.acquire", "RLock.acquire", "Semaphore.acquire", "Event.wait", "Condition.wait", "Barrier.wait"):
        interrupt(CALLS[name])


def interrupt(call: Call) -> None:
    Handler(signal.SIGINT, raises=True)
    target, done, me = call.make(), threading.Event(), threading.get_ident()
    with Puppet("friend") as friend, Puppet("sender") as sender:
        friend.run(call.obstruct, target)
        # There is no queue in the child to be looked at: the signals come until one has found the wait.
        sent = sender.start(send_until, done, signal.SIGINT, me, None, 0.02)
        try:
            call.block(target)
            raise AssertionError("the call returned")
        except KeyboardInterrupt:
            done.set()
        sent.result(LIMIT)
        if call.obstruct is not nothing:
            friend.run(call.let_go, target)
        until(lambda: call.idle(target), repr(target))
