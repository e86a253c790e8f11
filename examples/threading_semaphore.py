"""Semaphore: twenty threads share five connections."""

import ft_utils.synchronization as threading
from threading import Thread
import time

THREADS = 20
open_now, most = 0, 0
count = threading.Lock()

sem = threading.Semaphore(5)
with sem:
    # do limited work
    print("one connection is open, four are left")


def query():
    global open_now, most
    with sem:
        with count:  # five threads may be here at once
            open_now += 1
            most = max(most, open_now)
        time.sleep(0.01)  # what a database would take
        with count:
            open_now -= 1


def main():
    threads = [Thread(target=query) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{THREADS} queries were answered, with at most {most} connections open at once")
    assert most <= 5 and not open_now


if __name__ == "__main__":
    main()
