"""The standard library's own modules, built on ours: each test in a process where threading's names are rebound."""

import pytest

from ..support.process import TESTS, run_isolated

PRELUDE = f"""
import os, signal, sys, time
sys.path.insert(0, {str(TESTS)!r})
from support.rebound import is_ours, threading
import logging, queue
from concurrent import futures

LIMIT = 30

def run(*bodies):
    "Every body in a thread of its own; their results, in order."
    results = [None] * len(bodies)
    def call(number, body):
        results[number] = body()
    threads = [threading.Thread(target=call, args=pair, daemon=True) for pair in enumerate(bodies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive(), "a thread hangs"
    return results
"""


def built(code: str, expect_out: str = "ok", **more: object) -> None:
    run_isolated(code, prelude=PRELUDE, expect_out=expect_out, **more)  # type: ignore[arg-type]


def test_threads() -> None:
    """Thread itself announces its start by an Event."""
    built(
        """
        seen = []
        threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(50)]
        assert is_ours(threads[0]._started)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        print("ok" if sorted(seen) == list(range(50)) else seen)
        """
    )


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue"])
@pytest.mark.parametrize("size", [0, 1, 5])
def test_queues(kind: str, size: int) -> None:
    """Nothing is lost or doubled between several producers and consumers, and join() waits for the last."""
    built(
        f"""
        q = queue.{kind}({size})
        assert is_ours(q.mutex, q.not_empty, q.not_full, q.all_tasks_done)
        def produce(first):
            for number in range(first, first + 300):
                q.put(number, timeout=LIMIT)
        def consume():
            got = []
            while (item := q.get(timeout=LIMIT)) >= 0:
                got.append(item)
                q.task_done()
            q.task_done()
            return got
        def end():
            for thread in producers:
                thread.join(LIMIT)
            q.join()
            for _ in range(2):
                q.put(-1)
        producers = [threading.Thread(target=produce, args=(n * 1000,)) for n in range(3)]
        for thread in producers:
            thread.start()
        one, two, _ = run(consume, consume, end)
        expected = sorted(n * 1000 + i for n in range(3) for i in range(300))
        assert sorted(one + two) == expected, (len(one), len(two))
        q.join()
        assert q.empty() and q.unfinished_tasks == 0
        print("ok")
        """
    )


def test_queue_timeouts_and_errors() -> None:
    built(
        """
        q = queue.Queue(1)
        for call in (lambda: q.get(timeout=0.01), lambda: q.get(block=False), q.get_nowait):
            try:
                call()
            except queue.Empty:
                print("empty")
        q.put(1)
        for call in (lambda: q.put(2, timeout=0.01), lambda: q.put(2, False), lambda: q.put_nowait(2)):
            try:
                call()
            except queue.Full:
                print("full")
        for call in (lambda: q.put(1, timeout=-1), lambda: q.task_done() or q.task_done()):
            try:
                call()
            except ValueError as error:
                print(error)
        """,
        "empty\n" * 3 + "full\n" * 3 + "'timeout' must be a non-negative number\ntask_done() called too many times",
    )


def test_queue_shutdown() -> None:
    """Of Python 3.13: whoever waits to get or to put is woken with an error."""
    built(
        """
        for immediate in (False, True):
            empty, full = queue.Queue(), queue.Queue(1)
            full.put(1)
            def attempt(call, *args):
                try:
                    call(*args)
                except queue.ShutDown:
                    return "shut down"
            def end():
                while not len(empty.not_empty._waiters) == len(full.not_full._waiters) == 2:
                    time.sleep(0.001)  # what is waited for is a state that only shows
                empty.shutdown(immediate), full.shutdown(immediate)
            print(run(*[lambda: attempt(empty.get)] * 2, *[lambda: attempt(full.put, 2)] * 2, end)[:4])
        """,
        "['shut down', 'shut down', 'shut down', 'shut down']\n" * 2,
    )


def test_thread_pool() -> None:
    built(
        """
        with futures.ThreadPoolExecutor(4) as pool:
            assert is_ours(pool._shutdown_lock, pool._idle_semaphore)
            assert list(pool.map(lambda n: n * n, range(500))) == [n * n for n in range(500)]
            assert is_ours(pool.submit(int)._condition)
            done = [f.result() for f in futures.as_completed([pool.submit(pow, 2, n) for n in range(100)], LIMIT)]
            assert sorted(done) == [2 ** n for n in range(100)]
            failing = pool.submit(lambda: 1 / 0)
            assert isinstance(failing.exception(LIMIT), ZeroDivisionError)
            gate = threading.Event()
            blocked = [pool.submit(gate.wait, LIMIT) for _ in range(4)]
            queued = pool.submit(int)
            done, pending = futures.wait(blocked, timeout=0.01)
            assert not done and len(pending) == 4
            try:
                blocked[0].result(timeout=0.01)
            except TimeoutError:
                print("in time")
            assert queued.cancel() and queued.cancelled()
            gate.set()
            assert all(f.result(LIMIT) is True for f in blocked)
            first = futures.wait([pool.submit(int) for _ in range(20)], LIMIT, futures.FIRST_COMPLETED)
            assert first.done
            called = []
            future = pool.submit(int)
            future.add_done_callback(called.append)
            futures.wait([future], LIMIT)
        assert called == [future]
        try:
            pool.submit(int)
        except RuntimeError as error:
            print(error)
        """,
        "in time\ncannot schedule new futures after shutdown",
    )


def test_nested_pools_and_a_pool_left_open() -> None:
    """At the end of the program the interpreter joins what was not shut down."""
    built(
        """
        def inner(n):
            with futures.ThreadPoolExecutor(2) as pool:
                return sum(pool.map(int, range(n)))
        outer = futures.ThreadPoolExecutor(3, initializer=threading.Barrier(3).wait)
        print(list(outer.map(inner, range(8))))
        late = [outer.submit(os.write, 1, b"late\\n") for _ in range(2)]
        """,
        "[0, 0, 1, 3, 6, 10, 15, 21]\nlate\nlate",
    )


def test_logging() -> None:
    """Lines of several threads do not mix, and who holds a handler's lock may log all the same."""
    built(
        """
        import io
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        assert is_ours(handler.lock, logging._lock)
        handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
        logging.basicConfig(handlers=[handler], level=logging.INFO)
        def write(me):
            log = logging.getLogger(f"thread{me}")
            for number in range(200):
                log.info("line %d of %s", number, "x" * 50)
        run(*[lambda me=me: write(me) for me in range(4)])
        with handler.lock, logging._lock:
            logging.getLogger("outer").info("done")
        lines = stream.getvalue().splitlines()
        assert len(lines) == 801, len(lines)
        for me in range(4):
            mine = [line for line in lines if line.startswith(f"thread{me} ")]
            assert mine == [f"thread{me} line {n} of {'x' * 50}" for n in range(200)]
        assert lines[-1] == "outer done"
        handler.close()
        logging.shutdown()
        print("ok")
        """
    )


def test_queue_handler_and_listener() -> None:
    built(
        """
        from logging import handlers
        seen, q = [], queue.Queue()
        class Keep(logging.Handler):
            def emit(self, record):
                seen.append(record.getMessage())
        log = logging.getLogger("queued")
        log.addHandler(handlers.QueueHandler(q))
        log.setLevel(logging.INFO)
        listener = handlers.QueueListener(q, Keep())
        listener.start()
        run(*[lambda: [log.info("%d", n) for n in range(100)]] * 3)
        listener.stop()
        assert sorted(map(int, seen)) == sorted(list(range(100)) * 3), len(seen)
        print("ok")
        """
    )


def test_logging_in_a_forked_child() -> None:
    """logging makes its locks new in a child, also those that another thread held."""
    built(
        """
        import io
        handler = logging.StreamHandler(io.StringIO())
        logging.basicConfig(handlers=[handler], level=logging.INFO)
        held, go = threading.Event(), threading.Event()
        def hold():
            with handler.lock:
                held.set()
                go.wait(LIMIT)
        threading.Thread(target=hold, daemon=True).start()
        assert held.wait(LIMIT)
        pid = os.fork()
        if pid == 0:
            run(*[lambda: logging.info("child")] * 3)
            os._exit(0 if handler.stream.getvalue().count("child") == 3 else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        go.set()
        """,
        "0",
        options=("-W", "ignore::DeprecationWarning"),
    )


def test_threads_and_pools_in_a_forked_child() -> None:
    """threading and concurrent.futures make their locks and events new as well."""
    built(
        """
        pool = futures.ThreadPoolExecutor(2)
        pool.submit(int).result(LIMIT)
        event = threading.Event()
        waiter = threading.Thread(target=event.wait, args=(LIMIT,))
        waiter.start()
        pid = os.fork()
        if pid == 0:
            assert not waiter.is_alive() and threading.active_count() == 1
            with futures.ThreadPoolExecutor(2) as own:
                ok = list(own.map(str, range(50))) == [str(n) for n in range(50)]
            os._exit(0 if ok else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        event.set()
        """,
        "0",
        options=("-W", "ignore::DeprecationWarning"),
    )


def test_timers() -> None:
    built(
        """
        fired = threading.Event()
        timer = threading.Timer(0.01, fired.set)
        assert is_ours(timer.finished)
        timer.start()
        assert fired.wait(LIMIT)
        timer.join(LIMIT)
        assert timer.finished.is_set()
        never = threading.Timer(LIMIT, print, ["fired all the same"])
        never.start()
        never.cancel()
        never.join(LIMIT)
        assert not never.is_alive()
        print("ok")
        """
    )


def test_scheduler() -> None:
    built(
        """
        import sched
        order, scheduler = [], sched.scheduler()
        for delay in (0.02, 0.0, 0.01):
            scheduler.enter(delay, 1, order.append, (delay,))
        run(scheduler.run)
        print(order)
        """,
        "[0.0, 0.01, 0.02]",
    )


def test_socket_server() -> None:
    """Its shutdown() waits for an Event that another thread sets."""
    built(
        """
        import socketserver
        with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
            assert is_ours(server._BaseServer__is_shut_down)
            serving = threading.Thread(target=server.serve_forever, args=(0.01,))
            serving.start()
            while server._BaseServer__is_shut_down.is_set():
                time.sleep(0.001)  # until it serves
            server.shutdown()
            serving.join(LIMIT)
        print("ok" if not serving.is_alive() else "hangs")
        """
    )


def test_asyncio() -> None:
    """Work handed to threads and back."""
    built(
        """
        import asyncio
        async def main():
            loop = asyncio.get_running_loop()
            squares = await asyncio.gather(*(asyncio.to_thread(pow, n, 2) for n in range(20)))
            future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "slept"), loop)
            return squares[-1], await asyncio.to_thread(future.result, LIMIT)
        print(asyncio.run(main()))
        """,
        "(361, 'slept')",
    )
