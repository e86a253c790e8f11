"""BoundedSemaphore: a release too many is an error at once, not a fourth visitor later."""

import ft_utils.synchronization as threading
from threading import Thread
import time

THREADS = 12
inside, most = 0, 0
count = threading.Lock()

sem = threading.BoundedSemaphore(3)
with sem:
    ...


def visit():
    global inside, most
    with sem:
        with count:  # three threads may be here at once
            inside += 1
            most = max(most, inside)
        time.sleep(0.01)  # a look around
        with count:
            inside -= 1


def main():
    threads = [Thread(target=visit) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{THREADS} visits, at most {most} at once")
    assert most <= 3 and not inside
    try:
        sem.release()
    except ValueError as error:
        print(f"ValueError: {error}")
    else:
        raise AssertionError("released more often than acquired")


if __name__ == "__main__":
    main()
