"""Signals at every blocking call. Each test runs in a process of its own, whose main thread gets the signals."""

import signal

import pytest

from ..support.blocking import CALLS, TIMED
from ..support.family import NAMES
from ..support.process import run_isolated


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c(name: str) -> None:
    run_isolated(f"from support.blocking import interrupted; interrupted({name!r})", expect_out="interrupted")


@pytest.mark.parametrize("name", CALLS)
def test_signals_whose_handler_returns(name: str) -> None:
    run_isolated(f"from support.blocking import undisturbed; undisturbed({name!r})", expect_out="undisturbed")


@pytest.mark.parametrize("name", TIMED)
def test_signals_do_not_put_the_deadline_off(name: str) -> None:
    run_isolated(f"from support.blocking import timed_out; timed_out({name!r})", expect_out="timed out")


def test_unhandled_ctrl_c_ends_the_program() -> None:
    """As a user at a terminal would see it: the signal goes to the process, with Python's own handler."""
    run_isolated(
        """
        from support.threads import Puppet, waiting
        lock = IntervalLock()
        Puppet().run(lock.lock)
        def interrupt():
            waiting(lock)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        lock.lock()
        """,
        expect_code=-signal.SIGINT,
        expect_err="KeyboardInterrupt",
    )


@pytest.mark.parametrize("call", ["lock.cede()", "lock.poll()"])
def test_interrupted_cede_in_a_with_block(call: str) -> None:
    """The lock is not held any more when the block ends; the KeyboardInterrupt comes through all the same."""
    run_isolated(
        f"""
        from support.blocking import Handler, signalled
        from support.threads import LIMIT, Puppet, waiting
        Handler(signal.SIGINT, raises=True)
        lock = IntervalLock(0)
        with Puppet() as other:
            try:
                with lock:
                    got = other.start(lock.lock)
                    waiting(lock)
                    with signalled(signal.SIGINT, lock):
                        {call}
                    print("not reached")
            except KeyboardInterrupt as error:
                assert error.__context__ is None, repr(error.__context__)
                print("through")
            got.result(LIMIT)
            assert f"owner={{other.ident}} waiters=0" in repr(lock)
            other.run(lock.unlock)
        with lock:
            pass
        assert not lock.locked()
        """,
        expect_out="through",
    )


def test_misuse_after_an_interrupted_cede() -> None:
    """That the lock was once lost to an interrupt excuses no later mistake, with this lock or another."""
    run_isolated(
        """
        from support.blocking import Handler, signalled
        from support.threads import LIMIT, Puppet, waiting
        lock = IntervalLock(0)

        def lose():
            Handler(signal.SIGINT, raises=True)
            with Puppet() as other:
                lock.lock()
                got = other.start(lock.lock)
                waiting(lock)
                try:
                    with signalled(signal.SIGINT, lock):
                        lock.cede()
                except KeyboardInterrupt:
                    pass
                got.result(LIMIT)
                try:
                    lock.unlock()
                except RuntimeError:
                    print("unlock")
                other.run(lock.unlock)

        for again in (lock, IntervalLock()):
            lose()
            try:
                with again:
                    again.unlock()
            except RuntimeError:
                print("with")
        """,
        expect_out="unlock\nwith\nunlock\nwith",
    )


def test_handler_that_takes_locks() -> None:
    """Also the one that the thread waits for, and others on which the handler itself has to wait."""
    run_isolated(
        """
        from support.blocking import Handler, send_until_counted
        from support.threads import LIMIT, Puppet, until, waiters
        lock, other, rw = IntervalLock(0), IntervalLock(), ReaderWriterLock()
        tries = []

        def act():
            with IntervalLock():
                pass
            tries.append(lock.acquire(blocking=False))
            tries.append(lock.acquire(timeout=0.01))
            tries.append(other.acquire(timeout=0.01))
            tries.append(rw.acquire_read(timeout=0.01))
            tries.append(rw.acquire_write(timeout=0.01))
            free = ReaderWriterLock()
            with RWReadContext(free), RWReadContext(free):
                tries.append(free.readers() == 2)

        handler = Handler(signal.SIGUSR1, action=act)
        me = threading.get_ident()
        with Puppet() as holder, Puppet() as watcher:
            holder.run(lock.lock), holder.run(other.lock), holder.run(rw.lock_write)
            def watch():
                until(lambda: any(w.thread == me for w in waiters(lock)))
                for n in range(3):
                    send_until_counted(handler, n, me)
                    until(lambda: len(tries) == 6 * (n + 1))
                    assert [w.thread for w in waiters(lock)] == [me]
                holder.run(lock.unlock)
            watched = watcher.start(watch)
            assert lock.acquire(timeout=LIMIT) is True
            watched.result(LIMIT)
            lock.unlock()
            holder.run(other.unlock), holder.run(rw.unlock_write)
        assert tries == [False, False, False, False, False, True] * 3, tries
        assert snapshot() == []
        print("ok")
        """,
        expect_out="ok",
    )


def test_place_in_the_queue() -> None:
    """A thread that was disturbed by signals is still served before those that came later."""
    run_isolated(
        """
        from support.blocking import Handler, send_until_counted
        from support.threads import LIMIT, Puppet, until, waiters, waiting
        handler = Handler(signal.SIGUSR1)
        lock, order, me = IntervalLock(0), [], threading.get_ident()
        def visit(name):
            with lock:
                order.append(name)
        with Puppet() as holder, Puppet() as later, Puppet() as watcher:
            holder.run(lock.lock)
            def watch():
                waiting(lock)
                behind = later.start(visit, "later")
                waiting(lock, 2)
                for n in range(5):
                    send_until_counted(handler, n, me)
                assert [w.thread for w in waiters(lock)] == [me, later.ident]
                holder.run(lock.unlock)
                behind.result(LIMIT)
            watched = watcher.start(watch)
            visit("main")
            watched.result(LIMIT)
        print(order)
        """,
        expect_out="['main', 'later']",
    )


def test_readers_behind_an_interrupted_writer() -> None:
    """They are let in although the reader that the writer waited for is still there."""
    run_isolated(
        """
        from support.blocking import Handler, send_until
        from support.threads import LIMIT, Puppet, waiting
        Handler(signal.SIGINT, raises=True)
        lock, done, me = ReaderWriterLock(), threading.Event(), threading.get_ident()
        puppets = [Puppet() for _ in range(5)]
        holder, sender, *crowd = puppets
        holder.run(lock.lock_read)
        reads = []
        def interrupt():
            waiting(lock)
            reads.extend(puppet.start(lock.lock_read) for puppet in crowd)
            waiting(lock, 1 + len(crowd))
            send_until(done, signal.SIGINT, me)
        sent = sender.start(interrupt)
        try:
            lock.lock_write()
        except KeyboardInterrupt:
            done.set()
        sent.result(LIMIT)
        for read in reads:
            read.result(LIMIT)
        assert (lock.readers(), lock.writers_waiting()) == (4, 0)
        for puppet in [holder, *crowd]:
            puppet.run(lock.unlock_read)
        for puppet in puppets:
            puppet.close()
        print(repr(lock).split(" at ")[0])
        """,
        expect_out="<ReaderWriterLock unlocked",
    )


# --- what Go's runtime must leave alone -----------------------------------------------------------------------------


def test_broken_pipe() -> None:
    run_isolated(
        """
        from support.threads import contend
        contend()
        for target in (None, 1):
            reading, writing = os.pipe()
            os.close(reading)
            if target is not None:
                os.dup2(writing, target)
            try:
                os.write(writing if target is None else target, b"x")
            except BrokenPipeError:
                print("BrokenPipeError", file=sys.stderr)
        os.dup2(2, 1)
        """,
        expect_err="BrokenPipeError\nBrokenPipeError\n",
    )


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("crash", "number", "message"),
    [
        ("faulthandler._sigsegv()", signal.SIGSEGV, "Segmentation fault"),
        ("faulthandler._sigabrt()", signal.SIGABRT, "Aborted"),
        ("faulthandler._sigfpe()", signal.SIGFPE, "Floating-point exception"),
    ],
    ids=["SIGSEGV", "SIGABRT", "SIGFPE"],
)
def test_faulthandler(when: str, crash: str, number: int, message: str) -> None:
    """Enabled before Go was loaded or after it, faulthandler reports a crash, and the process dies of it."""
    setup = "contend()" if when == "before" else "faulthandler.disable(); contend(); faulthandler.enable()"
    run_isolated(
        f"import faulthandler\nfrom support.threads import contend\n{setup}\n{crash}",
        expect_code=-number,
        expect_err=f"Fatal Python error: {message}",
    )


def test_traceback_on_demand() -> None:
    run_isolated(
        """
        import faulthandler
        from support.threads import contend
        contend()
        faulthandler.register(signal.SIGUSR2, all_threads=True)
        signal.raise_signal(signal.SIGUSR2)
        print("alive")
        """,
        expect_out="alive",
        expect_err="most recent call first",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGPROF, signal.SIGUSR1])
def test_default_actions_stay(number: int) -> None:
    run_isolated(
        f"from support.threads import contend\ncontend()\nos.kill(os.getpid(), {int(number)})\ntime.sleep(30)",
        expect_code=-number,
    )


def test_handlers_stay() -> None:
    """Those that Python installed before Go was loaded, and the system's own behaviour of a sleep."""
    run_isolated(
        """
        from support.threads import contend
        calls = []
        numbers = [signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD, signal.SIGPROF, signal.SIGALRM]
        for number in numbers:
            signal.signal(number, lambda number, frame: calls.append(number))
        contend()
        for number in numbers:
            signal.raise_signal(number)
        assert calls == numbers, calls
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("KeyboardInterrupt")
        """,
        expect_out="KeyboardInterrupt",
    )


# --- the threading family ------------------------------------------------------------------------------------------

SCENARIOS = [
    "interrupted",
    "undisturbed",
    "ended_during_handler",
    "ended_by_handler",
    "ended_by_handler_that_raises",
    "handler_waits",
]


@pytest.mark.parametrize("primitive", NAMES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_call(scenario: str, primitive: str) -> None:
    run_isolated(
        f"from support import family_blocking as calls; calls.each(calls.{scenario}, {primitive!r})",
        expect_out="ok",
        expect_err=None,
    )


def test_every_call_is_in_one_of_these_groups() -> None:
    run_isolated(
        f"""
        from support.family_blocking import CALLS, of
        groups = [name for primitive in {NAMES} for name in of(primitive)]
        print(sorted(groups) == sorted(CALLS), all(of(primitive) for primitive in {NAMES}))
        """,
        expect_out="True True",
    )


def test_signals_do_not_put_the_deadline_off_of_the_family() -> None:
    run_isolated(
        """
        from support.family_blocking import TIMED, timed_out
        for name, row in TIMED.items():
            print(name, file=sys.stderr)
            timed_out(*row)
        print("ok")
        """,
        expect_out="ok",
        expect_err=None,
    )


# --- a wait whose end has to wait for the lock ----------------------------------------------------------------------

LOCKS = {
    "Lock": ("Lock()", "lock"),
    "RLock": ("RLock()", "lock"),
    "IntervalLock": ("IntervalLock(0)", "lock"),
    "RWWriteContext": ("RWWriteContext(ReaderWriterLock())", "lock.lock"),
}

RELOCKING = """
from support.blocking import Handler, send_until_counted
from support.family_blocking import asleep
from support.threads import LIMIT, Puppet, until, waiters
from ft_utils.synchronization import Condition, Lock, RLock

me = threading.get_ident()

def in_queue():
    until(lambda: [w.thread for w in waiters(queue)] == [me], "the main thread to wait for the lock")

def attempt():
    with condition:  # the exit would raise if the wait had ended without the lock
        return condition.wait()

def send_and_wait_for_delivery(number):
    signal.pthread_kill(me, number)
    os.read(reading, 1)  # written by the C part of the signal's handling

reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
"""


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("notified", [True, False])
def test_ctrl_c_while_another_thread_has_the_lock(lock: str, notified: bool) -> None:
    """The exception comes once the lock is had, and no further Ctrl-C makes the wait end without it."""
    made, queue = LOCKS[lock]
    run_isolated(
        f"""{RELOCKING}
lock = {made}
queue, condition, ended = {queue}, Condition(lock), []

def handler(*_):
    raise KeyboardInterrupt

def watch():
    asleep(me)
    friend.run(condition.acquire)
    if {notified}:
        friend.run(condition.notify)
        in_queue()
    for _ in range(3):
        send_and_wait_for_delivery(signal.SIGINT)
        in_queue()
    assert not ended
    friend.run(condition.release)

signal.signal(signal.SIGINT, handler)
with Puppet() as friend, Puppet() as watcher:
    watched = watcher.start(watch)
    try:
        try:
            attempt()
        except KeyboardInterrupt:
            ended.append(True)
        for _ in range(1000):  # a handler that was put off has its turn here
            pass
    except KeyboardInterrupt:
        pass
    watched.result(LIMIT)
assert ended and snapshot() == []
with condition:
    pass
print("ok")
""",
        expect_out="ok",
    )


def test_unhandled_ctrl_c_ends_the_program_of_the_family() -> None:
    """As a user at a terminal would see it: the signal goes to the process, with Python's own handler."""
    run_isolated(
        """
        from ft_utils.synchronization import Event
        from support.family_blocking import asleep
        event, me = Event(), threading.get_ident()
        def interrupt():
            asleep(me)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        event.wait()
        """,
        expect_code=-signal.SIGINT,
        expect_err="KeyboardInterrupt",
    )


def test_other_parties_of_an_interrupted_barrier() -> None:
    """As with the standard library's: who is interrupted does not count any more, and the barrier is whole."""
    run_isolated(
        """
        from ft_utils.synchronization import Barrier
        from support.blocking import Handler
        from support.family_blocking import signals
        from support.threads import LIMIT, Puppet, until
        Handler(signal.SIGINT, raises=True)
        barrier = Barrier(3)
        with Puppet() as one, Puppet() as two:
            first = one.start(barrier.wait)
            until(lambda: barrier.n_waiting == 1)
            try:
                with signals(signal.SIGINT):
                    barrier.wait()
            except KeyboardInterrupt:
                print("interrupted", barrier.n_waiting, barrier.broken)
            second = two.start(barrier.wait)
            until(lambda: barrier.n_waiting == 2)
            indices = [barrier.wait(LIMIT), first.result(LIMIT), second.result(LIMIT)]
            print(sorted(indices))
        """,
        expect_out="interrupted 1 False\n[0, 1, 2]",
    )


def test_interrupted_action_breaks_the_barrier() -> None:
    run_isolated(
        """
        from ft_utils.synchronization import Barrier, BrokenBarrierError
        from support.blocking import Handler
        from support.threads import LIMIT, Puppet, until
        Handler(signal.SIGINT, raises=True)
        barrier = Barrier(2, lambda: signal.raise_signal(signal.SIGINT))
        with Puppet() as other:
            waiting = other.start(barrier.wait)
            until(lambda: barrier.n_waiting == 1)
            try:
                barrier.wait()
            except KeyboardInterrupt:
                print("interrupted", barrier.broken)
            try:
                waiting.result(LIMIT)
            except BrokenBarrierError:
                print("broken")
        """,
        expect_out="interrupted True\nbroken",
    )
