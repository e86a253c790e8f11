"""New processes of all kinds, while locks of all types are hammered and waited for."""

import pytest

from ..support.process import run_isolated
from ..support.subjects import SUBJECTS, Subject

# Forking while other threads run warns; what follows is what matters here.
QUIET = ("-W", "ignore::DeprecationWarning")


def isolated(call: str) -> None:
    run_isolated(
        f"""
        if __name__ == "__main__":
            from support.forking import *
            {call}
            print("ok")
        """,
        expect_out="ok",
        options=QUIET,
    )


def test_fork_from_threads() -> None:
    isolated("fork_from_threads()")


def test_fork_from_handlers() -> None:
    isolated("fork_from_handlers()")


def test_fork_beside_threads_that_end() -> None:
    isolated("fork_beside_threads_that_end()")


@pytest.mark.parametrize("_", range(5))
def test_fork_while_the_library_is_loaded(_: int) -> None:
    isolated("fork_while_the_library_is_loaded()")


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_handler_that_forks_in_a_wait(subject: Subject) -> None:
    """Parent and child return from the handler into the wait, and in both it ends when it should."""
    isolated(f"go_on_in_the_child(BY_NAME[{subject.name!r}])")


def test_party_that_a_forked_child_has_not() -> None:
    """After a fork from within its wait a child may be told that the barrier failed; nobody must be left in it then."""
    isolated("fork_in_a_meeting()")


@pytest.mark.parametrize("preexec", [False, True])
def test_subprocess(preexec: bool) -> None:
    isolated(f"subprocesses({preexec})")


def test_posix_spawn() -> None:
    isolated("spawns()")


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method: str) -> None:
    isolated(f"processes({method!r})")
