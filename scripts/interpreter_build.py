"""Build CPython from Debian's source package into the cache, for scripts/interpreters.py.

The source comes through apt from the machine's own mirror, with apt's checks of signature and hash. Any Python from
3.9 on runs this file; it imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Optional

from interpreter_flavours import Flavour, Series, Unavailable, cache_root, clean_environment, say

# A suite by one of these names marks an apt source as Debian's own archive rather than a vendor's.
DEBIAN_SUITES = frozenset(
    (
        *("bullseye", "bookworm", "trixie", "forky", "duke", "sid"),
        *("oldoldstable", "oldstable", "stable", "testing", "unstable"),
    )
)

# The extension modules of CPython's own tests need nothing beyond these.
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


def write_apt_configuration(directory: Path, archive: AptSource, suite: str) -> Path:
    """A configuration of apt that reads one suite of one archive and writes below the directory alone.

    The key is the one the machine already trusts for this archive; apt's checks of signature and hash are on.
    """
    signed_by = f"Signed-By: {archive.signed_by}\n" if archive.signed_by else ""
    (directory / "debian.sources").write_text(
        f"Types: deb-src\nURIs: {archive.uri}\nSuites: {suite}\nComponents: main\n{signed_by}"
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


def fetch_source(series: Series, work: Path, log: Path) -> Path:
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
        apt = ["apt-get", "-c", str(write_apt_configuration(directory, archive, series.suite))]
        try:
            run_logged([*apt, "update"], log, directory)
            run_logged([*apt, "source", "--download-only", series.package], log, directory)
        except Unavailable as error:
            reason = str(error)
            continue
        tarballs = sorted(directory.glob(f"{series.package}_*.orig.tar.*[!c]"))
        if tarballs:
            return tarballs[0]
        reason = f"{series.package} came without an upstream tarball"
    raise Unavailable(f"no archive in apt's sources gave {series.package}: {reason}")


def unpack(tarball: Path, work: Path, log: Path) -> Path:
    """Unpack upstream's own tarball. Debian's patches are left aside on purpose: they move site-packages and the
    layout of an installation, so that what is built under another prefix would not find itself."""
    source = work / "source"
    source.mkdir()
    run_logged(["tar", "-xf", str(tarball), "-C", str(source), "--strip-components=1"], log, work)
    return source


def build_one(flavour: Flavour, source: Path, version: str, work: Path) -> None:
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
    say(f"built {prefix}")


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


def build(flavours: list[Flavour], cached: Callable[[Flavour], Optional[str]]) -> dict[str, str]:
    """Build the flavours, those of a series side by side from one download; their paths.

    `cached` finds a fit build in the cache: what another process has built meanwhile, and what was built here.
    The work directory is in the cache, so that the rename stays within one file system.
    """
    with builder_lock():
        wanted = [flavour for flavour in flavours if not cached(flavour)]
        if wanted:
            for left in cache_root().glob("work-*"):  # of a builder that was killed: we hold the lock
                shutil.rmtree(left, ignore_errors=True)
            for series in dict.fromkeys(flavour.series for flavour in wanted):
                with tempfile.TemporaryDirectory(prefix="work-", dir=cache_root()) as name:
                    build_in(Path(name), [flavour for flavour in wanted if flavour.series == series])
        paths = {flavour.name: cached(flavour) for flavour in flavours}
    unfit = [name for name, path in paths.items() if not path]
    if unfit:
        raise Unavailable(f"what was built for {' and '.join(unfit)} in {cache_root()} is unfit")
    return {name: path for name, path in paths.items() if path}


def build_in(work: Path, flavours: list[Flavour]) -> None:
    """Build flavours of one series."""
    series = flavours[0].series
    work.chmod(0o755)  # apt drops its privileges to download
    log = cache_root() / "fetch.log"
    log.write_bytes(b"")
    if not shutil.which("dpkg-query"):
        raise Unavailable("this is no Debian machine, so there is no source package to build from")
    install_build_packages(log)
    say(f"fetching {series.package} of {series.suite} through apt")
    tarball = fetch_source(series, work, log)
    version = tarball.name.partition("_")[2].partition(".orig")[0]
    source = unpack(tarball, work, log)
    with ThreadPoolExecutor(len(flavours)) as pool:
        list(pool.map(lambda flavour: build_one(flavour, source, version, work), flavours))
