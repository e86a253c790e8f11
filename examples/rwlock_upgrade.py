"""A cache of readers that may become the writer: each entry is computed once, and nobody looks it up in vain twice."""

from threading import Thread

from ft_utils.synchronization import ReaderWriterLock

lock = ReaderWriterLock()
cache: dict[int, int] = {}  # guarded by the lock
computed: list[int] = []


def square(number: int) -> int:
    with lock.reading():  # any number of threads at once
        if number in cache:
            return cache[number]
    with lock.upgradable() as reading:  # one thread at a time, beside the readers
        if number not in cache:
            result = number * number  # readers go on meanwhile
            computed.append(number)
            reading.upgrade()  # alone; what was read above still holds
            cache[number] = result
        return cache[number]


def work() -> None:
    for number in range(200):
        assert square(number) == number * number


def main() -> None:
    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(computed) == list(range(200)), "an entry was computed twice"
    print(f"{len(cache)} entries, {len(computed)} computed")

    try:
        with lock.writing().within(0):  # nobody holds it any more: one try will do
            cache.clear()
    except TimeoutError as error:
        print(error)
    print(f"{len(cache)} entries")


if __name__ == "__main__":
    main()
