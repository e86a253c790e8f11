"""Names of locks: given to a constructor or later, kept beside the object, gone with it."""

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import ft_utils.synchronization as ours
from ft_utils import _locks

from ..support.compiled import compiler
from ..support.family import NAMES
from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet, exercise, waiting

ARGUMENTS: dict[str, tuple[Any, ...]] = {"Barrier": (2,), "ResizableSemaphore": (2,)}
ALL = [*NAMES, "IntervalLock", "ReaderWriterLock", "ResizableSemaphore", "KeyedLock"]


@pytest.fixture(params=ALL)
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    cls = getattr(ours, request.param)
    return lambda **kwargs: cls(*ARGUMENTS.get(request.param, ()), **kwargs)


def word(lock: Any) -> int:
    return id(lock) + _locks.WORD_OFFSET


# --- giving them ----------------------------------------------------------------------------------------------------


def test_no_name(make: Callable[..., Any]) -> None:
    assert make().name is None
    assert make(name=None).name is None


STRINGS = ["accounts", "", "Konten für Bücher", "\N{SNAKE}" * 100, "a\0b", "\ud800", "x" * 5000]


@pytest.mark.parametrize("text", STRINGS, ids=lambda text: repr(text[:10]))
def test_any_str(make: Callable[..., Any], text: str) -> None:
    assert make(name=text).name == text


class Bad:
    """Looks like a str."""

    def __str__(self) -> str:
        return "name"


@pytest.mark.parametrize("bad", [1, b"name", ["name"], Bad(), str], ids=lambda bad: type(bad).__name__)
def test_anything_else(make: Callable[..., Any], bad: Any) -> None:
    with pytest.raises(TypeError, match="name must be a str or None, not "):
        make(name=bad)
    lock = make(name="before")
    with pytest.raises(TypeError, match="name must be a str or None, not "):
        lock.name = bad
    assert lock.name == "before"


def test_only_by_keyword(make: Callable[..., Any]) -> None:
    """RLock takes anything else that it is given, and warns."""
    if isinstance(make(), ours.RLock):
        with pytest.warns(DeprecationWarning):
            assert ours.RLock("accounts").name is None
        with pytest.warns(DeprecationWarning):
            assert ours.RLock(1, name="accounts", other=2).name == "accounts"
        return
    given = {ours.Barrier: (2, None, None), ours.Condition: (None,), ours.IntervalLock: (1,)}.get(type(make()), ())
    given = ARGUMENTS["ResizableSemaphore"] if isinstance(make(), ours.ResizableSemaphore) else given
    if isinstance(make(), ours.Semaphore):
        given = (1,)
    with pytest.raises(TypeError):
        type(make())(*given, "accounts")


@pytest.mark.filterwarnings("error")
def test_a_name_is_no_meaningless_argument_of_an_rlock() -> None:
    assert ours.RLock(name="accounts").name == "accounts"


def test_a_str_of_another_type(make: Callable[..., Any]) -> None:
    class Label(str):
        def __str__(self) -> str:
            raise ZeroDivisionError

    lock = make(name=Label("accounts"))
    assert lock.name == "accounts" and type(lock.name) is str


def test_set_and_taken_away(make: Callable[..., Any]) -> None:
    lock = make()
    lock.name = "first"
    assert lock.name == "first"
    lock.name = "second"
    assert lock.name == "second"
    lock.name = None
    assert lock.name is None
    with pytest.raises(AttributeError):
        del lock.name


def test_initialized_again(make: Callable[..., Any]) -> None:
    lock = make(name="first")
    args = ARGUMENTS.get(type(lock).__name__, ())
    if isinstance(lock, (ours.Barrier, ours.Condition)):
        with pytest.raises(RuntimeError):
            lock.__init__(*args, name="second")
        assert lock.name == "first"
        return
    lock.__init__(*args, name="second")
    assert lock.name == "second"
    lock.__init__(*args)
    assert lock.name == "second", "no name was given, so none is taken away"
    lock.__init__(*args, name=None)
    assert lock.name is None


def test_initialized_again_in_vain(make: Callable[..., Any], puppet: Puppet) -> None:
    """What refuses to be initialized keeps its name."""
    lock = make(name="first")
    if isinstance(lock, ours.IntervalLock):
        puppet.run(lock.lock)
    elif isinstance(lock, ours.Semaphore):
        lock.acquire()
        waits = puppet.start(lock.acquire)
        waiting(lock)
    else:
        return
    with pytest.raises(RuntimeError):
        lock.__init__(name="second")
    assert lock.name == "first"
    if isinstance(lock, ours.Semaphore):
        lock.release()
        waits.result(LIMIT)
    else:
        puppet.run(lock.unlock)


def test_made_by_new_alone(make: Callable[..., Any]) -> None:
    cls = type(make())
    lock = cls.__new__(cls, name="ignored")
    assert lock.name is None
    lock.name = "accounts"
    assert lock.name == "accounts"


def test_wrong_arguments_beside_it(make: Callable[..., Any]) -> None:
    if not isinstance(make(), ours.RLock):
        with pytest.raises(TypeError):
            make(name="accounts", no_such_argument=1)


def test_the_lock_of_a_condition_has_its_name_too() -> None:
    condition = ours.Condition(name="jobs")
    assert (condition.name, condition._lock.name) == ("jobs", "jobs")
    lock = ours.Lock(name="store")
    condition = ours.Condition(lock, name="jobs")
    assert (condition.name, lock.name) == ("jobs", "store")


def test_contexts_have_none() -> None:
    lock = ours.ReaderWriterLock(name="prices")
    for cls in (ours.RWReadContext, ours.RWWriteContext):
        assert not hasattr(cls(lock), "name")
        with pytest.raises(TypeError):
            cls(lock, name="reader")
    assert lock.name == "prices"


# --- subclasses -----------------------------------------------------------------------------------------------------


def test_subclass_that_sets_it(make: Callable[..., Any]) -> None:
    """As programs do that are written for threading, where the attribute is the subclass's alone."""

    class Sub(type(make())):  # type: ignore[misc]
        def __init__(self, name: str, *args: Any) -> None:
            super().__init__(*args)
            self.name = name

    assert Sub("accounts", *ARGUMENTS.get(type(make()).__name__, ())).name == "accounts"


@pytest.mark.parametrize("lines", [False, True], ids=["", "lines are noted"])
def test_subclass_that_sets_it_first(make: Callable[..., Any], request: pytest.FixtureRequest, lines: bool) -> None:
    """Before our __init__, which takes it away only when it is told so."""
    if lines:
        request.getfixturevalue("noted")

    class Sub(type(make())):  # type: ignore[misc]
        def __init__(self, label: str, **kwargs: Any) -> None:
            self.name = label
            super().__init__(*ARGUMENTS.get(type(make()).__name__, ()), **kwargs)

    lock = Sub("accounts")
    assert lock.name == "accounts" and "'accounts'" in repr(lock)
    assert (_locks.made_by(word(lock)) is not None) is lines
    assert Sub("accounts", name="store").name == "store"
    assert Sub("accounts", name=None).name is None
    with pytest.raises(TypeError):
        Sub("accounts", name=1)


def test_dataclass_with_a_name() -> None:
    @dataclass(eq=False)
    class Task(ours.Condition):
        name: str

        def __post_init__(self) -> None:
            super().__init__()

    task = Task("first")
    assert task.name == "first"
    with task:
        task.notify_all()


def test_event_that_is_a_thread() -> None:
    """The class that comes first says what the attribute is: the thread's name, or the event's."""

    class Worker(threading.Thread, ours.Event):
        def __init__(self) -> None:
            threading.Thread.__init__(self, name="worker", target=self.set)
            ours.Event.__init__(self, name="done")

    worker = Worker()
    worker.start()
    assert worker.wait(LIMIT) and worker.name == "worker" and "'done'" in ours.Event.__repr__(worker)
    worker.join(LIMIT)
    worker.name = "other"
    assert worker.name == "other" and "'done'" in ours.Event.__repr__(worker)

    class Other(ours.Event, threading.Thread):
        def __init__(self) -> None:
            threading.Thread.__init__(self, name="worker")
            ours.Event.__init__(self, name="done")

    assert Other().name == "done"


def test_subclass_with_its_own_arguments(make: Callable[..., Any]) -> None:
    args = ARGUMENTS.get(type(make()).__name__, ())

    class Sub(type(make())):  # type: ignore[misc]
        def __new__(cls, label: str, **kwargs: Any) -> Any:
            return super().__new__(cls)

        def __init__(self, label: str, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.label = label

    lock = Sub("label", name="accounts")
    assert (lock.label, lock.name) == ("label", "accounts")
    assert Sub("label").name is None


def test_subclass_with_a_name_of_its_own(make: Callable[..., Any]) -> None:
    class Sub(type(make())):  # type: ignore[misc]
        name = "class"

    assert Sub(*ARGUMENTS.get(type(make()).__name__, ())).name == "class"


# --- the table ------------------------------------------------------------------------------------------------------


def test_no_byte_more() -> None:
    for name in ALL:
        cls = getattr(ours, name)
        args = ARGUMENTS.get(name, ())
        assert sys.getsizeof(cls(*args, name="accounts")) == sys.getsizeof(cls(*args))


def test_gone_with_the_lock(make: Callable[..., Any]) -> None:
    """A lock at the address of one that had a name, made in every way, has none."""
    cls = type(make())
    for make_next in (make, lambda: cls.__new__(cls)):
        named = [make(name="accounts") for _ in range(5000)]
        addresses = {id(lock) for lock in named}
        del named
        gc.collect()
        unnamed = [make_next() for _ in range(5000)]
        assert any(id(lock) in addresses for lock in unnamed)
        assert all(lock.name is None for lock in unnamed)


def test_many(make: Callable[..., Any]) -> None:
    """More than the table has room for at first; each has its own, in whatever order they go."""
    locks = [make(name=f"lock {i}") for i in range(3000)]
    assert all(lock.name == f"lock {i}" for i, lock in enumerate(locks))
    del locks[::2]
    assert all(lock.name == f"lock {2 * i + 1}" for i, lock in enumerate(locks))
    assert make().name is None


def test_named_by_threads_at_once(make: Callable[..., Any]) -> None:
    shared, names = make(), {f"thread {i}" for i in range(4)} | {None}

    def body(mine: str) -> None:
        for i in range(500):
            lock = make(name=mine)
            assert lock.name == mine
            shared.name = mine if i % 2 else None
            assert shared.name in names
            del lock

    exercise(*(lambda i=i: body(f"thread {i}") for i in range(4)))
    shared.name = None


def test_forked_child_has_them() -> None:
    """Also when other threads give names at the moment of the fork."""
    run_isolated(
        """
        import warnings
        warnings.simplefilter("ignore")
        kept = IntervalLock(name="accounts")
        stop = []
        def busy():
            while not stop:
                IntervalLock(name="busy").name = "busier"
        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            child = os.fork()
            if child == 0:
                lock = IntervalLock(name="child")
                good = (kept.name, lock.name) == ("accounts", "child")
                kept.name = "renamed"
                os._exit(0 if good and kept.name == "renamed" else 1)
            assert os.waitpid(child, 0)[1] == 0
        stop.append(True)
        for thread in threads:
            thread.join()
        print(kept.name)
        """,
        expect_out="accounts",
    )


def test_subinterpreters() -> None:
    """Names of one interpreter outlive nothing: it ends, and its locks with it or not."""
    run_isolated(
        """
        import _interpreters
        for _ in range(5):
            interpreter = _interpreters.create()
            failed = _interpreters.exec(interpreter, '''if True:
                import ft_utils.synchronization as ft, sys
                locks = [ft.IntervalLock(name="of another " + str(i)) for i in range(100)]
                assert locks[7].name == "of another 7"
                keep = ft.Event(name="lost")
                keep.itself = keep
                sys.kept = [keep, locks]
            ''')
            assert failed is None, failed
            _interpreters.destroy(interpreter)
            here = [IntervalLock() for _ in range(500)]
            assert all(lock.name is None for lock in here)
        print("ok")
        """,
        expect_out="ok",
    )


def test_named_at_exit() -> None:
    """Locks that live when the interpreter ends, and one in the hands of a daemon thread."""
    run_isolated(
        """
        lock = IntervalLock(name="last")
        lock.lock()
        threading.Thread(target=lock.lock, daemon=True).start()
        while not snapshot():
            time.sleep(0.001)  # for the thread to wait; there is no event for that
        class Late:
            def __init__(self):
                self.lock = IntervalLock(name="late")
            def __del__(self):
                assert self.lock.name == "late"
        sys.late = Late()
        print(lock.name)
        """,
        expect_out="last",
    )


# --- the line that made a lock --------------------------------------------------------------------------------------


@pytest.fixture
def noted() -> Iterator[None]:
    _locks.note_lines(True)
    yield
    _locks.note_lines(False)


def test_the_line_is_not_noted(make: Callable[..., Any]) -> None:
    assert _locks.made_by(word(make())) is None
    assert _locks.made_by(word(make(name="accounts"))) is None


def test_the_line_is_noted(make: Callable[..., Any], noted: None) -> None:
    for kwargs in ({}, {"name": "accounts"}):
        lock = make(**kwargs)
        line = _locks.made_by(word(lock))
        assert line is not None and line.startswith(__file__ + ":") and line.endswith(" in make.<locals>.<lambda>")
        assert lock.name == kwargs.get("name")
        lock.name = "other"
        assert _locks.made_by(word(lock)) == line
        lock.name = None
        assert _locks.made_by(word(lock)) == line


def test_the_line_stays_and_goes_with_the_lock(make: Callable[..., Any]) -> None:
    _locks.note_lines(True)
    lock = make()
    _locks.note_lines(False)
    address = word(lock)
    assert _locks.made_by(address) is not None
    del lock
    gc.collect()
    assert _locks.made_by(address) is None


def test_a_line_that_is_long(noted: None) -> None:
    """Its end is told, from where a character begins."""
    namespace: dict[str, Any] = {"ours": ours}
    exec(compile("lock = ours.Lock()", "\N{SNAKE}" * 200, "exec"), namespace)
    line = _locks.made_by(word(namespace["lock"]))
    assert line is not None and 240 < len(line.encode()) < 256
    assert set(line.removesuffix(":1 in <module>")) == {"\N{SNAKE}"}


def test_bad_words() -> None:
    with pytest.raises(TypeError):
        _locks.made_by("word")
    assert _locks.made_by(0) is None


# --- no memory ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(compiler() is None, reason="no C compiler for the library that makes allocations fail")
def test_no_memory_for_the_table(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """MemoryError, and the name that was there stays; or it is done."""
    from ..support.nomemory_raw import starving_library

    monkeypatch.setenv("LD_PRELOAD", str(starving_library(tmp_path)))
    run_isolated("from support.nomemory_raw import *; names(); print('ok')", expect_out="ok")
