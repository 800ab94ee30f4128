"""Writing down what a real peer does, to play it again."""

from __future__ import annotations

import re
from threading import Lock
from types import TracebackType
from typing import Final, Self

from conc.errors import BrokenResource
from conc.io import Stream
from conc.io.stream import Buffer
from conc_testing.io.script import Script, script
from conc_testing.io.steps import End, Expect, ExpectEnd, FailRead, FailWrite, Provide, Step

WIDTH: Final = 100  # of a line of source


class RecordingStream:
    """A stream that keeps what goes through it, both ways: ``stream = RecordingStream(await connect_tcp(...))``.

    After a session with the real peer, ``stream.source()`` is the text of a script that does the same, to be pasted
    into a test. Each read becomes a step, and writes in a row become one. How long things took is not recorded, nor is
    what was raised because of a mistake on this side (ClosedResource, BusyResource, ValueError).

    Everything else it leaves to the stream below, so it promises what that one does.

    Args:
        inner: what to read from and write to.

    Invariant: no two steps in a row are of writing, but for the end or a failure of it.
    """

    __slots__ = ("_inner", "_lock", "_steps")

    def __init__(self, inner: Stream) -> None:
        self._inner = inner
        self._lock = Lock()  # the directions may be used in different strands
        self._steps: list[Step] = []

    @property
    def bytes_written(self) -> int:
        """As the stream below."""
        return self._inner.bytes_written

    async def read(self, max_bytes: int) -> bytes:
        """As the stream below.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        try:
            data = await self._inner.read(max_bytes)
        except BrokenResource as error:
            self._add_once(FailRead(_reason(error)))
            raise
        if data:
            self._add(Provide(data))
        else:
            self._add_once(End())
        return data

    async def write_all(self, *buffers: Buffer) -> None:
        """As the stream below.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written, and so much is recorded.
        """
        data = b"".join(buffers)
        before = self._inner.bytes_written
        try:
            await self._inner.write_all(*buffers)
        except BrokenResource as error:
            self._add_written(data[: self._inner.bytes_written - before])
            self._add_once(FailWrite(_reason(error)))
            raise
        except BaseException:
            self._add_written(data[: self._inner.bytes_written - before])
            raise
        self._add_written(data)

    async def close_write(self) -> None:
        """As the stream below.

        Checkpoint: always a cancel point.
        If cancelled: the direction is still open.
        """
        try:
            await self._inner.close_write()
        except BrokenResource as error:
            self._add_once(FailWrite(_reason(error)))
            raise
        self._add_once(ExpectEnd())

    async def aclose(self) -> None:
        """As the stream below.

        Checkpoint: a cancel point, after the stream was closed.
        If cancelled: the stream is closed all the same.
        """
        self._add_once(ExpectEnd())
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def script(self, name: str = "recorded") -> Script:
        """The peer as it was so far, as a script.

        Checkpoint: never.
        """
        made = script(name)
        with self._lock:
            for step in self._steps:
                made._add(step)
        return made

    def source(self, name: str = "recorded") -> str:
        """The same script as Python source: what it needs is `conc_testing.script`, and the names of errors.

        Checkpoint: never.
        """
        lines = ["(", f"    script({name!r})"]
        with self._lock:
            for step in self._steps:
                lines += _lines_of(step)
        return "\n".join([*lines, ")"])

    def _add(self, step: Step) -> None:
        with self._lock:
            self._steps.append(step)

    def _add_once(self, step: Step) -> None:
        """The end of a direction, unless it has been noticed before."""
        ends = (End, FailRead) if isinstance(step, (End, FailRead)) else (ExpectEnd, FailWrite)
        with self._lock:
            if not any(isinstance(known, ends) for known in self._steps):
                self._steps.append(step)

    def _add_written(self, data: bytes) -> None:
        with self._lock:
            last = self._steps[-1] if self._steps else None
            if isinstance(last, Expect) and isinstance(last.what, bytes):
                self._steps[-1] = Expect(last.what + data)
            elif data:
                self._steps.append(Expect(data))

    def __repr__(self) -> str:
        return f"<RecordingStream of {self._inner!r}, {len(self._steps)} steps so far>"

    def _check(self) -> None:
        for one, following in zip(self._steps, self._steps[1:], strict=False):
            assert not (isinstance(one, Expect) and isinstance(following, Expect)), "writes in a row are not one step"


def _reason(error: BrokenResource) -> Exception:
    """What the system said, or if it said nothing, what the stream did."""
    return error.__cause__ if isinstance(error.__cause__, OSError) else error


def _lines_of(step: Step) -> list[str]:
    """A step as a call of a method; long bytes on several lines, broken behind their line ends if they have some."""
    call = f"    .{step}"
    if len(call) <= WIDTH or not isinstance(step, (Expect, Provide)):
        return [call]
    data = step.what if isinstance(step, Expect) else step.data
    assert isinstance(data, bytes), "patterns are not recorded"
    method = "expect" if isinstance(step, Expect) else "provide"
    rows: list[bytes] = [b""]
    for part in re.findall(rb"[^\n]*\n|[^\n]+", data):
        for start in range(0, len(part), WIDTH // 5):  # of which each byte takes up to four characters
            piece = part[start : start + WIDTH // 5]
            if len(repr(rows[-1] + piece)) > WIDTH - 8 or rows[-1].endswith(b"\n"):
                rows.append(b"")
            rows[-1] += piece
    return [f"    .{method}(", *(f"        {row!r}" for row in rows), "    )"]
