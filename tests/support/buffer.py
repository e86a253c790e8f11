"""A bounded buffer over a condition, the work that conditions are made for."""

from typing import Any

from .threads import exercise


def pass_through(condition: Any, count: int, pairs: int) -> None:
    """So many producers put `count` items each, as many consumers take them. Every item arrives, or it fails."""
    items: list[int] = []

    def produce() -> None:
        for n in range(count):
            with condition:
                condition.wait_for(lambda: len(items) < 3)
                items.append(n)
                condition.notify_all()

    def consume() -> int:
        total = 0
        for _ in range(count):
            with condition:
                while not items:
                    condition.wait()
                total += items.pop()
                condition.notify_all()
        return total

    results = exercise(*[produce] * pairs, *[consume] * pairs)
    assert sum(filter(None, results)) == pairs * count * (count - 1) // 2
