"""Loops compiled from source, so that every subject is timed inside the same instructions.

Statements stand in the loop themselves rather than in a function that it calls, and the loop's body repeats
them UNROLL times: what the loop costs beyond its statements is the row "empty-loop", below a nanosecond a
statement, and is not subtracted. Each subject gets a code object of its own, because on the GIL build the
interpreter specialises the instructions of a code object for the types that it has seen.
"""

import time
from collections.abc import Callable
from itertools import repeat
from textwrap import indent
from typing import Any, NamedTuple

UNROLL = 20
# One measurement is short, so that most of them are not interrupted by other processes; a median does the rest.
SPAN_NS = 1_500_000


class Code(NamedTuple):
    """A subject as source: objects by name, and the statements over them."""

    names: dict[str, Any]
    body: str
    setup: str = ""
    """Run once in the thread that measures, before the clock starts."""


def define(source: str, name: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec(compile(source, f"<bench {name}>", "exec"), namespace)
    return namespace[name]


def timer(code: Code) -> Callable[[int], int]:
    """Return a function that runs the statements that many times UNROLL times and returns nanoseconds."""
    source = (
        f"def run(loops, clock, {', '.join(code.names)}):\n"
        + indent(f"{code.setup}\nstart = clock()\nfor _ in loops:\n", "    ")
        + indent("\n".join([code.body] * UNROLL), " " * 8)
        + "\n    return clock() - start\n"
    )
    run = define(source, "run")
    return lambda count: run(repeat(None, count), time.perf_counter_ns, **code.names)


def per_statement(code: Code, quick: bool) -> Callable[[], tuple[float]]:
    """Return a measure of nanoseconds for one execution of the statements."""
    run = timer(code)
    count = 0

    def measure() -> tuple[float]:
        nonlocal count
        if not count:
            # Warms up, and lets the interpreter specialise, before it finds out how many loops fill the span.
            run(5)
            count = 2 if quick else max(1, round(50 * SPAN_NS / max(run(50), 1)))
        return (run(count) / (count * UNROLL),)

    return measure
