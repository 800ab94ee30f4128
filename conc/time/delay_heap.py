"""Items in order of their deadlines, each of which can be found by its key: the memory of a `DelayQueue`."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class DelayKey:
    """One item of a `DelayQueue`: what `insert` returns and `remove` and `reset` take. It never means another item."""

    __slots__ = ("_deadline", "_number")

    _deadline: float
    _number: int  # what was scheduled before comes before, of items with the same deadline

    def __repr__(self) -> str:
        return f"<DelayKey of an item due at {self._deadline:.6g} s>"


class DelayHeap(Generic[T]):
    """A heap from which any item can be taken. Knows no clock, and nobody who waits.

    Invariant: each key of `items` stands in `_heap` once with its deadline and number; other entries are stale, and at
    most 64 + the live ones.

    Cost: all operations O(log items), amortised.
    """

    __slots__ = ("_heap", "_numbers", "items")

    def __init__(self) -> None:
        self.items: dict[DelayKey, T] = {}
        self._heap: list[tuple[float, int, DelayKey]] = []
        self._numbers = count()

    def add(self, value: T, deadline: float) -> DelayKey:
        """Put an item in; returns its key."""
        key = DelayKey()
        self.items[key] = value
        self.schedule(key, deadline)
        return key

    def schedule(self, key: DelayKey, deadline: float) -> None:
        """Let the item of `key` be due at `deadline`, behind all others that are."""
        key._deadline = deadline
        key._number = next(self._numbers)
        heappush(self._heap, (deadline, key._number, key))
        self._keep_short()

    def first(self) -> DelayKey | None:
        """The key of the item that comes next; None if there is none."""
        heap = self._heap
        while heap:
            _, number, key = heap[0]
            if key in self.items and key._number == number:
                return key
            heappop(heap)
        return None

    def pop(self, first: DelayKey) -> T:
        """Take the item of `first` out, which is the `first`."""
        heappop(self._heap)
        return self.remove(first)

    def put_back(self, key: DelayKey, value: T) -> None:
        """Undo a `pop`."""
        self.items[key] = value
        heappush(self._heap, (key._deadline, key._number, key))

    def remove(self, key: DelayKey) -> T:
        """Take the item of `key` out."""
        value = self.items.pop(key)
        self._keep_short()
        return value

    def clear(self) -> object:
        """Take all items out. What is returned holds them: they are not to go under a lock."""
        gone, self.items = self.items, {}
        self._heap = []
        return gone

    def _keep_short(self) -> None:
        """Drop the stale entries if they are many."""
        if len(self._heap) > 64 + 2 * len(self.items):
            self._heap = [(key._deadline, key._number, key) for key in self.items]
            heapify(self._heap)

    def _check(self) -> None:
        live = [key for _, number, key in self._heap if key in self.items and key._number == number]
        assert len(live) == len(self.items) and set(live) == set(self.items), "an item is not in the heap just once"
        assert len(self._heap) <= 64 + 2 * len(live), "stale entries pile up"
        assert all(self._heap[at] >= self._heap[(at - 1) // 2] for at in range(1, len(self._heap))), "out of order"
