"""What recording costs: the same work with the recorder off and on in turn. `python tests/bench/recorder_cost.py`

Uncontended: processor time of one `with lock`, one thread. Contended: rounds of threads at one lock, by the clock and
by the processor time that they took, and how many waits were recorded meanwhile. One wait: processor time of a wait
that times out at once, at stacks of some depth, nearly all of it the slow path's. The ratio is that of medians; the
spread of `off` against itself says what to make of it.
"""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from ft_utils import _recorder
from ft_utils.synchronization import IntervalLock, Lock, ReaderWriterLock, RWWriteContext

MAKERS: dict[str, Callable[[], object]] = {
    "IntervalLock": IntervalLock,
    "Lock": Lock,
    "RWLock write": lambda: RWWriteContext(ReaderWriterLock()),
}


def uncontended(lock, rounds: int) -> float:
    start = time.thread_time_ns()
    for _ in range(rounds):
        with lock:
            pass
    return (time.thread_time_ns() - start) / rounds


def one_wait(depth: int, rounds: int) -> float:
    """A thread waits for its own Lock."""
    if depth:
        return one_wait(depth - 1, rounds)
    lock = Lock()
    lock.acquire()
    start = time.thread_time_ns()
    for _ in range(rounds):
        lock.acquire(timeout=1e-9)
    return (time.thread_time_ns() - start) / rounds


def contended(lock, threads: int, seconds: float, clock: Callable[[], float]) -> float:
    counts = [0] * threads
    begin = threading.Barrier(threads + 1)
    over = False

    def body(n: int) -> None:
        begin.wait()
        done = 0
        while not over:
            with lock:
                sum(range(20))
            sum(range(20))
            done += 1
        counts[n] = done

    crew = [threading.Thread(target=body, args=(n,)) for n in range(threads)]
    for thread in crew:
        thread.start()
    begin.wait()
    start = clock()
    time.sleep(seconds)  # the length of the measurement
    over = True
    for thread in crew:
        thread.join()
    return sum(counts) / (clock() - start)


def in_turn(measure: Callable[[], float], repeats: int) -> tuple[list[float], list[float], int]:
    """Off and on, one after the other; and how many waits were recorded."""
    off, on, waits = [], [], 0
    for _ in range(repeats):
        off.append(measure())
        _recorder.start()
        on.append(measure())
        samples = json.loads(_recorder.stop())["samples"]
        waits += sum(s["count"] for s in samples if s["role"] == "waiter")
    return off, on, waits


def spread(values: Iterable[float]) -> float:
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.2)
    options = parser.parse_args()
    for name, make in MAKERS.items():
        lock = make()
        row(f"{name}, uncontended, ns", partial(uncontended, lock, 20_000), 4 * options.repeats)
        for what, clock in ("1/s", time.perf_counter), ("1/s of processor", time.process_time):
            row(
                f"{name}, contended, {what}",
                partial(contended, lock, options.threads, options.seconds, clock),
                options.repeats,
            )
    for depth in 0, 10, 50:
        row(f"one wait, {depth + 3} frames deep, ns", partial(one_wait, depth, 300), 2 * options.repeats)


def row(what: str, measure: Callable[[], float], repeats: int) -> None:
    off, on, waits = in_turn(measure, repeats)
    a, b = statistics.median(off), statistics.median(on)
    print(
        f"{what:40} off {a:11,.1f}  on {b:11,.1f}  on/off {b / a:.3f}  spread of off {spread(off):4.0%}  waits {waits}"
    )


if __name__ == "__main__":
    main()
