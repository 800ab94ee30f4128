"""One value that any thread may read and replace: a whole number, or a reference to anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from conc._kernel.asyncfn import call_plain, check_plain
from conc._os.sync import RLock

T = TypeVar("T")

# These locks are re-entrant, as no other of conc is, so that whatever interrupts a thread (a signal handler, the
# finaliser of an object just collected) may use the very atomic that the thread is changing. It comes before the value
# is read or after it is written: in between nothing is called, and nothing of the user's is compared or dropped. So it
# finds the lock held, by its own thread, but never the work half done.


class AtomicInt:
    """A whole number that threads share: a counter, a high-water mark, the next identifier.

    From any strand and any thread; and, other than most of conc.sync, from signal handlers and finalisers too.

    The number has no limits: beyond 2**63 it goes on, as every int of Python.

    Args:
        value: what it is at first.

    Raises:
        TypeError: what is given here or to a method is no whole number. A bool is none.

    Invariant: `_value` is a plain int, whose arithmetic runs no code of the user.
    Order: all operations on one atomic happen one after the other, and whoever sees a number sees all that the thread
        that put it there did before. Two atomics are two: what has to change together goes into one AtomicRef, or
        under a lock.
    """

    __slots__ = ("_lock", "_value")

    def __init__(self, value: int = 0) -> None:
        self._value = whole(value, "value")
        self._lock = RLock()

    def load(self) -> int:
        """The number. Checkpoint: never."""
        return self._value

    def store(self, value: int) -> None:
        """Put another number there. Checkpoint: never."""
        self.swap(value)

    def swap(self, value: int) -> int:
        """Put another number there; returns the one before. Checkpoint: never."""
        if type(value) is not int:
            value = whole(value, "value")
        with self._lock:
            old = self._value
            self._value = value
        return old

    def compare_exchange(self, expected: int, value: int) -> bool:
        """Put `value` there if the number equals `expected`; returns whether it did. Checkpoint: never."""
        if type(expected) is not int or type(value) is not int:
            expected, value = whole(expected, "expected"), whole(value, "value")
        with self._lock:
            if self._value != expected:
                return False
            self._value = value
        return True

    def fetch_add(self, n: int = 1) -> int:
        """Add `n`; returns the number before. Checkpoint: never."""
        if type(n) is not int:
            n = whole(n, "n")
        with self._lock:
            old = self._value
            self._value = old + n
        return old

    def fetch_sub(self, n: int = 1) -> int:
        """Subtract `n`; returns the number before. Checkpoint: never."""
        if type(n) is not int:
            n = whole(n, "n")
        with self._lock:
            old = self._value
            self._value = old - n
        return old

    def fetch_max(self, value: int) -> int:
        """Put `value` there if it is greater; returns the number before. Checkpoint: never."""
        value = whole(value, "value")
        with self._lock:
            old = self._value
            if value > old:
                self._value = value
        return old

    def fetch_min(self, value: int) -> int:
        """Put `value` there if it is less; returns the number before. Checkpoint: never."""
        value = whole(value, "value")
        with self._lock:
            old = self._value
            if value < old:
                self._value = value
        return old

    def fetch_update(self, fn: Callable[[int], int]) -> int:
        """Put ``fn(number)`` there; returns the number before. Checkpoint: never.

        Args:
            fn: makes the new number of the old one. It runs under no lock, and again if another thread came between, so
                it should do nothing else. What it raises is raised here, and the number stays.
        """
        check_plain(fn, "fn")
        while True:
            old = self._value
            if self.compare_exchange(old, call_plain(fn, old)):
                return old

    def __bool__(self) -> bool:
        raise TypeError("an AtomicInt has no truth value; did you mean atomic.load()?")

    def __repr__(self) -> str:
        return f"<AtomicInt {self._value}>"

    def _check(self) -> None:
        assert type(self._value) is int, "no plain int"


class AtomicRef(Generic[T]):
    """A reference that threads share: the configuration of the moment, an immutable set, who is in charge.

    From any strand and any thread; and, other than most of conc.sync, from signal handlers and finalisers too.

    What it refers to should not change: replace it by another. A value that was replaced is let go of at once.

    Args:
        value: what it refers to at first.

    Order: all operations on one atomic happen one after the other, and whoever sees a value sees all that the thread
        that put it there did before. Two atomics are two: what has to change together goes into one value, or under
        a lock.
    """

    __slots__ = ("_lock", "_value")

    def __init__(self, value: T) -> None:
        self._value = value
        self._lock = RLock()

    def load(self) -> T:
        """The value. Checkpoint: never."""
        return self._value

    def store(self, value: T) -> None:
        """Put another value there. Checkpoint: never."""
        self.swap(value)

    def swap(self, value: T) -> T:
        """Put another value there; returns the one before, which nobody else gets. Checkpoint: never."""
        with self._lock:
            old = self._value  # held until the lock is free: what it drops with it may be anything
            self._value = value
        return old

    def compare_exchange(self, expected: T, value: T) -> bool:
        """Put `value` there if the one there is `expected` itself; returns whether it did. Checkpoint: never.

        By identity, not by equality, so no code of the values runs: expect what `load` returned. Numbers and texts that
        are equal may be different objects; for numbers there is AtomicInt.
        """
        with self._lock:
            if self._value is not expected:
                return False
            self._value = value
        return True

    def fetch_update(self, fn: Callable[[T], T]) -> T:
        """Put ``fn(value)`` there; returns the value before. Checkpoint: never.

        Args:
            fn: makes the new value of the old one, which it leaves as it is. It runs under no lock, and again if
                another thread came between, so it should do nothing else. What it raises is raised here, and the value
                stays.
        """
        check_plain(fn, "fn")
        while True:
            old = self._value
            if self.compare_exchange(old, call_plain(fn, old)):
                return old

    def __bool__(self) -> bool:
        raise TypeError("an AtomicRef has no truth value; did you mean atomic.load()?")

    def __repr__(self) -> str:
        return f"<AtomicRef {self._value!r}>"


def whole(value: int, name: str) -> int:
    """The plain int of a whole number; an error that names the argument for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    return int(value)
