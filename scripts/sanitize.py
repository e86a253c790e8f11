#!/usr/bin/env python3
"""The C types under gcc's sanitizers: `make sanitize`.

    sanitize.py asan PYTHON [option of pytest …]   addresses and undefined behaviour, over the Python tests
    sanitize.py tsan PYTHON [seconds a round]      data races, over the rounds of tsan_rounds.py

PYTHON has the wheel and pytest (.venv/3.13/bin/python); tsan wants a free-threaded one. What is built goes to
build/sanitize. Nothing of the package is changed: the extension is compiled anew beside a copy of the rest.

The thread sanitizer has to see every access of the process, or it takes what it does not see for missing order.
So tsan runs an interpreter that was compiled for it: FT_UTILS_PYTHON_TSAN, or one built once into the cache, from
the source that scripts/interpreters.py fetches. What Go does stays out of its sight; SHIM stands in for that.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TYPES = ROOT / "pybind" / "types"
WORK = ROOT / "build" / "sanitize"
ROUNDS = Path(__file__).with_name("tsan_rounds.py")
FLAGS = [
    *("-std=c11", "-O1", "-g", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE="),
    *("-fPIC", "-fvisibility=hidden", "-ftls-model=initial-exec"),
]
# Tests of building, of speed and of memory: they run other interpreters, or measure. And of pages, which no C makes.
LEFT_OUT = (
    *("project", "contract/test_examples.py", "load/test_endurance.py"),
    *("contention/test_profile.py", "contention/test_pages.py", "contention/test_view.py"),
)
# The first asks where the package was imported from. The others look at memory itself: the sanitizer keeps what is
# freed for a while, so no address comes again, and it is the allocator, so none of ours can come before it.
DESELECTED = (
    "process/test_module.py::test_the_installed_package_is_tested",
    *("contract/test_reused_addresses.py", "process/test_limits.py::test_threads_and_memory"),
    "contract/test_reader_writer_lock.py::test_more_nested_reads_than_are_counted",
    *("contract/test_names.py::test_gone_with_the_lock", "contract/test_names.py::test_no_memory_for_the_table"),
    *(
        f"contract/test_no_memory.py::test_{name}"
        for name in ("records_of_threads", "seat_of_a_handler", "table_of_a_recording")
    ),
)
# gcc 12's allocator may stay locked in a forked child.
NOT_IN_A_CHILD = "not forked_child"

# Go's operations are atomic ones on the lock's word, under the lock of its bucket: to the sanitizer each is a
# release and an acquisition of the word. A lock that is handed to a waiter which is awake comes by the waiter's
# state alone, which Go writes; so reading Granted there acquires what was released by any operation before. (That
# hides a race between two locks whose only order is such a hand-over of a third; it invents none.)
SHIM = """
#include "core/wait.h"
void __tsan_acquire(void *);
extern char ft_tsan_granted;
static inline uint32_t
ft_tsan_state(const struct ft_waiter *waiter)
{
    uint32_t state = ft_state(waiter);
    if (state == FT_STATE_GRANTED) {
        __tsan_acquire(&ft_tsan_granted);
    }
    return state;
}
#define ft_state ft_tsan_state
"""

# golib.c is compiled with dlsym named ft_tsan_dlsym, and gets the exports wrapped. All their parameters are
# integers and pointers, at most four, and go through registers on x86-64 and arm64, so one signature serves. The first
# is the lock, but for ft_profile, which has none.
GOLIB = """
#include <dlfcn.h>
#include <string.h>
#include "core/golib.h"
void __tsan_acquire(void *);
void __tsan_release(void *);
char ft_tsan_granted;
typedef uintptr_t generic(uintptr_t, uintptr_t, uintptr_t, uintptr_t);
#define WRAP(name, result, parameters)                                                                     \\
    static generic *real_##name;                                                             \\
    static uintptr_t name(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)                \\
    {                                                                                        \\
        uintptr_t lock = strcmp(#name, "ft_profile") == 0 ? (uintptr_t)&ft_tsan_granted : a; \\
        void *into = strcmp(#name, "ft_condition_notify_into") == 0 ? (void *)c : NULL;      \\
        __tsan_release((void *)lock);                                                        \\
        __tsan_release(into != NULL ? into : (void *)lock);                                  \\
        __tsan_release(&ft_tsan_granted);                                                    \\
        uintptr_t answer = real_##name(a, b, c, d);                                          \\
        __tsan_acquire((void *)lock);                                                        \\
        __tsan_acquire(into != NULL ? into : (void *)lock);                                  \\
        return answer;                                                                       \\
    }
FT_EXPORTS(WRAP)
void *ft_tsan_dlsym(void *library, const char *name);
void *
ft_tsan_dlsym(void *library, const char *name)
{
    void *real = dlsym(library, name);
#define PICK(name_, result, parameters)                        \\
    if (real != NULL && strcmp(name, #name_) == 0) { \\
        real_##name_ = (generic *)real;          \\
        return (void *)name_;                    \\
    }
    FT_EXPORTS(PICK)
    return real;
}
"""

PROBE = """
import json, sys, sysconfig, ft_utils
print(json.dumps({
    "package": ft_utils.__path__[0],
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "include": sysconfig.get_path("include"),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


def say(message: str) -> None:
    print(f"sanitize: {message}", flush=True)


def probe(python: str) -> dict:
    answer = subprocess.run([python, "-P", "-c", PROBE], capture_output=True, text=True, cwd=WORK, check=False)
    if answer.returncode:
        sys.exit(f"sanitize: error: {python} has no ft_utils installed:\n{answer.stderr}")
    return json.loads(answer.stdout)


def run(command: list) -> None:
    subprocess.run([str(word) for word in command], check=True)


# --- addresses and undefined behaviour -------------------------------------------------------------------------


def copy_package(facts: dict, place: Path) -> Path:
    """A copy of the package without the extension; the path that the extension is to have."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(facts["package"], place / "ft_utils", ignore=shutil.ignore_patterns("__pycache__", "_locks.*"))
    return place / "ft_utils" / f"_locks{facts['suffix']}"


def includes(facts: dict) -> list[str]:
    return [f"-I{TYPES}", f"-I{TYPES.parent / 'include'}", f"-I{facts['include']}"]


def library(name: str) -> str:
    answer = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def asan(python: str, options: list[str]) -> int:
    facts = probe(python)
    place = WORK / f"asan{facts['suffix'].split('-')[1]}"
    target = copy_package(facts, place)
    sources = sorted(TYPES.glob("*/*.c"))
    run(["gcc", "-shared", *FLAGS, "-fsanitize=address,undefined", *includes(facts), *sources, "-o", target, "-lm"])
    env = {
        **os.environ,
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(place),
        "LD_PRELOAD": f"{library('libasan.so')}:{library('libubsan.so')}",
        # The interpreter does not free all it has at the end, so leaks are not looked for.
        # faulthandler's tests want the signals for themselves.
        "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_sigfpe=0:handle_sigbus=0:handle_abort=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    if not facts["free_threaded"]:  # the free-threaded build cannot do without its own allocator
        env["PYTHONMALLOC"] = "malloc"
    # What a sanitizer says goes to file descriptor 2: it must not be captured. In child processes the tests
    # themselves look at it.
    fixed = ["-q", "--capture=sys", "-p", "no:cacheprovider"]
    fixed += [f"--ignore={ROOT / 'tests' / name}" for name in LEFT_OUT]
    fixed += [f"--deselect=tests/{name}" for name in DESELECTED] + ["-k", NOT_IN_A_CHILD]
    log = place / "log"
    say(f"pytest under the address and undefined-behaviour sanitizers, {python}; log in {log}")
    with log.open("wb") as output:
        code = subprocess.run([python, "-m", "pytest", *fixed, *options], env=env, cwd=ROOT, stdout=output,
                              stderr=subprocess.STDOUT, check=False).returncode
    text = log.read_text(errors="replace")
    found = re.findall(r"^.*(?:runtime error: |ERROR: AddressSanitizer: ).*$", text, re.MULTILINE)
    for line in sorted(set(found)):
        print(line)
    print(text.splitlines()[-1])
    return 1 if code or found else 0


# --- data races ------------------------------------------------------------------------------------------------


def tsan_interpreter() -> str:
    given = os.environ.get("FT_UTILS_PYTHON_TSAN")
    if given:
        return given
    sys.path.insert(0, str(ROOT / "scripts"))
    import interpreter_build as interpreters
    from interpreter_flavours import FLAVOURS

    def built() -> list[Path]:
        return sorted(interpreters.cache_root().glob("cpython-*/3.13t-tsan/bin/python3.13t"))

    if not built():
        with interpreters.builder_lock():
            if not built():
                with tempfile.TemporaryDirectory(prefix="work-", dir=interpreters.cache_root()) as name:
                    build_interpreter(interpreters, FLAVOURS["3.13t"].series, Path(name))
    return str(built()[-1])


def build_interpreter(interpreters, series, work: Path) -> None:
    root = interpreters.cache_root()
    log = root / "build-3.13t-tsan.log"
    log.write_bytes(b"")
    work.chmod(0o755)  # apt drops its privileges to download
    interpreters.install_build_packages(log)
    tarball = interpreters.fetch_source(series, work, log)
    version = tarball.name.partition("_")[2].partition(".orig")[0]
    source = interpreters.unpack(tarball, work, log)
    prefix = root / f"cpython-{version}" / "3.13t-tsan"
    say(f"building CPython 3.13t for the thread sanitizer, once; some ten minutes, log in {log}")
    tree = work / "build"
    tree.mkdir()
    options = ["--disable-gil", "--with-thread-sanitizer", "--disable-test-modules", "--without-ensurepip"]
    interpreters.run_logged([str(source / "configure"), f"--prefix={prefix}", *options, "OPT=-O1 -g1"], log, tree)
    interpreters.run_logged(["make", f"-j{os.cpu_count() or 1}"], log, tree)
    interpreters.run_logged(["make", "altinstall", f"DESTDIR={work / 'install'}"], log, tree)
    # The races that CPython knows to have.
    installed = Path(f"{work / 'install'}{prefix}")
    shutil.copy(source / "Tools" / "tsan" / "suppressions_free_threading.txt", installed / "suppressions.txt")
    interpreters.publish(installed, prefix)


def compile_tsan(facts: dict, place: Path, target: Path) -> None:
    objects = place / "objects"
    objects.mkdir()
    (objects / "shim.h").write_text(SHIM)
    (objects / "shim_golib.c").write_text(GOLIB)
    for source in sorted(TYPES.glob("*/*.c")):
        extra = ["-Ddlsym=ft_tsan_dlsym"] if source.name == "golib.c" else ["-include", objects / "shim.h"]
        made = objects / f"{source.parent.name}-{source.stem}.o"  # two floors may have files of one name
        run(["gcc", "-c", *FLAGS, "-fsanitize=thread", *extra, *includes(facts), source, "-o", made])
    run(["gcc", "-c", *FLAGS, *includes(facts), objects / "shim_golib.c", "-o", objects / "shim_golib.o"])
    run(["gcc", "-shared", "-fsanitize=thread", *objects.glob("*.o"), "-o", target, "-lm"])


def tsan(python: str, seconds: str) -> int:
    facts = probe(python)
    if not facts["free_threaded"]:
        sys.exit(f"sanitize: error: {python} has the GIL, which hides races")
    interpreter = tsan_interpreter()
    prefix = Path(interpreter).resolve().parents[1]
    place = WORK / "tsan"
    target = copy_package(facts, place)
    facts["include"] = subprocess.run(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
        capture_output=True, text=True, check=True).stdout.strip()
    compile_tsan(facts, place, target)
    known = prefix / "suppressions.txt"
    env = {
        **os.environ,
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(place),
        "TSAN_OPTIONS": "exitcode=0:history_size=5" + (f":suppressions={known}" if known.exists() else ""),
    }
    log = place / "log"
    say(f"the stress under the thread sanitizer, {interpreter}; log in {log}")
    with log.open("wb") as output:
        try:
            code = subprocess.run([interpreter, ROUNDS, seconds], env=env, stdout=output,
                                  stderr=subprocess.STDOUT, timeout=60 + 60 * float(seconds), check=False).returncode
        except subprocess.TimeoutExpired:
            code = "none: it hung"
    text = log.read_text(errors="replace")
    found = re.findall(r"^SUMMARY: ThreadSanitizer: .*$", text, re.MULTILINE)
    for line in sorted(set(found)):
        print(line)
    if code:
        print("\n".join(text.splitlines()[-15:]))
    say("tsan: " + (f"{len(found)} reports, exit code {code}" if code or found else "no race"))
    return 1 if code or found else 0


def main() -> int:
    arguments = sys.argv[1:]
    WORK.mkdir(parents=True, exist_ok=True)
    if len(arguments) < 2 or arguments[0] not in ("asan", "tsan"):
        sys.exit(__doc__)
    python = os.path.abspath(arguments[1])  # not resolved: a venv's link is its identity
    if arguments[0] == "asan":
        return asan(python, arguments[2:])
    return tsan(python, arguments[2] if len(arguments) > 2 else "1.5")


if __name__ == "__main__":
    sys.exit(main())
