"""Lock and RLock, to the letter of the threading documentation."""

import threading
import time
from concurrent.futures import Future, as_completed
from types import ModuleType
from typing import Any

import pytest

from ..support.family import blocked
from ..support.threads import LIMIT, Puppet, exercise
from .test_conformance import ARGUMENTS, outcome


@pytest.fixture(params=["Lock", "RLock"])
def lock(request: pytest.FixtureRequest, module: ModuleType) -> Any:
    return getattr(module, request.param)()


@pytest.fixture
def plain(module: ModuleType) -> Any:
    return module.Lock()


@pytest.fixture
def nested(module: ModuleType) -> Any:
    return module.RLock()


def free(lock: Any, puppet: Puppet) -> bool:
    """Whether another thread could take it."""
    if not puppet.run(lock.acquire, blocking=False):
        return False
    puppet.run(lock.release)
    return True


# --- both -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS, ids=repr)
def test_arguments_of_acquire(lock: Any, args: Any, kwargs: Any) -> None:
    standard = threading.Lock()
    expected = outcome(standard.acquire, standard.release, args, kwargs)
    assert outcome(lock.acquire, lock.release, args, kwargs) is expected


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"timeout": -2}, ValueError),
        ({"timeout": -0.5}, ValueError),
        ({"blocking": False, "timeout": 1}, ValueError),
        ({"blocking": False, "timeout": 0}, ValueError),
        ({"timeout": 1e100}, OverflowError),
        ({"timeout": "1"}, TypeError),
        ({"timeout": None}, TypeError),
    ],
    ids=repr,
)
def test_wrong_arguments_while_it_is_held(lock: Any, puppet: Puppet, kwargs: Any, error: type[Exception]) -> None:
    puppet.run(lock.acquire)
    with pytest.raises(error):
        lock.acquire(**kwargs)
    puppet.run(lock.release)
    assert lock.acquire(blocking=False)
    lock.release()


def test_acquire_and_release(lock: Any, puppet: Puppet) -> None:
    assert lock.acquire() is True
    assert not free(lock, puppet)
    assert lock.release() is None
    assert free(lock, puppet)


def test_release_takes_no_argument(lock: Any) -> None:
    lock.acquire()
    with pytest.raises(TypeError):
        lock.release(1)
    lock.release()


def test_try_fails_while_another_holds_it(lock: Any, puppet: Puppet) -> None:
    puppet.run(lock.acquire)
    assert lock.acquire(False) is False
    assert lock.acquire(blocking=False) is False
    assert lock.acquire(True, 0) is False
    assert lock.acquire(timeout=0) is False
    puppet.run(lock.release)
    assert lock.acquire(False) is True
    lock.release()


@pytest.mark.parametrize("timeout", [0.0001, 0.05])
def test_timeout_ends_the_wait_not_before_its_time(lock: Any, puppet: Puppet, timeout: float) -> None:
    puppet.run(lock.acquire)
    start = time.monotonic()
    assert lock.acquire(timeout=timeout) is False
    assert timeout <= time.monotonic() - start < timeout + 10
    puppet.run(lock.release)
    assert free(lock, puppet)


def test_lock_released_in_time(lock: Any, puppets: Any) -> None:
    holder, waiter = puppets(2)
    holder.run(lock.acquire)
    taken = waiter.start(lock.acquire, timeout=LIMIT)
    blocked(lock)
    holder.run(lock.release)
    assert taken.result(LIMIT) is True
    waiter.run(lock.release)
    assert free(lock, holder)


def test_every_waiter_gets_it_in_turn(lock: Any, puppets: Any) -> None:
    holder, *others = puppets(6)
    holder.run(lock.acquire)

    def once() -> None:
        with lock:
            pass

    done = [other.start(once) for other in others]
    blocked(lock, 5)
    holder.run(lock.release)
    for future in done:
        future.result(LIMIT)
    assert free(lock, holder)


def test_waiters_that_timed_out_are_forgotten(lock: Any, puppets: Any) -> None:
    holder, *others = puppets(5)
    holder.run(lock.acquire)
    assert [f.result(LIMIT) for f in [o.start(lock.acquire, timeout=0.01) for o in others]] == [False] * 4
    holder.run(lock.release)
    assert free(lock, others[0])


def test_with_gives_true(lock: Any, puppet: Puppet) -> None:
    with lock as entered:
        assert entered is True
        assert not free(lock, puppet)
    assert free(lock, puppet)
    assert lock.__enter__() is True
    assert not lock.__exit__(None, None, None)
    assert free(lock, puppet)


def test_with_lets_exceptions_through(lock: Any, puppet: Puppet) -> None:
    with pytest.raises(ZeroDivisionError), lock:
        1 / 0
    assert free(lock, puppet)


def test_with_after_an_early_release(lock: Any, puppet: Puppet) -> None:
    with pytest.raises(RuntimeError), lock:
        lock.release()
    assert free(lock, puppet)


def test_release_of_a_free_lock(lock: Any, puppet: Puppet) -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError, match=r"\w+ \w+"):
            lock.release()
    assert free(lock, puppet)


def test_mutual_exclusion(lock: Any) -> None:
    counter = [0]

    def count() -> None:
        for number in range(2000):
            if number % 2:
                with lock:
                    counter[0] += 1
            else:
                while not lock.acquire(timeout=0.01):
                    pass
                counter[0] += 1
                lock.release()

    exercise(*[count] * 4)
    assert counter[0] == 8000


def test_reinit_after_a_fork(lock: Any, puppet: Puppet) -> None:
    """What os.register_at_fork() callers do with a lock that some thread of the parent held."""
    puppet.run(lock.acquire)
    assert lock._at_fork_reinit() is None
    assert lock.acquire(blocking=False) is True
    lock.release()
    lock._at_fork_reinit()  # of a free one
    assert free(lock, puppet)


# --- Lock -----------------------------------------------------------------------------------------------------------


def test_locked(plain: Any, puppet: Puppet) -> None:
    assert plain.locked() is False
    plain.acquire()
    assert plain.locked() is True
    assert puppet.run(plain.locked) is True
    plain.release()
    assert plain.locked() is False


def test_lock_is_not_reentrant(plain: Any) -> None:
    """Its holder is as much kept out as anybody; no error tells it apart, since any thread may release."""
    plain.acquire()
    assert plain.acquire(blocking=False) is False
    assert plain.acquire(timeout=0) is False
    assert plain.acquire(timeout=0.01) is False
    plain.release()


def test_any_thread_may_release_a_lock(plain: Any, puppet: Puppet) -> None:
    plain.acquire()
    puppet.run(plain.release)
    assert not plain.locked()
    puppet.run(plain.acquire)
    plain.release()
    assert not plain.locked()


def test_holder_that_waits_for_itself_is_let_go_by_another(plain: Any, puppet: Puppet) -> None:
    puppet.run(plain.acquire)
    again = puppet.start(plain.acquire)
    blocked(plain)
    plain.release()
    assert again.result(LIMIT) is True
    assert plain.locked()
    plain.release()
    assert not plain.locked()


def test_release_by_another_hands_it_to_the_waiters(plain: Any, puppets: Any) -> None:
    holder, one, two = puppets(3)
    holder.run(plain.acquire)
    taken = [puppet.start(plain.acquire) for puppet in (one, two)]
    blocked(plain, 2)
    for _ in range(2):
        plain.release()
        got = next(as_completed(taken, LIMIT))  # either: their order is not told
        assert got.result() is True
        taken.remove(got)
    assert plain.locked()
    plain.release()
    assert not plain.locked()


def test_lock_of_a_thread_that_ended(plain: Any) -> None:
    exercise(plain.acquire)
    assert plain.locked()
    plain.release()
    assert not plain.locked()


def test_lock_takes_no_arguments(module: ModuleType) -> None:
    for args, kwargs in (((1,), {}), ((None,), {}), ((), {"lock": None})):
        with pytest.raises(TypeError):
            module.Lock(*args, **kwargs)


# --- RLock ----------------------------------------------------------------------------------------------------------


def test_owner_may_take_it_again(nested: Any, puppet: Puppet) -> None:
    for kwargs in ({}, {"blocking": False}, {"timeout": 0}, {"timeout": 1}):
        assert nested.acquire(**kwargs) is True
    for _ in range(4):
        assert not free(nested, puppet)
        nested.release()
    assert free(nested, puppet)
    with pytest.raises(RuntimeError):
        nested.release()


def test_nested_with(nested: Any, puppet: Puppet) -> None:
    with nested as outer, nested as inner:
        assert outer is True and inner is True
        with nested:
            pass
        assert not free(nested, puppet)
    assert free(nested, puppet)


def test_very_deep(nested: Any, puppet: Puppet) -> None:
    for _ in range(10_000):
        nested.acquire()
    assert nested._recursion_count() == 10_000
    for _ in range(10_000):
        assert nested._is_owned()
        nested.release()
    assert free(nested, puppet)


def test_only_the_owner_may_release(nested: Any, puppet: Puppet) -> None:
    puppet.run(nested.acquire)
    puppet.run(nested.acquire)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"\w+ \w+"):
            nested.release()
    assert puppet.run(nested._recursion_count) == 2
    puppet.run(nested.release)
    assert nested.acquire(blocking=False) is False
    puppet.run(nested.release)
    assert nested.acquire(blocking=False) is True
    nested.release()


def test_rlock_of_a_thread_that_ended(nested: Any) -> None:
    """Later threads may get the identifiers of the one that ended; here the first does not come back."""
    exercise(nested.acquire)
    with pytest.raises(RuntimeError):
        nested.release()
    assert nested.acquire(timeout=0.01) is False


def test_is_owned_and_recursion_count(nested: Any, puppet: Puppet) -> None:
    assert nested._is_owned() is False
    assert nested._recursion_count() == 0
    nested.acquire()
    nested.acquire()
    assert nested._is_owned() is True
    assert nested._recursion_count() == 2
    assert puppet.run(nested._is_owned) is False
    assert puppet.run(nested._recursion_count) == 0  # the count is the caller's own
    nested.release()
    assert nested._recursion_count() == 1
    nested.release()
    assert nested._is_owned() is False


def test_release_save_and_acquire_restore(nested: Any, puppet: Puppet) -> None:
    """What a condition does with a lock of several levels."""
    for _ in range(3):
        nested.acquire()
    state = nested._release_save()
    assert not nested._is_owned()
    puppet.run(nested.acquire)
    puppet.run(nested.release)
    assert nested._acquire_restore(state) is None
    assert nested._recursion_count() == 3
    for _ in range(3):
        nested.release()
    with pytest.raises(RuntimeError):
        nested._release_save()
    assert free(nested, puppet)


def test_acquire_restore_waits_for_its_turn(nested: Any, puppet: Puppet) -> None:
    def save_and_restore() -> int:
        nested.acquire()
        nested.acquire()
        state = nested._release_save()
        saved.set_result(None)
        taken.result(LIMIT)
        nested._acquire_restore(state)
        count = nested._recursion_count()
        nested.release()
        nested.release()
        return count

    saved: Future[None] = Future()
    taken: Future[None] = Future()
    done = puppet.start(save_and_restore)
    saved.result(LIMIT)
    nested.acquire()
    taken.set_result(None)
    blocked(nested)
    nested.release()
    assert done.result(LIMIT) == 2
    assert free(nested, puppet)


def test_rlock_counts_per_thread(module: ModuleType) -> None:
    """Depths of several threads do not mix."""
    lock, inside = module.RLock(), [0]

    def dive() -> None:
        for number in range(500):
            depth = number % 7 + 1
            for level in range(depth):
                lock.acquire()
                if level == 0:
                    inside[0] += 1
            assert inside[0] == 1
            assert lock._recursion_count() == depth
            inside[0] -= 1
            for _ in range(depth):
                lock.release()

    exercise(*[dive] * 3)
