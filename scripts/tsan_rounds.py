#!/usr/bin/env python3
"""What runs under the thread sanitizer: `make sanitize` (scripts/sanitize.py).

    tsan_rounds.py SECONDS      each round lasts so long

Every lock, and whatever looks into one from outside, in threads that do nothing else. A round whose count, which the
lock under test guards, does not come out right ends it with exit code 1.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time


class Round:
    """Threads that each repeat something for a while, and a count that the lock under test guards."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.count = 0
        self.added = threading.local()
        self.total = 0

    def add(self) -> None:
        self.count += 1
        self.added.n += 1

    def run(self, name: str, *steps) -> None:
        self.count, self.total, failed = 0, 0, []
        end, counting = time.monotonic() + self.seconds, threading.Lock()

        def repeat(step) -> None:
            self.added.n, times = 0, 0
            try:
                while time.monotonic() < end:
                    step()
                    times += 1
            except BaseException as error:
                failed.append(error)
            with counting:
                self.total += self.added.n

        threads = [threading.Thread(target=repeat, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{name}: {self.count}", flush=True)
        if failed:
            raise failed[0]
        if self.count != self.total:
            raise SystemExit(f"{name}: {self.total} additions under the lock made {self.count}")


def stress(seconds: float) -> None:
    import asyncio

    from ft_utils import _locks, _recorder, aio
    from ft_utils import synchronization as s

    r = Round(seconds)

    def inside(lock, *more) -> None:
        with lock:
            r.add()
            for call in more:
                call()
                r.add()

    def briefly(acquire, release, add=True) -> None:
        if acquire(timeout=1e-5):
            if add:
                r.add()
            release()

    def both(*calls):
        return lambda: [call() for call in calls]

    lock = s.IntervalLock()
    r.run("IntervalLock", lambda: inside(lock), lambda: inside(lock, lock.poll), lambda: inside(lock, lock.cede),
          lambda: briefly(lock.acquire, lock.release), both(lock.__repr__, lock.locked))
    strict = s.IntervalLock(0)
    r.run("IntervalLock(0)", *[lambda: inside(strict)] * 2, lambda: inside(strict, strict.cede))
    plain = s.Lock()
    r.run("Lock", *[lambda: inside(plain)] * 3, lambda: briefly(plain.acquire, plain.release), plain.__repr__)
    again = s.RLock()
    r.run("RLock", *[lambda: inside(again, lambda: inside(again))] * 3, again.__repr__)

    rw = s.ReaderWriterLock()

    def read() -> None:
        with s.RWReadContext(rw):
            before = r.count
            with s.RWReadContext(rw):
                if r.count != before:
                    raise SystemExit("a writer wrote while this thread read")

    def write() -> None:
        inside(s.RWWriteContext(rw))

    def downgrade() -> None:
        if rw.acquire_write(timeout=1e-5):
            r.add()
            rw.downgrade()
            rw.unlock_read()

    def short_lived() -> None:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()

    def fresh() -> None:
        new = s.ReaderWriterLock()
        new.lock_read()
        new.unlock_read()
        new.lock_write()
        new.unlock_write()

    looks = both(rw.__repr__, rw.readers, rw.writers_waiting, _locks.threads)
    r.run("ReaderWriterLock", read, read, write, downgrade, lambda: briefly(rw.acquire_read, rw.unlock_read, False),
          short_lived, fresh, looks)

    def upgrade() -> None:
        with rw.upgradable() as reading:
            before = r.count
            if reading.upgrade(timeout=1e-3):
                if r.count != before:
                    raise SystemExit("a writer wrote between the read and the upgrade")
                r.add()
                reading.downgrade()

    r.run("upgrading", upgrade, upgrade, read, write,
          lambda: briefly(rw.acquire_upgradable, rw.release_upgradable, False),
          both(rw.__repr__, rw.readers, rw.upgradable_locked))
    within = lock.within(1e-4)

    def timed() -> None:
        with contextlib.suppress(TimeoutError):
            inside(within)

    r.run("within", timed, timed, lambda: inside(lock))
    r.run("mostly reading", read, read, read, both(write, lambda: time.sleep(1e-3)))

    permits = s.Semaphore(1)
    r.run("Semaphore", *[lambda: inside(permits)] * 3, lambda: briefly(permits.acquire, permits.release),
          permits.__repr__)
    resizable = s.ResizableSemaphore(3)
    r.run("ResizableSemaphore", lambda: inside(resizable),
          lambda: resizable.acquire(2, True, 1e-4) and resizable.release(2),
          both(lambda: resizable.resize(2), lambda: resizable.resize(3)), resizable.__repr__)
    keyed = s.KeyedLock()
    kept = keyed("kept")
    r.run("KeyedLock", lambda: inside(kept), lambda: inside(keyed("kept")),
          lambda: [inside(kept, keyed(key).locked) for key in range(30)],
          lambda: keyed.acquire("kept", True, 1e-5) and (r.add(), keyed.release("kept")),
          both(kept.__repr__, keyed.__len__))
    event = s.Event()
    r.run("Event", lambda: event.wait(1e-3), lambda: event.wait(1e-4), both(event.set, event.clear), event.__repr__)
    for guard in (s.Lock(), s.RLock(), s.IntervalLock(), threading.Lock()):
        c = s.Condition(guard)
        waits = [lambda c=c: inside(c, lambda: c.wait(1e-3))] * 3
        r.run(f"Condition({type(guard).__name__})", *waits, lambda c=c: inside(c, c.notify),
              lambda c=c: inside(c, c.notify_all), c.__repr__)
    shared = s.IntervalLock()

    def tasks() -> None:
        """A loop whose tasks take turns with those of another one and with threads; one of them gives up."""

        async def visit() -> None:
            for _ in range(20):
                async with aio.holding(shared):
                    r.add()

        async def visits() -> None:
            given_up = asyncio.create_task(visit())
            going = [asyncio.create_task(visit()) for _ in range(3)]
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.gather(*going)

        asyncio.run(visits())

    r.run("tasks", tasks, tasks, lambda: inside(shared), lambda: inside(shared), both(shared.__repr__, _locks.threads))
    barrier = s.Barrier(3)

    def meet() -> None:
        try:
            barrier.wait(0.5)
        except threading.BrokenBarrierError:
            barrier.reset()

    r.run("Barrier", *[meet] * 4, both(barrier.__repr__, lambda: barrier.n_waiting))

    named = s.IntervalLock(name="accounts")

    def rename() -> None:  # and a lock that is named, and gone at once
        named.name = "accounts" if named.name is None else None
        s.Lock(name="passing").name = "gone"

    reports = both(s.lock_stats, s.snapshot, lambda: _locks.dump_facts(True), named.__repr__)
    r.run("names", rename, rename, lambda: inside(named), lambda: briefly(named.acquire, named.release), reports)

    def record() -> None:
        _recorder.start()
        time.sleep(5e-3)  # some waits are recorded
        _recorder.stop()

    def passing() -> None:  # a lock and a thread that are gone at once
        new = s.IntervalLock()
        new.lock()
        thread = threading.Thread(target=new.acquire, args=(True, 1e-5))
        thread.start()
        thread.join()

    waits = [lambda: inside(c, lambda: c.wait(1e-3)), lambda: inside(c, c.notify_all)]
    r.run("recording", record, *[lambda: inside(lock)] * 3, lambda: inside(lock, lock.cede))
    r.run("recording, many", record, read, write, downgrade, passing, lambda: event.wait(1e-4), meet, meet, meet)
    r.run("recording, Condition", record, *waits * 2)


if __name__ == "__main__":
    stress(float(sys.argv[1]))
