"""Semaphore and BoundedSemaphore, to the letter of the threading documentation."""

import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest

from ..support.family import blocked
from ..support.threads import LIMIT, Puppet, exercise


@pytest.fixture(params=["Semaphore", "BoundedSemaphore"])
def new(request: pytest.FixtureRequest, module: ModuleType) -> Callable[..., Any]:
    return getattr(module, request.param)


def emptied(new: Callable[..., Any], most: int = 4) -> Any:
    """A semaphore without permits; a bounded one may be given up to `most`."""
    semaphore = new(most)
    for _ in range(most):
        assert semaphore.acquire()
    return semaphore


def permits(semaphore: Any) -> int:
    """How many there are to be had."""
    count = 0
    while semaphore.acquire(blocking=False):
        count += 1
    if count:
        semaphore.release(count)
    return count


@pytest.mark.parametrize("value", [0, 1, 2, 50])
def test_counts_down_to_zero(new: Callable[..., Any], value: int) -> None:
    semaphore = new(value)
    for _ in range(value):
        assert semaphore.acquire() is True
    assert semaphore.acquire(blocking=False) is False
    for _ in range(value):
        assert semaphore.release() is None
    assert permits(semaphore) == value


def test_initial_value(new: Callable[..., Any]) -> None:
    assert permits(new()) == 1
    assert permits(new(value=3)) == 3
    assert new(2**31).acquire() is True
    with pytest.raises(ValueError):
        new(-1)
    with pytest.raises(ValueError):
        new(value=-5)
    with pytest.raises(TypeError):
        new("1")
    with pytest.raises(TypeError):
        new(1, 2)


@pytest.mark.parametrize("args", [(True,), (True, None), (True, 0), (True, 0.5), (True, -1), (False,), (False, None)])
def test_acquire_takes_its_arguments_by_place_and_name(new: Callable[..., Any], args: tuple[Any, ...]) -> None:
    semaphore = new(1)
    assert semaphore.acquire(*args) is True
    semaphore.release()
    assert semaphore.acquire(**dict(zip(("blocking", "timeout"), args, strict=False))) is True
    semaphore.release()
    assert permits(semaphore) == 1


@pytest.mark.parametrize("timeout", [0, 1, -1, 0.5])
@pytest.mark.parametrize("value", [0, 1])
def test_no_timeout_without_blocking(new: Callable[..., Any], value: int, timeout: float) -> None:
    """Whether there is a permit or not; unlike a Lock's, this timeout is None by default, and -1 is one."""
    semaphore = new(value)
    with pytest.raises(ValueError):
        semaphore.acquire(False, timeout)
    with pytest.raises(ValueError):
        semaphore.acquire(blocking=False, timeout=timeout)
    assert permits(semaphore) == value


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -0.5, -1e9])
def test_timeouts_that_are_over_at_once(new: Callable[..., Any], timeout: float) -> None:
    semaphore = new(0)
    assert semaphore.acquire(timeout=timeout) is False
    assert semaphore.acquire(True, timeout) is False


@pytest.mark.parametrize(("timeout", "error"), [(1e100, OverflowError), ("1", TypeError), ([], TypeError)])
def test_wrong_timeouts(new: Callable[..., Any], timeout: Any, error: type[Exception]) -> None:
    """When it has to wait: what happens to a timeout that is not needed is not told."""
    semaphore = emptied(new)
    with pytest.raises(error):
        semaphore.acquire(timeout=timeout)
    semaphore.release()
    assert permits(semaphore) == 1


@pytest.mark.parametrize("timeout", [0.0001, 0.05])
def test_timeout_ends_the_wait_not_before_its_time(new: Callable[..., Any], timeout: float) -> None:
    semaphore = emptied(new)
    start = time.monotonic()
    assert semaphore.acquire(timeout=timeout) is False
    assert timeout <= time.monotonic() - start < timeout + 10
    semaphore.release()
    assert permits(semaphore) == 1, "the one that gave up took a permit with it"


@pytest.mark.parametrize("kwargs", [{}, {"timeout": LIMIT}, {"timeout": None}], ids=repr)
def test_release_lets_a_waiter_in(new: Callable[..., Any], puppet: Puppet, kwargs: Any) -> None:
    semaphore = emptied(new)
    taken = puppet.start(semaphore.acquire, **kwargs)
    blocked(semaphore)
    assert not taken.done()
    semaphore.release()
    assert taken.result(LIMIT) is True
    assert permits(semaphore) == 0


def test_permits_belong_to_no_thread(new: Callable[..., Any], puppet: Puppet) -> None:
    semaphore = new(1)
    semaphore.acquire()
    puppet.run(semaphore.release)
    assert puppet.run(semaphore.acquire) is True
    semaphore.release()
    assert permits(semaphore) == 1


def test_release_of_several(new: Callable[..., Any]) -> None:
    semaphore = emptied(new)
    assert semaphore.release(2) is None
    assert permits(semaphore) == 2
    assert semaphore.release(n=2) is None
    assert permits(semaphore) == 4


@pytest.mark.parametrize("n", [0, -1, -100])
def test_release_of_less_than_one(new: Callable[..., Any], n: int) -> None:
    semaphore = emptied(new)
    with pytest.raises(ValueError):
        semaphore.release(n)
    with pytest.raises(ValueError):
        semaphore.release(n=n)
    assert permits(semaphore) == 0


def test_release_wants_a_number(new: Callable[..., Any]) -> None:
    semaphore = emptied(new)
    with pytest.raises(TypeError):
        semaphore.release("1")
    with pytest.raises(TypeError):
        semaphore.release(1, 1)
    assert permits(semaphore) == 0


def test_release_of_n_wakes_n_in_order_of_arrival(new: Callable[..., Any], puppets: Any) -> None:
    semaphore = emptied(new)
    taken = []
    for count, puppet in enumerate(puppets(5), start=1):
        taken.append(puppet.start(semaphore.acquire))
        blocked(semaphore, count)
    semaphore.release(2)
    assert [future.result(LIMIT) for future in taken[:2]] == [True, True]
    blocked(semaphore, 3)
    semaphore.release()
    assert taken[2].result(LIMIT) is True
    blocked(semaphore, 2)
    assert not taken[3].done() and not taken[4].done()
    semaphore.release(2)
    for future in taken:
        assert future.result(LIMIT) is True
    assert permits(semaphore) == 0


def test_more_permits_than_waiters(new: Callable[..., Any], puppets: Any) -> None:
    semaphore = emptied(new)
    taken = [puppet.start(semaphore.acquire) for puppet in puppets(2)]
    blocked(semaphore, 2)
    semaphore.release(4)
    assert [future.result(LIMIT) for future in taken] == [True, True]
    assert permits(semaphore) == 2


def test_one_that_gave_up_between_others(new: Callable[..., Any], puppets: Any) -> None:
    """A permit is not handed to a waiter that has left."""
    semaphore = emptied(new)
    first, second, third = puppets(3)
    before = first.start(semaphore.acquire)
    blocked(semaphore)
    assert second.run(semaphore.acquire, timeout=0.01) is False
    after = third.start(semaphore.acquire)
    blocked(semaphore, 2)
    semaphore.release(2)
    assert before.result(LIMIT) is True and after.result(LIMIT) is True
    assert permits(semaphore) == 0


def test_with_gives_true(new: Callable[..., Any]) -> None:
    semaphore = new(2)
    with semaphore as entered:
        assert entered is True
        with semaphore as again:
            assert again is True
            assert semaphore.acquire(blocking=False) is False
    assert permits(semaphore) == 2
    assert semaphore.__enter__() is True
    assert not semaphore.__exit__(None, None, None)
    with pytest.raises(ZeroDivisionError), semaphore:
        1 / 0
    assert permits(semaphore) == 2


def test_with_waits(new: Callable[..., Any], puppet: Puppet) -> None:
    semaphore = emptied(new)

    def visit() -> None:
        with semaphore:
            pass

    done = puppet.start(visit)
    blocked(semaphore)
    semaphore.release()
    done.result(LIMIT)
    assert permits(semaphore) == 1


def test_semaphore_has_no_upper_bound(module: ModuleType) -> None:
    semaphore = module.Semaphore(1)
    semaphore.release()
    semaphore.release(n=10)
    assert permits(semaphore) == 12


def test_bounded_semaphore_refuses_one_too_many(module: ModuleType) -> None:
    semaphore = module.BoundedSemaphore(2)
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        semaphore.release()
    assert permits(semaphore) == 2
    semaphore.acquire()
    semaphore.release()
    with pytest.raises(ValueError):
        semaphore.release()
    assert permits(semaphore) == 2


def test_bounded_semaphore_releases_all_or_none(module: ModuleType) -> None:
    semaphore = module.BoundedSemaphore(3)
    semaphore.acquire()
    semaphore.acquire()
    with pytest.raises(ValueError):
        semaphore.release(3)
    count = 0
    while semaphore.acquire(blocking=False):
        count += 1
    assert count == 1, "the refused release left something behind"
    semaphore.release(3)
    with pytest.raises(ValueError):
        semaphore.release(2**40)
    assert permits(semaphore) == 3


def test_bounded_by_zero(module: ModuleType) -> None:
    semaphore = module.BoundedSemaphore(0)
    with pytest.raises(ValueError):
        semaphore.release()
    assert semaphore.acquire(blocking=False) is False


def test_bounded_semaphore_with_waiters(module: ModuleType, puppet: Puppet) -> None:
    """The refused release wakes nobody."""
    semaphore = module.BoundedSemaphore(1)
    semaphore.acquire()
    taken = puppet.start(semaphore.acquire)
    blocked(semaphore)
    with pytest.raises(ValueError):
        semaphore.release(2)
    blocked(semaphore)
    assert not taken.done()
    semaphore.release()
    assert taken.result(LIMIT) is True
    semaphore.release()


def test_with_after_a_release_too_many(module: ModuleType) -> None:
    semaphore = module.BoundedSemaphore(1)
    with pytest.raises(ValueError), semaphore:
        semaphore.release()
    assert permits(semaphore) == 1


def test_bounded_semaphore_is_a_semaphore(module: ModuleType) -> None:
    assert isinstance(module.BoundedSemaphore(), module.Semaphore)


def test_never_more_inside_than_permits(new: Callable[..., Any]) -> None:
    semaphore, slots, most = new(2), [0] * 5, [0]

    def visitor(slot: int) -> Callable[[], None]:
        def visit() -> None:
            for _ in range(300):
                with semaphore:
                    slots[slot] = 1
                    most[0] = max(most[0], sum(slots))
                    slots[slot] = 0

        return visit

    exercise(*(visitor(slot) for slot in range(5)))
    assert most[0] <= 2
    assert permits(semaphore) == 2


# --- values that are no whole numbers, or without end ---------------------------------------------------------------


@pytest.mark.parametrize("value", [1.5, 0.5, float("inf"), 2**70, Fraction(5, 2), Decimal("0.25")], ids=repr)
def test_value_that_never_comes_to_zero(new: Callable[..., Any], value: Any) -> None:
    """Nobody waits: so a program says "no limit", and so the standard library does with fractions."""
    semaphore = new(value)
    assert semaphore._value == value
    assert [semaphore.acquire(blocking=False) for _ in range(3)] == [True] * 3
    assert semaphore.acquire(timeout=0) is True and semaphore.acquire() is True
    assert semaphore._value == value - 5
    semaphore.release(5)
    assert semaphore._value == value
    with semaphore as entered:
        assert entered is True and semaphore._value == value - 1
    assert semaphore._value == value
    assert f"value={value}" in repr(semaphore)
    with pytest.raises(ValueError):
        semaphore.release(0)


def test_bounded_semaphore_with_a_fraction(module: ModuleType) -> None:
    semaphore = module.BoundedSemaphore(1.5)
    assert semaphore._initial_value == 1.5 and repr(semaphore).endswith(": value=1.5/1.5>")
    for _ in range(2):
        with pytest.raises(ValueError):
            semaphore.release()
        assert semaphore._value == 1.5
        semaphore.acquire()
        semaphore.acquire()
        assert semaphore._value == -0.5
        with pytest.raises(ValueError):
            semaphore.release(3)
        semaphore.release(2)


@pytest.mark.parametrize("value", [2.0, True, Fraction(2), Decimal(2)], ids=repr)
def test_whole_numbers_of_other_types(new: Callable[..., Any], value: Any) -> None:
    semaphore = new(value)
    assert permits(semaphore) == value
    for _ in range(int(value)):
        assert semaphore.acquire(timeout=0) is True
    assert semaphore.acquire(timeout=0) is False
    semaphore.release(type(value)(1))
    assert permits(semaphore) == 1


def test_no_step_is_lost(new: Callable[..., Any]) -> None:
    """The arithmetic of fractions is Python code, in which threads take turns."""
    semaphore = new(Fraction(1, 3))

    def visit() -> None:
        for _ in range(200):
            semaphore.acquire()
            semaphore.release()

    exercise(visit, visit, visit, visit)
    assert semaphore._value == Fraction(1, 3)


def test_init_by_two_threads_at_once(new: Callable[..., Any]) -> None:
    """The value is that of one of the two."""
    semaphores = [new(5) for _ in range(5000)]

    def init(value: float) -> None:
        for semaphore in semaphores:
            semaphore.__init__(value)

    exercise(lambda: init(3), lambda: init(float("inf")))
    assert {semaphore._value for semaphore in semaphores} <= {3, float("inf")}


def test_init_again_with_another_value(new: Callable[..., Any]) -> None:
    semaphore = new(1)
    for value in (1.5, 3, float("inf"), 0, 2):
        semaphore.__init__(value)
        assert semaphore._value == value
        assert semaphore.acquire(blocking=False) is (value != 0)
    with pytest.raises(ValueError):
        semaphore.__init__(-1)
    assert permits(semaphore) == 1
