"""Reports of deadlocks: once, and by a thread of their own, which leaves those of the circle in their waits."""

from ..support.process import PRELUDE, run_isolated

# The main thread and another one hold a lock each, and the other one waits for the main thread's.
CROSSED = (
    PRELUDE
    + """
from ft_utils.contention import on_deadlock
from ft_utils.synchronization import Condition
from support.threads import LIMIT, Puppet, until, waiting

class Errors:
    def __init__(self, when_written):
        self.text, self.by, self.when_written = "", None, when_written
    def write(self, text):
        self.text += text
        if self.by is None:
            self.by = threading.get_ident()
            self.when_written()
    def flush(self): pass

def unraisable(seen):
    print("unraisable", seen.exc_type, seen.exc_value)

sys.unraisablehook = unraisable
on_deadlock("report", 0.02)
mine, theirs, other = IntervalLock(), IntervalLock(), Puppet("other")
mine.lock(), other.run(theirs.lock)
"""
)


# Two threads of these names in a deadlock.
CIRCLE = (
    PRELUDE
    + """
from ft_utils.contention import on_deadlock
from support.threads import Puppet, waiting

def circle(*names):
    a, b = IntervalLock(), IntervalLock()
    one, two = map(Puppet, names)
    one.run(a.lock), two.run(b.lock)
    one.start(b.lock), two.start(a.lock)
    waiting(a), waiting(b)
"""
)


def test_off_and_report() -> None:
    run_isolated(
        """
        on_deadlock("report", 0.02)
        circle("one", "two")
        threading.Event().wait(0.5)  # time for several looks: it is reported once
        on_deadlock("off")
        circle("three", "four")
        threading.Event().wait(0.3)
        print(len(snapshot()))
        """,
        prelude=CIRCLE,
        expect_out="4",
        expect_err="ft_utils: deadlock of 2 threads, each waiting for the next:",
    )


def test_it_is_reported_once() -> None:
    outcome = run_isolated(
        """
        on_deadlock("report", 0.01)
        circle("one", "two")
        threading.Event().wait(0.5)
        """,
        prelude=CIRCLE,
        expect_err=None,
    )
    assert outcome.err.count("deadlock of 2 threads") == 1, outcome.err
    assert "one (" in outcome.err and "two (" in outcome.err


def test_ctrl_c_while_it_is_written() -> None:
    """The main thread waits, and the report has not come to its end: the exception ends the wait all the same."""
    run_isolated(
        """
        interrupted = threading.Event()

        def interrupt():
            os.kill(os.getpid(), signal.SIGINT)
            interrupted.wait(LIMIT)

        errors = sys.stderr = Errors(interrupt)
        other.start(mine.lock), waiting(mine)
        try:
            theirs.lock()
        except KeyboardInterrupt:
            interrupted.set()
        until(lambda: "deadlock of 2 threads" in errors.text and errors.text.endswith("\\n"), "the report")
        sys.stderr = sys.__stderr__
        print(interrupted.is_set(), errors.by in {waiter.thread for waiter in waiting(mine)} | {threading.get_ident()})
        os._exit(sys.stdout.flush() or 0)
        """,
        prelude=CROSSED,
        expect_out="True False",
    )


def test_an_exception_that_is_on_its_way() -> None:
    """KeyboardInterrupt ends the wait of a condition, whose lock has to be had back, and is not to be had: neither the
    exception nor the report is lost. The other thread, whose wait could end with an exception, shall not get one."""
    run_isolated(
        """
        def written():
            print("written")
            sys.stdout.flush()
            os._exit(0)

        sys.stderr = Errors(written)
        other.run(theirs.unlock)
        theirs.lock()
        condition = Condition(theirs)

        def cross():
            waiting(condition)
            other.run(theirs.lock)
            other.start(mine.lock), waiting(mine)
            os.kill(os.getpid(), signal.SIGINT)

        Puppet("crosser").start(cross)
        condition.wait()
        """,
        prelude=CROSSED,
        expect_out="written",
    )


def test_a_handler_lets_go_while_it_is_written() -> None:
    """Of the upgradable read lock that the main thread is upgrading. Nobody reads the pipe that the report goes to."""
    run_isolated(
        """
        rw, reader = ReaderWriterLock(), Puppet("reader")
        rw.lock_upgradable(), reader.run(rw.lock_read)
        read, write = os.pipe()
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, bytes(4096))
        except BlockingIOError:
            pass
        os.set_blocking(write, True)

        class Pipe(Errors):
            def write(self, text):
                super().write(text)
                os.write(write, text.encode())

        def let_go(*_):
            rw.release_upgradable()

        signal.signal(signal.SIGUSR1, let_go)
        sys.stderr = Pipe(lambda: os.kill(os.getpid(), signal.SIGUSR1))
        reader.start(mine.lock), waiting(mine)
        try:
            print(rw.upgrade())
        except RuntimeError as error:
            print(error)
        print(rw.readers(), rw.upgradable_locked(), rw.writer_locked())
        os._exit(sys.stdout.flush() or 0)
        """,
        prelude=CROSSED,
        expect_out="a signal handler has changed what this thread holds of the lock that it was upgrading\n"
        "1 False False",
    )
