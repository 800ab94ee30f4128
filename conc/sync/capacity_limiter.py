"""A number of tokens, each of which is lent to somebody in particular."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, party_here, perform, perform_blocking, perform_nowait
from conc._kernel.suspend import Marker, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc.errors import WouldBlock

CALLER: Final = Marker("CALLER")  # the borrower of those who borrow for themselves
LENT: Final = Marker("LENT")  # what is granted
REFUSED: Final = Marker("REFUSED")


class CapacityLimiterStatistics(NamedTuple):
    """A `CapacityLimiter` at one moment."""

    borrowed_tokens: int
    """How many tokens are lent."""
    total_tokens: float
    """How many there are."""
    borrowers: tuple[object, ...]
    """Who holds one, in the order in which they were lent."""
    tasks_waiting: int
    """How many wait for a token."""


class CapacityLimiter:
    """Lends out a number of tokens: each to one borrower, who holds one at a time and gives back its own.

    ``async with limiter:`` borrows for the running task. ``conc.to_thread(fn, limiter=limiter)`` borrows for the call,
    until the thread is through with it.

    May be used from any strand; all but `acquire` and `acquire_on_behalf_of` from any thread.

    Args:
        total_tokens: how many there are, at least 0; ``math.inf`` for no limit. May be changed at any time.

    Raises:
        ValueError, TypeError: a bad number.

    Invariant: the keys of `_borrowers` are the identities of its values, who hold one token each.
    Invariant: nobody waits while there are fewer borrowers than tokens.
    Order: first come, first served.
    """

    __slots__ = ("_borrowers", "_total", "_waiters")

    def __init__(self, total_tokens: float) -> None:
        self._total = check_tokens(total_tokens)
        # By identity, so that no code of a borrower, a comparison for one, runs under the lock.
        self._borrowers: dict[int, object] = {}
        self._waiters = WaitQueue("CapacityLimiter.acquire")

    @property
    def total_tokens(self) -> float:
        """How many tokens there are. More of them serve those who wait at once; fewer take nothing away from borrowers:
        no token is lent until enough have come back. Set from any thread."""
        return self._total

    @total_tokens.setter
    def total_tokens(self, total_tokens: float) -> None:
        total_tokens = check_tokens(total_tokens)
        with self._waiters.lock:
            self._total = total_tokens
            served = self._serve()
        resume_all(served)

    @property
    def borrowed_tokens(self) -> int:
        """How many tokens are lent at the moment."""
        return len(self._borrowers)

    @property
    def available_tokens(self) -> float:
        """How many may be lent at the moment; less than 0 if `total_tokens` was set below what is lent."""
        return self._total - len(self._borrowers)

    # ---- for the caller -------------------------------------------------------------------------------------------

    async def acquire(self) -> None:
        """Borrow a token for the running task, waiting in line for it.

        Raises:
            RuntimeError: the task holds one.

        Checkpoint: always a cancel point; it waits only if no token is there.
        If cancelled: none was lent, and the place in line is given up.
        """
        charge() or await toll()
        await perform(_Acquire(self, CALLER))

    def acquire_nowait(self) -> None:
        """Borrow a token for the running task, or for this thread, if one is there and nobody waits. From any thread.

        Raises:
            WouldBlock: none is there, or others wait for theirs.
            RuntimeError: the task or the thread holds one.

        Checkpoint: never.
        """
        perform_nowait(_Acquire(self, CALLER))

    def acquire_blocking(self, timeout: float | None = None) -> None:
        """Borrow a token for this thread, which is none that runs tasks.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: none was there in time.
            RuntimeError: the thread holds one; or it runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Acquire(self, CALLER), timeout, "CapacityLimiter.acquire")

    def acquiring(self) -> QueueOperation[None]:
        """`acquire`, for `conc.select`."""
        return _Acquire(self, CALLER)

    def release(self) -> None:
        """Give back the token of the running task, or of this thread.

        Raises:
            RuntimeError: it holds none.

        Checkpoint: never.
        """
        self.release_on_behalf_of(party_here())

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *error: object) -> None:
        self.release()

    # ---- for others -----------------------------------------------------------------------------------------------

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        """As `acquire`, for somebody else.

        Args:
            borrower: any object. What is equal but not the same is another borrower.

        Raises:
            RuntimeError: the borrower holds a token, now or when its turn has come.

        Checkpoint: always a cancel point; it waits only if no token is there.
        If cancelled: none was lent, and the place in line is given up.
        """
        charge() or await toll()
        await perform(_Acquire(self, borrower))

    def acquire_on_behalf_of_nowait(self, borrower: object) -> None:
        """As `acquire_nowait`, for somebody else. From any thread.

        Raises:
            WouldBlock: no token is there, or others wait for theirs.
            RuntimeError: the borrower holds one.

        Checkpoint: never.
        """
        perform_nowait(_Acquire(self, borrower))

    def acquire_on_behalf_of_blocking(self, borrower: object, timeout: float | None = None) -> None:
        """As `acquire_blocking`, for somebody else.

        Args:
            borrower: any object, as for `acquire_on_behalf_of`.
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: no token was there in time.
            RuntimeError: the borrower holds one; or this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Acquire(self, borrower), timeout, "CapacityLimiter.acquire_on_behalf_of")

    def acquiring_on_behalf_of(self, borrower: object) -> QueueOperation[None]:
        """`acquire_on_behalf_of`, for `conc.select`."""
        return _Acquire(self, borrower)

    def release_on_behalf_of(self, borrower: object) -> None:
        """Give back the token of `borrower`, to the first in line if anyone waits. From any thread.

        Raises:
            RuntimeError: the borrower holds none.

        Checkpoint: never.
        """
        waiters = self._waiters
        with waiters.lock:
            held = id(borrower) in self._borrowers
            if held:
                del self._borrowers[id(borrower)]
            served = self._serve()
        if not held:
            raise RuntimeError(
                f"{borrower!r} gives back a token of {self!r} and holds none; "
                "what is equal to a borrower, but not the same object, is another borrower"
            )
        resume_all(served)

    # ---- looking --------------------------------------------------------------------------------------------------

    def statistics(self) -> CapacityLimiterStatistics:
        """How it stands at this moment."""
        with self._waiters.lock:
            borrowers = tuple(self._borrowers.values())
            return CapacityLimiterStatistics(len(borrowers), self._total, borrowers, len(self._waiters))

    def _serve(self) -> list[Waiter]:
        """Lend to the first in line as long as there are tokens. Under the lock."""
        waiters = self._waiters
        served = []
        while len(self._borrowers) < self._total and (head := waiters.head()) is not None:
            borrower = head.party if head.value is CALLER else head.value
            answer = REFUSED if id(borrower) in self._borrowers else LENT
            if waiters.take(head, answer):
                if answer is LENT:
                    self._borrowers[id(borrower)] = borrower
                served.append(head)
        return served

    def __repr__(self) -> str:
        return f"<CapacityLimiter {len(self._borrowers)} of {self._total} borrowed, {len(self._waiters)} waiting>"

    def _check(self) -> None:
        self._waiters._check()
        assert all(key == id(borrower) for key, borrower in self._borrowers.items()), "a borrower under a wrong name"
        is_full = len(self._borrowers) >= self._total
        assert is_full or self._waiters.head() is None, "the first in line waits beside a token"


class _Acquire(QueueOperation[None]):
    __slots__ = ("_limiter",)

    def __init__(self, limiter: CapacityLimiter, borrower: object) -> None:
        super().__init__(limiter._waiters, borrower)
        self._limiter = limiter

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        limiter = self._limiter
        borrowers = limiter._borrowers
        borrower = party if self.request is CALLER else self.request
        if id(borrower) in borrowers:
            return REFUSED
        if len(borrowers) >= limiter._total:  # if not, nobody waits
            return LATER
        borrowers[id(borrower)] = borrower
        return LENT

    def finish(self, granted: Any) -> None:
        if granted is REFUSED:
            raise RuntimeError(
                f"{self._borrower!r} holds a token of {self._limiter!r} already; "
                "to borrow several, borrow on behalf of several objects"
            )

    def give_back(self, granted: Any) -> None:
        if granted is LENT:
            self._limiter.release_on_behalf_of(self._borrower)

    @property
    def _borrower(self) -> object:
        """Who borrows: asked by the party, which may be the borrower itself."""
        return party_here() if self.request is CALLER else self.request

    def would_block(self) -> WouldBlock:
        return WouldBlock(f"no token to be had from {self._limiter!r}")


def check_tokens(total_tokens: float) -> float:
    """Raise an error unless it is a whole number, at least 0, or inf."""
    if total_tokens != math.inf and (isinstance(total_tokens, bool) or not isinstance(total_tokens, int)):
        raise TypeError(f"total_tokens must be a whole number or math.inf, not {total_tokens!r}")
    if total_tokens < 0:
        raise ValueError(f"total_tokens must be at least 0, not {total_tokens}")
    return total_tokens
