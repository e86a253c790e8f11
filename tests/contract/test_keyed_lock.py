"""KeyedLock: one lock a key, entries that vanish, and keys whose code does whatever it likes."""

import gc
import io
import re
import threading
import tracemalloc
import weakref
from typing import Any

import pytest

from ft_utils import contention
from ft_utils.synchronization import IntervalLock, KeyedContext, KeyedLock, lock_stats, snapshot, stats

from ..support.keyed import Key, queued, rests
from ..support.threads import LIMIT, Puppet, exercise, until


def test_one_lock_a_key(puppet: Puppet) -> None:
    keyed = KeyedLock()
    with keyed("a") as handle:
        assert isinstance(handle, KeyedContext) and handle.key == "a" and handle.keyed is keyed
        assert keyed.locked("a") and not keyed.locked("b") and handle.locked()
        assert puppet.run(keyed.acquire, "a", False) is False
        assert puppet.run(keyed.acquire, key="a", timeout=0.001) is False
        assert puppet.run(keyed.acquire, "b", blocking=False) is True
        assert len(keyed) == 2
        puppet.run(keyed.release, "b")
    assert not keyed.locked("a")
    del handle
    assert len(keyed) == 0 and keyed and repr(keyed) == f"<KeyedLock keys=0 at {id(keyed):#x}>"


def test_equal_keys_have_one_lock(puppet: Puppet) -> None:
    keyed = KeyedLock()
    keys = (1, 1.0), (1, True), ("ab", "".join(["a", "b"])), ((1, 2), (1, 2)), (frozenset([1]), frozenset([1]))
    for one, other in keys:
        assert keyed.acquire(one) and len(keyed) == 1
        assert keyed.locked(other) and puppet.run(keyed.acquire, other, False) is False
        assert keyed.release(other) is None and len(keyed) == 0


def test_a_handle_is_reusable(puppet: Puppet) -> None:
    keyed = KeyedLock()
    handle, other = keyed("a"), KeyedContext(keyed, key="a")
    for _ in range(2):
        with handle:
            assert other.locked() and puppet.run(other.acquire, False) is False
        assert other.acquire(timeout=0) is True
        keyed.release("a")
    assert len(keyed) == 1, "a handle keeps its key in use"
    with pytest.raises(ZeroDivisionError), handle:
        1 / 0
    assert re.fullmatch(r"<KeyedContext of 'a' unlocked at 0x\w+>", repr(handle))
    with handle:
        me = threading.get_ident()
        assert re.fullmatch(rf"<KeyedContext of 'a' locked owner={me} waiters=0 at 0x\w+>", repr(handle))
    del handle, other
    assert len(keyed) == 0


def test_a_lock_that_is_held_outlives_its_handles(puppet: Puppet) -> None:
    keyed = KeyedLock()
    keyed("a").acquire()
    gc.collect()
    assert len(keyed) == 1 and puppet.run(keyed.acquire, "a", False) is False
    keyed("a").release()
    assert len(keyed) == 0


def test_within(puppet: Puppet) -> None:
    keyed = KeyedLock()
    with keyed.within("a", 0.5) as handle:
        assert isinstance(handle, KeyedContext) and handle.key == "a"
        for timed in (keyed.within("a", 0.001), keyed.within(key="a", timeout=0), keyed("a").within(0.001)):
            with pytest.raises(TimeoutError, match=r"<KeyedContext of 'a' locked .*> could not be taken within 0"):
                puppet.run(timed.__enter__)
        with pytest.raises(RuntimeError, match="holds the lock of this key already"):
            keyed.within("a", 1).__enter__()
    assert not keyed.locked("a")
    for wrong in (-1, -0.5, float("nan")):
        with pytest.raises(ValueError):
            keyed.within("a", wrong)
    for wrong in (None, "x", []):
        with pytest.raises(TypeError):
            keyed.within("a", wrong)
    with pytest.raises(OverflowError):
        keyed.within("a", 1e300)
    with pytest.raises(TypeError, match="needs a key and a timeout"):
        keyed.within("a")
    del handle, timed
    rests(keyed)


def test_names() -> None:
    """Reports call the lock of every key by the name of all."""
    keyed = KeyedLock(name="accounts")
    assert keyed.name == "accounts" and repr(keyed).startswith("<KeyedLock 'accounts' keys=0 at ")
    with Puppet() as holder, Puppet() as waiter:
        holder.run(keyed.acquire, 1)
        waits = waiter.start(keyed.acquire, 1)
        (wait,) = until(snapshot)
        assert (wait.name, wait.type) == ("accounts", "KeyedLock")
        assert "'accounts'" in contention_text()
        holder.run(keyed.release, 1)
        assert waits.result(LIMIT)
        assert any(each.name == "accounts" and each.contended >= 1 for each in lock_stats())
        waiter.run(keyed.release, 1)
    assert not any(each.name == "accounts" for each in lock_stats()), "the lock of the key is gone"
    with pytest.raises(TypeError):
        KeyedLock("accounts")
    with pytest.raises(TypeError):
        KeyedLock(name=1)


def test_a_name_that_is_given_later(puppet: Puppet) -> None:
    """It is that of the locks of all keys, those that are in use as well."""
    keyed = KeyedLock(name="first")
    handles = [keyed(key) for key in range(20)]
    for name in ("second", None, "third"):
        keyed.name = name
        handles.append(keyed(len(handles)))
        for handle in handles:
            handle.acquire()
            waits = puppet.start(handle.acquire)
            (wait,) = until(snapshot)
            assert wait.name == name == keyed.name
            handle.release()
            assert waits.result(LIMIT)
            puppet.run(handle.release)
    KeyedLock.__init__(keyed, name="fourth")
    assert {each.name for each in lock_stats() if each.type == "KeyedLock" and each.contended >= 3} == {"fourth"}
    for wrong in (1, b"name"):
        with pytest.raises(TypeError):
            keyed.name = wrong
    with pytest.raises(AttributeError):
        del keyed.name
    assert keyed.name == "fourth"


def contention_text() -> str:
    out = io.StringIO()
    contention.dump(out)
    return out.getvalue()


def test_misuse(puppet: Puppet) -> None:
    keyed = KeyedLock()
    keyed.acquire("a")
    with pytest.raises(RuntimeError, match="this thread holds the lock of this key already"):
        keyed.acquire("a")
    assert keyed.acquire("a", False) is False, "a try says no, and nothing more"
    for call in (lambda: keyed.release("a"), keyed("a").release):
        with pytest.raises(RuntimeError, match="another thread holds; only its owner may"):
            puppet.run(call)
    for call in (lambda: keyed.release("b"), keyed("b").release, lambda: keyed("b").__exit__(None, None, None)):
        with pytest.raises(RuntimeError, match="nobody holds"):
            call()
    for call in (keyed, keyed.acquire, keyed.release, keyed.locked):
        with pytest.raises(TypeError, match="unhashable"):
            call([])
        with pytest.raises(TypeError):
            call()
    for kwargs in ({"timeout": -2}, {"blocking": False, "timeout": 1}):
        with pytest.raises(ValueError):
            keyed.acquire("b", **kwargs)
    with pytest.raises(TypeError):
        KeyedContext(IntervalLock(), "a")
    with pytest.raises(TypeError):
        KeyedLock(1)
    handle = keyed("b")
    with pytest.raises(RuntimeError, match="has its key already"):
        handle.__init__(keyed, "c")
    unmade = KeyedContext.__new__(KeyedContext)
    gets = (lambda: unmade.key), (lambda: unmade.keyed)
    for call in (unmade.acquire, unmade.release, unmade.__enter__, unmade.locked, *gets):
        with pytest.raises(RuntimeError, match="made by __new__ alone"):
            call()
    assert "without a key" in repr(unmade)
    keyed.release("a")
    del handle, call
    rests(keyed)


def test_waits_and_is_handed_over(puppets: Any) -> None:
    keyed, order = KeyedLock(), []

    def visit(number: int) -> None:
        with keyed("a"):
            order.append(number)

    keyed.acquire("a")
    visits = []
    for number, puppet in enumerate(puppets(3)):
        visits.append(puppet.start(visit, number))
        queued(keyed, "a", number + 1)
    before = stats().handoffs
    keyed.release("a")
    for each in visits:
        each.result(LIMIT)
    assert sorted(order) == [0, 1, 2] and len(keyed) == 0 and snapshot() == []
    assert stats().handoffs >= before


def test_never_two_inside_for_one_key() -> None:
    """Entries come and go all the time, by all ways in."""
    keyed, inside, total = KeyedLock(), [0] * 3, [0] * 3

    def visit(me: int) -> None:
        for turn in range(300):
            key = (me + turn) % 3
            handle = keyed(key) if turn % 2 else None
            assert handle.acquire() if handle else keyed.acquire(key)
            assert inside[key] == 0
            inside[key] = 1
            total[key] += 1
            inside[key] = 0
            handle.release() if handle else keyed.release(key)

    exercise(*(lambda me=me: visit(me) for me in range(4)))
    assert sum(total) == 4 * 300 and len(keyed) == 0


# --- memory ---------------------------------------------------------------------------------------------------------


def test_keys_are_freed() -> None:
    keyed, key = KeyedLock(), Key("a")
    ref = weakref.ref(key)
    with keyed(key):
        pass
    keyed.acquire(key, False)
    keyed.release(key)
    keyed.locked(key)
    with pytest.raises(RuntimeError):
        keyed.release(key)
    del key
    assert ref() is None


def test_nothing_is_left_behind() -> None:
    """What the calls that fail take is given back."""
    keyed = KeyedLock()

    def fail() -> None:
        bad = (lambda: keyed([])), (lambda: KeyedContext(1, 2))
        for call in (lambda: keyed.release("x"), lambda: keyed.within("x", -1), *bad):
            with pytest.raises((RuntimeError, TypeError, ValueError)):
                call()

    fail()
    tracemalloc.start()
    try:
        fail()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            fail()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_cycles_are_collected() -> None:
    keyed, key = KeyedLock(), Key("a")
    key.name = (keyed, keyed(key))
    keyed.acquire(key)
    refs = weakref.ref(keyed), weakref.ref(key)
    del keyed, key
    gc.collect()
    assert [ref() for ref in refs] == [None, None]


# --- keys with code of their own ------------------------------------------------------------------------------------


def test_keys_that_collide() -> None:
    keyed = KeyedLock()
    keys = [Key(number) for number in range(20)]
    handles = [keyed(key) for key in keys]
    assert len(keyed) == 20
    for number, key in enumerate(keys):
        assert keyed(Key(number)).key is key
        keyed.acquire(key)
    for key in reversed(keys):
        keyed.release(key)
    del handles
    assert len(keyed) == 0


def test_code_that_uses_the_lock_itself() -> None:
    """A comparison takes other keys, and the very same one, makes entries and lets them go."""
    keyed, depth = KeyedLock(), [0]

    def meddle() -> None:
        if depth[0] < 3:
            depth[0] += 1
            for number in range(30):  # the table grows and shrinks
                with keyed(("other", number)):
                    pass
            with keyed(Key("meddling")):
                pass
            assert keyed.acquire(Key("b"), False) in (True, False)
            if keyed.locked(Key("b")):
                keyed.release(Key("b"))
            depth[0] -= 1

    first, second = keyed(Key("a", meddle)), keyed(Key("c", meddle))
    with keyed(Key("b", meddle)), first, second:
        pass
    del first, second
    rests(keyed)


def test_a_comparison_that_waits_keeps_nobody_out(puppet: Puppet) -> None:
    """It waits for a lock whose holder takes another key."""
    keyed, lock = KeyedLock(), IntervalLock()

    def compare() -> None:
        with lock:
            pass

    handle = keyed(Key("a"))
    with lock:
        slow = puppet.start(keyed.acquire, Key("b", compare))
        until(lambda: any(wait.lock == id(lock) for wait in snapshot()))
        for key in ("c", 3, Key("d", hashed=1)):
            with keyed(key):
                pass
        assert keyed.locked(Key("b")) is False
    assert slow.result(LIMIT) is True
    puppet.run(keyed.release, Key("b"))
    del handle
    rests(keyed)


def test_code_that_raises() -> None:
    keyed = KeyedLock()

    def fail() -> None:
        raise ZeroDivisionError

    class Unhashable:
        def __hash__(self) -> int:
            raise ZeroDivisionError

    with keyed(Key("a")) as handle:
        for call in (keyed, keyed.acquire, keyed.release, keyed.locked):
            with pytest.raises(ZeroDivisionError):
                call(Key("b", fail))
            with pytest.raises(ZeroDivisionError):
                call(Unhashable())
        assert len(keyed) == 1
        handle.key.code = fail
        # The end of the block compares nothing.
    assert not handle.locked()


def test_a_key_whose_end_uses_the_lock() -> None:
    keyed, ended = KeyedLock(), []

    class Last(Key):
        def __del__(self) -> None:
            with keyed("at the end"):
                ended.append(len(keyed))

    with keyed(Last("a")):
        pass
    assert keyed.acquire(Last("b"))
    keyed.release(Last("b"))
    gc.collect()
    assert len(ended) == 3 and len(keyed) == 0


def test_keys_that_are_made_equal_while_they_are_compared() -> None:
    """Two threads look for one key at the same moment: both find the same lock."""
    for _ in range(30):
        keyed, meeting = KeyedLock(), threading.Barrier(2)

        def look(keyed: KeyedLock = keyed, meeting: threading.Barrier = meeting) -> Any:
            meeting.wait(LIMIT)
            return keyed(Key("same"))

        first, second = exercise(look, look)
        assert first.key is second.key and len(keyed) == 1


def test_made_twice_and_subclassed() -> None:
    class Named(KeyedLock):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    keyed = Named("x")
    with keyed(1):
        keyed.__init__("y")
        assert len(keyed) == 1 and keyed.locked(1) and keyed.name == "y"
    assert isinstance(keyed(1), KeyedContext)
