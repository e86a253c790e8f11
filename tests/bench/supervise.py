"""Runs a worker for each family of rows, and outlives it."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Beyond what a case allows itself; its own joins are bounded by less, so this ends only what is truly stuck.
GRACE_SECONDS = 30.0
START_SECONDS = 60.0


@dataclass
class Order:
    """What a worker is asked for."""

    family: str | None = None
    peers: str | None = None
    quick: bool = False
    rows: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    """Cases that an earlier worker has finished."""
    without: dict[str, list[str]] = field(default_factory=dict)
    """Subjects to leave out of a case, because a worker did not survive them."""


@dataclass
class Outcome:
    """One case: its rows as planned, and what came of them."""

    rows: list[dict[str, Any]]
    values: dict[str, list[list[float | None]]] = field(default_factory=dict)
    """Per subject, per round, a value for each row."""
    errors: dict[str, str] = field(default_factory=dict)
    skipped: str = ""


class WorkerError(RuntimeError):
    """A worker ended before it could name its cases."""


def events(order: Order) -> Iterator[dict[str, Any]]:
    """Run a worker and yield its reports; the last is {"kind": "end", "why": …}, why empty when all went well."""
    # Where a crash happened is worth knowing: faulthandler prints every thread's stack.
    command = [sys.executable, "-X", "faulthandler", str(Path(__file__).parent), "--worker", json.dumps(order.__dict__)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()

        def read() -> None:
            for line in process.stdout:
                lines.put(line)
            lines.put("")

        threading.Thread(target=read, daemon=True).start()
        limit, why = START_SECONDS, ""
        try:
            while line := lines.get(timeout=limit):
                event = json.loads(line)
                limit = event.get("limit", START_SECONDS) + GRACE_SECONDS
                yield event
        except queue.Empty:
            why = f"no answer for {limit:.0f} s"
            process.kill()
        except BaseException:  # whoever reads the reports wants no more of them
            process.kill()
            raise
        code = process.wait()
        if not why and code:
            why = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        yield {"kind": "end", "why": why}


def family(order: Order) -> Iterator[tuple[str, Outcome]]:
    """Yield the name and the outcome of each case of a family, restarting the worker where it has to be."""
    outcomes: dict[str, Outcome] = {}
    while True:
        current: tuple[str, str] | None = None
        why = ""
        for event in events(order):
            case = event.get("case", "")
            match event["kind"]:
                case "plan":
                    for planned in event["cases"]:
                        outcomes.setdefault(planned["case"], Outcome(planned["rows"]))
                case "start":
                    current = case, event["subject"]
                case "failed":
                    outcomes[case].errors[event["subject"]] = event["why"]
                case "skipped":
                    outcomes[case].skipped = event["why"]
                    order.done.append(case)
                    yield case, outcomes[case]
                case "measured":
                    current = None
                    outcomes[case].values = event["values"]
                    order.done.append(case)
                    yield case, outcomes[case]
                case "end":
                    why = event["why"]
        if not why:
            return
        if current is None:
            raise WorkerError(f"the worker for {order.family} ended: {why}")
        case, subject = current
        outcomes[case].errors.setdefault(subject, why)
        if subject in order.without.setdefault(case, []):
            raise WorkerError(f"the worker for {order.family} ended in {case} without {subject}: {why}")
        order.without[case].append(subject)
