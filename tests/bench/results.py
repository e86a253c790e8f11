"""From rounds to medians, ratios and verdicts."""

from statistics import median, quantiles
from typing import Any

from .model import OURS, THREADING, Mark
from .supervise import Outcome

OK, SHORT, BROKEN = "ok", "short", "error"
ABSOLUTE = ("share", "count", "times", "bytes")


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    first, _, third = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {"median": median(values), "q1": first, "q3": third}


def ratios(ours: list[float | None], other: list[float | None]) -> list[float]:
    """Ours by the other, round by round: both were measured back to back, so that drift cancels."""
    return [a / b for a, b in zip(ours, other, strict=False) if a is not None and b]


def rows(family: str, outcome: Outcome) -> list[dict[str, Any]]:
    """The rows of a case as they stand in the JSON file."""
    return [_row(family, index, planned, outcome) for index, planned in enumerate(outcome.rows)]


def _row(family: str, index: int, planned: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    mark = Mark(**planned["mark"]) if planned["mark"] else None
    row = {**planned, "family": family, "subjects": {}, "errors": outcome.errors, "ratio": None, "verdict": None}
    if outcome.skipped:
        return {**row, "skipped": outcome.skipped}
    rounds = {name: [values[index] for values in measured] for name, measured in outcome.values.items()}
    for name, values in rounds.items():
        known = [value for value in values if value is not None]
        row["subjects"][name] = {**(spread(known) if known else {"median": None}), "rounds": values}
    over = mark.over if mark and mark.over else THREADING
    # Shares and counts stand for themselves; the ratio of two of them says nothing.
    paired = [] if planned["unit"] in ABSOLUTE else ratios(rounds.get(OURS, []), rounds.get(over, []))
    if paired:
        row["ratio"] = {"over": over, **spread(paired), "rounds": paired}
    row["verdict"] = _verdict(row, mark)
    return row


def _verdict(row: dict[str, Any], mark: Mark | None) -> str | None:
    """Whether the mark is reached; None where there is none, or where its peer was not measured."""
    if OURS in row["errors"]:
        return BROKEN
    if mark is None:
        return None
    of = row["subjects"].get(OURS, {}) if mark.over is None else row["ratio"] or {}
    figure = of.get("median")
    if figure is None:
        return "no figure"
    return OK if mark.met(figure) else SHORT
