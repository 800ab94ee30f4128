"""A place where a number of parties wait for each other, again and again."""

from __future__ import annotations

from typing import Any, NamedTuple

from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform, perform_blocking
from conc._kernel.suspend import toll
from conc._kernel.waitqueue import Waiter, WaitQueue
from conc.sync.semaphore import check_count


class BarrierStatistics(NamedTuple):
    """A `Barrier` at one moment."""

    parties: int
    """How many are let through together."""
    tasks_waiting: int
    """How many have arrived."""
    generation: int
    """How often it has let its parties through."""


class Barrier:
    """Lets `parties` tasks or threads through together: who arrives waits for the others.

    When the last one has arrived, all go on, and the barrier is new: the next to arrive belong to the next generation.

    May be used from any strand; `wait_blocking` from any thread. It has no operation for `conc.select`: it lets through
    all or nobody, and a branch that has arrived here might be granted elsewhere at the same moment.

    Args:
        parties: how many wait for each other, at least 1.

    Raises:
        ValueError, TypeError: a bad number.

    Invariant: fewer than `parties` wait: these are the ones that have arrived.
    """

    __slots__ = ("_generation", "_parties", "_waiters")

    def __init__(self, parties: int) -> None:
        check_count(parties, "parties", 1)
        self._parties = parties
        self._generation = 0
        self._waiters = WaitQueue("Barrier.wait")

    @property
    def parties(self) -> int:
        """How many are let through together."""
        return self._parties

    async def wait(self) -> bool:
        """Arrive, and wait for the others.

        Returns:
            Whether this one leads: True for exactly one of those that are let through together, who came last.

        Checkpoint: always a cancel point; it waits unless it is the last to arrive.
        If cancelled: it has not arrived, and the others wait for somebody else in its place.
        """
        charge() or await toll()
        return await perform(_Wait(self))

    def wait_blocking(self, timeout: float | None = None) -> bool:
        """As `wait`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: the others did not come in time. It has not arrived.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        return perform_blocking(_Wait(self), timeout, "Barrier.wait")

    def statistics(self) -> BarrierStatistics:
        """How it stands at this moment."""
        return BarrierStatistics(self._parties, len(self._waiters), self._generation)

    def __repr__(self) -> str:
        return f"<Barrier {len(self._waiters)} of {self._parties} arrived>"

    def _check(self) -> None:
        self._waiters._check()
        assert len(self._waiters) < self._parties, "all have arrived, and wait"


class _Wait(QueueOperation[bool]):
    __slots__ = ("_barrier",)

    def __init__(self, barrier: Barrier) -> None:
        super().__init__(barrier._waiters)
        self._barrier = barrier

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        barrier = self._barrier
        if len(self.queue) + 1 < barrier._parties:
            return LATER
        barrier._generation += 1
        woken += self.queue.grant_all(False)
        return True
