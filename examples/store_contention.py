"""Find the line that holds a program up, mend it, and look again.

A store of texts is searched by several threads while another one adds to it. At first one IntervalLock guards it, so
that one thread at a time can search. The profile says so: `Store.search` is where threads wait, and where the one that
they wait for is. A ReaderWriterLock lets all that search do so at once; only the one that adds has to be alone.

    python store_contention.py [--threads N] [--searches N] [--keep FOLDER]

The profiles stay in the folder, for `python -m ft_utils.contention view FOLDER/before.pb.gz`.
"""

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

from ft_utils import contention
from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext

TEXTS = 40
WORDS = ("lock", "wait", "queue", "owner", "fair", "wake")


class Store:
    """Texts by name, under one lock."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._lock = IntervalLock()
        self._texts = dict(texts)

    def search(self, word: str) -> list[str]:
        with self._lock:
            return [name for name, text in self._texts.items() if word in text]

    def add(self, name: str, text: str) -> None:
        with self._lock:
            self._texts[name] = text


class MendedStore:
    """The same under a lock with two sides."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._lock = ReaderWriterLock()
        self._texts = dict(texts)

    def search(self, word: str) -> list[str]:
        with RWReadContext(self._lock):
            return [name for name, text in self._texts.items() if word in text]

    def add(self, name: str, text: str) -> None:
        with RWWriteContext(self._lock):
            self._texts[name] = text


def made_up() -> dict[str, str]:
    """Texts of 60 kB each; every word is at the end of some of them, so that a search reads all."""
    filler = "the quick brown fox jumps over the lazy dog " * 1400
    return {f"text-{n}": filler + WORDS[n % len(WORDS)] for n in range(TEXTS)}


def work(store: Store | MendedStore, threads: int, searches: int) -> float:
    """Search from so many threads while another one adds; return the seconds that it took."""
    start = threading.Barrier(threads + 2)
    over = threading.Event()
    found: list[set[int]] = [set() for _ in range(threads)]

    def seeker(mine: set[int]) -> None:
        start.wait()
        for n in range(searches):
            mine.add(len(store.search(WORDS[n % len(WORDS)])))

    def clerk() -> None:
        start.wait()
        n = 0
        while not over.wait(0.01):  # a new text now and then
            store.add(f"new-{n}", "nothing to be found here")
            n += 1

    crew = [threading.Thread(target=seeker, args=(mine,), name=f"seeker-{n}") for n, mine in enumerate(found)]
    helper = threading.Thread(target=clerk, name="clerk")
    for thread in (*crew, helper):
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in crew:
        thread.join()
    seconds = time.perf_counter() - began
    over.set()
    helper.join()
    least, most = TEXTS // len(WORDS), -(-TEXTS // len(WORDS))
    assert all(mine <= {least, most} for mine in found), found
    return seconds


def tables(file: Path) -> None:
    """What `python -m ft_utils.contention report` prints, and nothing of it before what was printed here."""
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "ft_utils.contention", "report", "--by", "line", str(file)], check=True)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=positive, default=3, help="threads that search (default 3)")
    parser.add_argument("--searches", type=positive, default=200, help="searches of each (default 200)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the profiles are to stay")
    options = parser.parse_args()
    texts = made_up()
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name, made in ("before", Store), ("after", MendedStore):
            with contention.profile(folder / f"{name}.pb.gz"):
                seconds[name] = work(made(texts), options.threads, options.searches)
            print(f"--- {name}: {seconds[name]:.2f} s")
            tables(folder / f"{name}.pb.gz")
    build = "3.13t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "3.13"
    print(f"{seconds['before'] / seconds['after']:.2f} times as fast on CPython {build}")


if __name__ == "__main__":
    main()
