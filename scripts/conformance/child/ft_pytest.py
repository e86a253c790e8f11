"""A plugin of pytest that records each test in the file that FT_UTILS_CONFORMANCE_RESULTS names."""

import os

import pytest
from ft_record import Record, chosen


class Recorder:
    def __init__(self):
        self.record = Record(os.environ["FT_UTILS_CONFORMANCE_RESULTS"])
        self.wanted = chosen(self.record.done)
        self.outcome, self.why = "passed", ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        kept = [item for item in items if self.wanted(item.nodeid)]
        config.hook.pytest_deselected(items=[item for item in items if not self.wanted(item.nodeid)])
        items[:] = kept

    def pytest_collectreport(self, report):
        """A file that cannot be imported stands for the tests that it has."""
        if report.failed:
            self.record.end(report.nodeid, "failed", last_line(report))

    def pytest_runtest_logstart(self, nodeid):
        self.outcome, self.why = "passed", ""
        self.record.start(nodeid)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.outcome, self.why = "failed", last_line(report)
        elif report.skipped and self.outcome == "passed":
            self.outcome = "xfailed" if hasattr(report, "wasxfail") else "skipped"
            self.why = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
        elif report.when == "call" and hasattr(report, "wasxfail"):
            self.outcome = "xpassed"
        elif report.when == "call" and report.passed and self.outcome == "failed":
            self.outcome, self.why = "passed", ""  # a plugin ran it again

    def pytest_runtest_logfinish(self, nodeid):
        self.record.end(nodeid, self.outcome, self.why)

    def pytest_sessionfinish(self, exitstatus):
        # 0: all passed, 1: some failed, 5: nothing was left to run. Anything else is no whole run.
        if exitstatus in (0, 1, 5):
            self.record.finish()


def last_line(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[0] if crash is not None and lines else (lines or ["no reason given"])[-1]


def pytest_configure(config):
    config.pluginmanager.register(Recorder(), "ft_utils_conformance_recorder")
