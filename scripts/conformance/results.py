"""The outcomes of one run, read from the file that child/ft_record.py writes."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

NO_END = "no end"  # the process hung in the test, or died


@dataclass
class Outcome:
    kind: str  # passed, failed, skipped, xfailed, xpassed or NO_END
    why: str = ""


@dataclass
class Results:
    tests: dict[str, Outcome] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    open_test: str = ""  # started, and not ended
    finished: bool = False
    gil: bool | None = None

    def count(self) -> tuple[int, int]:
        """Tests that passed, and those that did not; what was skipped is neither."""
        kinds = Counter(outcome.kind for outcome in self.tests.values())
        good = kinds["passed"] + kinds["xfailed"]
        return good, sum(kinds.values()) - good - kinds["skipped"]


def read_results(path: Path) -> Results:
    results = Results()
    if not path.exists():
        return results
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if "header" in event:
            results.replaced = event["header"]["replaced"]
        elif "start" in event:
            results.open_test = event["start"]
        elif "end" in event:
            results.tests[event["end"]] = Outcome(event["outcome"], event["why"])
            results.open_test = ""
        elif "finished" in event:
            results.finished, results.gil = True, event["gil"]
    return results


def end_open_test(path: Path, test: str, why: str) -> None:
    """Say of a test that the process ended, or was ended, in it."""
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"end": test, "outcome": NO_END, "why": why}) + "\n")
