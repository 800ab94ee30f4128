"""The steps of a script, as data: what the peer does, and what it waits for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from conc_testing.io.pieces import Chunk

SHOWN = 60  # characters of a long argument, in messages


@dataclass(frozen=True, slots=True)
class Expect:
    """The code under test writes these bytes, in as many writes as it likes; or, in one, what the pattern matches."""

    what: bytes | re.Pattern[bytes]

    def __str__(self) -> str:
        return f"expect({self.what!r})"


@dataclass(frozen=True, slots=True)
class ExpectN:
    """The code under test writes so many bytes, whatever they are."""

    n: int

    def __str__(self) -> str:
        return f"expect_n({self.n})"


@dataclass(frozen=True, slots=True)
class ExpectEnd:
    """The code under test closes its writing."""

    def __str__(self) -> str:
        return "expect_end()"


@dataclass(frozen=True, slots=True)
class FailWrite:
    """The next write fails, and all that follow."""

    error: Exception

    def __str__(self) -> str:
        return f"fail_write({self.error!r})"


@dataclass(frozen=True, slots=True)
class Provide:
    """The peer sends."""

    data: bytes
    chunks: Chunk = None

    def __str__(self) -> str:
        return f"provide({self.data!r}{'' if self.chunks is None else f', chunks={self.chunks!r}'})"


@dataclass(frozen=True, slots=True)
class FailRead:
    """When all that was sent is read, reading fails."""

    error: Exception

    def __str__(self) -> str:
        return f"fail_read({self.error!r})"


@dataclass(frozen=True, slots=True)
class End:
    """The peer closes its writing."""

    def __str__(self) -> str:
        return "end()"


@dataclass(frozen=True, slots=True)
class Pause:
    """The peer does nothing for a while."""

    seconds: float

    def __str__(self) -> str:
        return f"pause({self.seconds!r})"


@dataclass(frozen=True, slots=True)
class Lanes:
    """The two directions go on independently, until both have come to their end."""

    read: tuple[Any, ...]
    write: tuple[Any, ...]

    def __str__(self) -> str:
        return f"lanes(read={_lane(self.read)}, write={_lane(self.write)})"


Step: TypeAlias = Expect | ExpectN | ExpectEnd | FailWrite | Provide | FailRead | End | Pause | Lanes

READING = (Provide, FailRead, End)  # what code under test learns by reading
WRITING = (Expect, ExpectN, ExpectEnd, FailWrite)  # what waits until code under test writes, or closes


def shown(step: Step) -> str:
    """A step for messages: short."""
    text = str(step)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 5]}...)"


def provides(step: Step) -> bool:
    """Whether reading is to learn something from this step."""
    return isinstance(step, READING) or (isinstance(step, Lanes) and any(map(provides, step.read)))


def awaits(step: Step) -> bool:
    """Whether this step waits for something to be written."""
    return isinstance(step, WRITING) or (isinstance(step, Lanes) and any(map(awaits, step.write)))


def _lane(steps: tuple[Step, ...]) -> str:
    return ".".join(["lane()", *map(str, steps)])
