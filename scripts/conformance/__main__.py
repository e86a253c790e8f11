"""`make conformance`: the tests of others, with threading as it is and with our names in its place.

    python scripts/conformance --work DIR --sdists DIR [--suites 'NAME …'] BUILD=PYTHON …

Every suite runs twice on every build. Where the outcomes differ, differences.toml has to say why.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from differences import ABSENT, Verdict, judge, read_reasons, same
from report import listing, table
from results import Results
from run import Place, prepare, run_suite, unpack
from suites import Suite, read_suites

REPETITIONS = 3
# More differences than these are no matter of luck, so they are not repeated.
MOST_REPEATED = 25


def say(message: str) -> None:
    print(f"conformance: {message}", file=sys.stderr, flush=True)


def run_pairs(jobs: int, places: list[Place], suites: list[Suite]) -> dict[tuple[str, str], list[Results]]:
    """Baseline and ours of each suite on each build."""

    def timed(place: Place, suite: Suite, ours: bool) -> Results:
        began = time.monotonic()
        results = run_suite(place, suite, ours)
        names = "our names" if ours else "the baseline"
        good, bad = results.count()
        say(f"{suite.name} on {place.build}, {names}: {good} passed, {bad} not, {time.monotonic() - began:.0f} s")
        return results

    with ThreadPoolExecutor(jobs) as pool:
        pairs = {
            (suite.name, place.build): [pool.submit(timed, place, suite, ours) for ours in (False, True)]
            for suite in sorted(suites, key=lambda suite: -suite.seconds)
            for place in places
        }
        try:
            return {key: [future.result() for future in futures] for key, futures in pairs.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what runs comes to its end, and nothing else begins
            raise


def repeat(verdict: Verdict, place: Place, suite: Suite) -> None:
    """Run what differs without a reason again, alone and on both sides, to tell what repeats from what does not."""
    open_cases = verdict.unexplained
    if not 0 < len(open_cases) <= MOST_REPEATED:
        return
    say(f"{suite.name} on {place.build}: {len(open_cases)} unexplained, run again {REPETITIONS} times")
    only = [each.test for each in open_cases]
    for number in range(1, REPETITIONS + 1):
        baseline, ours = (run_suite(place, suite, names, only, number) for names in (False, True))
        for each in open_cases:
            each.repeated += 1
            each.again += not same(baseline.tests.get(each.test, ABSENT), ours.tests.get(each.test, ABSENT))


def main() -> int:
    parser = argparse.ArgumentParser(description="The tests of others, with our names in the place of threading's.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sdists", type=Path, required=True)
    parser.add_argument("--suites", default="", help="names from suites.toml; none stands for all")
    parser.add_argument("--jobs", type=int, default=3, help="processes at the same time")
    parser.add_argument("builds", nargs="+", metavar="BUILD=PYTHON")
    options = parser.parse_args()
    known = read_suites()
    unknown = [name for name in options.suites.split() if name not in known]
    if unknown:
        parser.error(f"no suite is called {' or '.join(unknown)}; there are {', '.join(known)}")
    suites = [known[name] for name in options.suites.split() or known]
    named = [build.partition("=") for build in options.builds]
    # Not resolved: a venv's link is its identity.
    places = [Place(name, str(Path(python).absolute()), options.work.absolute()) for name, _, python in named]
    for place in places:
        prepare(place)
    for project in sorted({suite.project for suite in suites if suite.is_foreign}):
        unpack(places[0], project, options.sdists)
    pairs = run_pairs(options.jobs, places, suites)
    reasons, verdicts = read_reasons(), []
    for suite in suites:
        for place in places:
            verdict = judge(suite.name, place.build, *pairs[suite.name, place.build], reasons)
            repeat(verdict, place, suite)
            verdicts.append(verdict)
    print(table(verdicts))
    print(listing(verdicts, options.work))
    return 0 if all(verdict.good for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
