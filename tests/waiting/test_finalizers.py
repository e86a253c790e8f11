"""Finalizers and weakref callbacks that use locks: on any thread, at any moment, also while that thread waits."""

import pytest

from ..support.process import collects_at_once, run_isolated
from ..support.subjects import SUBJECTS, Subject

# Where a collection can run in the middle of the wait: that of a condition or barrier runs Python code only for
# signals, and in a process that polls (test_polling.py).
LOOKING = [subject for subject in SUBJECTS if not subject.name.startswith(("Condition", "Barrier"))]


def isolated(call: str, timeout: float = 60.0) -> None:
    run_isolated(
        f"""
        from support.intrusions import *
        from support.subjects import BY_NAME
        {call}
        print("ok")
        """,
        timeout,
        expect_out="ok",
    )


@collects_at_once
@pytest.mark.parametrize("subject", LOOKING, ids=str)
def test_collection_by_a_thread_that_waits(subject: Subject) -> None:
    """The collection happens within the call; what it runs takes, tries and waits for locks of every type."""
    isolated(f"[collected(BY_NAME[{subject.name!r}], how) for how in ('finalizer', 'callback')]")


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_garbage_at_any_moment(subject: Subject) -> None:
    isolated(f"littered(BY_NAME[{subject.name!r}])")


def test_end_of_the_interpreter() -> None:
    """Finalizers that run from atexit on until the modules are gone, while daemon threads hold locks for ever."""
    ended = run_isolated(
        """
        import atexit
        from support.intrusions import LastWords
        atexit.register(LastWords("atexit").__del__)
        sys.last_words = LastWords("sys")
        main = LastWords("main")
        """
    )
    assert sorted(ended.out.split()) == ["atexit", "atexit", "main", "sys"]


def test_finalizer_of_the_lock_itself() -> None:
    """A subclass whose finalizer uses the lock, which lives for that moment, and may keep it alive."""
    run_isolated(
        """
        import gc
        from ft_utils.synchronization import (
            Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore)
        kept = []
        def make(base, *arguments):
            class Final(base):
                def __del__(self):
                    if base is ReaderWriterLock:
                        with RWWriteContext(self):
                            assert self.writer_locked()
                    elif base is Event:
                        self.set(), self.wait(), self.clear()
                    elif base is Barrier:
                        self.abort(), self.reset()
                    else:
                        with self:
                            assert not self.acquire(blocking=False) or self.release() is None
                    kept.append(self)
            return Final(*arguments)
        for revived in range(2):
            for base, arguments in (
                (IntervalLock, ()), (ReaderWriterLock, ()), (Lock, ()), (RLock, ()), (Semaphore, ()), (Event, ()),
                (BoundedSemaphore, ()), (Condition, ()), (Condition, (Lock(),)), (Barrier, (2,)),
                (RWReadContext, (ReaderWriterLock(),)), (RWWriteContext, (ReaderWriterLock(),)),
            ):
                one = make(base, *arguments)
                one.itself = one if revived else None
                del one
                gc.collect()
                one = kept.pop()
                repr(one)
                one.itself = None
        del one
        print("ok")
        """,
        expect_out="ok",
    )
