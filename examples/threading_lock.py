"""Lock: several threads draw from one account, and no withdrawal is lost."""

import ft_utils.synchronization as threading
from threading import Thread

THREADS = 4
WITHDRAWALS = 10_000

lock = threading.Lock()
with lock:
    # update shared state
    balance = THREADS * WITHDRAWALS


def withdraw():
    global balance
    for _ in range(WITHDRAWALS):
        with lock:
            # Without the lock two threads could read the same balance, and one withdrawal would be lost.
            before = balance
            balance = before - 1


def main():
    threads = [Thread(target=withdraw) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{THREADS} threads withdrew {WITHDRAWALS} each; left: {balance}")
    assert balance == 0


if __name__ == "__main__":
    main()
