"""Writing down what a peer does, step by step."""

from __future__ import annotations

import math
import re
from typing import Self

from conc_testing.io.pieces import Chunk, check_chunk
from conc_testing.io.steps import (
    READING,
    WRITING,
    End,
    Expect,
    ExpectEnd,
    ExpectN,
    FailRead,
    FailWrite,
    Pause,
    Provide,
    Step,
)


class Lane:
    """Steps of a peer, in order; made by `lane`, for ``script(...).lanes(read=, write=)``. Each method adds one step.

    The peer does a step as soon as the one before is done. What it sends arrives at once, whether anybody reads or not;
    for what it expects, it waits.
    """

    __slots__ = ("_reading_over", "_steps", "_writing_over")

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._reading_over: Step | None = None  # the step after which nothing can be read
        self._writing_over: Step | None = None  # the step after which nothing can be written

    def expect(self, what: bytes | re.Pattern[bytes], /) -> Self:
        """The code under test writes this.

        Args:
            what: bytes, which may come in any number of writes, and one write may fulfil several steps. Or a compiled
                pattern, ``re.compile(rb"...")``, which has to match the beginning of what one `write_all` writes, since
                nobody can tell of half a text whether a pattern will match; what it leaves over is for the next step.

        Raises:
            ValueError: no bytes; or nothing can be written any more.
            TypeError: neither bytes nor a pattern for bytes.
        """
        if isinstance(what, re.Pattern):
            if not isinstance(what.pattern, bytes):
                raise TypeError(f"expect: the pattern must be one for bytes, not {what!r}")
        else:
            what = _checked_bytes(what, "expect")
        return self._add(Expect(what))

    def expect_n(self, n: int, /) -> Self:
        """The code under test writes `n` bytes, whatever they are.

        Raises:
            ValueError, TypeError: `n` is not a whole number of at least 1; or nothing can be written any more.
        """
        if isinstance(n, bool) or not isinstance(n, int):
            raise TypeError(f"expect_n: n must be a number of bytes, not {n!r}")
        if n < 1:
            raise ValueError(f"expect_n: n must be at least 1, not {n}")
        return self._add(ExpectN(n))

    def expect_end(self) -> Self:
        """The code under test closes its writing, with `close_write` or `aclose`.

        Raises:
            ValueError: nothing can be written any more.
        """
        return self._add(ExpectEnd())

    def provide(self, data: bytes, /, chunks: Chunk = None) -> Self:
        """The peer sends `data`.

        Args:
            data: what reads return. One read returns bytes of one step only.
            chunks: how many bytes a read returns at most. None: all that are there; ``"choice"``: in `explore` the
                search decides, otherwise all.

        Raises:
            ValueError, TypeError: no bytes, or bad chunks; or nothing can be read any more.
        """
        check_chunk(chunks, "chunks")
        return self._add(Provide(_checked_bytes(data, "provide"), chunks))

    def pause(self, seconds: float, /) -> Self:
        """The peer does nothing for a while: it neither sends nor takes what is written.

        Args:
            seconds: how long, on the runtime's clock; on virtual time that costs nothing.

        Raises:
            ValueError, TypeError: not a finite number of seconds above 0.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise TypeError(f"pause: seconds must be a number, not {seconds!r}")
        if not (math.isfinite(seconds) and seconds > 0):
            raise ValueError(f"pause: seconds must be finite and above 0, not {seconds!r}")
        return self._add(Pause(float(seconds)))

    def fail_read(self, error: Exception, /) -> Self:
        """When all that was sent has been read, reading fails, now and ever after.

        Args:
            error: an OSError, as ``ConnectionResetError()``, arrives as streams of conc raise it: as the ``__cause__``
                of a `BrokenResource`. Any other error is raised as it is.

        Raises:
            ValueError: nothing can be read any more.
            TypeError: `error` is not an instance of Exception.
        """
        return self._add(FailRead(_checked_error(error, "fail_read")))

    def fail_write(self, error: Exception, /) -> Self:
        """The next write fails, or `close_write`, and every one after it.

        Args:
            error: as for `fail_read`.

        Raises:
            ValueError: nothing can be written any more.
            TypeError: `error` is not an instance of Exception.
        """
        return self._add(FailWrite(_checked_error(error, "fail_write")))

    def end(self) -> Self:
        """The peer closes its writing: when all that was sent has been read, reads return ``b""``. Nobody has to look.

        Raises:
            ValueError: nothing can be read any more.
        """
        return self._add(End())

    def _add(self, step: Step) -> Self:
        """Add a step that can follow those that are there."""
        if isinstance(step, READING):
            self._refuse_after(self._reading_over, step)
            if not isinstance(step, Provide):
                self._reading_over = step
        elif isinstance(step, WRITING):
            self._refuse_after(self._writing_over, step)
            if isinstance(step, (ExpectEnd, FailWrite)):
                self._writing_over = step
        self._steps.append(step)
        return self

    def _refuse_after(self, last: Step | None, step: Step) -> None:
        if last is not None:
            raise ValueError(f"{step} cannot come after {last}, which ends this direction")

    def __repr__(self) -> str:
        return ".".join(["lane()", *map(str, self._steps)])


def lane() -> Lane:
    """One direction of a script, for ``script(...).lanes(read=lane().provide(...), write=lane().expect(...))``."""
    return Lane()


def _checked_bytes(data: bytes, method: str) -> bytes:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{method}: bytes are due, not {data!r:.100}")
    if not data:
        raise ValueError(f"{method}: at least one byte is due; the end is {method_of_the_end(method)}")
    return bytes(data)


def method_of_the_end(method: str) -> str:
    """What to write in place of empty bytes."""
    return "end()" if method == "provide" else "expect_end()"


def _checked_error(error: Exception, method: str) -> Exception:
    if not isinstance(error, Exception):
        raise TypeError(f"{method}: an exception is due, as ConnectionResetError(), not {error!r}")
    return error
