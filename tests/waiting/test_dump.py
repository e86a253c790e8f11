"""Dumps of who waits for what: asked for in Python, and by a signal while nothing in Python can run."""

import io
import json
import signal
from typing import Any

import pytest

import ft_utils.synchronization as ft
from ft_utils.contention import dump, locks_waited_for, register, unregister

from ..support.process import run_isolated
from ..support.threads import LIMIT, until, waiting


def hold_and_wait(a: Any, b: Any, lock: ft.IntervalLock) -> Any:
    a.run(lock.lock)
    waits = b.start(lock.lock)
    waiting(lock)
    return waits


def free(a: Any, b: Any, lock: ft.IntervalLock, waits: Any) -> None:
    a.run(lock.unlock)
    waits.result(LIMIT)
    b.run(lock.unlock)


def test_nobody_waits() -> None:
    out = io.StringIO()
    dump(out)
    assert out.getvalue() == "ft_utils: no thread waits for a lock\n"
    assert locks_waited_for() == []


def test_text(puppets: Any) -> None:
    a, b = puppets(2)
    lock = ft.IntervalLock()
    waits = hold_and_wait(a, b, lock)
    out = io.StringIO()
    dump(out)
    text = out.getvalue()
    assert f"IntervalLock at {id(lock):#x}, held by thread {a.ident:#x} 'puppet-0' (running):" in text
    assert f"thread {b.ident:#x} 'puppet-1' (native " in text
    assert 'threads.py", line ' in text and "in fulfil" in text
    free(a, b, lock, waits)


def test_json(puppets: Any) -> None:
    a, b = puppets(2)
    lock = ft.IntervalLock()
    waits = hold_and_wait(a, b, lock)
    out = io.StringIO()
    dump(out, format="json")
    (found,) = json.loads(out.getvalue())
    assert (found["lock"], found["kind"], found["name"]) == (id(lock), "IntervalLock", None)
    assert found["holders"] == [{"thread": a.ident, "name": "puppet-0", "state": "running"}]
    (waiter,) = found["waiters"]
    assert (waiter["thread"], waiter["name"], waiter["side"]) == (b.ident, "puppet-1", None)
    assert waiter["waited"] >= 0 and any("in fulfil" in line for line in waiter["stack"])
    free(a, b, lock, waits)


NAMED = [("accounts", "accounts"), ("B\N{LATIN SMALL LETTER U WITH DIAERESIS}cher", None), ("x" * 200, "x" * 127)]
NAMED += [("\N{SNAKE}" * 50, "\N{SNAKE}" * 31), ("two\nlines\x7f\0", "two?lines??"), ("\ud800!", "?!"), ("", "")]


@pytest.mark.parametrize(("name", "shown"), NAMED, ids=lambda value: repr(value)[:12])
def test_names(name: str, shown: str | None, puppets: Any) -> None:
    """What is long is cut between two characters; what would break a line or cannot be encoded is a question mark."""
    a, b = puppets(2)
    lock = ft.IntervalLock(name=name)
    waits = hold_and_wait(a, b, lock)
    shown = name if shown is None else shown
    (found,) = locks_waited_for()
    assert found["name"] == shown
    out = io.StringIO()
    dump(out)
    assert out.getvalue().startswith(f"IntervalLock {chr(39)}{shown}{chr(39)} at {id(lock):#x}, held by thread")
    free(a, b, lock, waits)


@pytest.mark.parametrize("make", [ft.Lock, ft.RLock, ft.IntervalLock])
def test_notified_threads_wait_for_the_lock(make: Any, puppets: Any) -> None:
    """They have been moved into its queue, asleep."""
    a, b = puppets(2)
    lock = make(name="store")
    condition = ft.Condition(lock, name="jobs")

    def wait() -> None:
        with condition:
            condition.wait()

    waits = a.start(wait)
    until(lambda: len(locks_waited_for()) == 1, "a thread that waits")
    (found,) = locks_waited_for()
    assert (found["kind"], found["name"], found["holders"]) == ("Condition", "jobs", [])
    b.run(condition.acquire)
    b.run(condition.notify)
    (found,) = locks_waited_for()
    assert (found["kind"], found["name"], found["lock"]) == (make.__name__, "store", id(lock))
    assert [holder["thread"] for holder in found["holders"]] == [b.ident]
    b.run(condition.release)
    waits.result(LIMIT)


def test_readers_and_order(puppets: Any) -> None:
    a, b, c, d = puppets(4)
    rw = ft.ReaderWriterLock()
    a.run(rw.lock_read)
    b.run(rw.lock_read)
    first = c.start(rw.lock_write)
    waiting(rw, 1)
    second = d.start(rw.lock_write)
    waiting(rw, 2)
    (found,) = locks_waited_for()
    assert {holder["thread"] for holder in found["holders"]} == {a.ident, b.ident}
    assert [waiter["thread"] for waiter in found["waiters"]] == [c.ident, d.ident]
    assert {waiter["side"] for waiter in found["waiters"]} == {"write"}
    a.run(rw.unlock_read)
    b.run(rw.unlock_read)
    first.result(LIMIT)
    c.run(rw.unlock_write)
    second.result(LIMIT)
    d.run(rw.unlock_write)


def test_a_holder_that_waits_itself(puppets: Any) -> None:
    a, b, c = puppets(3)
    one, two = ft.IntervalLock(), ft.IntervalLock()
    a.run(one.lock)
    b.run(two.lock)
    waits_a = a.start(two.acquire, timeout=LIMIT)
    waiting(two)
    waits_c = c.start(one.lock)
    waiting(one)
    found = {lock["lock"]: lock for lock in locks_waited_for()}
    assert found[id(one)]["holders"] == [{"thread": a.ident, "name": "puppet-0", "state": "waiting"}]
    assert found[id(two)]["holders"][0]["state"] == "running"
    b.run(two.unlock)
    waits_a.result(LIMIT)
    a.run(two.unlock)
    a.run(one.unlock)
    waits_c.result(LIMIT)
    c.run(one.unlock)


def test_a_holder_that_has_ended() -> None:
    run_isolated(
        """
        from ft_utils.contention import locks_waited_for
        from support.threads import Puppet, waiting
        lock = IntervalLock()
        thread = threading.Thread(target=lock.lock)
        thread.start(), thread.join()
        waiter = Puppet("waiter")
        waiter.start(lock.lock)
        waiting(lock)
        (found,) = locks_waited_for()
        print(found["holders"])
        """,
        expect_out="[{'thread': 0, 'name': None, 'state': 'ended'}]",
    )


EVERY_TYPE = ["Lock()", "RLock()", "Semaphore(0)", "BoundedSemaphore(1)", "Event()", "Condition()", "Barrier(2)"]


@pytest.mark.parametrize("kind", EVERY_TYPE)
def test_every_type(kind: str, puppets: Any) -> None:
    a, b = puppets(2)
    lock = eval("ft." + kind)
    name = kind.partition("(")[0]
    if name in ("Lock", "RLock", "BoundedSemaphore"):
        a.run(lock.acquire)
    enter = getattr(lock, "acquire", None) if name not in ("Condition",) else None

    def wait() -> None:
        if name == "Condition":
            with lock:
                lock.wait()
        elif enter is not None:
            lock.acquire()
            lock.release()
        else:
            lock.wait()

    waits = b.start(wait)
    waiting(lock)
    until(locks_waited_for)  # a Condition and a Barrier queue a thread before they announce it
    (found,) = locks_waited_for()
    assert found["kind"] == name and found["lock"] == id(lock)
    if name in ("Lock", "RLock"):
        assert found["holders"][0]["thread"] == a.ident
        a.run(lock.release)
    elif name in ("Semaphore", "BoundedSemaphore"):
        lock.release()
    elif name == "Event":
        lock.set()
    elif name == "Condition":
        with lock:
            lock.notify()
    else:
        lock.wait(LIMIT)
    waits.result(LIMIT)


def test_dumps_beside_threads_that_come_and_go() -> None:
    """Frames are read while their threads wake up and sleep again: nothing breaks."""
    run_isolated(
        """
        from ft_utils.contention import locks_waited_for
        from ft_utils.synchronization import Condition, Lock
        from support.threads import exercise
        locks = [IntervalLock(0), Lock(), ReaderWriterLock()]
        stop = []
        def hammer(deep):
            if deep:
                return hammer(deep - 1)
            while not stop:
                with locks[0]:
                    pass
                with locks[1]:
                    pass
                with RWWriteContext(locks[2]):
                    pass
        def look():
            for _ in range(300):
                for lock in locks_waited_for():
                    for waiter in lock["waiters"]:
                        assert all(line.startswith("File ") for line in waiter["stack"]), waiter
            stop.append(True)
        exercise(look, *[lambda deep=deep: hammer(deep) for deep in range(4)])
        print("ok")
        """,
        expect_out="ok",
    )


def test_by_a_signal_while_every_thread_is_stuck() -> None:
    """The main thread holds the GIL in C, or just stays in C, and the others wait for locks."""
    outcome = run_isolated(
        """
        import ctypes
        from ft_utils.contention import register
        from support.threads import Puppet, waiting
        a, b = IntervalLock(name="accounts"), IntervalLock()
        one, two = Puppet("one"), Puppet("two")
        one.run(a.lock)
        two.start(a.lock)
        waiting(a)
        register(signal.SIGUSR1)
        libc = ctypes.PyDLL(None)  # its calls keep the GIL
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        libc.usleep(500000)
        libc.usleep(500000)
        os._exit(0)
        """,
        expect_err="IntervalLock 'accounts' at 0x",
    )
    assert "(running):" in outcome.err and "in fulfil" in outcome.err


def test_registering_and_back() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    called: list[int] = []
    signal.signal(signal.SIGUSR2, lambda *_: called.append(1))
    try:
        assert not unregister(signal.SIGUSR2)
        register(signal.SIGUSR2, 2)  # as a number: pytest may have put something else in the place of sys.stderr
        assert unregister(signal.SIGUSR2)
        signal.raise_signal(signal.SIGUSR2)
        assert called == [1]
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_forked_child_dumps_too() -> None:
    outcome = run_isolated(
        """
        import warnings
        warnings.simplefilter("ignore")
        from ft_utils.contention import register
        register(signal.SIGUSR1)
        child = os.fork()
        if child == 0:
            lock = IntervalLock()
            lock.lock()
            other = threading.Thread(target=lambda: lock.acquire(timeout=0.5))
            other.start()
            signal.raise_signal(signal.SIGUSR1)
            other.join()
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        """,
        expect_out="0",
        expect_err=None,
    )
    assert outcome.err.startswith(("IntervalLock at", "ft_utils: no thread")), outcome.err


@pytest.mark.parametrize("bad", [0, 65, signal.SIGKILL])
def test_signals_that_cannot_be_handled(bad: int) -> None:
    with pytest.raises(OSError):
        register(bad)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="format must be"):
        dump(format="xml")
    with pytest.raises((OSError, ValueError, io.UnsupportedOperation)):
        register(signal.SIGUSR1, io.StringIO())
    for no_file in (5.0, "name", print, b""):
        with pytest.raises(TypeError, match=r"^file must be a text file with write\(\) and flush\(\), not .*$"):
            dump(no_file)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["11", b"12", 11.5, 12.0, None, [signal.SIGUSR1]], ids=repr)
def test_what_is_no_number_of_a_signal(bad: Any) -> None:
    """It is not made one: int("11") is that of a crash."""
    for call in (register, unregister):
        with pytest.raises(TypeError, match=r"^signum must be an integer, such as signal\.SIGUSR1, not "):
            call(bad)
    with pytest.raises(TypeError, match=r"^file must have a fileno\(\) or be a number of one, not float"):
        register(signal.SIGUSR2, 5.0)
    assert not unregister(signal.SIGUSR2)


def test_what_stands_for_the_number_of_a_signal() -> None:
    class Number:
        def __init__(self, number: int) -> None:
            self.number = number

        def __index__(self) -> int:
            return int(self.number)

    with pytest.raises(ValueError, match="SIGSEGV cannot be registered"):
        register(Number(signal.SIGSEGV))  # type: ignore[arg-type]
    register(Number(signal.SIGUSR2), 2)  # type: ignore[arg-type]
    assert unregister(Number(signal.SIGUSR2))  # type: ignore[arg-type]
    for call in (register, unregister):
        with pytest.raises(OverflowError):
            call(2**70)
