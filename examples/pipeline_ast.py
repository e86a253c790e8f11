"""What is in the standard library? A pipeline of threads parses its sources and finds out.

    walk ─▶ parse, so many trees at once ─▶ gather ─▶ all have parsed ─▶ look up who is called ─▶ report
                 Semaphore                 Condition        Barrier

An Event ends the watcher at the end, and everybody at once when something goes wrong. The same program is run on
ft_utils.synchronization and on threading, and has to find the same.

    python pipeline_ast.py [--threads N] [--limit FILES]
"""

import argparse
import ast
import os
import sys
import sysconfig
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import ft_utils.synchronization as synchronization

ROUNDS = 2  # the quicker one counts: other programs can only slow one down
WAITING_ROOM = 64  # facts that may wait to be gathered; parsers that are further ahead wait themselves

Fact = tuple[str, str, int]  # what it is, its name, how many lines or times


@dataclass
class Findings:
    """What is known so far. The order in which facts come in makes no difference."""

    files: int = 0
    lines: int = 0
    unparsable: int = 0
    functions: int = 0
    classes: int = 0
    longest: tuple[int, str] = (0, "")
    defined: set[str] = field(default_factory=set)
    called: Counter[str] = field(default_factory=Counter)
    known: int = 0  # calls of a name that is defined somewhere in these files

    def add(self, fact: Fact) -> None:
        match fact:
            case "call", name, times:
                self.called[name] += times
            case "function", name, lines:
                self.functions += 1
                self.defined.add(name)
                self.longest = max(self.longest, (lines, name))
            case "class", name, _:
                self.classes += 1
                self.defined.add(name)
            case "file", _, lines:
                self.files += 1
                self.lines += lines
            case "unparsable", _, _:
                self.files += 1
                self.unparsable += 1


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def facts_of(file: Path, source: bytes) -> Iterator[Fact]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # of another version of Python, or not meant to be parsed
        yield "unparsable", file.name, 0
        return
    called: Counter[str] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield "function", node.name, lines_of(node)
            case ast.ClassDef():
                yield "class", node.name, lines_of(node)
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                called[name] += 1
    for name, times in called.items():
        yield "call", name, times
    yield "file", file.name, source.count(b"\n")


class Stopped(Exception):
    """Another thread has failed: there is nothing more to do."""


class Channel:
    """A queue with room for so many items: who puts waits for room, who gets waits for items."""

    def __init__(self, sync: ModuleType, room: int) -> None:
        lock = sync.Lock()
        self._filled = sync.Condition(lock)
        self._emptied = sync.Condition(lock)
        self._items: deque[Any] = deque()
        self._room = room
        self._closed = False

    def put(self, item: Any) -> None:
        with self._emptied:
            while len(self._items) >= self._room and not self._closed:
                self._emptied.wait()
            if self._closed:
                raise Stopped
            self._items.append(item)
            self._filled.notify()

    def get(self) -> Any:
        """The item put in first, or None when there will be no more."""
        with self._filled:
            self._filled.wait_for(lambda: self._items or self._closed)
            if not self._items:
                return None
            self._emptied.notify()
            return self._items.popleft()

    def close(self) -> None:
        with self._filled:
            self._closed = True
            self._filled.notify_all()
            self._emptied.notify_all()


class Pipeline:
    """One run over the files, with the primitives of a module that has those of threading."""

    def __init__(self, sync: ModuleType, files: list[Path], threads: int) -> None:
        self.found = Findings()
        self._files = iter(files)
        self._lock = sync.Lock()  # guards the files, and the findings in the second phase
        self._trees = sync.Semaphore(threads)  # trees take much memory: only so many at once
        self._facts = Channel(sync, WAITING_ROOM)
        self._gathered = sync.Event()
        self._stop = sync.Event()
        # More threads than trees, so that some read files while others parse.
        self._workers = 2 * threads
        self._parsed = sync.Barrier(self._workers, action=self._end_of_parsing)
        self._looked_up = sync.Barrier(self._workers)
        self._failures: list[BaseException] = []
        self._broken = sync.BrokenBarrierError

    def run(self) -> Findings:
        bodies = [(self._work, number) for number in range(self._workers)]
        threads = [threading.Thread(target=self._guard, args=body) for body in [*bodies, (self._gather,)]]
        watcher = threading.Thread(target=self._watch)
        for thread in [*threads, watcher]:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException as error:  # Ctrl-C
            self._fail(error)
        self._stop.set()
        watcher.join()
        if self._failures:
            raise self._failures[0]
        return self.found

    def _guard(self, body: Callable[..., None], *args: Any) -> None:
        try:
            body(*args)
        except (Stopped, self._broken):
            pass
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Whatever the others wait for, they stop."""
        self._failures.append(error)
        self._stop.set()
        self._facts.close()
        self._gathered.set()
        self._parsed.abort()
        self._looked_up.abort()

    def _next_file(self) -> Path | None:
        with self._lock:
            return next(self._files, None)

    def _work(self, number: int) -> None:
        while (file := self._next_file()) is not None:
            if self._stop.is_set():
                raise Stopped
            source = file.read_bytes()
            with self._trees:
                facts = list(facts_of(file, source))
            for fact in facts:
                self._facts.put(fact)
        self._parsed.wait()
        # Now, and not before, it is known of every name whether it is defined in some file.
        mine = sorted(self.found.called)[number :: self._workers]
        known = sum(self.found.called[name] for name in mine if name in self.found.defined)
        with self._lock:
            self.found.known += known
        self._looked_up.wait()

    def _end_of_parsing(self) -> None:
        """Run by one worker when all have come to the barrier; they go on when the last fact has been gathered."""
        self._facts.close()
        self._gathered.wait()

    def _gather(self) -> None:
        while (fact := self._facts.get()) is not None:
            self.found.add(fact)
        self._gathered.set()

    def _watch(self) -> None:
        while not self._stop.wait(3):
            print(f"  {self.found.files} files so far", flush=True)


def sources(limit: int | None) -> list[Path]:
    """The source files of the standard library, the largest first, so that no thread ends with a long one alone."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [file for file in root.rglob("*.py") if "site-packages" not in file.parts]
    files.sort(key=lambda file: (-file.stat().st_size, file))
    return files[:limit]


def build() -> str:
    gil = "with the GIL" if getattr(sys, "_is_gil_enabled", lambda: True)() else "without the GIL"
    return f"CPython {sys.version.split()[0]} {gil}"


def report(found: Findings) -> None:
    lines, name = found.longest
    calls = found.called.total()
    print(f"{found.functions} functions and {found.classes} classes in {found.lines} lines")
    print(f"the longest function is {name}, with {lines} lines")
    most = sorted(found.called.items(), key=lambda call: (-call[1], call[0]))[:5]
    print("called most: " + ", ".join(f"{name} ({times})" for name, times in most))
    print(f"{found.known / max(calls, 1):.0%} of {calls} calls are of names defined in these files")
    if found.unparsable:
        print(f"{found.unparsable} files are not in this version's syntax")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=max(2, os.cpu_count() or 1), help="trees parsed at once")
    parser.add_argument("--limit", type=int, help="parse only so many files, the largest ones")
    options = parser.parse_args()
    if options.threads < 1 or (options.limit is not None and options.limit < 1):
        parser.error("--threads and --limit must be at least 1")

    warnings.simplefilter("ignore", SyntaxWarning)  # on odd escapes in old sources
    files = sources(options.limit)
    size = sum(len(file.read_bytes()) for file in files)  # also brings them into the page cache, for a fair race
    print(f"{build()}: {len(files)} files, {size / 1e6:.1f} MB, {options.threads} trees at once")

    times: dict[str, float] = {}
    results = []
    for _ in range(ROUNDS):
        for sync in (synchronization, threading):
            start = time.perf_counter()
            results.append(Pipeline(sync, files, options.threads).run())
            seconds = time.perf_counter() - start
            times[sync.__name__] = min(seconds, times.get(sync.__name__, seconds))
    assert all(found == results[0] for found in results), "the two modules lead to different findings"
    assert results[0].files == len(files)

    report(results[0])
    ours, theirs = times[synchronization.__name__], times[threading.__name__]
    for name, seconds in times.items():
        print(f"{name}: {seconds:.2f} s")
    print(f"the same findings, in {ours / theirs:.2f} of the time of threading, on {build()}")


if __name__ == "__main__":
    main()
