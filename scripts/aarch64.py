#!/usr/bin/env python3
"""Cross-build a wheel for Linux on aarch64 and run tests on it under qemu: `make aarch64`.

    aarch64.py PYTHON WHEEL [TEST...]     PYTHON is a CPython 3.13 of an environment with the build's tools and pytest,
                                          WHEEL the wheel for this machine, whose Python files are taken over

It needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user, and gets Debian's CPython 3.13 for arm64 by apt.
What qemu shows: the code compiles for arm64, and works there as far as an emulator on x86-64 can tell. It cannot show
a missing memory barrier, since the emulated processor orders memory as the real one below does.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "aarch64"
SYSROOT = WORK / "root"
TYPES = ROOT / "pybind" / "types"
SUITE = "trixie"
GCC = "aarch64-linux-gnu-gcc"
SUFFIX = ".cpython-313-aarch64-linux-gnu.so"
# Debian's pyconfig.h includes that of the architecture, from a folder that must not bring the system's headers too.
PYCONFIG = WORK / "include" / "aarch64-linux-gnu"
INCLUDES = (SYSROOT / "usr/include/python3.13", PYCONFIG.parent)
FLAGS = (
    *("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-DNDEBUG", "-fPIC", "-pthread"),
    *("-fvisibility=hidden", "-fno-plt", "-ftls-model=initial-exec"),
)
# What a first look asks: contracts, and many threads. All else takes an emulator too long; tests that fork processes
# with threads have not come to their end under it.
TESTS = (
    "tests/contract/test_interval_lock.py",
    "tests/contract/test_reader_writer_lock.py",
    "tests/contract/test_semaphores.py",
    "tests/contract/test_events.py",
    "tests/load/test_stress.py",
)


def run(*command: object, **options: object) -> None:
    done = subprocess.run(
        [str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode:
        sys.exit(f"{done.stdout}aarch64: {command[0]} failed with exit code {done.returncode}")


def check_tools() -> None:
    missing = [tool for tool in (GCC, "qemu-aarch64", "apt-get", "dpkg-deb", "go") if shutil.which(tool) is None]
    if missing:
        sys.exit(
            f"aarch64: {', '.join(missing)} is not on PATH; "
            "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
        )


def make_sysroot() -> None:
    """Debian's CPython for arm64 with all that it needs, unpacked and not installed."""
    if (SYSROOT / "usr/bin/python3.13").exists():
        return
    import interpreter_build as building

    shutil.rmtree(SYSROOT, ignore_errors=True)
    folder = WORK / "apt"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = building.debian_archives(building.apt_sources(Path("/etc/apt")))[0]
    configuration = building.write_apt_configuration(folder, archive, SUITE)
    sources = folder / "debian.sources"
    sources.write_text(sources.read_text().replace("Types: deb-src", "Types: deb") + "Architectures: arm64\n")
    with configuration.open("a") as more:
        more.write('APT::Architecture "arm64";\nAPT::Architectures { "arm64"; };\nAPT::Install-Recommends "false";\n')
        more.write(f'Dir::State::status "{folder}/status";\nDebug::NoLocking "1";\n')
    (folder / "status").touch()
    apt = ("apt-get", "-c", configuration)
    run(*apt, "update")
    run(*apt, "install", "--download-only", "--yes", "python3.13", "python3.13-dev", "libpython3.13-testsuite")
    SYSROOT.mkdir()
    for name in ("lib", "bin"):
        (SYSROOT / name).symlink_to(f"usr/{name}")  # as base-files has it
    for package in sorted((folder / "cache/archives").glob("*.deb")):
        run("dpkg-deb", "-x", package, SYSROOT)


def build_locks(target: Path) -> None:
    shutil.rmtree(PYCONFIG, ignore_errors=True)
    PYCONFIG.mkdir(parents=True)
    (PYCONFIG / "python3.13").symlink_to(SYSROOT / "usr/include/aarch64-linux-gnu/python3.13")
    includes = [f"-I{path}" for path in (TYPES, ROOT / "pybind/include", *INCLUDES)]
    run(GCC, "-shared", "-s", *FLAGS, *includes, *sorted(TYPES.glob("*/*.c")), "-o", target, "-lm")


def build_golib(python: str, target: Path) -> None:
    """As pybind/driver does it, but that only the last step is for the other processor."""
    sys.path.insert(0, str(ROOT / "pybind" / "driver"))  # before the installed package `build`
    import build as driver

    work = WORK / "golib"
    work.mkdir(exist_ok=True)
    from dev import build_tools

    env = {**driver.go_environment(), "PYTHONPATH": str(build_tools(python, WORK))}
    driver.check_tools(python, env)
    driver.generate_go(python, work, env)
    driver.generate_c(python, work, env)
    source = work / f"{driver.NAME}.go"
    here = f'"-I{driver.python_include(python, env)}"'
    there = " ".join(f'"-I{path}"' for path in INCLUDES)
    source.write_text(source.read_text().replace(here, there))
    shutil.copy2(driver.link(work, {**env, "GOARCH": "arm64", "CC": GCC}), target)


def pack(wheel: Path, built: dict[str, Path]) -> Path:
    """The wheel of this machine with other libraries, tags and checksums."""
    name = re.sub(r"-[^-]+\.whl$", "-linux_aarch64.whl", wheel.name)
    records, result = [], WORK / name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:

        def put(path: str, data: bytes) -> None:
            new.writestr(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append(f"{path},sha256={digest},{len(data)}")

        for entry in old.infolist():
            if entry.is_dir() or entry.filename.endswith((".so", "/RECORD")):
                continue
            data = old.read(entry)
            if entry.filename.endswith(".dist-info/WHEEL"):
                data = re.sub(rb"(?m)^(Tag: \S+-\S+-)\S+$", rb"\1linux_aarch64", data)
            put(entry.filename, data)
        for path, file in built.items():
            put(path, file.read_bytes())
        (record,) = [each.filename for each in old.infolist() if each.filename.endswith("/RECORD")]
        new.writestr(record, "\n".join([*records, f"{record},,", ""]))
    return result


def install(python: str, wheel: Path) -> Path:
    """The wheel and pytest where the emulated interpreter finds them; what that starts is emulated too."""
    site = SYSROOT / "usr/local/lib/python3.13/dist-packages"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["test"]
    needed = [each for each in group if each.startswith(("pytest", "hypothesis"))]
    run(python, "-m", "pip", "install", "--quiet", "--target", site, "--upgrade", *needed)
    wrapper = WORK / "python3.13"
    wrapper.write_text(f'#!/bin/sh\nexec qemu-aarch64 -L {SYSROOT} {SYSROOT}/usr/bin/python3.13 "$@"\n')
    wrapper.chmod(0o755)
    (site / "emulated.pth").write_text(f"import sys; sys.executable = {str(wrapper)!r}\n")
    return wrapper


def main() -> int:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    python, wheel, *tests = sys.argv[1:]
    check_tools()
    WORK.mkdir(parents=True, exist_ok=True)
    make_sysroot()
    locks, golib = WORK / f"_locks{SUFFIX}", WORK / f"_golib{SUFFIX}"
    build_locks(locks)
    build_golib(os.path.abspath(python), golib)
    made = pack(Path(wheel), {f"ft_utils/{file.name}": file for file in (locks, golib)})
    print(made, flush=True)
    emulated = install(python, made)
    env = {**os.environ, "PYTHONSAFEPATH": "1"}
    facts = "import platform, sys; print('emulated:', platform.machine(), sys.version.split()[0])"
    subprocess.run([emulated, "-c", facts], env=env, check=True)
    # An emulator is some ten times as slow; limits of time in the tests are made for slow machines all the same.
    pytest = ["-m", "pytest", "-p", "no:cacheprovider", "--timeout=600", "-q", *(tests or TESTS)]
    return subprocess.run([emulated, *pytest], env=env, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
