"""Measure the locks, print the table, write it as JSON.

Run as `python tests/bench`, with any interpreter that has ft_utils.synchronization installed.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# As a directory that is run this is no package. The directory above it, which makes it one, holds no ft_utils:
# what is measured is what is installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import families, libraries, machine, results, selection, supervise, table, worker
from bench.model import Case, Settings


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench", description=__doc__)
    parser.add_argument(
        "--rows", default="", help="families, rows, beginnings of rows or patterns, separated by spaces; all if empty"
    )
    parser.add_argument("--peers", help="directory in which ft_utils, readerwriterlock and fasteners are installed")
    parser.add_argument("--json", type=Path, help="file to write, with every round")
    parser.add_argument("--quick", action="store_true", help="hardly measure, only find out whether everything runs")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def planned(words: list[str]) -> dict[str, list[Case]]:
    """The wanted cases by their families; which there are does not depend on the peers."""
    ours, settings = libraries.load(None), Settings(quick=True)
    found = {name: selection.chosen(name, ours, settings, words) for name in families.NAMES}
    return {name: cases for name, cases in found.items() if cases}


def measure(names: Iterable[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the families' wanted rows and print each one when it is known."""
    rows: list[dict[str, Any]] = []
    for name in names:
        order = supervise.Order(name, options.peers, options.quick, options.rows.split())
        for _, outcome in supervise.family(order):
            found = results.rows(name, outcome)
            rows += found
            for row in found:
                if "skipped" not in row:
                    print(table.line(row), flush=True)
    return rows


def conclude(rows: list[dict[str, Any]]) -> int:
    """Print what the table leaves to say; return the exit code, which counts breakage, not speed."""
    left_out = [row for row in rows if "skipped" in row]
    if left_out:
        print(table.skipped(left_out))
    for row in rows:
        for subject, why in row["errors"].items():
            print(f"error: {row['name']}, {subject}: {why}")
    short = [row["name"] for row in rows if row["verdict"] == results.SHORT]
    held = sum(row["verdict"] == results.OK for row in rows)
    print(f"{held} marks reached, {len(short)} short{': ' if short else ''}{', '.join(short)}")
    return int(any(row["verdict"] == results.BROKEN for row in rows))


def preface(options: argparse.Namespace) -> dict[str, Any]:
    """Print what is measured, and where; return it as the head of the JSON file."""
    loaded = next(e for e in supervise.events(supervise.Order(None, options.peers)) if e["kind"] == "libraries")
    described = machine.describe(loaded["gil"])
    print(machine.summary(described))
    print("; ".join(f"{name} {version}" for name, version in loaded["versions"].items()))
    if described["gil_enabled"] and described["free_threaded"]:
        print("a library has enabled the GIL: these are not the figures of a free-threaded build")
    for peer, why in loaded["missing"].items():
        print(f"left out: {peer} ({why})")
    print(f"\n{table.NOTES}\n\n{table.head()}")
    return {
        "machine": described,
        "versions": loaded["versions"],
        "missing": loaded["missing"],
        "quick": options.quick,
        "notes": table.NOTES,
    }


def main() -> int:
    options = arguments()
    if options.worker:
        return worker.run(options.worker)
    try:
        plan = planned(options.rows.split())
    except ImportError as error:
        print(f"ft_utils.synchronization cannot be imported by this interpreter: {error}", file=sys.stderr)
        return 2
    if not plan:
        print(f"no row is called {options.rows}", file=sys.stderr)
        return 2
    if options.list:
        for row in (row for cases in plan.values() for case in cases for row in case.rows):
            print(f"{row.name:<{table.NAME}}{row.title}")
        return 0
    head = preface(options)
    try:
        rows = measure(plan, options)
    except supervise.WorkerError as error:
        print(error, file=sys.stderr)
        return 1
    code = conclude(rows)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**head, "rows": rows}, indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
