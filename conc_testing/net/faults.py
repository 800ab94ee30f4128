"""What an operator, or an excavator, does to a network: cut it, hold it up, and mend it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from conc_testing.net.links import Path


class Obstacle:
    """Something in the way of packets between two groups of hosts. Leaving its ``with`` block takes it away."""

    def __init__(
        self, ones: frozenset[str], others: frozenset[str] | None, oneway: bool, over: Callable[[Obstacle], None]
    ) -> None:
        self._ones = ones
        self._others = others
        self._oneway = oneway
        self._over = over

    def blocks(self, path: Path) -> bool:
        """Whether it lies in this direction of a link."""
        return self._between(path.source, path.target) or (not self._oneway and self._between(path.target, path.source))

    def between(self, ones: frozenset[str], others: frozenset[str] | None) -> bool:
        """Whether it lies between just these groups."""
        return {ones, others} == {self._ones, self._others}

    def _between(self, source: str, target: str) -> bool:
        if self._others is None:
            return source in self._ones and target not in self._ones
        return source in self._ones and target in self._others

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over(self)

    def __repr__(self) -> str:
        there = "all others" if self._others is None else ", ".join(sorted(self._others))
        arrow = "to" if self._oneway else "and"
        return f"<{type(self).__name__} between {', '.join(sorted(self._ones))} {arrow} {there}>"


class Partition(Obstacle):
    """Nothing passes between two groups of hosts; what was under way is lost. Made by `SimNetwork.partition`."""

    def heal(self) -> None:
        """Let packets pass again. What got lost comes when TCP sends it once more. Idempotent."""
        self._over(self)


class Hold(Obstacle):
    """Packets between two groups of hosts wait. Made by `SimNetwork.hold`."""

    def release(self) -> None:
        """Let all that waited arrive now, in order. Idempotent."""
        self._over(self)


def names_of(given: str | Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """A group of hosts, given as the name of one or as several names.

    Raises:
        ValueError: there is no such host.
    """
    names = [given] if isinstance(given, str) else list(given)
    hosts = list(known)
    for name in names:
        if name not in hosts:
            raise ValueError(f"there is no host {name!r} in this world; there are: {', '.join(hosts)}")
    return frozenset(names)
