"""Forks of all kinds while locks of all types are hammered and waited for. Run in child processes of the tests."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ft_utils.synchronization import Barrier, BrokenBarrierError, Condition, IntervalLock, snapshot, stats

from .blocking import Handler
from .forks import in_child
from .subjects import BY_NAME, SHORT, SUBJECTS, Subject, nothing
from .threads import LIMIT, Puppet, exercise, until

Made = list[tuple[Subject, Any]]


@contextmanager
def load() -> Iterator[Made]:
    """A lock of each type, at which threads are all the time."""
    made = [(subject, subject.make()) for subject in SUBJECTS]
    stop: list[bool] = []
    turns, before = [0], stats().contended + 10

    def hammer(offset: int) -> None:
        number = offset
        while not stop:
            subject, target = made[number % len(made)]
            turn = subject.turns()[number % 3]
            for _ in range(20):
                turn(target)
            number += 1
            turns[0] += 1

    # They go through the types in the same order, two of them together: so each lock is contended now and then.
    threads = [threading.Thread(target=hammer, args=(offset,)) for offset in (0, 0, 8)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: turns[0] > len(made) and stats().contended > before, "the threads to get in each other's way")
        yield made
    finally:
        stop.append(True)
        for thread in threads:
            thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    for subject, target in made:
        subject.rested(target)


def in_the_child(made: Made) -> None:
    """Whoever held one is not here. The answer may be no, but it has to come; new ones and new threads work."""
    assert snapshot() == []
    for subject, target in made:
        repr(target)
        subject.attempt(target)
        try_shortly(subject, target)
    with Puppet() as friend:
        for subject in SUBJECTS:
            subject.usable(subject.make(), friend, 1)


def try_shortly(subject: Subject, target: Any) -> None:
    """As a wait in vain, though it may be that the lock is held for ever, or by this thread itself."""
    try:
        if not isinstance(target, Condition):
            if subject.wait(target, SHORT):
                subject.leave(target)
        elif target.acquire(timeout=SHORT):
            target.wait(SHORT)
            target.release()
    except RuntimeError as error:
        assert "this thread" in str(error), error


def fork_from_threads(rounds: int = 3) -> None:
    """Several threads fork at the same time, beside those that hammer."""
    with load() as made:

        def fork() -> None:
            for _ in range(rounds):
                in_child(lambda: in_the_child(made))

        exercise(fork, fork, fork, limit=3 * LIMIT)


def fork_from_handlers(rounds: int = 4) -> None:
    """A signal handler forks while the main thread takes turns itself, and may have any of the locks in hand."""
    ends: list[BaseException | None] = []

    def fork() -> None:
        try:
            in_child(lambda: in_the_child(made))
            ends.append(None)
        except BaseException as error:  # the handler may have come anywhere
            ends.append(error)

    with load() as made:
        Handler(signal.SIGUSR1, action=fork)
        me = threading.get_ident()
        with Puppet() as sender:

            def send() -> None:
                for count in range(1, rounds + 1):
                    signal.pthread_kill(me, signal.SIGUSR1)
                    until(lambda count=count: len(ends) == count, "the handler to end", 2 * LIMIT)

            sent = sender.start(send)
            while not sent.done():
                for subject, target in made:
                    subject.turn(target)
            sent.result(LIMIT)
    assert ends == [None] * rounds, ends


def fork_beside_threads_that_end(rounds: int = 10) -> None:
    """Threads that have waited, and their records, come and go meanwhile."""
    stop: list[bool] = []
    lock = IntervalLock()

    def wait() -> None:
        lock.acquire(timeout=SHORT)

    def spawn() -> None:
        while not stop:
            threads = [threading.Thread(target=wait) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LIMIT)

    def fork() -> None:
        try:
            for _ in range(rounds):
                in_child(lambda: in_the_child([(BY_NAME["IntervalLock"], lock)]))
        finally:
            stop.append(True)

    with lock:
        exercise(fork, spawn, spawn, limit=3 * LIMIT)


def fork_while_the_library_is_loaded() -> None:
    """The first contention of the process, and a fork at the same moment."""
    lock = IntervalLock()

    def contend() -> None:
        lock.acquire(timeout=SHORT)

    with lock:
        exercise(contend, contend, lambda: in_child(lambda: in_the_child([])))
    with Puppet() as friend:
        BY_NAME["IntervalLock"].usable(lock, friend)


# --- a handler forks in the middle of a wait ------------------------------------------------------------------------


def go_on_in_the_child(subject: Subject) -> None:
    """The child returns from the handler into the wait that its main thread was in, and both waits end."""
    target, me, parent = subject.make(), threading.get_ident(), os.getpid()
    children: list[int] = []
    helpers: list[threading.Thread] = []

    def fork() -> None:
        pid = os.fork()
        if pid:
            children.append(pid)
            return
        # Whoever was to let the main thread go on is not here.
        helper = threading.Thread(target=admit_in_the_child, args=(subject, target, still_obstructed(subject, target)))
        helper.start()
        helpers.append(helper)

    with Puppet("friend") as friend, Puppet("watcher") as watcher:
        Handler(signal.SIGUSR1, action=fork)
        friend.run(subject.obstruct, target)

        def watch() -> None:
            try:
                subject.waited_for(target)
                signal.pthread_kill(me, signal.SIGUSR1)
                until(lambda: children, "the handler to fork")
                subject.waited_for(target)
            finally:
                friend.run(subject.admit, target)

        watched = watcher.start(watch)
        ended = subject.wait(target, LIMIT)
        if os.getpid() != parent:
            end_child(subject, target, ended, helpers[0])
        assert ended
        watched.result(LIMIT)
        subject.leave(target)
        _, status = until(lambda: (end := os.waitpid(children[0], os.WNOHANG))[0] and end, "the child to end")
        assert status == 0, f"the child ended with status {status}"
        subject.rested(target)
        subject.usable(target, friend)


def still_obstructed(subject: Subject, target: Any) -> bool:
    """Asked before the main thread goes on. A read lock goes with its thread, so what waited for that is free."""
    return subject.obstruct is nothing or not subject.idle(target)


def admit_in_the_child(subject: Subject, target: Any, obstructed: bool) -> None:
    """A lock whose owner is gone is made new, what has none is let go by anybody."""
    if not obstructed:
        return
    if subject.obstruct is nothing:
        subject.admit(target)
    elif hasattr(subject.queue(target), "_at_fork_reinit"):
        subject.queue(target)._at_fork_reinit()
    else:
        target.release()


def end_child(subject: Subject, target: Any, ended: bool, helper: threading.Thread) -> None:
    code = 1
    try:
        assert ended, "the wait in the child was in vain"
        helper.join(LIMIT)
        subject.leave(target)
        subject.rested(target)
        with Puppet() as friend:
            subject.usable(target, friend)
        code = 0
    except BaseException as error:
        print(f"in the child: {error!r}", file=sys.stderr)
    finally:
        os._exit(code)


def fork_in_a_meeting() -> None:
    """However the wait ends in the child, a lonely party does not pass the barrier there."""
    barrier, me, parent = Barrier(2), threading.get_ident(), os.getpid()
    children: list[int] = []

    def fork() -> None:
        pid = os.fork()
        if pid:
            children.append(pid)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0.1)  # the child's wait ends by an exception, if not before

    def end(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, end)
    with Puppet("friend") as friend:
        Handler(signal.SIGUSR1, action=fork)

        def watch() -> None:
            until(lambda: barrier.n_waiting == 1, "the main thread to wait")
            signal.pthread_kill(me, signal.SIGUSR1)
            until(lambda: children, "the handler to fork")
            barrier.wait(LIMIT)

        watched = friend.start(watch)
        ended: Any = None
        try:
            barrier.wait(LIMIT)
        except (TimeoutError, BrokenBarrierError) as error:
            ended = error
        if os.getpid() != parent:
            os._exit(0 if barrier.n_waiting == 0 and not BY_NAME["Barrier"].wait(barrier, 0.05) else 1)
        assert ended is None
        watched.result(LIMIT)
        _, status = os.waitpid(children[0], 0)
        assert status == 0, "a lonely party passed in the child"


# --- other ways to a new process ------------------------------------------------------------------------------------

HELLO = [sys.executable, "-P", "-c", "from ft_utils.synchronization import Lock\nwith Lock(): print('hello')"]


def subprocesses(preexec: bool, rounds: int = 3) -> None:
    """preexec: Python code runs in the child between fork and exec, and uses the locks there."""
    with load() as made:
        action: Callable[[], None] | None = (lambda: in_the_child(made)) if preexec else None
        for _ in range(rounds):
            done = subprocess.run(HELLO, preexec_fn=action, capture_output=True, text=True, timeout=2 * LIMIT)
            assert (done.returncode, done.stdout) == (0, "hello\n"), done


def spawns(rounds: int = 3) -> None:
    with load():
        for _ in range(rounds):
            reading, writing = os.pipe()
            actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)]
            pid = os.posix_spawn(HELLO[0], HELLO, os.environ, file_actions=actions)
            os.close(writing)
            with open(reading) as output:
                assert output.read() == "hello\n"
            assert os.waitpid(pid, 0)[1] == 0


def processes(method: str) -> None:
    """multiprocessing's: with fork they are given the very locks, else none."""
    context: Any = multiprocessing.get_context(method)
    with load() as made:
        children = [context.Process(target=in_the_child, args=(made if method == "fork" else [],)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join(2 * LIMIT)
        assert [child.exitcode for child in children] == [0, 0]
        with context.Pool(2) as pool:
            assert pool.map_async(abs, range(-20, 0)).get(2 * LIMIT) == list(range(20, 0, -1))
