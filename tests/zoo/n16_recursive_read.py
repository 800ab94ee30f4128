"""N16: who reads reads again, with a writer in between, and waits for itself.

In a fair RwLock a second read stands behind the writer that waits for the end of the first one. It works as long as no
writer comes at that moment. conc's RwLock refuses the second read then, with an error that names the writer; others
hang. Seen with tokio's RwLock (tokio-rs/tokio#2849, #6901).
"""

from __future__ import annotations

from collections.abc import Callable

import conc
from conc.sync import RwLock
from tests.zoo.case import Case, Scenario


class Accounts:
    """What is on two accounts."""

    def __init__(self) -> None:
        self._lock = RwLock()
        self._amounts = [3, 4]

    async def transfer(self, amount: int) -> None:
        async with self._lock.write():
            self._amounts[0] -= amount
            self._amounts[1] += amount

    async def total(self) -> int:
        async with self._lock.read():
            return sum(self._amounts)

    async def shares(self) -> list[float]:
        raise NotImplementedError


class Broken(Accounts):
    """Calls another method of its own while it reads, which reads too."""

    async def shares(self) -> list[float]:
        async with self._lock.read():
            total = await self.total()
            return [amount / total for amount in self._amounts]


class Right(Accounts):
    """Reads once."""

    async def shares(self) -> list[float]:
        async with self._lock.read():
            total = sum(self._amounts)
            return [amount / total for amount in self._amounts]


def program(make: Callable[[], Accounts]) -> Scenario:
    """One reads, one writes."""

    async def main() -> None:
        accounts = make()
        async with conc.open_nursery() as nursery:
            shares = nursery.start_soon(accounts.shares)
            nursery.start_soon(accounts.transfer, 1)
        assert sum(await shares.join()) == 1

    return main


CASE = Case(
    name="N16",
    title="a task reads again while a writer waits for its first read",
    broken=program(Broken),
    right=program(Right),
    fails_with=RuntimeError,
)
