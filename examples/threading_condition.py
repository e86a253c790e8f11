"""Condition: consumers wait until producers have put something there."""

import ft_utils.synchronization as threading
from threading import Thread

THREADS = 3
EACH = 1_000
consumed = []

cond = threading.Condition()
items = []

def producer(x):
    with cond:
        items.append(x)
        cond.notify()          # signal a state change

def consumer():
    with cond:
        while not items:       # always use a loop
            cond.wait()
        x = items.pop()
        consumed.append(x)


def produce(first):
    for x in range(first, first + EACH):
        producer(x)


def consume():
    for _ in range(EACH):
        consumer()


def main():
    threads = [Thread(target=consume) for _ in range(THREADS)]
    threads += [Thread(target=produce, args=(number * EACH,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{THREADS} producers made {THREADS * EACH} items, and {THREADS} consumers got every one of them once")
    assert sorted(consumed) == list(range(THREADS * EACH)) and not items


if __name__ == "__main__":
    main()
