"""The module: what importing it does, its counters and its snapshot, and where it may be imported."""

import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import ft_utils.synchronization as ours
import ft_utils.synchronization as synchronization
from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext, snapshot, stats

from ..support.family import NAMES as FAMILY_NAMES
from ..support.family import make
from ..support.process import run_isolated
from ..support.threads import LIMIT, contend, waiting

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
COUNTERS = ("contended", "parks", "notifies", "handoffs", "cedes", "timeouts", "interrupts")
CONTEXTS = {"RWReadContext", "RWWriteContext", "TimedContext"}
OWN = {"IntervalLock", "ReaderWriterLock", "RWLock", "ResizableSemaphore", "snapshot", "stats"} | CONTEXTS
FAMILY = {"Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"}
REPORTS = {"Holder", "LockStats", "Stats", "Wait", "lock_stats"}
NAMES = OWN | FAMILY | REPORTS | {"BrokenBarrierError", "DeadlockError"}

TASKS = """
def tasks():
    return len(os.listdir("/proc/self/task"))
"""


def counters() -> dict[str, int]:
    found = stats()
    return {name: getattr(found, name) for name in COUNTERS}


# --- the package ----------------------------------------------------------------------------------------------------


def test_the_installed_package_is_tested() -> None:
    home = Path(synchronization.__file__).resolve()
    assert home.is_relative_to(Path(sys.prefix).resolve())
    assert not home.is_relative_to(Path(__file__).resolve().parents[2] / "ft_utils")


def test_public_names() -> None:
    assert set(synchronization.__all__) == NAMES
    for name in NAMES - {"BrokenBarrierError", "DeadlockError"}:  # threading's own, without one
        assert getattr(synchronization, name).__doc__
    for name in NAMES - {"RWLock", "BrokenBarrierError"}:
        assert getattr(synchronization, name).__module__ == "ft_utils.synchronization"
        assert getattr(synchronization, name).__name__ == name


def test_it_is_typed() -> None:
    package = Path(synchronization.__file__).parent
    assert (package / "py.typed").exists()
    assert list(package.glob("**/*.pyi"))


def test_no_test_or_source_is_installed() -> None:
    package = Path(synchronization.__file__).parent
    assert not [file for pattern in ("*.go", "*.c", "*.h") for file in package.rglob(pattern)]


# --- importing ------------------------------------------------------------------------------------------------------


def test_import_starts_no_thread() -> None:
    """Nor does anything that needs no waiting; Go's library is not even loaded."""
    run_isolated(
        TASKS
        + """
assert tasks() == 1
lock, rw = IntervalLock(), ReaderWriterLock()
for _ in range(100):
    with lock:
        lock.poll()
        lock.cede()
    with RWReadContext(rw):
        assert not lock.acquire(timeout=0) or lock.release() is None
    with RWWriteContext(rw):
        rw.downgrade()
        rw.lock_read()
        rw.unlock_read()
        rw.unlock_read()
        rw.lock_write()
repr(lock), repr(rw), stats(), snapshot()
assert tasks() == 1
with open("/proc/self/maps") as maps:
    assert "_golib" not in maps.read()
"""
    )


def test_nothing_has_happened_before_contention() -> None:
    run_isolated(
        f"""
        found = stats()
        print([getattr(found, name) for name in {COUNTERS}], snapshot())
        """,
        expect_out=f"{[0] * len(COUNTERS)} []",
    )


@pytest.mark.skipif(not FREE_THREADED, reason="only the free-threaded build can run without the GIL")
def test_the_gil_stays_off() -> None:
    """With every warning an error: CPython warns when a module switches it on."""
    run_isolated(
        """
        assert not sys._is_gil_enabled(), "switched on by the import"
        from support.threads import contend
        contend()
        assert not sys._is_gil_enabled(), "switched on by contention"
        stats(), snapshot()
        assert not sys._is_gil_enabled(), "switched on by the counters"
        import ft_utils._golib
        assert not sys._is_gil_enabled(), "switched on by the Go module"
        """,
        options=("-W", "error"),
    )


def test_importing_without_warnings() -> None:
    run_isolated("from support.threads import contend; contend(); stats(); snapshot()", options=("-W", "error"))


@pytest.mark.parametrize("config", ["isolated", "legacy"])
@pytest.mark.parametrize("imported", [True, False])
def test_subinterpreters(config: str, imported: bool) -> None:
    """The import works, and then the locks do, or it raises ImportError."""
    prelude = "import sys" if not imported else "import sys; import ft_utils.synchronization"
    outcome = run_isolated(
        f"""
import _interpreters
code = '''
import threading
try:
    from ft_utils.synchronization import *
except ImportError:
    print("refused")
else:
    lock, rw, total = IntervalLock(), ReaderWriterLock(), [0]
    def count():
        for _ in range(2000):
            with lock, RWWriteContext(rw):
                total[0] += 1
    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == [6000]
    repr(lock)
    try:
        stats(), snapshot()
    except ImportError as error:  # gopy's module, which counts contentions, is for one interpreter
        assert "_golib" in str(error), error
    print("works")
'''
for _ in range(3):
    made = _interpreters.create({config!r})
    problem = _interpreters.exec(made, code)
    assert problem is None, problem.formatted
    _interpreters.destroy(made)
from ft_utils.synchronization import IntervalLock  # the main interpreter goes on
with IntervalLock():
    pass
""",
        prelude=prelude,
    )
    assert set(outcome.out.split()) in ({"works"}, {"refused"}), outcome.out


@pytest.mark.parametrize(
    "make",
    [
        IntervalLock,
        ReaderWriterLock,
        lambda: RWReadContext(ReaderWriterLock()),
        lambda: RWWriteContext(ReaderWriterLock()),
    ],
    ids=["IntervalLock", "ReaderWriterLock", "RWReadContext", "RWWriteContext"],
)
def test_size(make: Any) -> None:
    assert sys.getsizeof(make()) <= 96


# --- stats ----------------------------------------------------------------------------------------------------------


def test_stats_are_whole_numbers() -> None:
    for value in counters().values():
        assert type(value) is int and value >= 0


def test_stats_only_grow() -> None:
    seen = counters()
    for _ in range(5):
        contend()
        now = counters()
        assert all(now[name] >= seen[name] for name in COUNTERS)
        assert now["contended"] > seen["contended"] and now["parks"] > seen["parks"]
        assert now["handoffs"] > seen["handoffs"], "a lock with no interval hands over"
        seen = now


def test_stats_are_a_snapshot() -> None:
    before = stats()
    values = {name: getattr(before, name) for name in COUNTERS}
    contend()
    assert values == {name: getattr(before, name) for name in COUNTERS}
    for name in COUNTERS:
        assert name in repr(before)


def test_timeouts_are_counted(puppet: Any) -> None:
    lock, rw = IntervalLock(), ReaderWriterLock()
    puppet.run(lock.lock)
    puppet.run(rw.lock_write)
    before = counters()
    for acquire in (lock.acquire, rw.acquire_read, rw.acquire_write):
        assert acquire(timeout=0.001) is False
    assert counters()["timeouts"] == before["timeouts"] + 3
    for acquire in (lock.acquire, rw.acquire_read, rw.acquire_write):
        assert acquire(blocking=False) is False
    assert counters()["timeouts"] == before["timeouts"] + 3, "a try without waiting is no timeout"
    puppet.run(lock.unlock)
    puppet.run(rw.unlock_write)


def test_uncontended_use_is_not_counted() -> None:
    before = counters()
    lock, rw = IntervalLock(), ReaderWriterLock()
    for _ in range(1000):
        with lock, RWReadContext(rw):
            lock.poll()
        with RWWriteContext(rw):
            pass
    assert counters() == before


# --- snapshot -------------------------------------------------------------------------------------------------------


def test_snapshot_over_several_locks(puppets: Any) -> None:
    lock, rw = IntervalLock(), ReaderWriterLock()
    lock.lock()
    rw.lock_read()
    one, two, three = puppets(3)
    visits = [one.start(lambda: (lock.lock(), lock.unlock()))]
    waiting(lock)
    visits.append(two.start(lambda: (rw.lock_write(), rw.unlock_write())))
    waiting(rw)
    visits.append(three.start(lambda: (rw.lock_read(), rw.unlock_read())))
    waiting(rw, 2)
    found = {(w.lock, w.thread, w.kind) for w in snapshot()}
    assert found == {
        (id(lock), one.ident, "exclusive"),
        (id(rw), two.ident, "exclusive"),
        (id(rw), three.ident, "shared"),
    }
    first = {w.thread: w.waited for w in snapshot()}
    second = {w.thread: w.waited for w in snapshot()}
    assert all(second[thread] >= first[thread] for thread in first)
    lock.unlock()
    rw.unlock_read()
    for visit in visits:
        visit.result(LIMIT)
    assert snapshot() == []


def test_arguments() -> None:
    for function in (stats, snapshot, synchronization.lock_stats):
        with pytest.raises(TypeError):
            function(1)


# --- the threading family ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["isolated", "legacy"])
@pytest.mark.parametrize("imported", [True, False])
def test_subinterpreters_of_the_family(config: str, imported: bool) -> None:
    """The import works, and then all seven do, or it raises ImportError."""
    prelude = "import sys" if not imported else "import sys; import ft_utils.synchronization"
    outcome = run_isolated(
        f"""
import _interpreters
code = '''
import threading
try:
    from ft_utils.synchronization import *
except ImportError:
    print("refused")
else:
    lock, rlock, condition, items = Lock(), RLock(), Condition(), []
    semaphore, bounded, event, total = Semaphore(2), BoundedSemaphore(1), Event(), [0]
    barrier = Barrier(3, event.set)
    def work():
        for number in range(300):
            with semaphore, bounded, lock, rlock, rlock:
                total[0] += 1
            with condition:
                items.append(number)
                condition.notify()
            with condition:
                condition.wait_for(lambda: items, 10)
                items.pop()
            barrier.wait(10)
        assert event.wait(10)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == [900] and not items
    try:
        Barrier(2).wait(0.001)
    except threading.BrokenBarrierError:
        print("works")
'''
for _ in range(3):
    made = _interpreters.create({config!r})
    problem = _interpreters.exec(made, code)
    assert problem is None, problem.formatted
    _interpreters.destroy(made)
from ft_utils.synchronization import Condition, Lock  # the main interpreter goes on
with Condition(Lock()) as entered:
    assert entered
""",
        prelude=prelude,
    )
    assert set(outcome.out.split()) in ({"works"}, {"refused"}), outcome.out


@pytest.mark.skipif(not FREE_THREADED, reason="only the free-threaded build can run without the GIL")
def test_the_gil_stays_off_of_the_family() -> None:
    """With every warning an error: CPython warns when a module switches it on."""
    run_isolated(
        """
        assert not sys._is_gil_enabled(), "switched on by the import"
        from support.family_forks import use_anew
        use_anew()
        assert not sys._is_gil_enabled(), "switched on by use"
        """,
        options=("-W", "error"),
    )


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_size_of_the_family(name: str) -> None:
    """An idle one is no larger than the two locks of this package may be, and smaller than those of threading."""
    assert sys.getsizeof(make(ours, name)) <= 96
