"""A store whose one lock is held for long in one place, waited for in two, and an event that is waited for."""

import sys
import threading
import time

from ft_utils.synchronization import Event, IntervalLock


class Store:
    def __init__(self):
        self.lock = IntervalLock()
        self.prices = {}

    def refresh_prices(self, n):
        with self.lock:
            time.sleep(0.004)  # the work that should be done outside
            self.prices["bread"] = n

    def answer_query(self):
        with self.lock:
            return self.prices.get("bread")


def writer(store, go, rounds):
    go.wait()
    for n in range(rounds):
        store.refresh_prices(n)


def reader(store, go, rounds):
    go.wait()
    for _ in range(rounds):
        store.answer_query()
        time.sleep(0.001)


def main(rounds):
    store, go = Store(), Event()
    threads = [threading.Thread(target=writer, args=(store, go, rounds), name=f"writer-{i}") for i in range(2)]
    threads += [threading.Thread(target=reader, args=(store, go, rounds), name=f"reader-{i}") for i in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    go.set()
    for thread in threads:
        thread.join()
    print("price", store.prices["bread"])


if __name__ == "__main__":
    main(int(sys.argv[1]))
