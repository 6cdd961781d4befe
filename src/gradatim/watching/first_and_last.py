"""A list with a bound: the first and the last of many things, and those that matter."""

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

__all__ = ["FirstAndLast"]

MOST_FIRST = 400  # things kept from the start: chosen by hand, not measured
MOST_LAST = 400  # things kept from the end: chosen by hand, not measured
MOST_LOOKED_AT = 400  # kept between the two: chosen by hand, not measured
T = TypeVar("T")


class FirstAndLast(Generic[T]):
    """Keep the first and the last of many things, those that matter, and their count.

    >>> kept = FirstAndLast(first=2, last=1)
    >>> for number in range(10):
    ...     kept.add(number)
    >>> list(kept), len(kept), kept.count
    ([0, 1, 9], 3, 10)
    """

    def __init__(self, first: int = MOST_FIRST, last: int = MOST_LAST) -> None:
        self.most_first = first
        self.first: list[T] = []
        self.looked_at: list[T] = []
        self.last: deque[T] = deque(maxlen=last)
        self.count = 0

    def add(self, thing: T, *, looked_at: bool = False) -> None:
        """Note one more thing; one that was looked at closely is kept for good."""
        self.count += 1
        if len(self.first) < self.most_first:
            self.first.append(thing)
        elif looked_at and len(self.looked_at) < MOST_LOOKED_AT:
            self.looked_at.append(thing)
        else:
            self.last.append(thing)

    def __iter__(self) -> Iterator[T]:
        yield from self.first
        if self.looked_at:
            yield from heapq.merge(self.looked_at, self.last, key=_order)
        else:
            yield from self.last

    def __len__(self) -> int:
        return len(self.first) + len(self.looked_at) + len(self.last)

    def __bool__(self) -> bool:
        return self.count > 0


def _order(event: Any) -> int:
    return int(event.order)
