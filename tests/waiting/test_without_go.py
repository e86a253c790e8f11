"""Waiting without Go: with a library that cannot be loaded, and in children forked after a contention."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.polling import broken_package
from ..support.process import PRELUDE, Outcome, collects_at_once, run_isolated

Run = Callable[[str], Outcome]
WARNING = "RuntimeWarning: ft_utils could not load its Go library"


@pytest.fixture(params=["forked", "broken"])
def polling(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a call of tests/support in a process that polls."""
    if request.param == "forked":
        return lambda call: run_isolated(
            f"""
            from support.forks import in_child
            from support.intrusions import *
            from support.polling import *
            from support.subjects import BY_NAME, SUBJECTS
            from support.threads import contend
            contend()
            in_child(lambda: {call})
            print("ok")
            """,
            expect_out="ok",
            options=("-W", "ignore::DeprecationWarning"),
        )
    prelude = f"import sys; sys.path.insert(0, {str(broken_package(tmp_path))!r})\n" + PRELUDE
    return lambda call: run_isolated(
        f"""
        import ft_utils
        from support.intrusions import *
        from support.polling import *
        from support.subjects import BY_NAME, SUBJECTS, Process, Semaphore
        Process.polls = True
        assert ft_utils.__file__.startswith({str(tmp_path)!r})
        assert not Semaphore(0).acquire(timeout=0.001)  # tries to load the library, once
        {call}
        print("ok")
        """,
        expect_out="ok",
        expect_err=WARNING,
        prelude=prelude,
    )


def test_every_type(polling: Run) -> None:
    polling("all_types()")


def test_broken_library_warns_once(tmp_path: Path) -> None:
    prelude = f"import sys; sys.path.insert(0, {str(broken_package(tmp_path))!r})\n" + PRELUDE
    ended = run_isolated(
        """
        from support.polling import all_types
        from support.subjects import Process
        Process.polls = True
        all_types()
        print(stats().contended, snapshot())
        """,
        expect_out="0 []",
        expect_err=WARNING,
        prelude=prelude,
    )
    assert ended.err.count("RuntimeWarning") == 1, ended.err


def test_seen_after_the_warning(tmp_path: Path) -> None:
    prelude = f"import sys; sys.path.insert(0, {str(broken_package(tmp_path))!r})\n" + PRELUDE
    run_isolated(
        "from support.polling import seen_after_the_warning; seen_after_the_warning(); print('ok')",
        expect_out="ok",
        prelude=prelude,
    )


@pytest.mark.parametrize("how", ["cede", "poll"])
def test_cede(how: str, polling: Run) -> None:
    polling(f"cede({how!r})")


def test_handlers_that_wait(polling: Run) -> None:
    polling("[signalled(subject, looks=False, runs=1) for subject in SUBJECTS]")


@collects_at_once
@pytest.mark.parametrize("how", ["finalizer", "callback"])
def test_collections_that_wait(how: str, polling: Run) -> None:
    polling(f"[collected(subject, {how!r}, looks=False) for subject in SUBJECTS]")


@pytest.mark.parametrize("name", ["IntervalLock", "Condition"])
def test_seen_after_a_handler_that_waits(name: str, polling: Run) -> None:
    """Others still see that it waits: repr() shows it, cede() and poll() let it in."""
    polling(f"seen_after_a_handler(BY_NAME[{name!r}])")


def test_all_wait_during_the_action_of_a_barrier(polling: Run) -> None:
    polling("all_wait_during_the_action()")


def test_handler_that_reads_while_its_thread_waits_to_write(polling: Run) -> None:
    polling("handler_reads_while_a_writer_waits()")


def test_handler_that_reads_while_its_thread_waits_in_the_queue() -> None:
    """The same with Go, to show what is asked."""
    run_isolated("from support.polling import *; handler_reads_while_a_writer_waits(); print('ok')", expect_out="ok")


def test_ctrl_c_before_the_next_round(polling: Run) -> None:
    polling("ctrl_c_before_the_next_round()")


def test_ctrl_c_before_the_next_round_in_the_queue() -> None:
    """The same with Go, to show what is asked."""
    run_isolated("from support.polling import *; ctrl_c_before_the_next_round(); print('ok')", expect_out="ok")
