"""Tasks that wait for locks in forked children, where Go cannot be loaded, and when the interpreter ends."""

from pathlib import Path

import pytest

from ..support.polling import broken_package
from ..support.process import PRELUDE, run_isolated

QUIET = ("-W", "ignore::DeprecationWarning")


@pytest.mark.parametrize("name", ["fork_while_tasks_wait", "fork_in_a_task", "fork_beside_a_loop"])
def test_forks(name: str) -> None:
    run_isolated(
        f"from support import aio_forks; aio_forks.{name}(); print('ok')",
        expect_out="ok",
        expect_err=None,
        options=QUIET,
    )


def test_in_a_child_of_a_contended_process() -> None:
    run_isolated(
        "from support import aio_forks, forks, threads; threads.contend(); forks.in_child(aio_forks.in_child_anew)\n"
        "aio_forks.in_child_anew(); print('ok')",
        expect_out="ok",
        options=QUIET,
    )


def test_without_go(tmp_path: Path) -> None:
    run_isolated(
        """
import warnings
warnings.simplefilter("ignore", RuntimeWarning)
from support import aio_forks
aio_forks.in_child_anew()
assert snapshot() == [] and stats().contended == 0
print("ok")
""",
        expect_out="ok",
        prelude=f"import sys; sys.path.insert(0, {str(broken_package(tmp_path))!r})\n" + PRELUDE,
    )


def test_nothing_is_loaded_for_tasks_that_do_not_contend() -> None:
    run_isolated(
        """
import asyncio
from ft_utils import _locks, aio
async def main():
    async with aio.holding(IntervalLock()):
        pass
asyncio.run(main())
print(_locks.go_loaded(), len(os.listdir("/proc/self/task")))
""",
        expect_out="False 1",
    )


def test_asyncio_is_imported_by_aio_alone() -> None:
    run_isolated("print('asyncio' in sys.modules, 'ft_utils.aio' in sys.modules)", expect_out="False False")


@pytest.mark.parametrize("held", [False, True])
def test_the_interpreter_ends_while_tasks_wait(held: bool) -> None:
    """With a loop that nobody closes, in a thread that nobody joins."""
    run_isolated(
        f"""
import asyncio
from ft_utils import aio
lock = IntervalLock()
if not {held}:
    lock.lock()
async def main():
    async with aio.holding(lock):
        print("has it", flush=True)
        await aio.acquire(lock2)
lock2 = IntervalLock()
lock2.lock()
thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
thread.start()
while not snapshot():
    time.sleep(0.001)  # that it waits is a state, which can only be looked at
""",
        expect_out="has it" if held else "",
        expect_err=None,
    )
