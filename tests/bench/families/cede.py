"""cede() while others wait: whether it hands the lock over, to whom, and how long that takes."""

import threading
import time
from typing import Any

from ..crowd import together
from ..libraries import Libraries
from ..model import META, OURS, Case, Mark, Row, Settings

RING = 4


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    def player(lock: Any, me: int, last: list[int], stop: list[bool]) -> tuple[int, int, float]:
        """Cede until told to stop; return the calls, those that handed over, and the seconds they took.

        The flag is read under the lock by both players: the one that is granted the lock after the other has
        seen it sees it too, so that nobody counts a call that could not hand over because it was alone.
        """
        take, cede, leave = lock.lock, lock.cede, lock.unlock
        calls = handed = 0
        take()
        while not stop and last[0] in (-1, me):  # until the other has come; from then on it waits
            last[0] = me
            cede()
        start = time.perf_counter()
        while not stop:
            last[0] = me
            cede()
            calls += 1
            if last[0] != me:
                handed += 1
        seconds = time.perf_counter() - start
        last[0] = me  # so that the other counts the hand-over that it owes to this turn
        leave()
        return calls, handed, seconds

    def pair(make: Any) -> tuple[float | None, ...]:
        lock, last, stop = make(), [-1], []
        timer = threading.Timer(settings.seconds(0.3), stop.append, (True,))
        timer.start()
        played = together([lambda me=me: player(lock, me, last, stop) for me in range(2)])
        timer.join()
        calls, handed = sum(p[0] for p in played), sum(p[1] for p in played)
        seconds = max(p[2] for p in played)
        if not calls or not handed:
            return (handed / calls if calls else None, None, None)
        return handed / calls, 1e6 * seconds / handed, 1e6 * sum(p[2] for p in played) / calls

    def ring(make: Any) -> tuple[float | None]:
        """Share of hand-overs that went to the thread that had waited longest, of those that cede in turn."""
        lock, stop, log = make(), [], []

        def member(me: int) -> None:
            with lock:
                while not stop:
                    log.append(me)
                    lock.cede()

        timer = threading.Timer(settings.seconds(0.3), stop.append, (True,))
        timer.start()
        together([lambda me=me: member(me) for me in range(RING)])
        timer.join()
        latest: dict[int, int] = {}
        right = total = 0
        for turn, me in enumerate(log):
            if len(latest) == RING:
                total += 1
                right += min(latest, key=latest.__getitem__) == me
            latest[me] = turn
        return (right / total if total else None,)

    makers = {OURS: libraries.ours.IntervalLock}
    if libraries.meta:
        makers[META] = libraries.meta.IntervalLock
    return [
        Case(
            (
                Row("cede-handed", "share", "cede() calls that hand over, 2 threads", Mark(">=", 1.0, None)),
                Row("cede-time", "µs", "one hand-over by cede()", Mark("<=", 5.0, None)),
                Row("cede-return", "µs", "one cede() until it has the lock again"),
            ),
            {name: lambda make=make: pair(make) for name, make in makers.items()},
            settings.rounds(9),
        ),
        Case(
            (Row("cede-order", "share", f"hand-overs to the longest waiter of {RING}", Mark(">=", 1.0, None)),),
            {name: lambda make=make: ring(make) for name, make in makers.items()},
            settings.rounds(3),
        ),
    ]
