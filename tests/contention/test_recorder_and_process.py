"""The record of where threads wait in processes of their own: forks, signal handlers, interpreters, the end."""

import pytest

from ..support.process import run_isolated


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
            if records: assert 'passing' in str(_recorder.stop())
            gc.collect()
            assert code() is None
        """
    )


def test_threads_that_have_ended_are_in_it_by_name() -> None:
    run_isolated(
        """
        from ft_utils import _recorder
        lock = IntervalLock()
        lock.lock()
        _recorder.start()
        for n in range(50):
            thread = threading.Thread(target=lock.acquire, args=(True, 1e-6), name=f"passer-by-{n}")
            thread.start()
            thread.join()
        names = sorted(s["thread"] for s in _recorder.stop()["samples"])
        assert names == sorted(f"passer-by-{n}" for n in range(50)), names
        """
    )


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
                assert 'own' in str(_recorder.stop()["samples"])
                code = 3
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        assert _recorder.running()
        assert [s["count"] for s in _recorder.stop()["samples"]] == [1]
        lock.unlock()
        t.join()
        """,
        options=("-W", "ignore::DeprecationWarning"),
    )


def test_a_fork_in_a_handler_while_the_wait_is_contention() -> None:
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
                    ok = len(_recorder.stop()["samples"]) == 1
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
        assert 'waiter' in str(_recorder.stop()["samples"])
        """,
        options=("-W", "ignore::DeprecationWarning"),
    )


@pytest.mark.parametrize("wait", ["condition", "barrier"])
def test_a_fork_where_the_name_of_a_thread_is_asked(wait: str) -> None:
    """Just before the thread queues, by the program's own class of threads: there is no Go in the child."""
    run_isolated(
        f"""
        from ft_utils import _recorder
        from ft_utils.synchronization import Barrier, Condition
        from support.threads import LIMIT, contend, until

        class Forking(threading.Thread):
            children, is_child = [], False
            def __getattribute__(self, name):
                if name == "_name" and self.__dict__.pop("armed", False):
                    child = os.fork()
                    Forking.is_child = child == 0
                    Forking.children.append(child)
                return super().__getattribute__(name)

        def wait():
            threading.current_thread().armed = True
            try:
                if {wait == "condition"}:
                    condition = Condition()
                    with condition:
                        condition.wait(0.02)
                else:
                    Barrier(2).wait(0.02)
            except threading.BrokenBarrierError:
                pass
            if Forking.is_child:
                os._exit(0)

        contend()
        _recorder.start()
        busy, over = IntervalLock(0), threading.Event()
        def work():  # Go is in use as the thread forks
            while not over.is_set():
                with busy:
                    pass
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        for n in range(10):
            thread = Forking(target=wait)
            thread.start()
            thread.join(LIMIT)
            child = Forking.children[n]
            _, status = until(lambda: (ended := os.waitpid(child, os.WNOHANG))[0] and ended, "the child to end")
            assert status == 0, status
        over.set()
        """,
        options=("-W", "ignore::DeprecationWarning"),
    )


def test_handlers_that_wait_during_a_recorded_wait() -> None:
    """The waits of the handler and of the interrupted code are both recorded, and stop() in a handler does no harm."""
    run_isolated(
        """
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
        profile = profiles[0]
        by_lock = {profile["locks"][s["lock"]]["id"]: s["count"] for s in profile["samples"] if s["role"] == "waiter"}
        assert by_lock == {id(outer): 1, id(inner): 3}, (by_lock, profile)
        """
    )


def test_an_exception_from_a_handler_ends_the_record_of_its_wait() -> None:
    run_isolated(
        """
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
        samples = _recorder.stop()["samples"]
        assert [s["count"] for s in samples if s["role"] == "waiter"] == [1]
        """
    )


def test_waiters_before_go_or_without_it_are_contention() -> None:
    run_isolated(
        """
        from ft_utils import _recorder, _locks
        assert not _recorder.running() and not _locks.go_loaded()
        _recorder.start()
        lock = IntervalLock()
        lock.lock()
        t = threading.Thread(target=lock.acquire, args=(True, 0.001))
        t.start(); t.join()
        (sample,) = _recorder.stop()["samples"]
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
        run("assert not _recorder.stop()['samples']; _recorder.start()")
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
