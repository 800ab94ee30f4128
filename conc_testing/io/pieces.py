"""In which pieces bytes arrive: a stream has no message borders, and code that relies on some is to be found out."""

from __future__ import annotations

from typing import Literal, TypeAlias

from conc_testing.sim.choices import choose

Chunk: TypeAlias = int | Literal["choice"] | None
"""None: as much as is there; a number: so many bytes at most; ``"choice"``: the search decides."""


def check_chunk(chunk: Chunk, name: str) -> None:
    """Raise an error that names the argument, if it is none of these."""
    if chunk is None or chunk == "choice":
        return
    if isinstance(chunk, bool) or not isinstance(chunk, int):
        raise TypeError(f'{name} must be None, a number of bytes or "choice", not {chunk!r}')
    if chunk < 1:
        raise ValueError(f"{name} must be at least 1, not {chunk}")


def piece_of(available: int, chunk: Chunk) -> int:
    """How many of the bytes that are there arrive together; at least 1 if there are any.

    The search may choose between all of them, one, half of them, and all but one: enough to tear everything apart that
    somebody might take for one piece.
    """
    if chunk is None or available <= 1:
        return available
    if chunk != "choice":
        return min(available, chunk)
    sizes = list(dict.fromkeys((available, 1, available // 2, available - 1)))
    return sizes[choose("io.chunk", len(sizes))]
