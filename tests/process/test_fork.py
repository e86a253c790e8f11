"""Forked children: before contention and after it, while others wait or hold, from any thread."""

import pytest

from ..support.process import run_isolated

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


@pytest.mark.parametrize("contended", [True, False])
def test_signals_in_a_child_that_a_thread_forked(contended: bool) -> None:
    """The thread that forked is the main one there, and Python notes signals in the state of another."""
    run_isolated(
        f"""
        from ft_utils.synchronization import Condition, Event, Lock
        from support.forks import in_child
        from support.threads import LIMIT, Puppet, contend
        if {contended}:
            contend()

        armed = []

        def interrupt(*_):
            if armed:
                armed.clear()
                raise KeyboardInterrupt

        def interrupted(wait):
            def kick():
                while armed:  # until it is seen: a child polls, and does not say that it waits
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.01)
            armed.append(1)
            kicked = Puppet().start(kick)
            try:
                wait()
            except KeyboardInterrupt:
                return kicked.result(LIMIT)
            raise AssertionError("the call returned")

        def child():
            signal.signal(signal.SIGINT, interrupt)
            for lock in Lock(), IntervalLock(), ReaderWriterLock():
                holder, rw = Puppet(), isinstance(lock, ReaderWriterLock)
                holder.run(lock.lock_write if rw else lock.acquire)
                interrupted(lock.lock_read if rw else lock.acquire)
            event, condition = Event(), Condition()
            interrupted(event.wait)
            with condition:
                interrupted(condition.wait)

        assert Puppet().run(in_child, child) is None
        """,
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
@pytest.mark.parametrize(
    ("use", "use_in_children", "module"),
    [("contend", "contend_anew", "forks"), ("use_anew", "use_anew", "family_forks")],
    ids=["locks", "family"],
)
def test_multiprocessing(method: str, use: str, use_in_children: str, module: str) -> None:
    run_isolated(
        f"""
        import multiprocessing
        from support.threads import contend
        from support.{module} import {use_in_children}
        if __name__ == "__main__":
            {use}()
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target={use_in_children}) for _ in range(2)]
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


# --- the threading family ------------------------------------------------------------------------------------------


def test_fork_before_contention_of_the_family() -> None:
    """With every warning an error: neither the import nor uncontended use has started a thread."""
    run_isolated(
        """
        from support.family_forks import Seven, in_child, use_alone, use_anew, use_together, use_without_waiting
        seven = Seven()
        use_without_waiting(seven)
        assert len(os.listdir("/proc/self/task")) == 1
        with open("/proc/self/maps") as maps:
            assert "_golib" not in maps.read(), "Go was loaded"
        with seven.lock, seven.rlock, seven.rlock:
            def child():
                assert seven.lock.locked() and seven.rlock._recursion_count() == 2
                for each in (seven.lock, seven.rlock, seven.rlock):
                    each.release()
                use_alone(seven)
                use_together(seven)
                use_anew()
            in_child(child)
        in_child(lambda: use_together(seven))
        use_anew()
        print("ok")
        """,
        expect_out="ok",
        options=("-W", "error"),
    )


@pytest.mark.parametrize(
    "scenario",
    [
        "fork_while_others_wait",
        "fork_while_others_hold",
        "reinit_while_others_wait",
        "fork_from_a_thread",
        "fork_while_others_churn",
        "interrupt_in_child",
    ],
)
@pytest.mark.parametrize("contended", [True, False])
def test_scenario_of_the_family(scenario: str, contended: bool) -> None:
    call = f"in_child({scenario})" if scenario == "interrupt_in_child" else f"{scenario}()"
    run_isolated(
        f"""
        from support.family_forks import {scenario}, in_child
        from support.threads import contend
        if {contended}:
            contend()
        {call}
        print("ok")
        """,
        expect_out="ok",
        options=QUIET,
    )


def test_many_children_of_the_family() -> None:
    run_isolated(
        """
        from support.family_forks import Seven, in_child, use_together
        seven = Seven()
        use_together(seven)
        for _ in range(15):
            in_child(lambda: use_together(seven, 20))
        use_together(seven)
        print("ok")
        """,
        expect_out="ok",
        options=QUIET,
    )


def test_handlers_at_fork() -> None:
    """As random, logging and concurrent.futures keep a lock whole: held over the fork, made new in the child."""
    run_isolated(
        """
        from ft_utils.synchronization import Lock, RLock
        from support.family_forks import exercise, in_child
        from support.threads import LIMIT, Puppet, contend
        contend()
        locks = [Lock(), RLock()]
        for lock in locks:
            os.register_at_fork(
                before=lock.acquire, after_in_parent=lock.release, after_in_child=lock._at_fork_reinit)
        total, stop = [0, 0], threading.Event()
        def churn():
            while not stop.is_set():
                for number, lock in enumerate(locks):
                    with lock:
                        total[number] += 1
        def count():
            for lock in locks:
                assert not lock.locked() or not lock.acquire(timeout=LIMIT) or lock.release() is None
            exercise(*[lambda: [lock.acquire(timeout=LIMIT) and lock.release() for lock in locks]] * 3)
        def fork():
            try:
                for _ in range(5):
                    in_child(count)
            finally:
                stop.set()
        exercise(churn, churn, fork, limit=60)
        print([lock.locked() for lock in locks])
        """,
        expect_out="[False, False]",
        options=QUIET,
    )


def test_child_exits_normally_of_the_family() -> None:
    """Through the interpreter's own finalization, with threads of its own that still wait at each of the seven."""
    run_isolated(
        """
        from support.family_forks import Seven, use_anew, waits_at
        from support.threads import until
        use_anew()
        pid = os.fork()
        if pid == 0:
            seven = Seven()
            for each in (seven.lock, seven.rlock, seven.semaphore, seven.bounded):
                each.acquire()
            for call in waits_at(seven):
                threading.Thread(target=call, daemon=True).start()
            sys.exit(7)
        _, status = until(lambda: (ended := os.waitpid(pid, os.WNOHANG))[0] and ended)
        print(os.waitstatus_to_exitcode(status))
        """,
        expect_out="7",
        options=QUIET,
    )


def test_fork_while_memory_is_traced() -> None:
    """The hook of tracemalloc takes a lock that another thread may have at the fork: records of threads, whose
    semaphores are memory of Python's, must not be freed before the child is on its feet."""
    run_isolated(
        """
        import tracemalloc
        from support.threads import Puppet, contend
        tracemalloc.start()
        contend()
        stop = []
        def allocate():
            while not stop:
                IntervalLock(), bytearray(100_000), threading.Lock()
        crowd = [threading.Thread(target=allocate) for _ in range(3)]
        for thread in crowd:
            thread.start()
        waiters = [Puppet() for _ in range(8)]
        lock = IntervalLock()
        lock.lock()
        for waiter in waiters:
            waiter.run(lock.acquire, timeout=0.001)  # each has a record with a semaphore
        for _ in range(30):
            child = os.fork()
            if child == 0:
                other = threading.Thread(target=IntervalLock().lock)  # a new record: the old ones are freed
                other.start()
                other.join()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        stop.append(True)
        print("ok")
        """,
        expect_out="ok",
        options=QUIET,
    )
