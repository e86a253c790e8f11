"""Barrier: four threads work in phases, and nobody begins one before all have ended the last."""

import ft_utils.synchronization as threading
from threading import Thread, get_ident

PHASES = 500
finished = {}


def do_part():
    # Whoever is here has seen all four end the phase before, so nobody can be two parts ahead of anybody.
    mine = finished.get(get_ident(), 0)
    assert all(abs(parts - mine) <= 1 for parts in list(finished.values()))
    finished[get_ident()] = mine + 1


bar = threading.Barrier(parties=4)
def phase():
    do_part()
    bar.wait()   # block until all 4 reached here


def work():
    for _ in range(PHASES):
        phase()


def main():
    threads = [Thread(target=work) for _ in range(bar.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{bar.parties} threads went through {PHASES} phases together")
    assert list(finished.values()) == [PHASES] * bar.parties
    assert bar.n_waiting == 0 and not bar.broken


if __name__ == "__main__":
    main()
