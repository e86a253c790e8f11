"""Builds the Go library of ft_utils: the reports for Python, and the exports that the C lock types call.

gopy wraps the Go package of the reports, pybindgen turns that into a CPython module, and `go build` links both
with the hand-written exports of pybind/bridge into a single shared object, so that a process has a single Go
runtime. The source tree is only read: what is generated goes to a work folder, and Go sees it through an overlay.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import runtime_signals

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = ROOT / "pybind" / "bridge"
BINDINGS = Path(__file__).with_name("bindings.py")

NAME = "golib"  # gopy's own name of the module; it puts the underscore of "_golib" in front
PACKAGE = "golib/contention"
VIEWER = "pybind/viewer"

# Nothing but the module's init function and the exports of pybind/bridge may be seen from outside.
VERSION_SCRIPT = f"{{ global: PyInit__{NAME}; ft_*; local: *; }};\n"

# Stripped, and without the build id: it would depend on the path of the work folder.
LD_FLAGS = "-s -w -buildid= {} \"-extldflags='-Wl,--version-script={}'\""

# What cgo itself writes declares parameters that it does not use.
C_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")

# The viewer speaks to a browser on the same machine: HTTP/2 would be 500 kB for nothing.
VIEWER_OPTIONS = ("-trimpath", "-tags=nethttpomithttp2", "-ldflags=-s -w -buildid=")


class BuildError(Exception):
    """The library cannot be built here; the message is one sentence that says what to do."""


def build_library(python: str, output: Path, workdir: Path) -> None:
    """Build the library for the interpreter *python* as the file *output*, with intermediate files in *workdir*.

    *python* must be able to import pybindgen. Raises BuildError where a tool is missing, too old, or fails.
    """
    output, work = Path(output).absolute(), Path(workdir).absolute()
    work.mkdir(parents=True, exist_ok=True)
    env = go_environment()
    check_tools(python, env)
    python = os.path.abspath(shutil.which(python))  # not resolved: a venv's link is its identity
    generate_go(python, work, env)
    generate_c(python, work, env)
    library = link(work, env)
    output.parent.mkdir(parents=True, exist_ok=True)
    # Never over a library that some process has mapped: that would change its code under its feet.
    fresh = output.with_name(output.name + ".new")
    shutil.copy2(library, fresh)
    os.replace(fresh, output)


def build_viewer(output: Path) -> None:
    """Build the program that shows profiles as web pages. It is Go alone: no interpreter, no C compiler, no library."""
    output = Path(output).absolute()
    env = dict(go_environment(), CGO_ENABLED="0")
    check_go(env)
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = output.with_name(output.name + ".new")  # a viewer that runs keeps its file
    run(["go", "build", *VIEWER_OPTIONS, "-o", str(fresh), f"./{VIEWER}"], ROOT, env)
    os.replace(fresh, output)


def go_environment() -> dict[str, str]:
    """The environment of every command: it holds the caller's settings, save those that would break the pins."""
    env = dict(os.environ, CGO_ENABLED="1", GOWORK="off")
    # The last flag wins. gopy runs `go build` too, so the flags travel here and not on one command line.
    env["GOFLAGS"] = f"{env.get('GOFLAGS', '')} -mod=readonly -buildvcs=false".strip()
    return env


def check_tools(python: str, env: dict[str, str]) -> None:
    """Say in one sentence what is missing, before anything fails in the middle."""
    check_go(env)
    compiler = shlex.split(capture(["go", "env", "CC"], env).stdout)[0]
    if shutil.which(compiler) is None:
        raise BuildError(f"building ft_utils from source needs a C compiler, and there is no {compiler} on PATH.")
    if shutil.which(python) is None:
        raise BuildError(f"there is no Python interpreter {python} to build ft_utils for.")
    if capture([os.path.abspath(shutil.which(python)), "-c", "import pybindgen"], env).returncode:
        raise BuildError(f"building ft_utils from source needs pybindgen in {python}: pip install pybindgen.")


def check_go(env: dict[str, str]) -> None:
    required = re.search(r"^go ((\d+)\.(\d+))", (ROOT / "go.mod").read_text(), re.MULTILINE)
    advice = f"building ft_utils from source needs Go {required[1]} or newer on PATH"
    if shutil.which("go") is None:
        raise BuildError(f"{advice}, and there is no go command.")
    # A go that may download a newer toolchain answers with that one's version; others refuse go.mod, or are so
    # old that they do not know the rule.
    answer = capture(["go", "env", "GOVERSION"], env)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    if answer.returncode or not found or version(found[1], found[2]) < version(required[2], required[3]):
        raise BuildError(f"{advice}, and the one there answers: {(answer.stdout + answer.stderr).strip()}.")


def version(major: str, minor: str) -> tuple[int, int]:
    return int(major), int(minor)


def generate_go(python: str, work: Path, env: dict[str, str]) -> None:
    """Let gopy write golib.go and the pybindgen program build.py."""
    options = [f"-vm={python}", f"-output={work}", f"-name={NAME}", "-no-make=true"]
    run(["go", "tool", "gopy", "gen", *options, f"./{PACKAGE}"], ROOT, env)
    source = work / f"{NAME}.go"
    source.write_text(adapt(source.read_text(), python_include(python, env)))
    # gopy leaves out imports that its own code needs, and leaves it to goimports to add them.
    run(["go", "tool", "goimports", "-w", str(source)], ROOT, env)


def adapt(source: str, include: str) -> str:
    """Put the project's own C flags into gopy's Go code; fail if that no longer looks as expected.

    gopy's compiler flags switch errors off, and its linker flags name libpython and an rpath of the building
    machine; no option or environment variable of gopy avoids both. The command line that it quotes has the path
    of the work folder, which by way of cgo's hashes would make every build differ.
    """
    changes = {
        "#cgo CFLAGS: ": " ".join(["#cgo CFLAGS:", f'"-I{include}"', *C_FLAGS]),
        "#cgo LDFLAGS: ": "",
        "gopy gen ": "gopy gen",
    }
    lines = source.split("\n")
    for start, replacement in changes.items():
        found = [index for index, line in enumerate(lines) if line.startswith(start)]
        if len(found) != 1:
            raise BuildError(
                f"gopy wrote {len(found)} lines that start with {start!r} instead of one: "
                "pybind/driver no longer fits the gopy that go.mod pins."
            )
        lines[found[0]] = replacement
    return "\n".join(lines)


def python_include(python: str, env: dict[str, str]) -> str:
    answer = capture([python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"], env)
    include = Path(answer.stdout.strip())
    if not (include / "Python.h").is_file():
        raise BuildError(f"building ft_utils from source needs Python's headers, and {include} has no Python.h.")
    return str(include)


def generate_c(python: str, work: Path, env: dict[str, str]) -> None:
    """Let pybindgen write golib.c, the module that CPython sees."""
    run([python, str(BINDINGS), "build.py", Path(PACKAGE).name], work, env)
    # The header that golib.c includes is the one that cgo writes during the build anyway.
    (work / f"{NAME}_go.h").write_text('#include "_cgo_export.h"\n')


def link(work: Path, env: dict[str, str]) -> Path:
    """Compile and link the library. gopy's file stands in for main.go of pybind/bridge."""
    overlay = {
        BRIDGE / "main.go": work / f"{NAME}.go",
        BRIDGE / f"{NAME}.c": work / f"{NAME}.c",
        BRIDGE / f"{NAME}_go.h": work / f"{NAME}_go.h",
    }
    overlay.update(quiet_runtime(work, env))
    seen_by_go = work / "overlay.json"
    seen_by_go.write_text(json.dumps({"Replace": {str(path): str(real) for path, real in overlay.items()}}))
    exports = work / "exports.map"
    exports.write_text(VERSION_SCRIPT)
    library = work / f"_{NAME}.so"
    ld_flags = LD_FLAGS.format(runtime_signals.LINKER_FLAG, exports)
    options = ["-buildmode=c-shared", "-trimpath", f"-overlay={seen_by_go}", f"-ldflags={ld_flags}"]
    run(["go", "build", *options, "-o", str(library), f"./{BRIDGE.relative_to(ROOT)}"], ROOT, env)
    return library


def quiet_runtime(work: Path, env: dict[str, str]) -> dict[Path, Path]:
    """Let Go see files of its own runtime in which it has no part in the host's signals."""
    goroot = Path(capture(["go", "env", "GOROOT"], env).stdout.strip())
    overlay = {}
    for file, changed in runtime_signals.CHANGED.items():
        theirs, ours = goroot / file, work / f"{file.stem}.quiet"  # no name of a Go file: it is below the module's
        try:
            ours.write_text(changed(theirs.read_text()))
        except (OSError, runtime_signals.UnknownRuntime) as error:
            raise BuildError(
                f"ft_utils builds Go's runtime with some lines of its own and does not know {theirs}: {error}; build "
                f"with the Go release that go.mod names."
            ) from None
        overlay[theirs] = ours
    return overlay


def capture(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def run(command: list[str], cwd: Path, env: dict[str, str]) -> None:
    """Run a step quietly; show everything it said if it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BuildError(f"{shlex.join(command)} failed:\n{done.stdout}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="the shared object to write")
    parser.add_argument("--python", default=sys.executable, help="interpreter to build for; it has pybindgen")
    parser.add_argument("--workdir", type=Path, default=Path("build/golib"), help="for what is generated")
    options = parser.parse_args()
    try:
        build_library(options.python, options.output, options.workdir)
    except BuildError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
