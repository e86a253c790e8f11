"""The signals of a process in which Go runs: masks, handlers and profilers stay the host's."""

import signal

import pytest

from ..support.compiled import compiler
from ..support.process import run_isolated

PRELUDE = """
import os, signal, sys, threading
sys.path.insert(0, {tests!r})
from support.guest import *
"""


def run(code: str, **expectations: object) -> None:
    from ..support.process import TESTS

    run_isolated(code, prelude=PRELUDE.format(tests=str(TESTS)), **expectations)  # type: ignore[arg-type]


@pytest.mark.parametrize("waiter", ["here", "elsewhere"])
@pytest.mark.parametrize("mask", ["signal.valid_signals()", "{signal.SIGCHLD}", "set()"])
def test_a_call_into_go_leaves_the_mask(mask: str, waiter: str) -> None:
    run(
        f"""
        signal.pthread_sigmask(signal.SIG_SETMASK, {mask})
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        contend({waiter!r})
        contend({waiter!r})
        assert go_runs()
        after = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        assert before == after, before ^ after
        """
    )


def test_gos_threads_block_what_they_do_not_need() -> None:
    """All but the faults of a thread's own, and what the kernel and glibc let nobody block; later threads too."""
    run(
        """
        contend()
        open = {4, 5, 7, 8, 9, 11, 19, 32, 33}
        seen = go_threads()
        assert seen
        from ft_utils.synchronization import snapshot
        for _ in range(20000):
            snapshot()  # garbage, so that the collector runs, in a thread of its own
        for thread in go_threads() | seen:
            assert blocked(thread) == set(range(1, 65)) - open, set(range(1, 65)) - open ^ blocked(thread)
        """
    )


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM", "SIGURG", "SIGPROF", "SIGRTMIN"])
def test_a_signal_that_every_python_thread_blocks_stays_pending(name: str) -> None:
    """It would end the process if one of Go's threads took it."""
    run(
        f"""
        signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.{name}}})
        contend()
        os.kill(os.getpid(), signal.{name})
        assert signal.sigtimedwait({{signal.{name}}}, LIMIT).si_signo == signal.{name}
        """
    )


def test_sigchld_reaches_sigtimedwait() -> None:
    """Its default is to be ignored: a thread that does not block it would swallow it."""
    run(
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        contend("here")
        child = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
        info = signal.sigtimedwait({signal.SIGCHLD}, LIMIT)
        assert info is not None and info.si_pid == child, info
        os.waitpid(child, 0)
        """
    )


def test_loading_changes_no_handler() -> None:
    run(
        """
        import faulthandler
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
            signal.signal(number, lambda *_: None)
        faulthandler.enable()
        before = handlers()
        contend("here")
        assert go_runs()
        assert handlers() == before
        """
    )


def test_loading_leaves_default_and_ignored_signals() -> None:
    run("before = handlers(); contend(); assert go_runs(); assert handlers() == before")


def test_handlers_without_the_alternate_stack_get_it() -> None:
    """signal(2) of C does not ask for it, and Go code runs on stacks of a few KB."""
    run(
        """
        handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: None)
        libc.signal(signal.SIGUSR2, handler)
        before = handlers()
        assert not before[signal.SIGUSR2][1] & SA_ONSTACK
        contend()
        after = handlers()
        assert after.pop(signal.SIGUSR2)[1] & SA_ONSTACK
        del before[signal.SIGUSR2]
        assert after == before
        """
    )


@pytest.mark.skipif(compiler() is None, reason="no C compiler, which makes the handler")
def test_handlers_have_room_on_the_alternate_stack() -> None:
    """A thread that has been in Go has one, where it had none before."""
    run(
        """
        from support.compiled import helper
        from support.threads import Puppet
        thread, library = Puppet(), helper()
        library.handler_that_uses_much.restype = ctypes.c_void_p
        libc.signal(signal.SIGUSR2, ctypes.c_void_p(library.handler_that_uses_much()))
        thread.run(signal.raise_signal, signal.SIGUSR2)
        thread.run(contend, "here")
        assert go_runs()
        for n in range(3):
            thread.run(signal.raise_signal, signal.SIGUSR2)
        """
    )


@pytest.mark.parametrize("first", ["handler", "contention"])
@pytest.mark.parametrize("name", ["SIGURG", "SIGPIPE", "SIGCHLD", "SIGFPE"])
def test_handlers_of_signals_that_go_uses_are_called(name: str, first: str) -> None:
    run(
        f"""
        called = []
        if {first == "contention"}:
            contend("here")
        signal.signal(signal.{name}, lambda *_: called.append(1))
        if {first == "handler"}:
            contend("here")
        for n in range(3):
            os.kill(os.getpid(), signal.{name})
            contend("here")
        assert len(called) == 3, called
        """
    )


@pytest.mark.parametrize("first", ["faulthandler", "contention"])
def test_faulthandler_reports_a_fault(first: str) -> None:
    run(
        f"""
        import faulthandler
        faulthandler.disable()
        if {first == "contention"}:
            contend("here")
        faulthandler.enable()
        if {first == "faulthandler"}:
            contend("here")
        def at_fault():
            ctypes.string_at(0)
        at_fault()
        """,
        expect_code=-signal.SIGSEGV,
        expect_err="in at_fault",
    )


def test_broken_pipes_are_exceptions() -> None:
    run(
        """
        contend("here")
        reading, writing = os.pipe()
        os.close(reading)
        try:
            os.write(writing, b"x")
        except BrokenPipeError:
            print("broken pipe")
        """,
        expect_out="broken pipe",
    )


def test_a_profiler_of_processor_time_goes_on() -> None:
    run(
        """
        ticks = []
        signal.signal(signal.SIGPROF, lambda *_: ticks.append(1))
        signal.setitimer(signal.ITIMER_PROF, 0.005, 0.005)
        contend("here")
        before = len(ticks)
        while len(ticks) < before + 5:
            contend()
        signal.setitimer(signal.ITIMER_PROF, 0)  # or it ends the interpreter, whose handlers go first
        """
    )


def test_a_process_may_change_its_user() -> None:
    """glibc interrupts every thread for it, Go's too, by a signal that cannot be blocked."""
    run(
        """
        if os.getuid() == 0:
            contend("here")
            os.setgid(65534)
            os.setuid(65534)
            contend("here")
            assert os.getresuid() == (65534,) * 3
        print("done")
        """,
        expect_out="done",
    )
