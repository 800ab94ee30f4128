"""One value that any thread may read and replace: a whole number, or a reference to anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

Version: TypeAlias = list[Any]  # [value]; once it is replaced: [value, the next version, those that came too late...]


class Versions(Generic[T]):
    """The versions of a value, each of which knows the one that replaced it. What the atomics are made of.

    A version is a list. Who wants to replace the last one appends another to it, and then looks: whose version stands
    at index 1 was the first, and is the next version for ever; who finds another one there tries again at the new end.

    Not a lock around a plain value: a signal handler or a finaliser that comes while its own thread holds it would wait
    for ever, and Ctrl-C would leave it locked. Here no operation waits for another, wherever that one stands. All it
    takes is that appending to a list is atomic, and so is reading an item: they are, on every build of CPython.

    `_head` saves walking, and lets go of what was replaced. That it is still where one started is asked before it is
    moved on; another thread may come between, and it moves back: then the next one walks further, and no harm is done.
    Nobody keeps a version while calling a function of the user: with it would be kept all that follow.

    Invariant: following index 1 from `_head` one comes to the last version; all before that have been replaced.
    """

    __slots__ = ("_head",)

    def __init__(self, value: T) -> None:
        self._head: Version = [value]

    def _last(self) -> Version:
        """The version that nobody has replaced yet."""
        last = head = self._head
        while len(last) > 1:
            last = last[1]
        if last is not head and self._head is head:
            self._head = last
        return last

    def _replace(self, value: T) -> T:
        """Let `value` be the next version; returns the value that it replaced."""
        new = [value]
        last = self._head
        while True:
            last.append(new)
            if last[1] is new:
                break
            last = self._last()
        if self._head is last:  # else somebody has walked on from here
            self._head = new
        old: T = last[0]
        return old

    def _replace_version(self, last: Version, value: T) -> bool:
        """Let `value` follow that version, unless something does already."""
        new = [value]
        last.append(new)
        if last[1] is not new:
            return False
        if self._head is last:
            self._head = new
        return True

    def _check(self) -> None:
        version = self._head
        while len(version) > 1:
            assert all(type(next_version) is list for next_version in version[1:]), "a value where a version belongs"
            version = version[1]
        assert len(version) == 1, "a version without a value"


class AtomicInt(Versions[int]):
    """A whole number that threads share: a counter, a high-water mark, the next identifier.

    From any strand and any thread, and, other than all else in conc.sync, from signal handlers and finalisers too. No
    operation ever waits, and none is a checkpoint. One that Ctrl-C interrupts has happened or has not.

    The number has no limits: beyond 2**63 it goes on, as every int of Python.

    Args:
        value: what it is at first.

    Raises:
        TypeError: what is given here or to a method is no whole number. A bool is none.

    Order: all operations on one atomic happen one after the other, and whoever sees a number sees all that the thread
        that put it there did before. Two atomics are two: what has to change together goes into one AtomicRef, or
        under a lock.
    Cost: O(1); another try for each thread that was quicker. While a thread stands in the middle of an operation, the
        numbers put there since are kept in memory.
    """

    __slots__ = ()

    def __init__(self, value: int = 0) -> None:
        super().__init__(whole(value, "value"))

    def load(self) -> int:
        """The number. Checkpoint: never."""
        head = self._head
        value: int = head[0] if len(head) == 1 else self._last()[0]
        return value

    def store(self, value: int) -> None:
        """Put another number there. Checkpoint: never."""
        if type(value) is not int:
            value = whole(value, "value")
        self._replace(value)

    def swap(self, value: int) -> int:
        """Put another number there; returns the one before. Checkpoint: never."""
        if type(value) is not int:
            value = whole(value, "value")
        return self._replace(value)

    def compare_exchange(self, expected: int, value: int) -> bool:
        """Put `value` there if the number equals `expected`; returns whether it did. Checkpoint: never."""
        if type(expected) is not int or type(value) is not int:
            expected, value = whole(expected, "expected"), whole(value, "value")
        while True:
            last = self._last()
            if last[0] != expected:
                return False
            if self._replace_version(last, value):
                return True

    def fetch_add(self, n: int = 1) -> int:
        """Add `n`; returns the number before. Checkpoint: never."""
        if type(n) is not int:
            n = whole(n, "n")
        last = self._head
        while True:
            old: int = last[0]
            new = [old + n]
            last.append(new)
            if last[1] is new:
                break
            last = self._last()
        if self._head is last:
            self._head = new
        return old

    def fetch_sub(self, n: int = 1) -> int:
        """Subtract `n`; returns the number before. Checkpoint: never."""
        return self.fetch_add(-whole(n, "n"))

    def fetch_max(self, value: int) -> int:
        """Put `value` there if it is greater; returns the number before. Checkpoint: never."""
        value = whole(value, "value")
        while (old := self.load()) < value and not self.compare_exchange(old, value):
            pass
        return old

    def fetch_min(self, value: int) -> int:
        """Put `value` there if it is less; returns the number before. Checkpoint: never."""
        value = whole(value, "value")
        while (old := self.load()) > value and not self.compare_exchange(old, value):
            pass
        return old

    def fetch_update(self, fn: Callable[[int], int]) -> int:
        """Put ``fn(number)`` there; returns the number before. Checkpoint: never.

        Args:
            fn: makes the new number of the old one. It runs again if another thread came between, so it should do
                nothing else. What it raises is raised here, and the number stays.
        """
        while True:
            old = self.load()
            if self.compare_exchange(old, fn(old)):
                return old

    def __bool__(self) -> bool:
        raise TypeError("an AtomicInt has no truth value; did you mean atomic.load()?")

    def __repr__(self) -> str:
        return f"<AtomicInt {self.load()}>"

    def _check(self) -> None:
        super()._check()
        assert type(self.load()) is int, "no plain int: its arithmetic could run code of the user"


class AtomicRef(Versions[T]):
    """A reference that threads share: the configuration of the moment, an immutable set, who is in charge.

    From any strand and any thread, and, other than most of conc.sync, from signal handlers and finalisers too. No
    operation ever waits, and none is a checkpoint. One that Ctrl-C interrupts has happened or has not.

    What it refers to should not change: replace it by another. A value that was replaced is let go of at once.

    Args:
        value: what it refers to at first.

    Order: all operations on one atomic happen one after the other, and whoever sees a value sees all that the thread
        that put it there did before. Two atomics are two: what has to change together goes into one value, or under
        a lock.
    Cost: O(1); another try for each thread that was quicker. While a thread stands in the middle of an operation, the
        values put there since are kept in memory.
    """

    __slots__ = ()

    def load(self) -> T:
        """The value. Checkpoint: never."""
        head = self._head
        value: T = head[0] if len(head) == 1 else self._last()[0]
        return value

    def store(self, value: T) -> None:
        """Put another value there. Checkpoint: never."""
        self._replace(value)

    def swap(self, value: T) -> T:
        """Put another value there; returns the one before, which nobody else gets. Checkpoint: never."""
        return self._replace(value)

    def compare_exchange(self, expected: T, value: T) -> bool:
        """Put `value` there if the one there is `expected` itself; returns whether it did. Checkpoint: never.

        By identity, not by equality, so no code of the values runs: expect what `load` returned. Numbers and texts that
        are equal may be different objects; for numbers there is AtomicInt.
        """
        while True:
            last = self._last()
            if last[0] is not expected:
                return False
            if self._replace_version(last, value):
                return True

    def fetch_update(self, fn: Callable[[T], T]) -> T:
        """Put ``fn(value)`` there; returns the value before. Checkpoint: never.

        Args:
            fn: makes the new value of the old one, which it leaves as it is. It runs again if another thread came
                between, so it should do nothing else. What it raises is raised here, and the value stays.
        """
        while True:
            old = self.load()
            if self.compare_exchange(old, fn(old)):
                return old

    def __bool__(self) -> bool:
        raise TypeError("an AtomicRef has no truth value; did you mean atomic.load()?")

    def __repr__(self) -> str:
        return f"<AtomicRef {self.load()!r}>"


def whole(value: int, name: str) -> int:
    """The plain int of a whole number; an error that names the argument for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    return int(value)
