"""Forked children that use the threading family: before contention and after it, while others wait or hold."""

import pytest

from ..support.process import run_isolated

# With Go loaded or other threads running, os.fork() warns; the tests of those cases are about what follows.
QUIET = ("-W", "ignore::DeprecationWarning")


def test_fork_before_contention() -> None:
    """With every warning an error: neither the import nor uncontended use has started a thread."""
    run_isolated(
        """
        from support.family_forks import Seven, in_child, use_alone, use_anew, use_together, use_without_waiting
        seven = Seven()
        use_without_waiting(seven)
        assert len(os.listdir("/proc/self/task")) == 1
        with open("/proc/self/maps") as maps:
            assert "_control" not in maps.read(), "Go was loaded"
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
def test_scenario(scenario: str, contended: bool) -> None:
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


def test_many_children() -> None:
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


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method: str) -> None:
    run_isolated(
        f"""
        import multiprocessing
        from support.family_forks import use_anew
        if __name__ == "__main__":
            use_anew()
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=use_anew) for _ in range(2)]
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
