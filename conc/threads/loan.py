"""The token of a limiter that a call in a thread holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conc._kernel.asyncfn import function_name
from conc.sync.capacity_limiter import CapacityLimiter

if TYPE_CHECKING:
    from conc._kernel.crew import Crew
    from conc._kernel.task import Task


class Loan:
    """Borrowed before a thread is asked for, and given back when no thread runs the function any more, or ever will.

    The borrower is this object, not the task: an abandoned call holds its token for as long as its thread goes on.
    """

    __slots__ = ("_crew", "_limiter", "_name")

    def __init__(self, limiter: CapacityLimiter, crew: Crew, fn: object) -> None:
        self._limiter = limiter
        self._crew = crew
        self._name = function_name(fn)

    async def take(self, task: Task[Any]) -> None:
        """Wait for a token.

        Raises:
            Cancelled: the task is cancelled, and no token is held.
        """
        await self._limiter.acquire_on_behalf_of(self)
        if task.scope.cancelled:  # since the token was lent: the function has not begun, and never will
            self._limiter.release_on_behalf_of(self)
            raise task.scope.cancellation()

    def outlive(self) -> None:
        """The task leaves, and the thread goes on: who waits for the token has to wait for that."""
        if not self._crew.clock.virtual:  # virtual time waits for the task of a call, not for what was abandoned
            self._crew.wakers[self] = "a token of a limiter"

    def give_back(self) -> None:
        """Let the next have the token. Once, from any thread."""
        self._limiter.release_on_behalf_of(self)
        self._crew.wakers.pop(self, None)

    def end_unseen(self) -> None:
        """No task of the run heard of the end: it has to look whether anything can still wake it."""
        self._crew.look_again()

    def __repr__(self) -> str:
        return f"<a thread for {self._name}>"
