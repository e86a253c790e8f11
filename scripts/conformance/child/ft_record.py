"""The results of one run, a line of JSON for every event, written at once: what was written survives a crash.

    {"header": {…}}                               once for each process
    {"start": "test"}                             before a test
    {"end": "test", "outcome": …, "why": …}       after it: passed, failed, skipped, xfailed or xpassed
    {"finished": true}                            when nothing is left to run
"""

import json
import os
import sys

import ft_rebind

WHY_LENGTH = 300


class Record:
    def __init__(self, path):
        self.done = set()
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                self.done = {event["end"] for event in map(json.loads, lines) if "end" in event}
        # The handle is inherited by nobody: a forked child that ends by os._exit has nothing buffered to write.
        self.handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.owner = os.getpid()
        self.write(header={"replaced": ft_rebind.replaced(), "python": sys.version.split()[0]})

    def write(self, **event):
        if os.getpid() == self.owner:  # a forked child may run on into the runner
            os.write(self.handle, json.dumps(event).encode() + b"\n")

    def start(self, test):
        self.write(start=test)

    def end(self, test, outcome, why=""):
        self.write(end=test, outcome=outcome, why=why[:WHY_LENGTH])

    def finish(self):
        self.write(finished=True, gil=getattr(sys, "_is_gil_enabled", lambda: True)())


def chosen(done):
    """Whether a test is to run: of those named in FT_UTILS_CONFORMANCE_ONLY, if it is set, those not done yet."""
    path = os.environ.get("FT_UTILS_CONFORMANCE_ONLY")
    only = None
    if path:
        with open(path, encoding="utf-8") as lines:
            only = set(lines.read().splitlines())
    return lambda test: test not in done and (only is None or test in only)
