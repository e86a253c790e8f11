"""Runs modules of CPython's own tests and records each test: `python -m ft_unittest RESULTS MODULE …`."""

import faulthandler
import re
import sys
import unittest

from ft_record import Record, chosen


class Result(unittest.TestResult):
    """A subtest that fails makes its test fail."""

    def __init__(self, record):
        super().__init__()
        self.record = record
        self.outcome, self.why = "passed", ""

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.why = "passed", ""
        self.record.start(test.id())
        print(test.id(), flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        self.record.end(test.id(), self.outcome, self.why)

    def note(self, test, outcome, error=None):
        if self.outcome == "failed":
            return
        self.outcome = outcome
        if error is not None:
            text = self._exc_info_to_string(error, test)
            print(text, flush=True)
            self.why = last_line(text)

    def failed(self, test, error):
        if isinstance(test, unittest.suite._ErrorHolder):  # setUpClass or setUpModule, which is no test
            self.record.end(test.id(), "failed", last_line(self._exc_info_to_string(error, test)))
        self.note(test, "failed", error)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped")
        self.why = reason
        if isinstance(test, unittest.suite._ErrorHolder):
            self.record.end(test.id(), "skipped", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note(test, "xfailed")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, "xpassed")


def last_line(text):
    """The line of a traceback that names the error; in a group of errors, the last of them."""
    lines = [line.strip(" |+-") for line in text.splitlines()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Warning|Interrupt|Exit)\b", line)]
    return (named or [line for line in lines if line] or ["no reason given"])[-1]


def tests_of(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests_of(each)
        else:
            yield each


def main():
    path, *modules = sys.argv[1:]
    faulthandler.enable()
    record = Record(path)
    wanted = chosen(record.done)
    # Classes stay together, so that their fixtures run once; order is the loader's.
    loaded = unittest.defaultTestLoader.loadTestsFromNames(modules)
    suite = unittest.TestSuite(test for test in tests_of(loaded) if wanted(test.id()))
    suite.run(Result(record))
    record.finish()


if __name__ == "__main__":
    main()
