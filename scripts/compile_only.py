#!/usr/bin/env python3
"""Compile the C types for versions of CPython that cannot be run here: `make compile`.

    compile_only.py PYTHON FLAVOUR...     PYTHON is a CPython 3.14 with its headers

A free-threaded flavour is compiled with Py_GIL_DISABLED, and a version that PYTHON is not with a patchlevel.h that
says it is that version: so the branches of pybind/types/platform/pyver.h compile. It proves nothing about headers that
a later version changes, nor that anything works.
"""

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TYPES = ROOT / "pybind" / "types"
FLAGS = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden")


def headers_of(python: str) -> Path:
    code = "import sysconfig; print(sysconfig.get_path('include'))"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
    include = Path(done.stdout.strip())
    if done.returncode or not (include / "Python.h").is_file():
        sys.exit(f"compile_only: {python} has no headers; give a CPython that has")
    return include


def headers_for(version: str, include: Path, folder: Path) -> Path:
    """The headers, all links but for the file that says which version they are of."""
    folder.mkdir()
    for path in include.iterdir():
        (folder / path.name).symlink_to(path)
    text = (include / "patchlevel.h").read_text()
    changed, found = re.subn(r"(#define PY_MINOR_VERSION\s+)\d+", rf"\g<1>{version.partition('.')[2]}", text)
    if found != 1:
        sys.exit(f"compile_only: {include / 'patchlevel.h'} does not say its version as expected")
    (folder / "patchlevel.h").unlink()
    (folder / "patchlevel.h").write_text(changed)
    return folder


def compile_for(flavour: str, include: Path, work: Path) -> str:
    """What the compiler has to say of the files that it refuses."""
    folder = headers_for(flavour.rstrip("t"), include, work / f"include-{flavour}")
    objects = work / f"objects-{flavour}"
    objects.mkdir()
    options = [f"-I{folder}", f"-I{TYPES}", f"-I{ROOT / 'pybind' / 'include'}"]
    if flavour.endswith("t"):
        options.append("-DPy_GIL_DISABLED=1")

    def one(source: Path) -> str:
        command = ["cc", "-c", *FLAGS, *options, str(source), "-o", str(objects / f"{source.stem}.o")]
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stderr or f"{source}: exit code {done.returncode}\n") if done.returncode else ""

    with ThreadPoolExecutor(2) as pool:
        return "".join(pool.map(one, sorted(TYPES.glob("*/*.c"))))


def main() -> int:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    include = headers_of(sys.argv[1])
    failed = False
    with tempfile.TemporaryDirectory() as work:
        for flavour in sys.argv[2:]:
            said = compile_for(flavour, include, Path(work))
            print(f"{flavour}: {'does not compile' if said else 'compiled, not run'}", flush=True)
            print(said, end="", file=sys.stderr)
            failed = failed or bool(said)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
