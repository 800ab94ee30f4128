"""N21: a call in a thread is cancelled before it has begun, and the token that it holds is never given back.

The token has to be kept until the thread is done with the call, also if its task is cancelled meanwhile; so the thread
gives it back. But a call that is cancelled while it stands in line never reaches a thread. Either the thread gives the
token back or the task, and exactly one of them. Seen in AnyIO (agronholm/anyio#947) and asgiref (django/asgiref#563).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.lowlevel import current_task
from conc.sync import Semaphore
from conc_testing import OrphanedGrant, watch
from tests.zoo.case import Case, Scenario
from tests.zoo.line import Ledger


class Call:
    """A function for a thread, and the token that it holds."""

    def __init__(self, function: Callable[[], int], token: Semaphore) -> None:
        self.begun = False
        self._function = function
        self._token = token

    def __call__(self) -> int:
        """In the thread."""
        self.begun = True
        try:
            return self._function()
        finally:
            self._token.release()


class Threads:
    """Calls functions in threads, one at a time."""

    def __init__(self) -> None:
        self.token = Semaphore(1)
        self.ledger = Ledger("Threads")

    async def run(self, function: Callable[[], int]) -> int:
        with self.ledger.wait():
            await self.token.acquire()
            self.ledger.hand(current_task(), "the token")
            call = Call(function, self.token)
            try:
                return await conc.to_thread(call)
            finally:
                self._clean_up(call)

    def _clean_up(self, call: Call) -> None:
        """The call has ended, or was cancelled."""
        if call.begun:
            self.ledger.give_back()  # by the thread


class Broken(Threads):
    """Relies on the thread."""


class Right(Threads):
    """Relies on the thread if there ever was one."""

    def _clean_up(self, call: Call) -> None:
        super()._clean_up(call)
        if not call.begun:
            self.token.release()
            self.ledger.give_back()


def program(make: Callable[[], Threads]) -> Scenario:
    """Two calls, either of which may be cancelled."""

    async def main() -> None:
        threads = make()
        watch(threads.ledger)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(threads.run, lambda: 1, name="first")
            nursery.start_soon(threads.run, lambda: 2, name="second")

    return main


CASE = Case(
    name="N21",
    title="a call that is cancelled before its thread begins keeps its token",
    broken=program(Broken),
    right=program(Right),
    fails_with=OrphanedGrant,
    cancel="sweep",  # nobody in the program cancels
)
