"""What Go costs a process, and what happens where the process cannot afford it."""

import textwrap

import pytest

from ..support.process import run_isolated
from .test_signals_of_the_host import run

WARNING = "so its locks wait without it"

# A lock, a reader-writer lock, a semaphore, an event, a condition and a barrier, waited for by two threads each.
EVERYTHING = """
import ft_utils.synchronization as ft

def everything():
    lock, event, condition, barrier = ft.Lock(), ft.Event(), ft.Condition(), ft.Barrier(3)
    interval, rw, permits = ft.IntervalLock(0.001), ft.ReaderWriterLock(), ft.Semaphore(1)
    count = 0

    def work():
        nonlocal count
        event.wait()
        for n in range(20):
            with lock, permits:
                count += 1
            with interval:
                interval.cede()
            with ft.RWReadContext(rw):
                pass
            with ft.RWWriteContext(rw):
                pass
        with condition:
            condition.notify()
        barrier.wait()

    others = [threading.Thread(target=work) for _ in range(2)]
    for other in others:
        other.start()
    with condition:
        event.set()
        assert condition.wait(LIMIT)
    barrier.wait(LIMIT)
    for other in others:
        other.join(LIMIT)
    assert count == 40
"""


def test_threads_and_memory() -> None:
    """The numbers that the README gives."""
    run(
        """
        from ft_utils.synchronization import snapshot
        assert len(threads()) == 1
        before = resident()
        contend()
        assert len(go_threads()) <= 6, go_threads()
        for _ in range(20):
            contend("here")
        assert resident() - before < 6 << 20, resident() - before
        for _ in range(30000):
            snapshot()
        assert len(go_threads()) <= 7, go_threads()
        assert resident() - before < 16 << 20, resident() - before
        """
    )


@pytest.mark.parametrize("left", [16, 250, 1000])
def test_little_address_space(left: int) -> None:
    """MiB that the process may still reserve at its first contention, besides the threads' stacks."""
    run(
        f"""
        import resource
        {EVERYTHING.replace(chr(10), chr(10) + " " * 8)}
        threading.stack_size(1 << 20)
        size = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limit = size + ({left} << 20) + (4 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        everything()
        everything()
        assert not go_runs()
        print("done")
        """,
        expect_out="done",
        expect_err=WARNING,
    )


@pytest.mark.parametrize(
    "kind, left, stack", [("RLIMIT_DATA", 50, 8), ("RLIMIT_DATA", 75, 8), ("RLIMIT_AS", 2300, 128)]
)
def test_little_memory_for_stacks(kind: str, left: int, stack: int) -> None:
    """MiB that the process may still have, and those of a stack, of which Go's threads need some at the same time."""
    of = {"RLIMIT_AS": "VmSize:", "RLIMIT_DATA": "VmData:"}[kind]
    code = f"""
    import os, resource
    import ft_utils.synchronization as ft
    lock = ft.Lock()
    lock.acquire()
    used = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("{of}"))
    resource.setrlimit(resource.{kind}, (used + ({left} << 20),) * 2)
    print(lock.acquire(timeout=0.002), len(os.listdir("/proc/self/task")))
    """
    run(  # the size of stacks is that of the limit when a program starts
        f"""
        import resource
        from support.process import spawn
        resource.setrlimit(resource.RLIMIT_STACK, ({stack} << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
        outcome = spawn(["-c", {textwrap.dedent(code)!r}], 60)
        assert (outcome.code, outcome.out.split()) == (0, ["False", "1"]), outcome
        assert {WARNING!r} in outcome.err and "ulimit -s" in outcome.err, outcome
        """
    )


def test_no_file_is_opened() -> None:
    """A program that closes all descriptors would get their numbers for files of its own."""
    run(
        """
        def files():
            found = {}
            for number in os.listdir("/proc/self/fd"):
                try:
                    found[number] = os.readlink(f"/proc/self/fd/{number}")
                except FileNotFoundError:
                    pass  # that of the listing itself
            return found

        before = files()
        contend()
        contend("here")
        assert go_runs()
        assert files() == before
        """
    )


def test_enough_address_space() -> None:
    run(
        f"""
        import resource
        {EVERYTHING.replace(chr(10), chr(10) + " " * 8)}
        size = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limit = size + (2600 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        everything()
        assert go_runs()
        print("done")
        """,
        expect_out="done",
    )


def test_few_threads() -> None:
    """The limit does not hold for root, so the process gives that up."""
    run(
        f"""
        import resource
        {EVERYTHING.replace(chr(10), chr(10) + " " * 8)}
        if os.getuid() == 0:
            user = 100000 + os.getpid()  # one without other processes
            os.setgid(user)
            os.setuid(user)
        # Four, and two for threads that have ended and that the kernel counts still. So few are found out without a
        # try, in the middle of which another thread could not start one.
        resource.setrlimit(resource.RLIMIT_NPROC, (6, 6))
        everything()
        assert not go_runs()
        print("done")
        """,
        expect_out="done",
        expect_err="ulimit -u",
    )


def test_the_warning_can_be_an_error_nowhere_seen() -> None:
    """Turned into an exception it is reported, and the lock operation goes on."""
    run_isolated(
        """
        import resource
        size = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20),) * 2)
        lock = IntervalLock()
        lock.lock()
        other = threading.Thread(target=lambda: print(lock.acquire(timeout=0.01)))
        other.start()
        other.join()
        """,
        options=("-W", "error"),
        expect_out="False",
        expect_err="so its locks wait without it",
    )
