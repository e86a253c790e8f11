"""The record of where threads wait: whose stack, which lock, how long, and what is left when it is over."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ft_utils.synchronization as ft
from ft_utils import _locks, _recorder

from .support.process import run_isolated
from .support.threads import LIMIT, Puppet, exercise, until, waiters, waiting

PuppetMaker = Callable[[int], list[Puppet]]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    if _recorder.running():
        _recorder.stop()


class Profile:
    """What stop() said, with the numbers resolved. It checks what the format promises."""

    def __init__(self, text: str) -> None:
        self.json = json.loads(text)
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

    def body() -> None:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            for _ in range(20):
                hot()
            cold()

    _recorder.start()
    exercise(body, body)
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


def test_names_of_any_characters_and_length(puppet: Puppet) -> None:
    kind = type("Schloß" * 20, (ft.IntervalLock,), {})
    lock = kind()
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


def test_code_is_freed_when_the_recording_is_over() -> None:
    """In a process of one thread, which waits for its own Lock: 3.13t never frees code once there was a second."""
    run_isolated(
        """
        import gc, weakref
        from ft_utils import _recorder
        from ft_utils.synchronization import Lock
        lock = Lock()
        lock.acquire()
        def make():
            namespace = {"lock": lock}
            exec("def passing():\\n    lock.acquire(timeout=0.001)\\n", namespace)
            return namespace["passing"]
        for records in False, True:
            function = make()
            code = weakref.ref(function.__code__)
            if records: _recorder.start()
            function()
            del function
            gc.collect()
            assert (code() is not None) == records  # its line could not be told otherwise
            if records: assert '"passing"' in _recorder.stop()
            gc.collect()
            assert code() is None
        """
    )


def test_misuse_changes_nothing() -> None:
    with pytest.raises(RuntimeError, match="not being recorded; start"):
        _recorder.stop()
    for bad in "1", 1.0, None, True:
        with pytest.raises(TypeError, match="rate must be a whole number"):
            _recorder.start(rate=bad)  # type: ignore[arg-type]
    for bad in 0, -1, 2**32:
        with pytest.raises(ValueError, match="rate must be from 1"):
            _recorder.start(rate=bad)
    for bad in "1", None, False:
        with pytest.raises(TypeError, match="minimum must be a number"):
            _recorder.start(minimum=bad)  # type: ignore[arg-type]
    for bad in -0.1, float("nan"), float("inf"):
        with pytest.raises(ValueError, match="minimum must be from 0"):
            _recorder.start(minimum=bad)
    assert not _recorder.running()
    _recorder.start(rate=3)
    with pytest.raises(RuntimeError, match="being recorded already"):
        _recorder.start(rate=5)
    assert _recorder.running()
    assert stop().json["rate"] == 3
    assert not _recorder.running()


def test_start_and_stop_while_threads_hammer() -> None:
    locks = [ft.IntervalLock(), ft.Lock(), ft.IntervalLock(0)]
    rw, condition = ft.ReaderWriterLock(), ft.Condition(ft.RLock())
    over = threading.Event()

    def hammer() -> None:
        while not over.is_set():
            for lock in locks:
                with lock:
                    pass
            rw.lock_read()
            rw.unlock_read()
            rw.lock_write()
            rw.unlock_write()
            ft.IntervalLock().lock()
            with condition:
                condition.wait(0.0001)
                condition.notify_all()

    def toggle() -> int:
        seen = 0
        end = time.monotonic() + 2
        while time.monotonic() < end or seen == 0:
            _recorder.start()
            time.sleep(0.005)  # some of the hammering is recorded
            seen += count(stop().samples)
        over.set()
        return seen

    results = exercise(toggle, hammer, hammer, hammer, hammer, limit=2 * LIMIT)
    assert results[0] > 0


def test_two_stop_at_once() -> None:
    """One of them has it, the others are told that there is none."""

    def try_stop() -> bool:
        try:
            _recorder.stop()
        except RuntimeError:
            return False
        return True

    for _ in range(20):
        _recorder.start()
        assert sum(exercise(try_stop, try_stop, try_stop)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_record() -> None:
    run_isolated(
        """
        from ft_utils import _recorder
        lock = IntervalLock()
        lock.lock()
        t = threading.Thread(target=lambda: lock.lock(), daemon=True)
        _recorder.start()
        t.start()
        while not snapshot(): time.sleep(0.001)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                assert not _recorder.running()
                try:
                    _recorder.stop()
                except RuntimeError:
                    code = 2
                other = IntervalLock()
                other.lock()
                _recorder.start()  # one of its own
                t = threading.Thread(target=lambda: other.acquire(timeout=0.01), name="own")
                t.start()
                t.join()
                assert '"own"' in _recorder.stop()
                code = 3
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        assert _recorder.running()
        assert '"count": 1' in _recorder.stop()
        lock.unlock()
        t.join()
        """,
        options=("-W", "ignore::DeprecationWarning"),
    )


def test_a_fork_in_a_handler_while_the_wait_is_recorded() -> None:
    run_isolated(
        """
        from ft_utils import _recorder
        lock = IntervalLock()
        children = []
        def handler(*_):
            child = os.fork()
            if child == 0:
                _recorder.start()
                try:
                    lock.acquire(timeout=0.001)
                finally:
                    ok = '"samples": [' in _recorder.stop()
                    os._exit(0 if ok else 1)
            children.append(child)
        signal.signal(signal.SIGUSR1, handler)
        held, go = threading.Event(), threading.Event()
        def hold():
            with lock:
                held.set()
                go.wait(20)
        t = threading.Thread(target=hold)
        t.start()
        held.wait()
        _recorder.start()
        def kick():
            while not any(w.lock == id(lock) for w in snapshot()): time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGUSR1)
            while not children: time.sleep(0.001)
            go.set()
        k = threading.Thread(target=kick)
        k.start()
        lock.lock()
        k.join(); t.join()
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
        assert '"waiter"' in _recorder.stop()
        """,
        options=("-W", "ignore::DeprecationWarning"),
    )


def test_handlers_that_wait_during_a_recorded_wait() -> None:
    """The waits of the handler and of the interrupted code are both recorded, and stop() in a handler does no harm."""
    run_isolated(
        """
        import json
        from ft_utils import _recorder
        outer, inner = IntervalLock(), IntervalLock()
        heard, profiles = [], []
        def handler(*_):
            heard.append(inner.acquire(timeout=0.01))
            if len(heard) == 3:
                profiles.append(_recorder.stop())
        signal.signal(signal.SIGUSR1, handler)
        held, go = threading.Event(), threading.Event()
        def hold():
            with outer, inner:
                held.set()
                go.wait(20)
        t = threading.Thread(target=hold)
        t.start()
        held.wait()
        _recorder.start()
        def kick():
            for n in 1, 2, 3:
                while not any(w.lock == id(outer) for w in snapshot()): time.sleep(0.001)
                os.kill(os.getpid(), signal.SIGUSR1)
                while len(heard) < n: time.sleep(0.001)
            go.set()
        k = threading.Thread(target=kick)
        k.start()
        outer.lock()
        k.join(); t.join()
        profile = json.loads(profiles[0])
        by_lock = {profile["locks"][s["lock"]]["id"]: s["count"] for s in profile["samples"] if s["role"] == "waiter"}
        assert by_lock == {id(outer): 1, id(inner): 3}, (by_lock, profile)
        """
    )


def test_an_exception_from_a_handler_ends_the_record_of_its_wait() -> None:
    run_isolated(
        """
        import json
        from ft_utils import _recorder
        lock = IntervalLock()
        held = threading.Event()
        def hold():
            with lock:
                held.set()
                while not any(w.lock == id(lock) for w in snapshot()): time.sleep(0.001)
                os.kill(os.getpid(), signal.SIGINT)
                over.wait(20)
        over = threading.Event()
        t = threading.Thread(target=hold)
        t.start()
        held.wait()
        _recorder.start()
        try:
            lock.lock()
        except KeyboardInterrupt:
            pass
        over.set()
        t.join()
        samples = json.loads(_recorder.stop())["samples"]
        assert [s["count"] for s in samples if s["role"] == "waiter"] == [1]
        """
    )


def test_stack_where_there_is_no_python_but_the_wait() -> None:
    """A thread that begins in C: its only frame is none, and that is no dropped stack."""
    lock = ft.IntervalLock()
    lock.lock()
    _recorder.start()
    import _thread

    _thread.start_new_thread(lock.acquire, (True, 0.001))
    until(lambda: _locks.recording() and not waiters(lock))
    time.sleep(0.05)  # it has waited its millisecond; nothing tells when
    profile = stop()
    assert profile.json["dropped"] == {"stacks": 0, "samples": 0}
    assert [s["stack"] for s in profile.of(lock)] in ([[]], [])


def test_waiters_before_go_or_without_it_are_recorded() -> None:
    run_isolated(
        """
        import json
        from ft_utils import _recorder, _locks
        assert not _recorder.running() and not _locks.go_loaded()
        _recorder.start()
        lock = IntervalLock()
        lock.lock()
        t = threading.Thread(target=lock.acquire, args=(True, 0.001))
        t.start(); t.join()
        (sample,) = json.loads(_recorder.stop())["samples"]
        assert sample["count"] == 1
        """
    )


def test_each_interpreter_records_its_own_code() -> None:
    """Another one is told so; what an interpreter has not stopped when it ends is dropped."""
    run_isolated(
        """
        import _interpreters
        from ft_utils import _recorder
        def refused(function, *args):
            try:
                function(*args)
            except RuntimeError as error:
                return str(error)
        def run(code):
            failed = _interpreters.run_string(other, code)
            assert failed is None, failed
        other = _interpreters.create()
        run("from ft_utils import _recorder; _recorder.start()")
        assert _recorder.running()
        assert "already" in refused(_recorder.start)
        assert "another interpreter" in refused(_recorder.stop)
        lock = IntervalLock()
        lock.lock()
        t = threading.Thread(target=lock.acquire, args=(True, 0.001))
        t.start(); t.join()
        run("import json; assert not json.loads(_recorder.stop())['samples']; _recorder.start()")
        _interpreters.destroy(other)
        assert not _recorder.running()
        _recorder.start()
        _recorder.stop()
        """
    )


def test_nothing_is_kept_running_at_exit() -> None:
    """The interpreter ends while a recording goes on and a daemon thread waits."""
    run_isolated(
        """
        from ft_utils import _recorder
        lock = IntervalLock()
        lock.lock()
        _recorder.start()
        threading.Thread(target=lock.lock, daemon=True).start()
        while not snapshot(): time.sleep(0.001)
        """
    )


def test_signal_module_is_untouched() -> None:
    before = signal.getsignal(signal.SIGINT)
    _recorder.start()
    stop()
    assert signal.getsignal(signal.SIGINT) is before
