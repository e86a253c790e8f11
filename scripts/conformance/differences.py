"""Where a run with our names differs from its baseline, and whether differences.toml says why."""

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from results import NO_END, Outcome, Results
from suites import HERE

ABSENT = Outcome("absent", "it did not run")
# Outcomes that are as good as each other: a test may skip itself or not by what it finds.
GOOD = ("passed", "xfailed")


@dataclass(frozen=True)
class Reason:
    """An entry of the table: why some tests of a suite differ."""

    suite: str
    tests: tuple[str, ...]  # patterns, as in the shell
    reason: str
    builds: tuple[str, ...] = ()  # none stands for all
    sometimes: bool = False  # it depends on the machine's load, so its absence is no news

    def covers(self, suite: str, build: str, test: str) -> bool:
        return self.applies(suite, build) and any(fnmatchcase(test, pattern) for pattern in self.tests)

    def applies(self, suite: str, build: str) -> bool:
        return suite == self.suite and (not self.builds or build in self.builds)


@dataclass
class Difference:
    """A test with two outcomes."""

    test: str
    baseline: Outcome
    ours: Outcome
    reason: Reason | None = None
    again: int = 0  # in how many of the repetitions it came again
    repeated: int = 0

    @property
    def unexplained(self) -> bool:
        """What came once and never again is put down to the machine, unless it was a hang or a crash of ours."""
        if self.reason is not None:
            return False
        return self.again > 0 or not self.repeated or self.ours.kind == NO_END

    def __str__(self) -> str:
        shown = f"{self.test}\n      baseline {self.baseline.kind}, ours {self.ours.kind}"
        if self.repeated:
            shown += f"; again in {self.again} of {self.repeated}"
        why = self.ours.why if same(self.baseline, Outcome("passed")) else self.baseline.why
        return shown + (f"\n      {why}" if why else "")


@dataclass
class Verdict:
    """One suite on one build."""

    suite: str
    build: str
    baseline: Results
    ours: Results
    differences: list[Difference] = field(default_factory=list)
    stale: list[Reason] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Difference]:
        return [each for each in self.differences if each.unexplained]

    @property
    def unfinished(self) -> list[str]:
        """The sides that did not run all of their tests, so that nobody knows how those compare."""
        sides = {"baseline": self.baseline, "run with our names": self.ours}
        return [name for name, results in sides.items() if not results.finished]

    @property
    def good(self) -> bool:
        return not self.unexplained and not self.unfinished


def same(one: Outcome, other: Outcome) -> bool:
    return one.kind == other.kind or (one.kind in GOOD and other.kind in GOOD)


def differences(baseline: Results, ours: Results) -> list[Difference]:
    """Every test of either, in the order of the baseline."""
    tests = [*baseline.tests, *(test for test in ours.tests if test not in baseline.tests)]
    pairs = ((test, baseline.tests.get(test, ABSENT), ours.tests.get(test, ABSENT)) for test in tests)
    return [Difference(*each) for each in pairs if not same(each[1], each[2])]


def judge(suite: str, build: str, baseline: Results, ours: Results, reasons: list[Reason]) -> Verdict:
    verdict = Verdict(suite, build, baseline, ours, differences(baseline, ours))
    used = set()
    for difference in verdict.differences:
        for reason in reasons:
            if reason.covers(suite, build, difference.test):
                difference.reason = reason
                used.add(reason)
                break
    verdict.stale = [r for r in reasons if r.applies(suite, build) and not r.sometimes and r not in used]
    return verdict


def read_reasons(path: Path = HERE / "differences.toml") -> list[Reason]:
    reasons = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("difference", []):
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
        reason = Reason(**values)
        if not reason.reason.strip() or not reason.tests:
            raise ValueError(f"an entry for {reason.suite} in {path.name} lacks its tests or its reason")
        reasons.append(reason)
    return reasons
