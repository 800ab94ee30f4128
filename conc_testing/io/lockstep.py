"""A connection without any room: a write is done when all of it was read."""

from __future__ import annotations

import errno

from conc_testing.io.memory import MemoryStream, take_from
from conc_testing.seat import Later, Seat, Table


def lockstep_pair() -> tuple[MemoryStream, MemoryStream]:
    """Two streams that are connected, without a buffer: a write returns when the other end has read all of it.

    So each write is a meeting. Code that writes on both sides before it reads, and gets away with it while the messages
    are small, stands still here at once.

    ``bytes_written`` counts what was read; who gives up writing takes back what was not.

    Checkpoint: never.
    """
    table = Table()
    there, back = HandOver(table), HandOver(table)
    return MemoryStream("one end of a lockstep pair", table, back, there), MemoryStream(
        "its other end", table, there, back
    )


class HandOver:
    """One direction: what somebody waits to have read.

    Invariant: `_offered` is what is left of the write that is under way; empty if there is none.
    """

    __slots__ = ("_ended", "_error", "_offered", "_reader_gone", "reading", "taken", "writing")

    def __init__(self, table: Table) -> None:
        self.reading = Seat(table)
        self.writing = Seat(table)
        self.taken = 0
        self._offered: list[memoryview] = []
        self._ended = False
        self._error: OSError | None = None
        self._reader_gone = False

    def take(self, max_bytes: int) -> bytes | Exception | Later:
        """Some of what is offered."""
        if self._error is not None:
            return self._error
        if self._offered:
            data = take_from(self._offered, max_bytes)
            self.taken += len(data)
            if not self._offered:
                self.writing.call()
            return data
        return b"" if self._ended else Later("bytes from the other end")

    def abandon(self) -> None:
        """What is offered will not be read."""
        self._reader_gone = True
        self.writing.call()

    def offer(self, views: list[memoryview]) -> Exception | Later | None:
        """It is taken by who reads, out of `views` itself."""
        if not views:
            return None  # there was nothing to be read, or all of it was
        if (error := self._refusal()) is not None:
            return error
        if self._offered is not views:
            self._offered = views
            self.reading.call()
        return Later("the other end to read all that is written (lockstep)")

    def retract(self) -> None:
        """What was not read was not written."""
        self._offered = []

    def finish(self) -> Exception | None:
        """The end is there at once: nothing is on its way."""
        error = self._refusal()
        if error is None:
            self.leave()
        return error

    def leave(self) -> None:
        """As `finish`, whether anybody reads or not."""
        self._ended = True
        self.reading.call()

    def reset(self, error: OSError) -> None:
        """What is offered will not be read."""
        self._error = error
        self.reading.call()
        self.writing.call()

    def _refusal(self) -> OSError | None:
        if self._error is None and self._reader_gone:
            return BrokenPipeError(errno.EPIPE, "the other end is closed")
        return self._error

    def _check(self) -> None:
        assert all(len(view) for view in self._offered), "an empty view is offered"
