"""The record of where threads wait: whose stack, which lock, how long, and what is left when it is over."""

import _thread
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ft_utils.synchronization as ft
from ft_utils import _recorder

from ..support.subjects import SHORT, SUBJECTS, Subject
from ..support.threads import LIMIT, Puppet, exercise, until, waiting

PuppetMaker = Callable[[int], list[Puppet]]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    if _recorder.running():
        _recorder.stop()


class Profile:
    """What stop() said, with the numbers resolved. It checks what the format promises."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.json = data
        self.frames, self.locks = self.json["frames"], self.json["locks"]
        self.samples = self.json["samples"]
        for sample in self.samples:
            assert sample["count"] == sum(sample["histogram"]) > 0
            assert 0 <= sample["max_ns"] <= sample["ns"]
            sample["lock"] = self.locks[sample["lock"]]
            sample["stack"] = [self.frames[number] for number in sample["stack"]]

    def of(self, lock: object = None, **wanted: str) -> list[dict[str, Any]]:
        """The samples of a lock, those of the most time first."""
        found = [
            s
            for s in self.samples
            if (lock is None or s["lock"]["id"] == id(lock)) and all(s[key] == value for key, value in wanted.items())
        ]
        return sorted(found, key=lambda s: -s["ns"])


def stop() -> Profile:
    return Profile(_recorder.stop())


def count(samples: list[dict[str, Any]]) -> int:
    return sum(s["count"] for s in samples)


def top(sample: dict[str, Any]) -> tuple[str, int]:
    """The innermost function and its line, counted from that of the def."""
    frame = sample["stack"][0]
    return frame["function"], frame["line"] - frame["first_line"]


def wait_once(puppet: Puppet, take: Callable[[], Any], give: Callable[[], Any], lock: object) -> None:
    """A puppet waits for a lock that the caller holds, who then lets go; the caller has it again at the end."""
    got = puppet.start(take)
    waiting(lock)
    give()
    got.result(LIMIT)


EXCLUSIVE: dict[str, Callable[[], Any]] = {
    "IntervalLock": ft.IntervalLock,
    "strict": lambda: ft.IntervalLock(0),
    "Lock": ft.Lock,
    "RLock": ft.RLock,
}


@pytest.mark.parametrize("make", EXCLUSIVE.values(), ids=EXCLUSIVE)
def test_waiter_and_holder_of_an_exclusive_lock(make: Callable[[], Any], puppet: Puppet) -> None:
    lock = make()

    def take() -> None:
        lock.acquire()
        lock.release()

    _recorder.start()
    lock.acquire()
    got = puppet.start(take)
    waiting(lock)
    time.sleep(0.02)  # the time that is to be found again

    def let_go() -> None:
        lock.release()

    let_go()
    got.result(LIMIT)
    profile = stop()
    (waiter,) = profile.of(lock, role="waiter")
    (holder,) = profile.of(lock, role="holder")
    assert waiter["side"] == holder["side"] == "exclusive"
    assert waiter["count"] == 1 and waiter["ns"] == waiter["max_ns"] >= 20_000_000
    assert waiter["thread"] == "puppet-0" and holder["thread"] == threading.current_thread().name
    assert top(waiter)[0].endswith("take") and top(waiter)[1] == 1
    assert top(holder)[0].endswith("let_go") and top(holder)[1] == 1
    assert 19_000_000 <= holder["ns"] <= waiter["ns"] * 1.5
    assert waiter["lock"] == {"id": id(lock), "kind": type(lock).__name__, "name": f"{id(lock):#x}"}
    assert [frame["function"] for frame in waiter["stack"]][-2:] == ["Thread._bootstrap_inner", "Thread._bootstrap"]


@pytest.mark.parametrize("make", [ft.IntervalLock, ft.Lock, ft.RLock])
def test_the_hot_line_of_two_threads_is_on_top(make: Callable[[], Any]) -> None:
    lock = make()

    def hot() -> None:
        lock.acquire()
        sum(range(3000))
        lock.release()

    def cold() -> None:
        lock.acquire()
        lock.release()

    # So many waits that a few of them, long because the machine is busy, do not decide.
    enough = ft.stats().contended + 100

    def body() -> None:
        while ft.stats().contended < enough:
            for _ in range(100):
                hot()
            cold()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)  # with the GIL a thread that holds the lock is seldom interrupted otherwise
    try:
        _recorder.start()
        exercise(body, body)
    finally:
        sys.setswitchinterval(interval)
    profile = stop()
    (waiter, *_), (holder, *_) = profile.of(lock, role="waiter"), profile.of(lock, role="holder")
    assert top(waiter)[0].endswith("hot") and top(waiter)[1] == 1
    assert top(holder)[0].endswith("hot") and top(holder)[1] == 3
    waited = sum(s["ns"] for s in profile.of(lock, role="waiter"))
    charged = sum(s["ns"] for s in profile.of(lock, role="holder"))
    assert 0 < charged <= waited * 1.1
    assert len({s["thread"] for s in profile.of(lock, role="waiter")}) == 2


def test_sides_of_a_reader_writer_lock(puppets: PuppetMaker) -> None:
    lock = ft.ReaderWriterLock()
    first, second = puppets(2)
    _recorder.start()
    lock.lock_write()
    wait_once(first, lock.lock_read, lock.unlock_write, lock)
    wait_once(second, lock.lock_write, lambda: first.run(lock.unlock_read), lock)
    second.run(lock.unlock_write)
    profile = stop()
    assert count(profile.of(lock, role="waiter", side="read")) == 1
    assert count(profile.of(lock, role="waiter", side="write")) == 1
    assert profile.of(lock, role="holder", side="write")[0]["thread"] == threading.current_thread().name
    assert profile.of(lock, role="holder", side="read")[0]["thread"] == "puppet-0"
    assert {s["lock"]["kind"] for s in profile.samples} == {"ReaderWriterLock"}


def test_the_class_that_a_keyed_lock_was_made_as(puppet: Puppet) -> None:
    """A profile tells the locks of the keys by it, whatever __class__ is by then; it lives as long as the KeyedLock."""
    first, second = (type(name, (ft.KeyedLock,), {}) for name in ("First", "Second"))
    keyed, alive = first(), weakref.ref(first)
    keyed.acquire("a")
    keyed.__class__ = second
    del first
    gc.collect()
    assert alive() is not None
    _recorder.start()
    waits = puppet.start(keyed.acquire, "a")
    until(ft.snapshot)
    keyed.release("a")
    waits.result(LIMIT)
    puppet.run(keyed.release, "a")
    assert {s["lock"]["kind"] for s in stop().samples} == {"First"}
    del keyed, waits
    gc.collect()
    if sys._is_gil_enabled():  # 3.13t keeps every class once there have been threads
        assert alive() is None


def test_upgrades(puppets: PuppetMaker) -> None:
    """An upgrade is a wait to write. One that wants to read upgradably waits for the same object."""
    lock = ft.ReaderWriterLock()
    reader, upgrader, wants = puppets(3)
    _recorder.start()
    reader.run(lock.lock_read)
    upgrader.run(lock.lock_upgradable)
    calls = [upgrader.start(lock.upgrade), wants.start(lock.lock_upgradable)]
    waiting(lock, 2)
    reader.run(lock.unlock_read)
    calls[0].result(LIMIT)
    upgrader.run(lock.unlock_write)
    calls[1].result(LIMIT)
    wants.run(lock.unlock_upgradable)
    profile = stop()
    assert count(profile.of(lock, role="waiter", side="write")) == 1
    assert count(profile.of(lock, role="waiter", side="read")) == 1
    assert {sample["lock"]["kind"] for sample in profile.samples} == {"ReaderWriterLock"}


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_what_a_wait_for_each_of_them_is(subject: Subject, puppet: Puppet) -> None:
    """Contention for a lock, and on which side, or the wait of something that is waited for on purpose."""
    target = subject.make()
    thing = subject.queue(target)
    with subject.obstructed(target, puppet):
        _recorder.start()
        assert not subject.wait(target, SHORT)
        profile = stop()
    (sample,) = profile.of(thing, role="waiter")
    assert sample["lock"]["kind"] == type(thing).__name__
    locks = {"IntervalLock": "exclusive", "Lock": "exclusive", "RLock": "exclusive"}
    sides = {"ReaderWriterLock": {"read", "write"}}
    assert sample["side"] in sides.get(type(thing).__name__, {locks.get(type(thing).__name__, "wait")})
    assert sample["count"] == 1 and sample["thread"] == threading.current_thread().name


def test_a_context_is_its_lock(puppet: Puppet) -> None:
    lock = ft.ReaderWriterLock()
    reading, writing = ft.RWReadContext(lock), ft.RWWriteContext(lock)
    _recorder.start()
    with writing:
        assert puppet.run(reading.acquire, True, 0.001) is False
    (sample,) = stop().of(role="waiter")
    assert (sample["lock"]["id"], sample["lock"]["kind"], sample["side"]) == (id(lock), "ReaderWriterLock", "read")


@pytest.mark.parametrize("make", [ft.Lock, ft.RLock, ft.IntervalLock])
def test_a_notified_thread_waits_for_the_lock_from_then_on(make: Callable[[], Any], puppet: Puppet) -> None:
    """notify() moves it into the queue of the lock; its first wait ends there, and the other begins."""
    lock = make()
    condition = ft.Condition(lock)

    def wait_for_notification() -> None:
        with condition:
            condition.wait()

    _recorder.start()
    got = puppet.start(wait_for_notification)
    waiting(condition)
    with condition:
        condition.notify()
        time.sleep(0.05)  # what the lock is held for, to be found again
    got.result(LIMIT)
    profile = stop()
    (first,), (second,) = profile.of(condition), profile.of(lock, role="waiter")
    assert (first["side"], second["side"]) == ("wait", "exclusive")
    assert second["ns"] >= 45_000_000
    assert top(first)[0].endswith("wait_for_notification") and first["stack"] == second["stack"]
    (holder,) = profile.of(lock, role="holder")
    assert holder["thread"] == threading.current_thread().name and holder["ns"] >= 45_000_000


def test_a_condition_over_another_kind_of_lock(puppet: Puppet) -> None:
    condition = ft.Condition(threading.Lock())

    def wait_for_notification() -> None:
        with condition:
            condition.wait()

    def notify() -> None:
        with condition:
            condition.notify()

    _recorder.start()
    wait_once(puppet, wait_for_notification, notify, condition)
    assert [(s["lock"]["id"], s["side"]) for s in stop().samples] == [(id(condition), "wait")]


def test_a_wait_that_cannot_begin_is_none() -> None:
    """The lock of the condition is not held, the barrier is broken, the party is the last one."""
    condition, barrier = ft.Condition(), ft.Barrier(1)
    _recorder.start()
    with pytest.raises(RuntimeError):
        condition.wait()
    assert barrier.wait() == 0
    barrier.abort()
    with pytest.raises(ft.BrokenBarrierError):
        barrier.wait()
    assert not stop().samples


def test_cede_charges_the_holder_and_makes_it_wait(puppet: Puppet) -> None:
    lock = ft.IntervalLock()

    def take() -> None:
        lock.lock()
        waiting(lock)
        lock.unlock()

    _recorder.start()
    lock.lock()
    got = puppet.start(take)
    waiting(lock)
    lock.cede()
    got.result(LIMIT)
    lock.unlock()
    profile = stop()
    me = threading.current_thread().name
    assert count(profile.of(lock, role="holder", thread=me)) == count(profile.of(lock, role="waiter", thread=me)) == 1


def test_what_a_lock_is_called(puppet: Puppet) -> None:
    """By its name; without one by the line that made it, if it was made while something was recorded."""
    before, named = ft.IntervalLock(), ft.RLock(name="the till")
    _recorder.start()
    after, given = ft.IntervalLock(), ft.ReaderWriterLock(name="prices")
    line = sys._getframe().f_lineno - 1
    for lock in before, named, after, ft.RWWriteContext(given):
        with lock:
            assert puppet.run(lock.acquire, True, 0.0001) is False
    profile = stop()
    later = ft.IntervalLock()
    with later:
        _recorder.start()
        assert puppet.run(later.acquire, True, 0.0001) is False
    called = {lock["id"]: lock["name"] for lock in profile.locks + stop().locks}
    assert called == {
        id(before): f"{id(before):#x}",
        id(named): "the till",
        id(after): f"test_recorder.py:{line}",
        id(given): "prices",
        id(later): f"{id(later):#x}",
    }


def test_names_of_any_characters_and_length(puppet: Puppet) -> None:
    kind = type("Schloß" * 20, (ft.IntervalLock,), {})
    lock = kind(name="\U0001f512" * 100)
    lock.lock()
    name = "x" + "Fäden" * 30
    _recorder.start()
    for name_of_one in name, "\udc80":
        thread = threading.Thread(target=lambda: lock.acquire(timeout=0.001), name=name_of_one)
        thread.start()
        thread.join(LIMIT)
    profile = stop()
    first, second = sorted(profile.of(lock), key=lambda s: -len(s["thread"]))
    assert len(first["thread"]) > 50 and name.startswith(first["thread"])
    assert second["thread"] == ""  # it is no text, and the thread has ended
    assert kind.__name__.startswith(first["lock"]["kind"]) and len(first["lock"]["kind"]) > 50
    assert lock.name.startswith(first["lock"]["name"]) and len(first["lock"]["name"]) > 25


class Sub(ft.BoundedSemaphore):
    pass


def test_waits_that_are_no_contention_stand_apart(puppet: Puppet) -> None:
    event, semaphore, barrier, condition = ft.Event(), Sub(1), ft.Barrier(2), ft.Condition(ft.Lock())
    semaphore.acquire()

    def wait_for_notification() -> None:
        with condition:
            condition.wait()

    def notify() -> None:
        with condition:
            condition.notify()

    _recorder.start()
    wait_once(puppet, event.wait, event.set, event)
    wait_once(puppet, semaphore.acquire, semaphore.release, semaphore)
    wait_once(puppet, barrier.wait, barrier.wait, barrier)
    wait_once(puppet, wait_for_notification, notify, condition)
    profile = stop()
    for thing, kind in (event, "Event"), (semaphore, "Sub"), (barrier, "Barrier"), (condition, "Condition"):
        (sample,) = profile.of(thing)
        assert (sample["role"], sample["side"], sample["count"]) == ("waiter", "wait", 1)
        assert sample["lock"]["kind"] == kind and sample["thread"] == "puppet-0"


def test_a_lock_at_the_address_of_another_is_another_lock(puppet: Puppet) -> None:
    _recorder.start()
    addresses = []
    for _ in range(20):
        lock = ft.IntervalLock()
        addresses.append(id(lock))
        lock.lock()
        got = puppet.start(lock.acquire, True, 0.001)
        assert got.result(LIMIT) is False
        del lock, got
    profile = stop()
    assert len(profile.locks) == 20
    assert sorted(lock["id"] for lock in profile.locks) == sorted(addresses)


def test_a_wait_that_goes_on_has_lasted_until_the_end(puppet: Puppet) -> None:
    lock = ft.IntervalLock()
    lock.lock()
    _recorder.start()
    got = puppet.start(lock.lock)
    waiting(lock)
    time.sleep(0.01)  # what is to be found again
    (sample,) = stop().of(lock, role="waiter")
    assert sample["count"] == 1 and sample["ns"] >= 10_000_000
    _recorder.start()
    lock.unlock()
    got.result(LIMIT)
    assert not stop().of(lock, role="waiter")
    puppet.run(lock.unlock)


def nested(depth: int, body: Callable[[], Any]) -> Any:
    return body() if depth == 0 else nested(depth - 1, body)


def test_memory_is_bounded_and_what_is_dropped_is_counted(puppet: Puppet, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = ft.IntervalLock()
    lock.lock()
    monkeypatch.setattr(_recorder, "ROOM", 8)
    _recorder.start()
    waits = 30
    for depth in range(waits):
        puppet.run(nested, depth, lambda: lock.acquire(timeout=0.0001))
    profile = stop()
    dropped = profile.json["dropped"]
    assert len(profile.samples) <= 8 and dropped["stacks"] + dropped["samples"] > 0
    assert count(profile.samples) + dropped["samples"] == waits
    assert count([s for s in profile.samples if not s["stack"]]) == dropped["stacks"]


def test_the_outermost_of_very_many_frames_are_cut_off(puppet: Puppet) -> None:
    lock = ft.IntervalLock()
    lock.lock()
    _recorder.start()
    puppet.run(nested, 300, lambda: lock.acquire(timeout=0.001))
    (sample,) = stop().samples
    assert len(sample["stack"]) == 128 and sample["stack"][5]["function"] == "nested"


def test_rate(puppet: Puppet) -> None:
    lock = ft.IntervalLock()
    lock.lock()
    _recorder.start(rate=4)
    waits = 400

    def try_often() -> None:
        for _ in range(waits):
            lock.acquire(timeout=0.00001)

    puppet.run(try_often)
    profile = stop()
    assert profile.json["rate"] == 4
    assert waits / 8 < count(profile.samples) < waits / 2  # 8 standard deviations off


def test_minimum(puppet: Puppet) -> None:
    lock = ft.IntervalLock()
    lock.lock()
    _recorder.start(minimum=0.05)
    puppet.run(lock.acquire, False)
    short = puppet.start(lock.acquire, True, 0.001)
    short.result(LIMIT)
    puppet.run(lock.acquire, True, 0.06)
    profile = stop()
    assert profile.json["minimum_ns"] == 50_000_000
    assert all(s["max_ns"] >= 50_000_000 for s in profile.samples) and count(profile.samples) >= 1


def test_a_second_start_changes_nothing() -> None:
    _recorder.start(rate=3)
    with pytest.raises(RuntimeError, match="being recorded already"):
        _recorder.start(rate=5)
    assert _recorder.running()
    assert stop().json["rate"] == 3
    assert not _recorder.running()


def test_stack_where_there_is_no_python_but_the_wait() -> None:
    """A thread that begins in C has no frame, and that is no dropped stack."""
    lock = ft.IntervalLock()
    lock.lock()
    before = ft.stats().timeouts
    _recorder.start()
    _thread.start_new_thread(lock.acquire, (True, 0.001))
    until(lambda: ft.stats().timeouts > before, "the end of the time")
    profile = stop()
    assert profile.json["dropped"] == {"stacks": 0, "samples": 0}
    assert [s["stack"] for s in profile.of(lock)] == [[]]
