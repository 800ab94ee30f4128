"""What a case of the bug zoo is: a mistake that was really made, beside the right thing, and a program that tells them
apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Scenario = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """A bug of concurrent programs.

    `broken` and `right` are the same program over two variants that differ in one thing. The first passes as long as
    nobody searches, and fails in some order of its tasks; the second fails in none. The last fields are what the search
    is told; what deviates from the usual has its reason beside it.
    """

    name: str
    """Its number in the list of nasty cases."""
    title: str
    """The bug, in a line."""
    broken: Scenario
    right: Scenario
    fails_with: type[Exception]
    """The error that tells of the bug."""
    runs: int = 200
    """In how many runs it must be found."""
    cancel: Literal["sweep"] | None = None
    time: Literal["calm", "racing"] = "calm"

    def __str__(self) -> str:
        return self.name


async def do(function: Callable[..., object], *args: object) -> None:
    """A task that makes one call."""
    function(*args)
