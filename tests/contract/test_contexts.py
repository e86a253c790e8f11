"""RWReadContext and RWWriteContext beyond the conformance suite, and locks under a threading.Condition."""

import gc
import re
import sys
import threading
import weakref
from typing import Any

import pytest

from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext

from ..support.threads import LIMIT, exercise, until, waiting

CONTEXTS = [RWReadContext, RWWriteContext]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("wrong", [None, 1, "lock", threading.Lock(), IntervalLock(), ReaderWriterLock], ids=repr)
def test_only_a_reader_writer_lock_will_do(context: Any, wrong: Any) -> None:
    with pytest.raises(TypeError):
        context(wrong)


@pytest.mark.parametrize("context", CONTEXTS)
def test_wrong_number_of_arguments(context: Any) -> None:
    with pytest.raises(TypeError):
        context()
    with pytest.raises(TypeError):
        context(ReaderWriterLock(), ReaderWriterLock())
    with pytest.raises(TypeError):
        context(RWReadContext(ReaderWriterLock()))


@pytest.mark.parametrize("context", CONTEXTS)
def test_lock_by_keyword_and_attribute(context: Any) -> None:
    lock = ReaderWriterLock()
    assert context(lock=lock).lock is lock
    with pytest.raises(AttributeError):
        context(lock).lock = lock


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_subclass_of_the_lock_will_do(context: Any) -> None:
    class Sub(ReaderWriterLock):
        pass

    with context(Sub()) as entered:
        assert entered.locked()


@pytest.mark.parametrize("context", CONTEXTS)
def test_repr(context: Any) -> None:
    lock = ReaderWriterLock()
    made = context(lock)
    name = context.__name__
    pattern = rf"<{name} of <ReaderWriterLock {{}}at {hex(id(lock))}> at {hex(id(made))}>"
    assert re.fullmatch(pattern.format("unlocked "), repr(made))
    with made:
        assert re.fullmatch(pattern.format(r"(read|write)-locked .* waiters=0 "), repr(made))


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_context_keeps_its_lock(context: Any) -> None:
    lock = ReaderWriterLock()
    reference = weakref.ref(lock)
    made = context(lock)
    del lock
    gc.collect()
    assert reference() is made.lock
    with made:
        pass
    del made
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("context", CONTEXTS)
def test_references_are_balanced(context: Any) -> None:
    lock = ReaderWriterLock()
    before = sys.getrefcount(lock)
    for _ in range(1000):
        with context(lock):
            pass
    gc.collect()
    assert sys.getrefcount(lock) == before


@pytest.mark.parametrize("context", CONTEXTS)
def test_init_again_while_it_is_held(context: Any) -> None:
    """It may be refused or not, but what is held can be released."""
    first, second = ReaderWriterLock(), ReaderWriterLock()
    made = context(first)
    made.acquire()
    try:
        made.__init__(second)
    except RuntimeError:
        made.release()
    else:
        context(first).release()
    assert repr(first).startswith("<ReaderWriterLock unlocked")
    assert repr(second).startswith("<ReaderWriterLock unlocked")


def test_contexts_and_methods_are_one_lock(puppet: Any) -> None:
    lock = ReaderWriterLock()
    read, write = RWReadContext(lock), RWWriteContext(lock)
    lock.lock_read()
    assert read.locked() and not write.locked()
    read.release()
    read.acquire()
    assert lock.readers() == 1
    with read, RWReadContext(lock):
        assert lock.readers() == 3
    with pytest.raises(RuntimeError):
        write.acquire()
    lock.unlock_read()
    with write:
        assert lock.writer_locked() and write.locked() and not read.locked()
        assert puppet.run(read.acquire, blocking=False) is False
        with pytest.raises(RuntimeError):
            read.acquire()
    assert not lock.writer_locked()


def test_one_context_in_many_threads() -> None:
    """A handle holds no state of its own: threads may share one."""
    lock = ReaderWriterLock()
    read, write = RWReadContext(lock), RWWriteContext(lock)
    counter = [0]

    def reading() -> None:
        for _ in range(2000):
            with read:
                seen = counter[0]
                assert seen == counter[0]

    def writing() -> None:
        for _ in range(1000):
            with write:
                counter[0] += 1

    exercise(reading, writing, reading, writing)
    assert counter[0] == 2000


def test_locked_looks_at_its_side_only(puppet: Any) -> None:
    lock = ReaderWriterLock()
    read, write = RWReadContext(lock), RWWriteContext(lock)
    puppet.run(lock.lock_read)
    assert read.locked() is True and write.locked() is False
    puppet.run(lock.unlock_read)
    puppet.run(lock.lock_write)
    assert read.locked() is False and write.locked() is True
    puppet.run(lock.unlock_write)
    assert read.locked() is False and write.locked() is False


# --- under a threading.Condition ------------------------------------------------------------------------------------

UNDER_A_CONDITION = [
    pytest.param(IntervalLock, id="IntervalLock"),
    pytest.param(lambda: RWReadContext(ReaderWriterLock()), id="RWReadContext"),
    pytest.param(lambda: RWWriteContext(ReaderWriterLock()), id="RWWriteContext"),
]


@pytest.mark.parametrize("make", UNDER_A_CONDITION)
def test_condition_wait_and_notify(make: Any, puppets: Any) -> None:
    condition = threading.Condition(make())
    ready: list[int] = []

    def wait() -> bool:
        with condition:
            ready.append(1)
            return condition.wait_for(lambda: len(ready) > 3, LIMIT)

    waits = [puppet.start(wait) for puppet in puppets(3)]
    # Counted only after wait() has let the lock go, or on the read side let the others in.
    until(lambda: len(condition._waiters) == 3, "three threads to wait")  # type: ignore[attr-defined]
    with condition:
        ready.append(2)
        condition.notify_all()
    assert [future.result(LIMIT) for future in waits] == [True] * 3
    assert " unlocked " in repr(condition._lock)  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", UNDER_A_CONDITION)
def test_condition_times_out(make: Any) -> None:
    lock = make()
    condition = threading.Condition(lock)
    with condition:
        assert condition.wait(0.01) is False
        assert lock.locked()
    assert not lock.locked()


@pytest.mark.parametrize("make", UNDER_A_CONDITION)
def test_condition_of_a_lock_that_is_not_held(make: Any, puppet: Any) -> None:
    lock = make()
    condition = threading.Condition(lock)
    for holder in (None, puppet):
        if holder:
            holder.run(lock.acquire)
        with pytest.raises(RuntimeError):
            condition.notify()
        with pytest.raises(RuntimeError):
            condition.wait(0)
    puppet.run(lock.release)
    assert not lock.locked()


# Not the read side: between a look at the list and wait(), another reader could append and notify in vain.
@pytest.mark.parametrize("make", [IntervalLock, lambda: RWWriteContext(ReaderWriterLock())], ids=["interval", "write"])
def test_condition_queue(make: Any) -> None:
    """Every item is taken exactly once."""
    condition = threading.Condition(make())
    items: list[int] = []

    def produce() -> None:
        for number in range(300):
            with condition:
                items.append(number)
                condition.notify()

    def consume() -> list[int]:
        taken = []
        while len(taken) < 300:
            with condition:
                assert condition.wait_for(lambda: bool(items), LIMIT)
                taken.append(items.pop())
        return taken

    _, _, one, two = exercise(produce, produce, consume, consume)
    assert sorted(one + two) == sorted([*range(300), *range(300)])


def test_reader_waits_while_a_writer_prepares(puppets: Any) -> None:
    """Both sides of one lock under conditions: a writer comes in while a reader waits for the condition."""
    lock = ReaderWriterLock()
    condition = threading.Condition(RWReadContext(lock))
    reader, writer = puppets(2)
    prepared: list[str] = []

    def read() -> list[str]:
        with condition:
            assert condition.wait_for(lambda: bool(prepared), LIMIT)
            return list(prepared)

    reading = reader.start(read)
    until(lambda: lock.readers() == 0 and condition._waiters, "the reader to wait")  # type: ignore[attr-defined]
    writer.run(lambda: exercise_write(lock, prepared))
    with condition:
        condition.notify_all()
    assert reading.result(LIMIT) == ["prepared"]


def exercise_write(lock: ReaderWriterLock, prepared: list[str]) -> None:
    with RWWriteContext(lock):
        prepared.append("prepared")


@pytest.mark.parametrize("cls", CONTEXTS)
def test_made_by_two_threads_at_once(cls: Any) -> None:
    """One of the two is told that it is late, and its lock is not kept."""
    contexts, locks = [cls.__new__(cls) for _ in range(5000)], [ReaderWriterLock(), ReaderWriterLock()]
    made: list[list[bool]] = []

    def make_all(lock: ReaderWriterLock) -> None:
        outcomes = []
        for context in contexts:
            try:
                context.__init__(lock)
                outcomes.append(True)
            except RuntimeError:
                outcomes.append(False)
        made.append(outcomes)

    exercise(*(lambda lock=lock: make_all(lock) for lock in locks))
    assert all(one != other for one, other in zip(*made, strict=True))
    references = [weakref.ref(lock) for lock in locks]
    contexts.clear()
    locks.clear()
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_snapshot_names_the_lock_of_a_context(puppet: Any) -> None:
    lock = ReaderWriterLock()
    lock.lock_write()
    read = puppet.start(RWReadContext(lock).acquire)
    assert waiting(lock)[0].kind == "shared"
    lock.unlock_write()
    assert read.result(LIMIT) is True
    puppet.run(lock.unlock_read)
