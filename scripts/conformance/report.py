"""What `make conformance` prints: a table, and below it what differs."""

from pathlib import Path

from differences import Verdict

HEADINGS = ("suite", "build", "baseline", "ours", "differ", "explained", "open")


def table(verdicts: list[Verdict]) -> str:
    """Passed and failed of each side; `open` is what fails the command."""
    rows = [HEADINGS]
    for verdict in verdicts:
        explained = sum(1 for each in verdict.differences if each.reason)
        sides = ["{} + {}".format(*side.count()) for side in (verdict.baseline, verdict.ours)]
        counts = (len(verdict.differences), explained, len(verdict.unexplained))
        rows.append((verdict.suite, verdict.build, *sides, *map(str, counts)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["passed + failed, for both sides", lines[0], "-" * len(lines[0]), *lines[1:]])


def listing(verdicts: list[Verdict], work: Path) -> str:
    lines = []
    for verdict in verdicts:
        where = f"{verdict.suite} on {verdict.build}"
        for each in verdict.differences:
            if each.reason is None:
                state = "unexplained" if each.unexplained else "did not come again"
                lines.append(f"  {state}, {where}: {each}")
        lines += [f"  stale, {where}: {reason.tests[0]} does not differ any more" for reason in verdict.stale]
        lines += [f"  unfinished, {where}: the {side} did not run all of its tests" for side in verdict.unfinished]
        if verdict.build.endswith("t") and (verdict.baseline.gil or verdict.ours.gil):
            lines.append(f"  {where}: an extension module turned the GIL on")
    if not lines:
        return "every difference is explained"
    return "\n".join([*lines, f"logs and results of every run: {work}"])
