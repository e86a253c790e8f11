"""stats(): what is one wait counts once, whatever interrupts it."""

import pytest

from ..support.process import run_isolated


@pytest.mark.parametrize("signals", [0, 3])
def test_a_long_wait_of_the_main_thread_counts_once(signals: int) -> None:
    """It wakes up now and then to look for signals, and steps out of the queue for those that have come."""
    run_isolated(
        f"""
        from support.threads import Puppet, until, waiting
        lock, calls = IntervalLock(), []
        signal.signal(signal.SIGUSR1, lambda *_: calls.append(1))
        holder = Puppet()
        holder.run(lock.lock)
        def help():
            waiting(lock)
            for n in range({signals}):
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
                until(lambda: len(calls) == n + 1)
                waiting(lock)
            threading.Event().wait(0.3)  # the main thread looks after 10, 50 and 210 ms of sleep
            holder.run(lock.unlock)
        before = stats()
        helper = threading.Thread(target=help)
        helper.start()
        lock.lock()
        helper.join()
        after = stats()
        print(after.contended - before.contended, after.parks - before.parks, len(calls))
        """,
        expect_out=f"1 1 {signals}",
    )


def test_a_writer_that_looks_for_signals_wakes_no_reader() -> None:
    run_isolated(
        """
        from support.threads import Puppet, waiting
        rw = ReaderWriterLock()
        holder, reader = Puppet(), Puppet()
        holder.run(rw.lock_read)
        def help():
            waiting(rw, 1)
            reads = reader.start(rw.lock_read)  # kept out by the main thread
            waiting(rw, 2)
            before = stats().notifies
            threading.Event().wait(0.3)  # the main thread looks after 10, 50 and 210 ms of sleep
            print(stats().notifies - before)
            holder.run(rw.unlock_read)
        helper = threading.Thread(target=help)
        helper.start()
        rw.lock_write()
        rw.unlock_write()
        helper.join()
        """,
        expect_out="0",
    )


@pytest.mark.parametrize("side", ["write", "upgrade"])
def test_signals_that_never_cease_do_not_keep_a_writer_out(side: str) -> None:
    """It steps out of the queue for each run of handlers, and readers go in. So there are pauses that double, of 1 ms
    at first. In what it waits here there is room for so many runs, however many signals come."""
    run_isolated(
        f"""
        from support.threads import LIMIT, Puppet, waiting
        rw, runs, reader, me = ReaderWriterLock(), [], Puppet(), threading.get_ident()
        signal.signal(signal.SIGUSR1, lambda *_: runs.append(1))
        {"rw.lock_upgradable()" if side == "upgrade" else ""}
        reader.run(rw.lock_read)
        def help():
            waiting(rw)
            for n in range(400):
                signal.pthread_kill(me, signal.SIGUSR1)
                time.sleep(0.001)  # the period of the signals
            reader.run(rw.unlock_read)
        helper = Puppet().start(help)
        before = time.monotonic()
        {"rw.upgrade()" if side == "upgrade" else "rw.lock_write()"}
        milliseconds = (time.monotonic() - before) * 1000
        counted = len(runs)
        rw.unlock_write()
        helper.result(LIMIT)
        print(2 <= counted <= 2 + milliseconds.__trunc__().bit_length(), counted if counted < 2 else "")
        """,
        expect_out="True",
    )
