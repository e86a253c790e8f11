"""The command line: python -m ft_utils.contention run | report | view."""

import argparse
import io
import math
import os
import sys
from typing import Any, NoReturn

from ft_utils._profiling.profile import FORMATS, Profile, ProfileError, reason
from ft_utils._recorder import MOST_SECONDS

PROGRAM = "python -m ft_utils.contention"
OUTPUTS = {"pprof": "contention.pb.gz", "speedscope": "contention.speedscope.json"}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is what --help is for."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def rate(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate: 1 is every contention, 10 is one in ten")
    return int(text)


def minimum(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not (math.isfinite(seconds) and 0 <= seconds <= MOST_SECONDS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time in seconds, as 0.001 is")
    return seconds


def port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: those go from 1 to 65535, and 0 takes a free one")
    return int(text)


def one_of(what: str, choices: tuple[str, ...]) -> Any:
    def check(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"there is no {what} {text!r}: take {' or '.join(choices)}")
        return text

    return check


def parser() -> Parser:
    top = Parser(prog=PROGRAM, description="See which locks the threads of a program wait for.", allow_abbrev=False)
    commands = top.add_subparsers(dest="command", required=True, metavar="run | report | view")
    run = commands.add_parser(
        "run",
        help="run a program and record its contentions",
        allow_abbrev=False,
        usage=f"{PROGRAM} run [options] (SCRIPT.py | -m MODULE) [arguments of the program]",
    )
    run.add_argument("-o", dest="output", metavar="FILE", help=f"what to write (default {OUTPUTS['pprof']})")
    run.add_argument(
        "--format", type=one_of("format", FORMATS), default="pprof", metavar="FORMAT", help="pprof or speedscope"
    )
    run.add_argument("--rate", type=rate, default=1, metavar="N", help="record one contention in N (default 1)")
    run.add_argument(
        "--minimum", type=minimum, default=0.0, metavar="SECONDS", help="pass over shorter waits (default 0)"
    )
    run.add_argument("-m", dest="module", action="store_true", help="run a module")
    run.add_argument("program", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    report = commands.add_parser("report", help="print tables of a profile", allow_abbrev=False)
    report.add_argument("file", metavar="FILE")
    report.add_argument(
        "--by", type=one_of("table by", ("lock", "line")), default="lock", metavar="WHAT", help="lock (default) or line"
    )
    report.add_argument("--json", action="store_true", help="print JSON")
    view = commands.add_parser("view", help="look at a profile in a browser", allow_abbrev=False)
    view.add_argument("file", metavar="FILE")
    view.add_argument("-o", dest="output", metavar="FILE.html", help="write a flame graph as one page; serve nothing")
    view.add_argument("--port", type=port, metavar="N", help="port of this machine (default: a free one)")
    view.add_argument("--no-browser", action="store_true", help="print the address and open no browser")
    return top


def run(options: argparse.Namespace) -> int:
    from ft_utils._profiling import run as running

    program = options.program
    if not program:
        raise ProfileError("name a script to run, or -m and a module")
    recording = running.Recording(
        options.output or OUTPUTS[options.format],
        options.format,
        running.command_of(program, options.module),
        options.rate,
        options.minimum,
    )
    return running.call(recording, running.module if options.module else running.script, program)


def report(options: argparse.Namespace) -> int:
    from ft_utils._profiling import report as tables

    if sys.stdout is None:
        raise ProfileError("there is no standard output to print tables to")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a µ or a line of a table gets a ?
    profile = Profile.read(options.file)
    (tables.report_json if options.json else tables.report)(profile, options.by)
    sys.stdout.flush()
    return 0


def view(options: argparse.Namespace) -> int:
    from ft_utils._profiling import view as views

    if options.output is None:
        views.serve(options.file, options.port or 0, not options.no_browser)
    if options.port is not None:
        raise ProfileError("-o writes a page and --port serves pages: leave one of them out")
    views.write_page(options.file, options.output)
    return 0


COMMANDS = {"run": run, "report": report, "view": view}


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except ProfileError as error:
        print(f"{PROGRAM} {options.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads the tables has seen enough
        drop_output()
        return 0
    except OSError as error:
        drop_output()
        print(f"{PROGRAM} {options.command}: {error.filename or 'the output'}: {reason(error)}", file=sys.stderr)
        return 2


def drop_output() -> None:
    """What could not be written is not tried again when the interpreter ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
