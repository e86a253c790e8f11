"""Forked children: before contention and after it, while others wait or hold, from any thread."""

import pytest

from .support.process import run_isolated

# With Go loaded or other threads running, os.fork() warns; the tests of those cases are about what follows.
QUIET = ("-W", "ignore::DeprecationWarning")


def test_fork_before_contention() -> None:
    """With every warning an error: neither the import nor uncontended use has started a thread."""
    run_isolated(
        """
        from support.forks import contend_anew, in_child
        lock, rw = IntervalLock(), ReaderWriterLock()
        lock.lock(), rw.lock_read()
        stats(), snapshot(), repr(lock), repr(rw)
        def child():
            assert lock.locked() and rw.readers() == 1
            lock.unlock(), rw.unlock_read()
            contend_anew()
        in_child(child)
        lock.unlock(), rw.unlock_read()
        in_child(lambda: rw.lock_write())
        contend_anew()
        print("ok")
        """,
        expect_out="ok",
        options=("-W", "error"),
    )


def test_fork_after_contention_warns() -> None:
    """As CPython does whenever a process with other threads forks; Go's are such threads."""
    run_isolated(
        """
        import warnings
        from support.forks import in_child
        from support.threads import contend
        contend()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            in_child(lambda: None)
        print([w.category.__name__ for w in caught])
        """,
        expect_out="['DeprecationWarning']",
    )


@pytest.mark.parametrize(
    "scenario", ["fork_while_others_wait", "fork_while_others_hold", "fork_from_a_thread", "interrupt_in_child"]
)
@pytest.mark.parametrize("contended", [True, False])
def test_scenario(scenario: str, contended: bool) -> None:
    call = f"in_child({scenario})" if scenario == "interrupt_in_child" else f"{scenario}()"
    run_isolated(
        f"""
        from support.forks import {scenario}, in_child
        from support.threads import contend
        if {contended}:
            contend()
        {call}
        print("ok")
        """,
        expect_out="ok",
        options=QUIET,
    )


def test_many_children() -> None:
    run_isolated(
        """
        from support.forks import contend_on, in_child
        from support.threads import contend
        contend()
        lock, rw = IntervalLock(), ReaderWriterLock()
        for _ in range(20):
            in_child(lambda: contend_on(lock, rw, 20))
        contend_on(lock, rw)
        print("ok")
        """,
        expect_out="ok",
        options=QUIET,
    )


def test_fork_while_others_churn() -> None:
    """At any moment of a contended operation of another thread. Its locks are lost to the child, new ones work."""
    run_isolated(
        """
        from support.forks import contend_anew, in_child
        from support.threads import join
        lock, rw, stop = IntervalLock(), ReaderWriterLock(), threading.Event()
        def churn():
            while not stop.is_set():
                with lock:
                    lock.poll()
                rw.lock_read(), rw.unlock_read()
                rw.lock_write(), rw.unlock_write()
        threads = [threading.Thread(target=churn, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        def child():
            # Whoever held one is not here; the answer may be no, but it has to come.
            for acquire, release in (
                (lock.acquire, lock.release),
                (rw.acquire_read, rw.release_read),
                (rw.acquire_write, rw.release_write),
            ):
                if acquire(timeout=0.001):
                    release()
            contend_anew()
        for _ in range(10):
            in_child(child)
        stop.set()
        join(threads)
        assert not lock.locked() and rw.readers() == 0 and not rw.writer_locked()
        print("ok")
        """,
        expect_out="ok",
        options=QUIET,
    )


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method: str) -> None:
    run_isolated(
        f"""
        import multiprocessing
        from support.forks import contend_anew
        from support.threads import contend
        if __name__ == "__main__":
            contend()
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=contend_anew) for _ in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join(60)
            print([child.exitcode for child in children])
        """,
        expect_out="[0, 0]",
        options=QUIET,
    )


def test_child_exits_normally() -> None:
    """Through the interpreter's own finalization, with threads of its own that still wait."""
    run_isolated(
        """
        from support.threads import Puppet, contend, until
        contend()
        pid = os.fork()
        if pid == 0:
            lock = IntervalLock()
            lock.lock()
            threading.Thread(target=lock.lock, daemon=True).start()
            sys.exit(7)
        _, status = until(lambda: (ended := os.waitpid(pid, os.WNOHANG))[0] and ended)
        print(os.waitstatus_to_exitcode(status))
        """,
        expect_out="7",
        options=QUIET,
    )


def test_subprocess_after_contention() -> None:
    """fork and exec from C."""
    run_isolated(
        """
        import subprocess
        from support.threads import contend
        contend()
        for preexec in (None, lambda: None):
            done = subprocess.run([sys.executable, "-c", "print('child')"], preexec_fn=preexec, timeout=30)
            assert done.returncode == 0
        """,
        expect_out="child\nchild",
        options=QUIET,
    )
