"""N20: a child starts another one while its group is being waited for, and nobody waits for that.

Who waits for a copy of the list of children waits for those that were there at the beginning. A child that is started
later, by one of them, is an orphan: it runs on after the block that should have contained it, and its error surprises
somebody else. The histories of Trio and AnyIO are full of such exits; a nursery ends when no child is left, not when
those that it knew have ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import conc
from conc.lowlevel import Task
from tests.zoo.case import Case, Scenario


class Group:
    """``async with Group(nursery) as group:`` waits at its end for what was started in it."""

    def __init__(self, nursery: conc.Nursery) -> None:
        self.children: list[Task[Any]] = []
        self._nursery = nursery

    def start_soon(self, async_fn: Callable[..., Awaitable[object]], *args: object) -> None:
        self.children.append(self._nursery.start_soon(async_fn, *args))

    async def __aenter__(self) -> Group:
        return self

    async def __aexit__(self, *error: object) -> None:
        for child in self._all_children():
            await child.join()

    def _all_children(self) -> Iterable[Task[Any]]:
        raise NotImplementedError


class Broken(Group):
    """A copy, because the list may change meanwhile."""

    def _all_children(self) -> Iterable[Task[Any]]:
        return tuple(self.children)


class Right(Group):
    """The list itself, which grows while it is walked."""

    def _all_children(self) -> Iterable[Task[Any]]:
        return self.children


def program(make: Callable[[conc.Nursery], Group]) -> Scenario:
    """A child starts another one: both have ended when the block is left."""

    async def main() -> None:
        ended: list[str] = []
        async with conc.open_nursery() as nursery:
            async with make(nursery) as group:

                async def grandchild() -> None:
                    ended.append("grandchild")

                async def child() -> None:
                    group.start_soon(grandchild)
                    ended.append("child")

                group.start_soon(child)
            left = list(ended)
        assert left == ["child", "grandchild"]

    return main


CASE = Case(
    name="N20",
    title="a child that is started while the group ends is an orphan",
    broken=program(Broken),
    right=program(Right),
    fails_with=AssertionError,
)
