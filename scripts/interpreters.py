#!/usr/bin/env python3
"""Find or make the interpreters that ft_utils is built for and tested on.

    python3 scripts/interpreters.py 3.13     prints the path of CPython 3.13
    python3 scripts/interpreters.py 3.13t    prints the path of its free-threaded build
    python3 scripts/interpreters.py --all    prepares both, prints a path a line

Looked at in turn: an explicit variable (FT_UTILS_PYTHON_3_13, FT_UTILS_PYTHON_3_13T), PATH, an earlier build in
the cache, uv, and last a build from Debian's source package, kept in the cache. Only the answer goes to standard
output. Any Python from 3.9 on runs this file; it imports the standard library alone.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

SERIES = "3.13"
SOURCE_PACKAGE = "python3.13"
SOURCE_SUITE = "trixie"  # the Debian release that carries SOURCE_PACKAGE

# A suite by one of these names marks an apt source as Debian's own archive rather than a vendor's.
DEBIAN_SUITES = frozenset(
    (
        *("bullseye", "bookworm", "trixie", "forky", "duke", "sid"),
        *("oldoldstable", "oldstable", "stable", "testing", "unstable"),
    )
)

BUILD_PACKAGES = (
    "gcc",
    "make",
    "libc6-dev",
    "pkg-config",
    "xz-utils",
    "libssl-dev",
    "zlib1g-dev",
    "libffi-dev",
    "libbz2-dev",
    "liblzma-dev",
    "libsqlite3-dev",
)

PROBE_SECONDS = 60
UV_SECONDS = 240

# Run by a candidate to tell about itself. The base executable, because a candidate inside an activated virtual
# environment would otherwise be asked to re-create the very environment it lives in.
PROBE = """
import importlib, json, os, sys, sysconfig
wanted = ("venv", "ensurepip", "ssl", "zlib", "sqlite3", "ctypes")
missing = []
for name in wanted:
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "implementation": sys.implementation.name,
    "version": "%d.%d" % sys.version_info[:2],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "header": os.path.isfile(os.path.join(sysconfig.get_paths()["include"], "Python.h")),
    "missing": missing,
}))
"""


class Unavailable(Exception):
    """One sentence that says why an interpreter cannot be had."""


@dataclass(frozen=True)
class Flavour:
    """One of the two builds of the series."""

    name: str
    free_threaded: bool

    @property
    def command(self) -> str:
        return f"python{self.name}"

    @property
    def variable(self) -> str:
        return "FT_UTILS_PYTHON_" + self.name.replace(".", "_").upper()


FLAVOURS = {
    SERIES: Flavour(SERIES, free_threaded=False),
    SERIES + "t": Flavour(SERIES + "t", free_threaded=True),
}


def say(message: str) -> None:
    print(f"interpreters: {message}", file=sys.stderr, flush=True)


# --- judging a candidate ---------------------------------------------------------------------------------------


def clean_environment() -> dict[str, str]:
    """The environment without what would leak the caller's Python or make into the called one."""
    leaks = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")
    return {key: value for key, value in os.environ.items() if key not in leaks}


def examine(flavour: Flavour, candidate: str) -> str:
    """The real path of the candidate, which was run and found fit; Unavailable says what it lacks."""
    try:
        answer = subprocess.run(
            [candidate, "-I", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            env=clean_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{candidate} does not run ({error})") from error
    try:
        facts = json.loads(answer.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Unavailable(f"{candidate} does not run as an interpreter (exit code {answer.returncode})") from None
    complaint = lacks(flavour, facts)
    if complaint:
        raise Unavailable(f"{candidate} {complaint}")
    return os.path.abspath(facts["executable"])


def lacks(flavour: Flavour, facts: dict) -> str:
    """What keeps an interpreter with these facts from being the flavour; empty when nothing does."""
    if facts["implementation"] != "cpython" or facts["version"] != SERIES:
        return f"is {facts['implementation']} {facts['version']}, not CPython {SERIES}"
    if facts["free_threaded"] != flavour.free_threaded:
        return "is a free-threaded build" if facts["free_threaded"] else "is not a free-threaded build"
    if not facts["header"]:
        return "has no Python.h (its development package is not installed)"
    if facts["missing"]:
        return "lacks the standard library's " + ", ".join(facts["missing"])
    return ""


# --- where one may already be ----------------------------------------------------------------------------------


def from_variable(flavour: Flavour) -> Optional[str]:
    """The interpreter that the user named. One that is named and does not work is an error, never passed over."""
    value = os.environ.get(flavour.variable)
    if not value:
        return None
    try:
        return examine(flavour, os.path.abspath(shutil.which(value) or value))
    except Unavailable as error:
        raise Unavailable(f"{flavour.variable} is set, but {error}.") from None


def from_path(flavour: Flavour) -> Optional[str]:
    """The first on PATH that works: the first of that name may be a shim that only says it is not installed."""
    for directory in os.get_exec_path():
        candidate = shutil.which(flavour.command, path=directory)
        if candidate:
            with reporting():
                return examine(flavour, os.path.abspath(candidate))
    return None


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    # The specification has relative paths ignored.
    root = Path(base) if base and os.path.isabs(base) else Path.home() / ".cache"
    return root / "ft_utils"


def version_key(directory: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in directory.name.rpartition("-")[2].split(".") if part.isdigit())


def from_cache(flavour: Flavour) -> Optional[str]:
    for directory in sorted(cache_root().glob(f"cpython-{SERIES}.*"), key=version_key, reverse=True):
        candidate = directory / flavour.name / "bin" / flavour.command
        if candidate.exists():
            with reporting():
                return examine(flavour, str(candidate))
    return None


def from_uv(flavour: Flavour) -> Optional[str]:
    """What uv knows or can fetch; without a network it must not hold up the build that comes next."""
    uv = shutil.which("uv")
    if not uv:
        return None
    with reporting():
        return examine(flavour, uv_python(uv, "find", flavour))
    with reporting():
        uv_python(uv, "install", flavour)
        return examine(flavour, uv_python(uv, "find", flavour))
    return None


def uv_python(uv: str, verb: str, flavour: Flavour) -> str:
    try:
        answer = subprocess.run(
            [uv, "python", verb, flavour.name],
            capture_output=True,
            text=True,
            timeout=UV_SECONDS,
            env={**clean_environment(), "UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "0"},
            cwd=tempfile.gettempdir(),  # away from any project whose pinned version would overrule
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"uv python {verb} {flavour.name} did not finish ({error})") from error
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1].strip()
        raise Unavailable(f"uv python {verb} {flavour.name} failed ({reason})")
    return answer.stdout.strip()


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Tell about a candidate that is unfit, and let the search go on."""
    try:
        yield
    except Unavailable as error:
        say(f"passed over: {error}")


def find(flavour: Flavour) -> Optional[str]:
    """An interpreter that needs no build, or None."""
    for source in (from_variable, from_path, from_cache, from_uv):
        found = source(flavour)
        if found:
            return found
    return None


# --- the machine's apt sources ---------------------------------------------------------------------------------


class AptSource(NamedTuple):
    """One archive that apt is told about. `signed_by` is a key file, a fingerprint or a key in full; "" is apt's
    own trusted set."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str


def parse_deb822(text: str) -> list[AptSource]:
    """The sources of a `.sources` file, in its order; disabled stanzas left out."""
    sources = []
    for fields in stanzas(text):
        if fields.get("enabled", "yes").strip().lower() in ("no", "false", "off", "0", "without", "disable"):
            continue
        for uri in fields.get("uris", "").split():
            sources.append(
                AptSource(
                    uri,
                    tuple(fields.get("suites", "").split()),
                    tuple(fields.get("components", "").split()),
                    fields.get("signed-by", "").strip(" \n"),
                )
            )
    return sources


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of a deb822 file as dictionaries with names in lower case; comments are skipped."""
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()


def parse_one_line(text: str) -> list[AptSource]:
    """The sources of a `.list` file: `deb [option=value …] uri suite component …`."""
    sources = []
    for line in text.splitlines():
        words = line.partition("#")[0].replace("[", " [ ").replace("]", " ] ").split()
        if not words or words[0] not in ("deb", "deb-src"):
            continue
        options: dict[str, str] = {}
        rest = words[1:]
        if rest[:1] == ["["]:
            if "]" not in rest:
                continue
            end = rest.index("]")
            options = {key.lower(): value for key, _, value in (word.partition("=") for word in rest[1:end])}
            rest = rest[end + 1 :]
        if len(rest) >= 2:
            signed_by = options.get("signed-by", "").replace(",", " ")
            sources.append(AptSource(rest[0], (rest[1],), tuple(rest[2:]), signed_by))
    return sources


def apt_sources(etc: Path) -> list[AptSource]:
    """Every enabled source under apt's configuration directory."""
    parts = sorted((etc / "sources.list.d").glob("*")) if (etc / "sources.list.d").is_dir() else []
    sources = []
    for path in [etc / "sources.list", *parts]:
        parse = {".sources": parse_deb822, ".list": parse_one_line}.get(path.suffix)
        if parse is None:
            continue
        with contextlib.suppress(OSError):  # absent, or not for us to read
            sources += parse(path.read_text(encoding="utf-8", errors="replace"))
    return sources


def debian_archives(sources: list[AptSource]) -> list[AptSource]:
    """The sources that are Debian's main archive or a mirror of it, the likeliest first, each mirror once.

    A vendor's archive may borrow a Debian suite's name, so a path that ends in `debian`, as on every mirror,
    comes before others.
    """
    chosen: dict[str, AptSource] = {}
    for source in sources:
        is_debian = "main" in source.components and DEBIAN_SUITES.intersection(source.suites)
        if is_debian and not source.uri.startswith("cdrom:"):
            chosen.setdefault(source.uri.rstrip("/"), source)
    return sorted(chosen.values(), key=lambda source: not source.uri.rstrip("/").endswith("debian"))


# --- building from Debian's source package ---------------------------------------------------------------------


def run_logged(command: list[str], log: Path, cwd: Path, env: Optional[dict[str, str]] = None) -> None:
    """Run with the output in the log; a failure shows the log's end."""
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        code = subprocess.run(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env=env or clean_environment(),
        ).returncode
    if code:
        tail = log.read_text(errors="replace").splitlines()[-15:]
        sys.stderr.write("\n".join(tail) + "\n")
        raise Unavailable(f"`{command[0]}` failed with exit code {code}; the whole log is in {log}")


def install_build_packages(log: Path) -> None:
    """Make sure of the compiler and the libraries that CPython's modules need; install them where we may."""
    missing = [package for package in BUILD_PACKAGES if not is_installed(package)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise Unavailable(f"building CPython needs packages that are missing: apt-get install {' '.join(missing)}")
    say(f"installing {' '.join(missing)}")
    env = {**clean_environment(), "DEBIAN_FRONTEND": "noninteractive"}
    run_logged(["apt-get", "update"], log, Path("/"), env)
    run_logged(["apt-get", "install", "--yes", "--no-install-recommends", *missing], log, Path("/"), env)


def is_installed(package: str) -> bool:
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package], capture_output=True, text=True
    )
    # A package of several architectures answers once for each.
    return answer.returncode == 0 and "installed" in answer.stdout and "not-installed" not in answer.stdout


def write_apt_configuration(directory: Path, archive: AptSource) -> Path:
    """A configuration of apt that reads one archive and writes below the directory alone.

    The key is the one the machine already trusts for this archive; apt's checks of signature and hash are on.
    """
    signed_by = f"Signed-By: {archive.signed_by}\n" if archive.signed_by else ""
    (directory / "debian.sources").write_text(
        f"Types: deb-src\nURIs: {archive.uri}\nSuites: {SOURCE_SUITE}\nComponents: main\n{signed_by}"
    )
    for name in ("lists/partial", "cache/archives/partial", "empty"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    configuration = directory / "apt.conf"
    # The hooks are cleared because a machine may hang the refresh of its own caches on an update.
    configuration.write_text(
        f"""
Dir::Etc::sourcelist "{directory}/debian.sources";
Dir::Etc::sourceparts "{directory}/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{directory}/empty";
Dir::State::lists "{directory}/lists";
Dir::Cache "{directory}/cache";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Acquire::Languages "none";
Acquire::Retries "2";
"""
    )
    return configuration


def fetch_source(work: Path, log: Path) -> Path:
    """Download the source package from the first of the machine's archives that gives it; the upstream tarball."""
    if not shutil.which("apt-get"):
        raise Unavailable("there is no apt-get to fetch CPython's source with")
    archives = debian_archives(apt_sources(Path("/etc/apt")))
    if not archives:
        raise Unavailable("apt's sources name no Debian archive to fetch CPython's source from")
    reason = ""
    for number, archive in enumerate(archives):
        directory = work / f"apt-{number}"
        directory.mkdir(mode=0o755)
        apt = ["apt-get", "-c", str(write_apt_configuration(directory, archive))]
        try:
            run_logged([*apt, "update"], log, directory)
            run_logged([*apt, "source", "--download-only", SOURCE_PACKAGE], log, directory)
        except Unavailable as error:
            reason = str(error)
            continue
        tarballs = sorted(directory.glob(f"{SOURCE_PACKAGE}_*.orig.tar.*[!c]"))
        if tarballs:
            return tarballs[0]
        reason = f"{SOURCE_PACKAGE} came without an upstream tarball"
    raise Unavailable(f"no archive in apt's sources gave {SOURCE_PACKAGE}: {reason}")


def unpack(tarball: Path, work: Path, log: Path) -> Path:
    """Unpack upstream's own tarball. Debian's patches are left aside on purpose: they move site-packages and the
    layout of an installation, so that what is built under another prefix would not find itself."""
    source = work / "source"
    source.mkdir()
    run_logged(["tar", "-xf", str(tarball), "-C", str(source), "--strip-components=1"], log, work)
    return source


def build_one(flavour: Flavour, source: Path, version: str, work: Path) -> str:
    """Configure, compile and install one flavour; the installation appears in the cache whole or not at all."""
    prefix = cache_root() / f"cpython-{version}" / flavour.name
    log = cache_root() / f"build-{flavour.name}.log"
    log.write_bytes(b"")
    tree = work / f"build-{flavour.name}"
    tree.mkdir()
    say(f"building CPython {flavour.name} from the source of {version}; a few minutes, log in {log}")
    # No profile-guided nor link-time optimisation: they would make the build several times as long.
    # The test package and its extension modules stay in: `make conformance` runs them on our locks.
    # No pip in the installation: virtual environments get theirs from ensurepip, which is installed regardless.
    options = [f"--prefix={prefix}", "--without-ensurepip", "--with-computed-gotos"]
    options += ["--disable-gil"] if flavour.free_threaded else []
    run_logged([str(source / "configure"), *options], log, tree)
    run_logged(["make", f"-j{os.cpu_count() or 1}"], log, tree)
    staging = work / f"install-{flavour.name}"
    run_logged(["make", "altinstall", f"DESTDIR={staging}"], log, tree)
    publish(Path(f"{staging}{prefix}"), prefix)
    executable = examine(flavour, str(prefix / "bin" / flavour.command))
    say(f"built {executable}")
    return executable


def publish(installed: Path, prefix: Path) -> None:
    """Rename a finished installation into place. What stands there was found unfit, so it makes room."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    if prefix.exists():
        shutil.rmtree(prefix)
    os.rename(installed, prefix)


@contextlib.contextmanager
def builder_lock() -> Iterator[None]:
    """Held by the one process that builds; the kernel drops it with the process."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build to finish")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build(flavours: list[Flavour]) -> dict[str, str]:
    """Build the flavours side by side from one download. The work directory is in the cache, so that the rename
    stays within one file system."""
    with builder_lock():
        found = {flavour.name: from_cache(flavour) for flavour in flavours}  # another process may have built it
        wanted = [flavour for flavour in flavours if not found[flavour.name]]
        if wanted:
            for left in cache_root().glob("work-*"):  # of a builder that was killed: we hold the lock
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix="work-", dir=cache_root()) as name:
                found.update(build_in(Path(name), wanted))
        return {name: path for name, path in found.items() if path}


def build_in(work: Path, flavours: list[Flavour]) -> dict[str, str]:
    work.chmod(0o755)  # apt drops its privileges to download
    log = cache_root() / "fetch.log"
    log.write_bytes(b"")
    if not shutil.which("dpkg-query"):
        raise Unavailable("this is no Debian machine, so there is no source package to build from")
    install_build_packages(log)
    say(f"fetching {SOURCE_PACKAGE} of {SOURCE_SUITE} through apt")
    tarball = fetch_source(work, log)
    version = tarball.name.partition("_")[2].partition(".orig")[0]
    source = unpack(tarball, work, log)
    with ThreadPoolExecutor(len(flavours)) as pool:
        paths = list(pool.map(lambda flavour: build_one(flavour, source, version, work), flavours))
    return {flavour.name: path for flavour, path in zip(flavours, paths)}


# --- the command -----------------------------------------------------------------------------------------------


def prepare(flavours: list[Flavour]) -> list[str]:
    """A working interpreter for each flavour, in their order."""
    found = {flavour.name: find(flavour) for flavour in flavours}
    missing = [flavour for flavour in flavours if not found[flavour.name]]
    if missing:
        try:
            found.update(build(missing))
        except Unavailable as error:
            ways = " and ".join(f"set {flavour.variable} to a CPython {flavour.name}" for flavour in missing)
            raise Unavailable(f"{ways}, put it on PATH, or install uv: none was found, and {error}.") from None
    return [str(found[flavour.name]) for flavour in flavours]


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Find or make the interpreters that ft_utils is built for.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("flavour", nargs="?", choices=sorted(FLAVOURS))
    which.add_argument("--all", action="store_true", help="prepare both, print a path a line")
    options = parser.parse_args(arguments)
    try:
        for path in prepare(list(FLAVOURS.values()) if options.all else [FLAVOURS[options.flavour]]):
            print(path)
    except Unavailable as error:
        print(f"interpreters: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
