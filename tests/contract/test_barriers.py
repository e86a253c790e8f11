"""Barrier and BrokenBarrierError, to the letter of the threading documentation."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import wait as wait_for_futures
from types import ModuleType
from typing import Any

import pytest

import ft_utils.synchronization as ours

from ..support.family import blocked
from ..support.threads import LIMIT, Puppet, exercise

Broken = threading.BrokenBarrierError


@pytest.fixture
def new(module: ModuleType) -> Callable[..., Any]:
    return module.Barrier


def rounds_for(new: Callable[..., Any], many: int) -> int:
    """Fewer for threading's own barrier: without the GIL a round of it takes 150 ms beside busy processes."""
    return many if new is ours.Barrier else many // 8


def arrivals(barrier: Any, crowd: list[Puppet], *args: Any) -> list[Any]:
    futures = []
    for count, puppet in enumerate(crowd, start=1):
        futures.append(puppet.start(barrier.wait, *args))
        blocked(barrier, count)
        assert barrier.n_waiting == count
    return futures


def check_all_broken(futures: list[Any]) -> None:
    for future in futures:
        with pytest.raises(Broken):
            future.result(LIMIT)


def check_works(barrier: Any, crowd: list[Puppet]) -> None:
    """A whole round passes."""
    futures = [puppet.start(barrier.wait) for puppet in crowd[: barrier.parties - 1]]
    mine = barrier.wait(LIMIT)
    indices = [mine, *(future.result(LIMIT) for future in futures)]
    assert sorted(indices) == list(range(barrier.parties))
    assert barrier.n_waiting == 0 and not barrier.broken


def test_error(module: ModuleType) -> None:
    """One and the same, so that an except clause for the standard library's finds ours."""
    assert module.BrokenBarrierError is threading.BrokenBarrierError
    assert issubclass(ours.BrokenBarrierError, RuntimeError)


def test_attributes(new: Callable[..., Any]) -> None:
    barrier = new(3)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)
    for name in ("parties", "n_waiting", "broken"):
        with pytest.raises(AttributeError):
            setattr(barrier, name, 1)


def test_arguments(new: Callable[..., Any]) -> None:
    assert new(parties=2, action=None, timeout=None).parties == 2
    assert new(2, print, 1.5).parties == 2
    for parties in (0, -1):
        with pytest.raises(ValueError):
            new(parties)
    for args in ((), ("2",), (2, None, None, None)):
        with pytest.raises(TypeError):
            new(*args)


def test_one_party_never_waits(new: Callable[..., Any]) -> None:
    barrier = new(1)
    for args in ((), (None,), (0,), (5,)):
        assert barrier.wait(*args) == 0
    assert barrier.wait(timeout=1) == 0


@pytest.mark.parametrize("parties", [2, 3, 6])
def test_all_pass_with_indices_of_their_own(new: Callable[..., Any], puppets: Any, parties: int) -> None:
    barrier, crowd = new(parties), puppets(parties - 1)
    for _ in range(3):
        futures = arrivals(barrier, crowd)
        assert not any(future.done() for future in futures)
        indices = [barrier.wait(), *(future.result(LIMIT) for future in futures)]
        assert sorted(indices) == list(range(parties))
        assert all(type(index) is int for index in indices)
        assert barrier.n_waiting == 0 and not barrier.broken


def test_rounds_do_not_mix(new: Callable[..., Any]) -> None:
    """Nobody is more than one phase ahead, and every index comes up once a round."""
    parties, rounds = 4, rounds_for(new, 200)
    barrier, phase, indices = new(parties), [0] * parties, [[0] * parties for _ in range(rounds)]

    def party(me: int) -> Callable[[], None]:
        def run() -> None:
            for number in range(rounds):
                phase[me] = number
                index = barrier.wait(LIMIT)
                indices[number][index] += 1
                assert all(number <= other <= number + 1 for other in phase)

        return run

    exercise(*(party(me) for me in range(parties)))
    assert indices == [[1] * parties] * rounds


def test_more_threads_than_parties(new: Callable[..., Any]) -> None:
    """Whoever comes while the others leave takes part in the next round."""
    rounds, enough, passed = [0], rounds_for(new, 300), [0] * 5

    def count() -> None:
        rounds[0] += 1

    barrier = new(2, count)

    def party(me: int) -> Callable[[], None]:
        def run() -> None:
            try:
                while rounds[0] < enough:
                    assert barrier.wait(LIMIT) in (0, 1)
                    passed[me] += 1
            except Broken:
                pass
            barrier.abort()  # for those who would wait for ever for one who has stopped

        return run

    exercise(*(party(me) for me in range(len(passed))))
    # The abort may still catch those who have not left the last rounds.
    assert rounds[0] >= enough and 2 * enough - len(passed) <= sum(passed) <= 2 * rounds[0]


# --- the action -----------------------------------------------------------------------------------------------------


def test_action_is_run_once_a_round_by_one_of_them_before_they_pass(new: Callable[..., Any]) -> None:
    ran: list[int] = []
    barrier = new(3, lambda: ran.append(threading.get_ident()))
    idents: list[int] = []
    rounds = rounds_for(new, 100)

    def party() -> None:
        idents.append(threading.get_ident())
        for number in range(1, rounds + 1):
            barrier.wait(LIMIT)
            assert number <= len(ran) <= number + 1

    exercise(party, party, party)
    assert len(ran) == rounds
    assert set(ran) <= set(idents)


def test_everybody_waits_for_the_action(new: Callable[..., Any], puppets: Any) -> None:
    started, go = threading.Event(), threading.Event()

    def action() -> None:
        started.set()
        assert go.wait(LIMIT)

    barrier = new(3, action=action)
    futures = [puppet.start(barrier.wait) for puppet in puppets(3)]
    assert started.wait(LIMIT)
    assert not any(future.done() for future in futures)
    go.set()
    assert sorted(future.result(LIMIT) for future in futures) == [0, 1, 2]


def test_action_that_raises_breaks_it(new: Callable[..., Any], puppets: Any) -> None:
    barrier, crowd = new(3, lambda: 1 // 0), puppets(3)
    futures = arrivals(barrier, crowd[:2])
    last = crowd[2].start(barrier.wait)
    with pytest.raises(ZeroDivisionError):
        last.result(LIMIT)
    check_all_broken(futures)
    assert barrier.broken and barrier.n_waiting == 0
    with pytest.raises(Broken):
        barrier.wait()


def test_action_that_raises_sometimes(new: Callable[..., Any], puppets: Any) -> None:
    """After a reset the barrier and its action are used again."""
    answers: list[Callable[[], Any]] = [lambda: 1 // 0, lambda: None, lambda: 1 // 0, lambda: None]
    barrier, crowd = new(2, lambda: answers.pop(0)()), puppets(1)
    for _ in range(2):
        [future] = arrivals(barrier, crowd)
        with pytest.raises(ZeroDivisionError):
            barrier.wait()
        check_all_broken([future])
        barrier.reset()
        check_works(barrier, crowd)
    assert not answers


def test_action_of_one_party(new: Callable[..., Any]) -> None:
    ran: list[int] = []
    barrier = new(1, lambda: ran.append(1))
    assert [barrier.wait(), barrier.wait()] == [0, 0]
    assert ran == [1, 1]
    failing = new(1, lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failing.wait()
    assert failing.broken


# --- abort and reset ------------------------------------------------------------------------------------------------


def test_abort_with_waiters(new: Callable[..., Any], puppets: Any) -> None:
    barrier = new(4)
    futures = arrivals(barrier, puppets(3))
    assert barrier.abort() is None
    check_all_broken(futures)
    assert barrier.broken and barrier.n_waiting == 0
    for _ in range(2):
        with pytest.raises(Broken):
            barrier.wait()
        with pytest.raises(Broken):
            barrier.wait(LIMIT)
    barrier.abort()
    assert barrier.broken


def test_abort_without_waiters(new: Callable[..., Any]) -> None:
    barrier = new(2)
    barrier.abort()
    assert barrier.broken
    with pytest.raises(Broken):
        barrier.wait()


def test_reset_with_waiters(new: Callable[..., Any], puppets: Any) -> None:
    barrier, crowd = new(4), puppets(3)
    for _ in range(3):
        futures = arrivals(barrier, crowd)
        assert barrier.reset() is None
        check_all_broken(futures)
        assert not barrier.broken and barrier.n_waiting == 0
        check_works(barrier, crowd)


def test_reset_of_an_empty_one(new: Callable[..., Any], puppets: Any) -> None:
    barrier = new(2)
    barrier.reset()
    assert not barrier.broken
    check_works(barrier, puppets(1))


def test_reset_of_a_broken_one(new: Callable[..., Any], puppets: Any) -> None:
    barrier, crowd = new(3), puppets(2)
    for _ in range(3):
        futures = arrivals(barrier, crowd)
        barrier.abort()
        check_all_broken(futures)
        barrier.reset()
        assert not barrier.broken
        check_works(barrier, crowd)


def test_methods_without_arguments(new: Callable[..., Any]) -> None:
    barrier = new(2)
    for call in (barrier.abort, barrier.reset):
        with pytest.raises(TypeError):
            call(1)


# --- timeouts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, -1, 0.0001, 0.05])
def test_timeout_breaks_it_for_all(new: Callable[..., Any], puppets: Any, timeout: float) -> None:
    barrier, crowd = new(4), puppets(2)
    futures = arrivals(barrier, crowd)
    start = time.monotonic()
    with pytest.raises(Broken):
        barrier.wait(timeout)
    assert timeout <= time.monotonic() - start < 10
    check_all_broken(futures)
    assert barrier.broken
    with pytest.raises(Broken):
        barrier.wait()


@pytest.mark.parametrize("parties", [1, 3])
def test_all_wait_during_the_action(new: Callable[..., Any], puppets: Any, parties: int) -> None:
    """The last party too, as the action itself sees it and as others do."""
    seen: list[tuple[int, int, bool, str]] = []
    started, go = threading.Event(), threading.Event()

    def look() -> None:
        seen.append((barrier.n_waiting, barrier._count, barrier.broken, repr(barrier).split(": ")[-1]))

    def action() -> None:
        look()
        started.set()
        assert go.wait(LIMIT)

    barrier, crowd = new(parties, action), puppets(parties)
    meetings = [puppet.start(barrier.wait) for puppet in crowd]
    assert started.wait(LIMIT)
    look()
    go.set()
    assert sorted(meeting.result(LIMIT) for meeting in meetings) == list(range(parties))
    assert seen == [(parties, parties, False, f"waiters={parties}/{parties}>")] * 2
    assert barrier.n_waiting == 0


@pytest.mark.parametrize("method", ["abort", "reset"])
def test_nobody_waits_after_an_end_by_the_action(puppets: Any, method: str) -> None:
    """In threading's the action would wait for itself."""
    seen: list[int] = []

    def action() -> None:
        getattr(barrier, method)()
        seen.append(barrier.n_waiting)

    barrier = ours.Barrier(2, action)
    meetings = [puppet.start(barrier.wait) for puppet in puppets(2)]
    check_all_broken(meetings)
    assert seen == [0] and barrier.n_waiting == 0


def test_no_time_runs_out_during_the_action(new: Callable[..., Any], puppets: Any) -> None:
    """All have come by then. Who comes too late for the round has its time from the next one on."""
    started, go = threading.Event(), threading.Event()

    def action() -> None:
        started.set()
        assert go.wait(LIMIT)

    barrier = new(2, action)
    one, two, late = puppets(3)
    meetings = [puppet.start(barrier.wait, 0.6) for puppet in (one, two)]
    assert started.wait(LIMIT)
    too_late = late.start(barrier.wait, 0.05)
    finished, _ = wait_for_futures([*meetings, too_late], 0.7)  # longer than any of them would wait
    assert not finished and not barrier.broken
    go.set()
    assert sorted(meeting.result(LIMIT) for meeting in meetings) == [0, 1]
    check_all_broken([too_late])
    assert barrier.broken


@pytest.mark.parametrize("how", ["positional", "keyword"])
def test_timeout_of_the_barrier(new: Callable[..., Any], how: str) -> None:
    barrier = new(2, None, 0.02) if how == "positional" else new(2, timeout=0.02)
    start = time.monotonic()
    with pytest.raises(Broken):
        barrier.wait()
    assert time.monotonic() - start >= 0.02
    assert barrier.broken


def test_timeout_of_the_call_comes_first(new: Callable[..., Any], puppets: Any) -> None:
    barrier, crowd = new(2, timeout=0.02), puppets(1)
    start = time.monotonic()
    future = crowd[0].start(barrier.wait, LIMIT)
    blocked(barrier)
    while time.monotonic() - start < 0.1:
        assert not barrier.broken  # past the barrier's own time
    assert barrier.wait() in (0, 1)
    assert future.result(LIMIT) in (0, 1)
    patient = new(2, timeout=LIMIT)
    with pytest.raises(Broken):
        patient.wait(timeout=0.01)


def test_none_is_the_timeout_of_the_barrier(new: Callable[..., Any]) -> None:
    with pytest.raises(Broken):
        new(2, timeout=0.01).wait(None)


@pytest.mark.parametrize(("timeout", "error"), [(1e100, OverflowError), ("1", TypeError), ([], TypeError)])
def test_wrong_timeouts_break_nothing(
    new: Callable[..., Any], puppets: Any, timeout: Any, error: type[Exception]
) -> None:
    barrier, crowd = new(3), puppets(2)
    [future] = arrivals(barrier, crowd[:1])
    with pytest.raises(error):
        barrier.wait(timeout)
    assert barrier.n_waiting == 1 and not barrier.broken
    other = crowd[1].start(barrier.wait)
    blocked(barrier, 2)
    assert sorted([barrier.wait(), future.result(LIMIT), other.result(LIMIT)]) == [0, 1, 2]


def test_rounds_within_their_time(new: Callable[..., Any]) -> None:
    """A timeout is for one wait, not for the barrier's life."""
    barrier, rounds = new(2, timeout=LIMIT), rounds_for(new, 200)

    def party() -> None:
        for _ in range(rounds):
            barrier.wait()
            barrier.wait(LIMIT)

    exercise(party, party)
    assert not barrier.broken
