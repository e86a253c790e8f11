"""Event: the main thread asks its workers to stop."""

import ft_utils.synchronization as threading
from threading import Thread, get_ident
import time

THREADS = 3
done = {}
all_at_work = threading.Event()


def do_work():
    done[get_ident()] = done.get(get_ident(), 0) + 1
    if len(done) == THREADS:
        all_at_work.set()
    time.sleep(0.001)  # a unit of work


stop = threading.Event()

def worker():
    while not stop.is_set():
        do_work()


def main():
    threads = [Thread(target=worker) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    all_at_work.wait()

    # later:
    stop.set()  # ask threads to stop
    for thread in threads:
        thread.join()
    print(f"{THREADS} workers did {sum(done.values())} units of work and stopped when they were asked to")
    assert len(done) == THREADS and all(done.values())


if __name__ == "__main__":
    main()
