"""Upgradable reading: one thread at a time, beside readers, and then the writer with no other writer in between."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ft_utils.synchronization import Condition, ReaderWriterLock, RWUpgradeContext, snapshot

from ..support.threads import LIMIT, Puppet, exercise, until, waiters, waiting

Puppets = Callable[[int], list[Puppet]]
SHORT = 0.002  # a wait in vain


@pytest.fixture
def rw() -> ReaderWriterLock:
    return ReaderWriterLock()


@pytest.fixture(params=[False, True], ids=["counted", "biased"])
def biased(request: pytest.FixtureRequest, rw: ReaderWriterLock) -> None:
    """Afterwards readers of the free-threaded build are known to their own threads only, until somebody writes."""
    if request.param:
        for _ in range(500):
            rw.lock_read()
            rw.unlock_read()


def free(rw: ReaderWriterLock) -> bool:
    return rw.readers() == 0 and not rw.writer_locked() and not rw.upgradable_locked() and " unlocked " in repr(rw)


# --- who may be beside whom -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("biased")
def test_beside_readers(rw: ReaderWriterLock, puppets: Puppets) -> None:
    before, after, other = puppets(3)
    before.run(rw.lock_read)
    rw.lock_upgradable()
    after.run(rw.lock_read)
    assert rw.readers() == 3 and rw.upgradable_locked() and not rw.writer_locked()
    assert other.run(rw.acquire_upgradable, blocking=False) is False
    assert other.run(rw.acquire_write, blocking=False) is False
    rw.unlock_upgradable()
    assert rw.readers() == 2
    before.run(rw.unlock_read)
    after.run(rw.unlock_read)
    assert free(rw)


@pytest.mark.usefixtures("biased")
def test_upgrade_alone(rw: ReaderWriterLock, puppet: Puppet) -> None:
    rw.lock_upgradable()
    assert rw.upgrade() is True
    assert rw.writer_locked() and rw.readers() == 0 and rw.upgradable_locked()
    assert puppet.run(rw.acquire_read, blocking=False) is False
    assert puppet.run(rw.acquire_upgradable, blocking=False) is False
    rw.unlock_write()
    assert free(rw)


@pytest.mark.usefixtures("biased")
def test_upgrade_waits_for_readers_and_keeps_new_ones_out(rw: ReaderWriterLock, puppets: Puppets) -> None:
    reader, upgrader, late = puppets(3)
    reader.run(rw.lock_read)
    upgrader.run(rw.lock_upgradable)
    upgraded = upgrader.start(rw.upgrade)
    (wait,) = waiting(rw)
    assert wait.thread == upgrader.ident and wait.kind == "exclusive"
    assert rw.writers_waiting() == 1 and not rw.writer_locked()
    assert rw.readers() == 2, "it reads while it waits"
    assert late.run(rw.acquire_read, blocking=False) is False
    reader.run(rw.lock_read)  # a thread that reads may read again
    reader.run(rw.unlock_read)
    assert not upgraded.done()
    reader.run(rw.unlock_read)
    assert upgraded.result(LIMIT) is True
    assert rw.writer_locked()
    upgrader.run(rw.unlock_write)
    assert late.run(rw.acquire_read, timeout=LIMIT) is True
    late.run(rw.unlock_read)
    assert free(rw)


def test_upgrade_goes_before_writers_that_have_waited_longer(rw: ReaderWriterLock, puppets: Puppets) -> None:
    """And before readers: nothing comes between what was read and what is written."""
    reader, upgrader, *others = puppets(5)
    order: list[str] = []

    def write() -> None:
        with rw.writing():
            order.append("writer")

    def read() -> None:
        with rw.reading():
            order.append("reader")

    reader.run(rw.lock_read)
    upgrader.run(rw.lock_upgradable)
    futures = [others[0].start(write)]
    waiting(rw, 1)
    futures += [others[1].start(read), others[2].start(write)]
    waiting(rw, 3)
    upgraded = upgrader.start(rw.upgrade)
    waiting(rw, 4)
    # All of them have waited for longer than a turn when the reader goes.
    until(lambda: all(w.waited > 0.02 for w in waiters(rw)), "the waiters to be due")
    reader.run(rw.unlock_read)
    upgraded.result(LIMIT)
    assert order == []
    upgrader.run(rw.unlock_write)
    for future in futures:
        future.result(LIMIT)
    assert sorted(order) == ["reader", "writer", "writer"]
    assert free(rw)


def test_those_who_want_it_keep_nobody_out(rw: ReaderWriterLock, puppets: Puppets) -> None:
    """They wait for the one that has it, in order of arrival; readers come and go."""
    first, second, third, reader = puppets(4)
    first.run(rw.lock_upgradable)
    got = [second.start(rw.lock_upgradable)]
    assert [w.kind for w in waiting(rw)] == ["upgradable"]
    got += [third.start(rw.lock_upgradable)]
    assert [w.thread for w in waiting(rw, 2)] == [second.ident, third.ident]
    assert " waiters=2 " in repr(rw)
    assert rw.writers_waiting() == 0
    assert reader.run(rw.acquire_read, timeout=LIMIT)
    first.run(rw.unlock_upgradable)
    got[0].result(LIMIT)
    assert not got[1].done()
    second.run(rw.unlock_upgradable)
    got[1].result(LIMIT)
    third.run(rw.unlock_upgradable)
    reader.run(rw.unlock_read)
    assert free(rw)


def test_it_waits_for_a_writer_and_behind_one(rw: ReaderWriterLock, puppets: Puppets) -> None:
    writer, other, reader = puppets(3)
    writer.run(rw.lock_write)
    got = other.start(rw.lock_upgradable)
    assert [w.kind for w in waiting(rw)] == ["shared"]
    writer.run(rw.unlock_write)
    got.result(LIMIT)
    other.run(rw.unlock_upgradable)
    reader.run(rw.lock_read)
    writes = writer.start(rw.lock_write)
    waiting(rw)
    assert other.run(rw.acquire_upgradable, timeout=SHORT) is False
    reader.run(rw.unlock_read)
    writes.result(LIMIT)
    writer.run(rw.unlock_write)
    assert free(rw)


# --- the ways down --------------------------------------------------------------------------------------------------


def test_back_to_the_upgradable_read_lock(rw: ReaderWriterLock, puppet: Puppet) -> None:
    rw.lock_upgradable()
    for _ in range(3):
        rw.upgrade()
        rw.downgrade_to_upgradable()
        assert rw.readers() == 1 and rw.upgradable_locked() and not rw.writer_locked()
        assert puppet.run(rw.acquire_read, blocking=False) is True
        assert puppet.run(rw.acquire_upgradable, blocking=False) is False
        puppet.run(rw.unlock_read)
    rw.unlock_upgradable()
    assert free(rw)


@pytest.mark.parametrize("upgrades", [False, True])
def test_down_to_a_read_lock(rw: ReaderWriterLock, puppet: Puppet, upgrades: bool) -> None:
    rw.lock_upgradable()
    if upgrades:
        rw.upgrade()
    rw.downgrade()
    assert rw.readers() == 1 and not rw.upgradable_locked() and not rw.writer_locked()
    assert puppet.run(rw.acquire_upgradable, blocking=False) is True
    puppet.run(rw.unlock_upgradable)
    rw.unlock_read()
    assert free(rw)


def test_the_ways_down_let_those_in_who_wait(rw: ReaderWriterLock, puppets: Puppets) -> None:
    reader, upgradable = puppets(2)
    for down, leave, gate_free in (
        (rw.downgrade_to_upgradable, rw.unlock_upgradable, False),
        (rw.downgrade, rw.unlock_read, True),
    ):
        rw.lock_upgradable()
        rw.upgrade()
        reads = reader.start(rw.lock_read)
        wants = upgradable.start(rw.lock_upgradable)
        waiting(rw, 2)
        down()
        reads.result(LIMIT)
        if gate_free:
            wants.result(LIMIT)
        leave()
        wants.result(LIMIT)
        reader.run(rw.unlock_read)
        upgradable.run(rw.unlock_upgradable)
        assert free(rw)


def test_plain_reads_beside_it(rw: ReaderWriterLock) -> None:
    rw.lock_upgradable()
    rw.lock_read()
    rw.lock_read()
    assert rw.readers() == 3
    rw.unlock_read()
    assert rw.readers() == 2
    rw.unlock_upgradable()  # in any order
    assert rw.readers() == 1 and not rw.upgradable_locked()
    rw.unlock_read()
    assert free(rw)
    rw.lock_upgradable()
    rw.lock_read()
    rw.downgrade()
    assert rw.readers() == 2
    rw.unlock_read()
    rw.unlock_read()
    with pytest.raises(RuntimeError):
        rw.unlock_read()
    assert free(rw)


def test_a_plain_read_beside_the_last_of_many(rw: ReaderWriterLock) -> None:
    """As the first, when the thread has released the locks that it read before it."""
    others = [ReaderWriterLock() for _ in range(6)]
    for other in others:
        other.lock_read()
    rw.lock_upgradable()
    for other in others:
        other.unlock_read()
    rw.lock_read()
    rw.unlock_upgradable()
    assert rw.readers() == 1 and not rw.upgradable_locked()
    rw.unlock_read()
    assert free(rw)


# --- not in time ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("biased")
def test_an_upgrade_that_comes_too_late_changes_nothing(rw: ReaderWriterLock, puppets: Puppets) -> None:
    reader, late = puppets(2)
    reader.run(rw.lock_read)
    rw.lock_upgradable()
    for args, kwargs in ((), {"blocking": False}), ((), {"timeout": SHORT}), ((True, 0), {}):
        assert rw.upgrade(*args, **kwargs) is False  # type: ignore[arg-type]
        assert rw.upgradable_locked() and rw.readers() == 2 and not rw.writer_locked()
        assert waiters(rw) == []
        assert late.run(rw.acquire_read, timeout=LIMIT), "it keeps readers out"
        late.run(rw.unlock_read)
    reader.run(rw.unlock_read)
    assert rw.upgrade(blocking=False) is True
    rw.unlock_write()
    assert free(rw)


def test_a_late_upgrade_lets_in_those_whom_it_kept_out(rw: ReaderWriterLock, puppets: Puppets) -> None:
    reader, upgrader, late = puppets(3)
    reader.run(rw.lock_read)
    upgrader.run(rw.lock_upgradable)
    upgraded = upgrader.start(rw.upgrade, timeout=0.3)
    waiting(rw, 1)
    reads = late.start(rw.lock_read)
    assert upgraded.result(LIMIT) is False
    reads.result(LIMIT)
    assert rw.readers() == 3
    for puppet in (reader, late):
        puppet.run(rw.unlock_read)
    upgrader.run(rw.unlock_upgradable)
    assert free(rw)


def test_the_time_is_that_of_both_waits(rw: ReaderWriterLock, puppets: Puppets) -> None:
    """For the one that has it, and for a writer; what was had by then is given back."""
    has, writer, wants, other = puppets(4)
    has.run(rw.lock_upgradable)
    got = wants.start(rw.acquire_upgradable, timeout=0.3)
    waiting(rw, 1)
    writes = writer.start(rw.lock_write)
    waiting(rw, 2)
    assert got.result(LIMIT) is False
    has.run(rw.unlock_upgradable)
    writes.result(LIMIT)
    assert wants.run(rw.acquire_upgradable, timeout=SHORT) is False  # it had the gate, and gives it back
    assert not rw.upgradable_locked()
    writer.run(rw.unlock_write)
    assert other.run(rw.acquire_upgradable, timeout=LIMIT) is True
    other.run(rw.unlock_upgradable)
    assert free(rw)


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"timeout": -2}, ValueError),
        ({"blocking": False, "timeout": 1}, ValueError),
        ({"timeout": threading.TIMEOUT_MAX * 2}, OverflowError),
        ({"timeout": "1"}, TypeError),
        ({"time": 1}, TypeError),
    ],
)
def test_arguments_of_upgrade(rw: ReaderWriterLock, kwargs: dict[str, Any], error: type[Exception]) -> None:
    with rw.upgradable() as reading:
        for upgrade in (rw.upgrade, reading.upgrade):
            with pytest.raises(error):
                upgrade(**kwargs)
        assert not rw.writer_locked()


# --- the context ----------------------------------------------------------------------------------------------------


def test_the_context_releases_whichever_it_is(rw: ReaderWriterLock) -> None:
    reading = rw.upgradable()
    assert type(reading) is RWUpgradeContext and reading.lock is rw
    with reading as entered:
        assert entered is reading and reading.locked() and reading._is_owned()
    assert free(rw) and not reading.locked() and not reading._is_owned()
    with reading:
        assert reading.upgrade() is True
        assert rw.writer_locked() and reading.locked() and reading._is_owned()
    assert free(rw)
    with reading:
        reading.upgrade()
        reading.downgrade()
        assert rw.readers() == 1
        reading.upgrade(timeout=LIMIT)
    assert free(rw)
    with pytest.raises(ZeroDivisionError), reading:
        reading.upgrade()
        raise ZeroDivisionError
    assert free(rw)


def test_the_context_out_of_order(rw: ReaderWriterLock, puppet: Puppet) -> None:
    reading = rw.upgradable()
    for misused in (reading.release, reading.upgrade, reading.downgrade):
        with pytest.raises(RuntimeError):
            misused()
    with reading:
        with pytest.raises(RuntimeError, match="already"), reading:
            pass
        with pytest.raises(RuntimeError):
            reading.downgrade()
        with pytest.raises(RuntimeError):
            puppet.run(reading.release)
        assert rw.readers() == 1
    assert free(rw)


@pytest.mark.parametrize("module", [threading, None], ids=["threading.Condition", "Condition"])
def test_under_a_condition(rw: ReaderWriterLock, puppet: Puppet, module: Any) -> None:
    """It waits without the lock, and has the upgradable read lock after it, upgraded or not before."""
    reading = rw.upgradable()
    condition = (module.Condition if module else Condition)(reading)
    ready: list[int] = []
    for upgrades in (False, True):

        def wait(upgrades: bool = upgrades) -> tuple[bool, bool, bool]:
            with condition:
                if upgrades:
                    reading.upgrade()
                ended = condition.wait_for(lambda: ready, LIMIT)
                return bool(ended), rw.upgradable_locked(), rw.writer_locked()

        waits = puppet.start(wait)
        until(lambda: len(condition._waiters) == 1 and free(rw), "the thread to wait")
        with condition:
            reading.upgrade()
            ready.append(1)
            condition.notify()
        assert waits.result(LIMIT) == (True, True, False)
        ready.clear()
        assert free(rw)


@pytest.mark.parametrize("module", [threading, None], ids=["threading.Condition", "Condition"])
def test_not_given_up_by_a_condition_over_the_write_side(rw: ReaderWriterLock, module: Any) -> None:
    """It would come back as a write lock that the block around it could not leave."""
    with rw.upgradable() as reading:
        reading.upgrade()
        condition = (module.Condition if module else Condition)(rw.writing())
        with pytest.raises(RuntimeError, match="RWUpgradeContext"):
            condition.wait(0)
        assert rw.writer_locked() and rw.upgradable_locked()
    assert free(rw)


# --- all together ---------------------------------------------------------------------------------------------------


def test_what_was_read_still_holds(rw: ReaderWriterLock, rng: random.Random) -> None:
    """A counter that is read under the upgradable lock is what it was when it is written."""
    counter, upgrades = [0], [0]

    def upgrading(seed: int) -> Callable[[], None]:
        random_ = random.Random(seed)

        def run() -> None:
            reading = rw.upgradable()
            for _ in range(600):
                with reading:
                    seen = counter[0]
                    if random_.random() < 0.5 and reading.upgrade(timeout=random_.choice([SHORT, LIMIT])):
                        assert counter[0] == seen
                        counter[0] = seen + 1
                        upgrades[0] += 1
                        if random_.random() < 0.5:
                            reading.downgrade()
                            assert counter[0] == seen + 1
                    assert counter[0] >= seen

        return run

    def writing() -> None:
        for _ in range(300):
            with rw.writing():
                counter[0] += 1

    def reading() -> None:
        for _ in range(600):
            with rw.reading():
                assert counter[0] == counter[0]

    exercise(upgrading(rng.randrange(2**32)), upgrading(rng.randrange(2**32)), writing, reading, limit=2 * LIMIT)
    assert counter[0] == 300 + upgrades[0]
    assert free(rw)
    assert snapshot() == []
