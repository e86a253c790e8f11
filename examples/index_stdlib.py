"""Index the words of the standard library's own source files with several threads.

Workers take a few files at a time, count their words apart from each other, and merge what they found into the shared
index under the write side of a ReaderWriterLock. Meanwhile a reader keeps asking the index questions under the read
side. Who takes which files, and how far all have come, is shared under an IntervalLock. The index is then compared
with that of a single thread.

    python index_stdlib.py [--threads N] [--limit FILES]
"""

import argparse
import itertools
import os
import re
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext

try:
    from tqdm import tqdm
except ImportError:
    tqdm = None

WORD = re.compile(r"[A-Za-z_]\w+")
BATCH = 8  # files per merge: enough to keep the write lock free most of the time, few enough for the progress bar
ROUNDS = 3  # the quickest counts: other programs can only slow one down


class PlainLine:
    """Stands in for tqdm: a line now and then."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = 0

    def update(self, step: int) -> None:
        before, self.count = self.count, self.count + step
        if self.count * 4 // self.total > before * 4 // self.total:  # another quarter
            print(f"  {self.count} of {self.total} files", flush=True)

    def close(self) -> None:
        pass


class Progress:
    """Hands out the files and shows how many are done. All threads share it."""

    def __init__(self, files: list[Path]) -> None:
        self._lock = IntervalLock()
        self._batches = itertools.batched(enumerate(files), BATCH)
        self._bar = tqdm(total=len(files), unit="file", leave=False) if tqdm else PlainLine(len(files))

    def next(self) -> tuple[tuple[int, Path], ...] | None:
        with self._lock:
            return next(self._batches, None)

    def done(self, count: int) -> None:
        with self._lock:
            self._bar.update(count)

    def close(self) -> None:
        self._bar.close()


class Words:
    """For every word how often it is used, and in which files: bit n stands for file n."""

    def __init__(self) -> None:
        self.uses: dict[str, int] = {}
        self.files: dict[str, int] = {}

    def add(self, number: int, file: Path) -> None:
        counts = Counter(WORD.findall(file.read_text(encoding="utf-8", errors="replace")))
        self.merge(counts, dict.fromkeys(counts, 1 << number))

    def merge(self, uses: dict[str, int], files: dict[str, int]) -> None:
        # Not by get(): CPython 3.13t locks a dictionary of another thread for that, but not for `in` and [].
        for word, count in uses.items():
            if word in self.uses:
                self.uses[word] += count
                self.files[word] |= files[word]
            else:
                self.uses[word] = count
                self.files[word] = files[word]


class Index:
    """Words that threads share."""

    def __init__(self) -> None:
        self._lock = ReaderWriterLock()
        self.words = Words()

    def merge(self, found: Words) -> None:
        with RWWriteContext(self._lock):
            self.words.merge(found.uses, found.files)

    def ask(self, word: str) -> tuple[int, int]:
        """How often the word was found so far, and in how many files."""
        with RWReadContext(self._lock):
            if word not in self.words.uses:
                return 0, 0
            return self.words.uses[word], self.words.files[word].bit_count()


def index_alone(files: list[Path]) -> Words:
    """The plain program: one thread, no locks."""
    words = Words()
    for number, file in enumerate(files):
        words.add(number, file)
    return words


def work(index: Index, progress: Progress) -> None:
    while (batch := progress.next()) is not None:
        found = Words()
        for number, file in batch:
            found.add(number, file)
        index.merge(found)  # what took long was done before the lock is taken
        progress.done(len(batch))


def query(index: Index, finished: threading.Event, asked: list[int]) -> None:
    """Ask until all is indexed. What was found can only have become more since the last time."""
    last: dict[str, tuple[int, int]] = dict.fromkeys(("def", "self", "import", "lambda"), (0, 0))
    while not finished.wait(0.005):  # a question now and then, as a user would
        for word, (uses, files) in last.items():
            now = index.ask(word)
            assert now[0] >= uses and now[1] >= files, f"{word!r}: {last[word]} before, {now} now"
            last[word] = now
            asked[0] += 1


def index_together(files: list[Path], threads: int) -> tuple[Words, int]:
    """The index, and the number of queries that were answered meanwhile."""
    index, progress = Index(), Progress(files)
    finished, queries = threading.Event(), [0]
    failures: list[BaseException] = []

    def guarded(target: Callable[..., None], *args: object) -> None:
        try:
            target(*args)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=guarded, args=(work, index, progress)) for _ in range(threads)]
    reader = threading.Thread(target=guarded, args=(query, index, finished, queries))
    for thread in [*workers, reader]:
        thread.start()
    for thread in workers:
        thread.join()
    finished.set()
    reader.join()
    progress.close()
    if failures:
        raise failures[0]
    return index.words, queries[0]


def sources(limit: int | None) -> list[Path]:
    """The source files of the standard library, the largest first, so that no thread ends with a long one alone."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [file for file in root.rglob("*.py") if "site-packages" not in file.parts]
    files.sort(key=lambda file: (-file.stat().st_size, file))
    return files[:limit]


def timed[**P, R](times: list[float], function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The function's result; how long it took is added to the times."""
    start = time.perf_counter()
    result = function(*args, **kwargs)
    times.append(time.perf_counter() - start)
    return result


def build() -> str:
    gil = "with the GIL" if getattr(sys, "_is_gil_enabled", lambda: True)() else "without the GIL"
    return f"CPython {sys.version.split()[0]} {gil}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=max(2, os.cpu_count() or 1), help="number of workers")
    parser.add_argument("--limit", type=int, help="index only so many files, the largest ones")
    options = parser.parse_args()
    if options.threads < 1 or (options.limit is not None and options.limit < 1):
        parser.error("--threads and --limit must be at least 1")

    files = sources(options.limit)
    size = sum(len(file.read_bytes()) for file in files)  # also brings them into the page cache, for a fair race
    print(f"{build()}: {len(files)} files, {size / 1e6:.1f} MB")

    alone: list[float] = []
    together: list[float] = []
    queries, expected = 0, Words()
    for _ in range(ROUNDS):
        expected = timed(alone, index_alone, files)
        words, asked = timed(together, index_together, files, options.threads)
        same = words.uses == expected.uses and words.files == expected.files
        assert same, "the threads' index differs from that of one thread"
        queries += asked
    print(f"1 thread: {len(expected.uses)} words in {min(alone):.2f} s")
    print(f"{options.threads} threads: the same words in {min(together):.2f} s, {queries} queries answered meanwhile")
    print(f"speed-up {min(alone) / min(together):.2f} on {build()}")


if __name__ == "__main__":
    main()
