"""Where the family is imported: what that costs, subinterpreters, the GIL."""

import sys
import sysconfig

import pytest

import ft_utils.synchronization as ours

from ..support.family import NAMES, make
from ..support.process import run_isolated

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.mark.parametrize("config", ["isolated", "legacy"])
@pytest.mark.parametrize("imported", [True, False])
def test_subinterpreters(config: str, imported: bool) -> None:
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
def test_the_gil_stays_off() -> None:
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


@pytest.mark.parametrize("name", NAMES)
def test_size(name: str) -> None:
    """An idle one is no larger than the two locks of this package may be, and smaller than those of threading."""
    assert sys.getsizeof(make(ours, name)) <= 96
