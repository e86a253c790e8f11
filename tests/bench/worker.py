"""Measures the cases of one family in this process and reports each step as a line of JSON.

A peer may hang or crash under contention and take the process with it. The parent then knows from the last
"start" who it was, and starts another worker that goes on without that subject.
"""

import gc
import json
import os
import sys
from typing import Any

from . import libraries, selection
from .model import Case, Hung, Settings


def main(order: dict[str, Any]) -> int:
    # What a library prints must not end up among the reports.
    reports = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def report(kind: str, **fields: Any) -> None:
        reports.write(json.dumps({"kind": kind, **fields}) + "\n")

    loaded = libraries.load(order["peers"])
    settings = Settings(order["quick"])
    if order["family"] is None:
        # A peer that does not declare itself fit for it would switch a free-threaded build back to the GIL.
        gil = sys._is_gil_enabled()
        report("libraries", versions=libraries.versions(loaded), missing=loaded.missing, gil=gil)
        return 0
    name = order["family"]
    cases = selection.chosen(name, loaded, settings, order["rows"])
    report("plan", cases=[{"case": c.name, "rows": [_described(row) for row in c.rows]} for c in cases])
    gc.collect()
    gc.disable()
    for case in cases:
        if case.name in order["done"]:
            continue
        if case.skipped:
            report("skipped", case=case.name, why=case.skipped)
            continue
        _measure(case, order["without"].get(case.name, []), report)
        gc.collect()
    return 0


def _described(row: Any) -> dict[str, Any]:
    return {**row._asdict(), "mark": row.mark and row.mark._asdict()}


def _measure(case: Case, without: list[str], report: Any) -> None:
    """All rounds of a case; every round begins with another subject."""
    subjects = [name for name in case.subjects if name not in without]
    values: dict[str, list[Any]] = {name: [] for name in subjects}
    for turn in range(case.rounds):
        for name in [*subjects[turn % len(subjects) :], *subjects[: turn % len(subjects)]] if subjects else []:
            report("start", case=case.name, subject=name, limit=case.limit)
            try:
                values[name].append(case.subjects[name]())
            except Hung as error:
                report("failed", case=case.name, subject=name, why=str(error))
                # Stuck threads would disturb what comes next, and may not let the process end.
                os._exit(3)
            except Exception as error:
                report("failed", case=case.name, subject=name, why=f"{type(error).__name__}: {error}")
                subjects = [s for s in subjects if s != name]
                del values[name]
    report("measured", case=case.name, values=values)


def run(argument: str) -> int:
    code = main(json.loads(argument))
    sys.stdout.flush()
    return code
