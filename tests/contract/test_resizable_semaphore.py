"""ResizableSemaphore: several permits at once, in order of arrival, up to a limit that changes."""

import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ft_utils.synchronization import ResizableSemaphore, snapshot, stats

from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet, exercise, until, waiters, waiting

MOST = 2**56 - 1


def test_counts() -> None:
    semaphore = ResizableSemaphore(5)
    assert (semaphore.value, semaphore.limit) == (5, 5)
    assert semaphore.acquire() is True and semaphore.acquire(3) is True and semaphore.value == 1
    assert semaphore.acquire(2, False) is False and semaphore.acquire(n=2, timeout=0) is False
    assert semaphore.acquire(1, blocking=False) is True and semaphore.value == 0
    assert semaphore.release() is None and semaphore.release(n=4) is None
    assert (semaphore.value, semaphore.limit) == (5, 5)
    with semaphore as entered:
        assert entered is semaphore and semaphore.value == 4
    with pytest.raises(ZeroDivisionError), semaphore:
        1 / 0
    assert repr(semaphore) == f"<ResizableSemaphore value=5/5 waiters=0 at {id(semaphore):#x}>"


def test_the_largest_numbers() -> None:
    semaphore = ResizableSemaphore(MOST)
    assert semaphore.acquire(MOST) and semaphore.value == 0
    semaphore.resize(0)
    assert semaphore.value == -MOST
    semaphore.resize(MOST)
    semaphore.release(MOST)
    assert semaphore.value == semaphore.limit == MOST


class Index:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __index__(self) -> Any:
        return self.value


@pytest.mark.parametrize("wrong", [-1, 2**56, 2**64, -(2**64), Index(-1)], ids=repr)
def test_numbers_out_of_range(wrong: Any) -> None:
    semaphore = ResizableSemaphore(3)
    semaphore.acquire()
    for call in (ResizableSemaphore, semaphore.resize, semaphore.acquire, semaphore.release):
        with pytest.raises(ValueError, match=r"must be from \d to 2\*\*56 - 1, not "):
            call(wrong)
    for zero in (semaphore.acquire, semaphore.release):
        with pytest.raises(ValueError, match="n must be from 1"):
            zero(0)
    assert (semaphore.value, semaphore.limit) == (2, 3)


@pytest.mark.parametrize("wrong", [1.0, "1", None, [], Index("x")], ids=repr)
def test_numbers_of_other_types(wrong: Any) -> None:
    semaphore = ResizableSemaphore(Index(3))
    semaphore.acquire(True)
    for call in (ResizableSemaphore, semaphore.resize, semaphore.acquire, semaphore.release):
        with pytest.raises(TypeError):
            call(wrong)
    assert (semaphore.value, semaphore.limit) == (2, 3)


def test_an_exception_of_the_number_passes() -> None:
    class Failing:
        def __index__(self) -> int:
            raise ZeroDivisionError

    semaphore = ResizableSemaphore(3)
    for call in (semaphore.resize, semaphore.acquire, semaphore.release):
        with pytest.raises(ZeroDivisionError):
            call(Failing())


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"blocking": False, "timeout": 1}, ValueError),
        ({"timeout": -2}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"timeout": 1e100}, OverflowError),
        ({"timeout": "1"}, TypeError),
        ({"wait": True}, TypeError),
    ],
    ids=repr,
)
def test_wrong_arguments(kwargs: Any, error: type[Exception]) -> None:
    semaphore = ResizableSemaphore(1)
    with pytest.raises(error):
        semaphore.acquire(1, **kwargs)
    assert semaphore.value == 1


def test_release_of_what_is_not_taken() -> None:
    semaphore = ResizableSemaphore(3)
    semaphore.acquire(2)
    with pytest.raises(ValueError, match="cannot release 3 permits of a ResizableSemaphore of which 2 are taken"):
        semaphore.release(3)
    assert semaphore.value == 1


def test_more_than_the_limit_is_refused() -> None:
    """Whether it would wait or not: it could never be had."""
    semaphore = ResizableSemaphore(3)
    for kwargs in ({}, {"blocking": False}, {"timeout": LIMIT}):
        with pytest.raises(ValueError, match="4 permits are more than the limit of this ResizableSemaphore, 3"):
            semaphore.acquire(4, **kwargs)
    assert semaphore.value == 3


def test_release_by_another_thread(puppet: Puppet) -> None:
    semaphore = ResizableSemaphore(2)
    semaphore.acquire(2)
    puppet.run(semaphore.release, 2)
    assert semaphore.value == 2


def test_a_timeout_takes_nothing() -> None:
    semaphore = ResizableSemaphore(2)
    semaphore.acquire()
    start = time.monotonic()
    assert semaphore.acquire(2, timeout=0.05) is False
    assert time.monotonic() - start >= 0.05
    assert semaphore.value == 1 and snapshot() == []


def test_order_of_arrival(puppets: Any) -> None:
    """A small request does not overtake a large one, and goes on when that one gives up."""
    semaphore = ResizableSemaphore(3)
    semaphore.acquire(2)
    first, second, third = puppets(3)
    large = first.start(semaphore.acquire, 3)
    waiting(semaphore)
    small = second.start(semaphore.acquire)
    waiting(semaphore, 2)
    assert semaphore.acquire(blocking=False) is False, "it overtook those who wait"
    semaphore.release()
    semaphore.release()
    assert large.result(LIMIT) is True and not small.done() and semaphore.value == 0
    semaphore.release(2)
    assert small.result(LIMIT) is True
    semaphore.acquire()
    refused = first.start(semaphore.acquire, 3, timeout=0.2)
    until(lambda: refused.done() or waiters(semaphore))
    semaphore.release()
    behind = third.start(semaphore.acquire)
    assert behind.result(LIMIT) is True  # after the one before it has given up, if it came before that
    assert refused.result(LIMIT) is False


def test_a_release_lets_several_in(puppets: Any) -> None:
    semaphore = ResizableSemaphore(6)
    semaphore.acquire(6)
    takes = []
    for count, (puppet, n) in enumerate(zip(puppets(4), (1, 2, 2, 2), strict=True), start=1):
        takes.append(puppet.start(semaphore.acquire, n))
        waiting(semaphore, count)
    semaphore.release(6)
    assert [take.result(LIMIT) for take in takes[:3]] == [True] * 3
    waiting(semaphore)
    assert semaphore.value == 1 and not takes[3].done()
    semaphore.release()
    assert takes[3].result(LIMIT) is True


# --- resizing -------------------------------------------------------------------------------------------------------


def test_resize_lets_waiters_in(puppet: Puppet) -> None:
    semaphore = ResizableSemaphore(1)
    semaphore.acquire()
    taken = puppet.start(semaphore.acquire)
    waiting(semaphore)
    assert semaphore.resize(2) is None
    assert taken.result(LIMIT) is True and semaphore.value == 0


def test_resize_takes_nothing_away() -> None:
    semaphore = ResizableSemaphore(4)
    semaphore.acquire(3)
    semaphore.resize(1)
    assert (semaphore.value, semaphore.limit) == (-2, 1)
    semaphore.release(2)
    assert semaphore.value == 0 and semaphore.acquire(blocking=False) is False
    semaphore.release()
    assert semaphore.acquire(blocking=False) is True


def test_resize_refuses_those_it_makes_impossible(puppets: Any) -> None:
    semaphore = ResizableSemaphore(5)
    semaphore.acquire(4)
    first, second, third = puppets(3)
    large = first.start(semaphore.acquire, 4)
    waiting(semaphore)
    small = second.start(semaphore.acquire, 2)
    waiting(semaphore, 2)
    another = third.start(semaphore.acquire, 5, timeout=LIMIT)
    waiting(semaphore, 3)
    semaphore.resize(3)
    for future, n in ((large, 4), (another, 5)):
        with pytest.raises(ValueError, match=f"less than the {n} permits that this call waited for"):
            future.result(LIMIT)
    waiting(semaphore)
    semaphore.release(3)
    assert small.result(LIMIT) is True and semaphore.value == 0


def test_pause(puppets: Any) -> None:
    """With a limit of 0 everybody waits, nobody is refused."""
    semaphore = ResizableSemaphore(0)
    takes = []
    for count, (puppet, n) in enumerate(zip(puppets(3), (2, 1, 9), strict=True), start=1):
        takes.append(puppet.start(semaphore.acquire, n))
        waiting(semaphore, count)
    assert semaphore.acquire(7, timeout=0) is False and semaphore.value == 0
    semaphore.resize(3)
    assert [take.result(LIMIT) for take in takes[:2]] == [True, True]
    with pytest.raises(ValueError):
        takes[2].result(LIMIT)
    assert semaphore.value == 0 and snapshot() == []


def test_nobody_comes_in_after_a_pause() -> None:
    """resize(0), then wait for value 0: nobody is inside, nor comes in."""
    semaphore, inside, stop = ResizableSemaphore(4), [0] * 3, threading.Event()

    def visit(me: int) -> None:
        while not stop.is_set():
            n = me + 1
            if semaphore.acquire(n, timeout=0.01):
                inside[me] += 1
                inside[me] -= 1
                semaphore.release(n)

    def pause() -> None:
        try:
            for _ in range(200):
                semaphore.resize(0)
                until(lambda: semaphore.value == 0, "everybody to leave")
                assert inside == [0, 0, 0]
                assert semaphore.value == 0, "somebody came in"
                semaphore.resize(4)
        finally:
            semaphore.resize(4)
            stop.set()

    exercise(lambda: visit(0), lambda: visit(1), lambda: visit(2), pause)
    assert semaphore.value == 4 and snapshot() == []


def test_init_again_is_a_resize(puppet: Puppet) -> None:
    semaphore = ResizableSemaphore(1)
    semaphore.acquire()
    taken = puppet.start(semaphore.acquire)
    waiting(semaphore)
    for wrong in ((), (-1,), ("x",), (1, 2)):
        with pytest.raises((TypeError, ValueError)):
            semaphore.__init__(*wrong)
    semaphore.__init__(2)
    assert taken.result(LIMIT) is True and (semaphore.value, semaphore.limit) == (0, 2)


def test_made_by_new_alone() -> None:
    semaphore = ResizableSemaphore.__new__(ResizableSemaphore)
    assert semaphore.acquire(timeout=0) and not semaphore.acquire(timeout=0)
    semaphore.release()


def test_a_number_whose_code_uses_the_semaphore() -> None:
    semaphore = ResizableSemaphore(2)

    class Meddling:
        def __index__(self) -> int:
            semaphore.resize(9)
            with semaphore:
                return 2

    assert semaphore.acquire(Meddling()) is True and (semaphore.value, semaphore.limit) == (7, 9)
    semaphore.resize(Meddling())
    assert (semaphore.value, semaphore.limit) == (0, 2)
    semaphore.release(Meddling())
    assert (semaphore.value, semaphore.limit) == (9, 9)


def test_counters(puppet: Puppet) -> None:
    """A refused wait is handed nothing."""
    semaphore = ResizableSemaphore(2)
    semaphore.acquire(2)
    before = stats()
    taken = puppet.start(semaphore.acquire, 2)
    waiting(semaphore)
    semaphore.resize(1)
    with pytest.raises(ValueError):
        taken.result(LIMIT)
    assert stats().parks == before.parks + 1 and stats().handoffs == before.handoffs
    assert not semaphore.acquire(timeout=0.001)
    assert stats().timeouts == before.timeouts + 1


def test_never_more_inside_than_the_limit() -> None:
    semaphore, slots = ResizableSemaphore(5), [0] * 6

    def visit(me: int) -> None:
        for turn in range(200):
            n = 1 + (me + turn) % 3
            assert semaphore.acquire(n)
            slots[me] = n
            assert sum(slots) <= 5
            slots[me] = 0
            semaphore.release(n)

    def change() -> None:
        for limit in [3, 5, 4] * 60:
            semaphore.resize(limit)
        semaphore.resize(5)

    exercise(*(lambda me=me: visit(me) for me in range(6)), change)
    assert semaphore.value == 5 and snapshot() == []


def test_a_signal_whose_handler_uses_the_semaphore() -> None:
    """It waits on for as many permits as before, whatever the handler has waited for meanwhile."""
    run_isolated(
        """
from ft_utils.synchronization import ResizableSemaphore
from support.blocking import Handler, send_until_counted
from support.threads import LIMIT, Puppet, waiting
semaphore, other, me = ResizableSemaphore(4), ResizableSemaphore(0), threading.get_ident()
semaphore.acquire(2)
handler = Handler(signal.SIGUSR1, action=lambda: (other.acquire(7, timeout=0.001), semaphore.acquire(1, timeout=0.001)
                                                  and semaphore.release()))
with Puppet() as friend:
    def watch():
        for count in range(3):
            waiting(semaphore)
            send_until_counted(handler, count, me)
        waiting(semaphore)
        semaphore.release()
    watched = friend.start(watch)
    assert semaphore.acquire(3) is True
    watched.result(LIMIT)
assert handler.count == 3 and semaphore.value == 0, semaphore
semaphore.release(4)
print("ok")
""",
        expect_out="ok",
    )


def test_fork_while_permits_are_handed_over() -> None:
    """Permits that a thread of the parent was given in its sleep are there in the child, as many as it was given."""
    run_isolated(
        """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
from ft_utils.synchronization import ResizableSemaphore
from support.forks import in_child
from support.threads import LIMIT, Puppet, until, waiting
semaphore = ResizableSemaphore(5)
semaphore.acquire(4)
def child():
    assert semaphore.value in (1, 2, 5), semaphore
    assert " waiters=0 " in repr(semaphore)
    assert not semaphore.acquire(5, timeout=0.01) or semaphore.release(5) is None
    semaphore.resize(9)
    assert semaphore.acquire(5, timeout=0.01)
    semaphore.resize(4)
    try:
        semaphore.acquire(5)
    except ValueError:
        pass
    with Puppet() as friend:
        semaphore.resize(0)
        taken = friend.start(semaphore.acquire, 4)
        until(lambda: " waiters=1 " in repr(semaphore))
        semaphore.resize(20)
        assert taken.result(LIMIT)
with Puppet() as friend:
    taken = friend.start(semaphore.acquire, 3)
    waiting(semaphore)
    in_child(child)
    semaphore.release(4)
    in_child(child)
    assert taken.result(LIMIT)
    in_child(child)
assert semaphore.value == 2
print("ok")
""",
        expect_out="ok",
    )


# --- a model --------------------------------------------------------------------------------------------------------

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
        self.semaphore.resize(MOST)
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
