"""RLock: a function that holds the lock calls another that takes it too."""

import ft_utils.synchronization as threading
from threading import Thread

THREADS = 4
ROUNDS = 2_000
log = []

lock = threading.RLock()
def f():
    with lock:
        log.append("f enters")
        g()
        log.append("f leaves")
def g():
    with lock:
        ...


def work():
    for _ in range(ROUNDS):
        f()


def main():
    threads = [Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = THREADS * ROUNDS
    print(f"{calls} calls of f, each with a call of g inside, none of them torn apart")
    assert log == ["f enters", "f leaves"] * calls
    assert not lock.locked()


if __name__ == "__main__":
    main()
