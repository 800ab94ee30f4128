"""Streams that break one promise each, and otherwise keep them all: to see whether a suite finds that."""

from __future__ import annotations

from typing import Any

import conc
from conc.errors import BrokenResource, ClosedResource
from conc.sync import Mutex
from conc_testing import MemoryStream, duplex


class Faithful:
    """Passes everything on. What is derived from it breaks one thing."""

    def __init__(self, inner: MemoryStream) -> None:
        self.inner = inner

    @property
    def bytes_written(self) -> int:
        return self.inner.bytes_written

    async def read(self, max_bytes: int) -> bytes:
        return await self.inner.read(max_bytes)

    async def write_all(self, *buffers: Any) -> None:
        await self.inner.write_all(*buffers)

    async def close_write(self) -> None:
        await self.inner.close_write()

    async def aclose(self) -> None:
        await self.inner.aclose()


def pair_of(kind: type[Any]) -> tuple[Any, Any]:
    """Two ends of a small duplex, both of them broken in the same way."""
    one, other = duplex(100)
    return kind(one), kind(other)


def something_to_read(stream: MemoryStream) -> bool:
    """Whether a read would not wait."""
    pipe: Any = stream._source
    return bool(pipe._on_the_way or pipe._arrived)


# ---- reading ----------------------------------------------------------------------------------------------------


class ReadsTooMuch(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        return await self.inner.read(max_bytes + (max_bytes > 0))


class ReadsExactly(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        got = await self.inner.read(max_bytes)
        while len(got) < max_bytes and (more := await self.inner.read(max_bytes - len(got))):
            got += more
        return got


class ReadsNothingGladly(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        return b"" if max_bytes < 1 else await self.inner.read(max_bytes)


class ReadsImpatiently(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        await conc.checkpoint()
        return await self.inner.read(max_bytes) if something_to_read(self.inner) else b""


class EndsOnce(Faithful):
    ended = False

    async def read(self, max_bytes: int) -> bytes:
        if self.ended:
            raise BrokenResource("read after the end")
        data = await self.inner.read(max_bytes)
        self.ended = not data
        return data


class EndsNever(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        return await self.inner.read(max_bytes) or await conc.sleep_forever()


class ForgetsWhenClosing(Faithful):
    async def aclose(self) -> None:
        pipe: Any = self.inner._sink
        pipe._drop()
        await self.inner.aclose()


class LetsReadersQueue(Faithful):
    def __init__(self, inner: MemoryStream) -> None:
        super().__init__(inner)
        self._mutex = Mutex()

    async def read(self, max_bytes: int) -> bytes:
        async with self._mutex:
            return await self.inner.read(max_bytes)


class ReadsAfterClosing(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        try:
            return await self.inner.read(max_bytes)
        except ClosedResource:
            return b""


class RaisesErrorsOfItsOwn(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        try:
            return await self.inner.read(max_bytes)
        except ClosedResource:
            raise LookupError("closed") from None


class ReadsShielded(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        with conc.CancelScope(shield=something_to_read(self.inner)) as scope:
            return await self.inner.read(max_bytes)
        raise AssertionError(f"{scope!r} was not cancelled by anybody")


class ReadsThenPauses(Faithful):
    async def read(self, max_bytes: int) -> bytes:
        data = await self.inner.read(max_bytes)
        await conc.checkpoint()
        return data


class OneDirectionAtATime(Faithful):
    def __init__(self, inner: MemoryStream) -> None:
        super().__init__(inner)
        self._mutex = Mutex()

    async def read(self, max_bytes: int) -> bytes:
        async with self._mutex:
            return await self.inner.read(max_bytes)

    async def write_all(self, *buffers: Any) -> None:
        async with self._mutex:
            await self.inner.write_all(*buffers)


class MixesUpLargeWrites(Faithful):
    async def write_all(self, *buffers: Any) -> None:
        data = b"".join(buffers)
        await self.inner.write_all(*([data[3000:], data[:3000]] if 3000 < len(data) < 5000 else buffers))


# ---- writing ----------------------------------------------------------------------------------------------------


class WritesBackwards(Faithful):
    async def write_all(self, *buffers: Any) -> None:
        await self.inner.write_all(*reversed(buffers))


class WritesSomethingForNothing(Faithful):
    async def write_all(self, *buffers: Any) -> None:
        await self.inner.write_all(*(buffers if any(map(len, buffers)) else [b"\0"]))


class CountsCalls(Faithful):
    calls = 0

    @property
    def bytes_written(self) -> int:
        return self.calls

    async def write_all(self, *buffers: Any) -> None:
        self.calls += 1
        await self.inner.write_all(*buffers)


class DropsWhatDoesNotFit(Faithful):
    async def write_all(self, *buffers: Any) -> None:
        with conc.move_on_after(0.001):
            await self.inner.write_all(*buffers)


class FailsWhenFull(Faithful):
    async def write_all(self, *buffers: Any) -> None:
        before = self.bytes_written
        with conc.move_on_after(0.01):
            await self.inner.write_all(*buffers)
            return
        if self.bytes_written == before and sum(map(len, buffers)) < 10:
            raise BrokenResource("no room")
        await self.inner.write_all(b"".join(buffers)[self.bytes_written - before :])


class LetsWritersQueue(Faithful):
    def __init__(self, inner: MemoryStream) -> None:
        super().__init__(inner)
        self._mutex = Mutex()

    async def write_all(self, *buffers: Any) -> None:
        async with self._mutex:
            await self.inner.write_all(*buffers)


class WritesAfterClosing(Faithful):
    async def write_all(self, *buffers: Any) -> None:
        try:
            await self.inner.write_all(*buffers)
        except ClosedResource:
            return


class WritesIntoTheVoid(Faithful):
    async def write_all(self, *buffers: Any) -> None:
        try:
            await self.inner.write_all(*buffers)
        except BrokenResource:
            return


class WritesShielded(Faithful):
    async def write_all(self, *buffers: Any) -> None:
        with conc.CancelScope(shield=self.bytes_written == 0 and sum(map(len, buffers)) < 100):
            await self.inner.write_all(*buffers)


class CountsBeforeWriting(Faithful):
    told = 0

    @property
    def bytes_written(self) -> int:
        return self.told

    async def write_all(self, *buffers: Any) -> None:
        await conc.checkpoint()
        self.told += sum(map(len, buffers))
        await self.inner.write_all(*buffers)


class CountsAfterWriting(Faithful):
    told = 0

    @property
    def bytes_written(self) -> int:
        return self.told

    async def write_all(self, *buffers: Any) -> None:
        await self.inner.write_all(*buffers)
        self.told += sum(map(len, buffers))


# ---- closing ----------------------------------------------------------------------------------------------------


class CannotCloseWrite:
    def __init__(self, inner: MemoryStream) -> None:
        self.read = inner.read
        self.write_all = inner.write_all
        self.aclose = inner.aclose
        self._inner = inner

    @property
    def bytes_written(self) -> int:
        return self._inner.bytes_written


class ClosesBothDirections(Faithful):
    async def close_write(self) -> None:
        await self.inner.aclose()


class ClosesWriteOnce(Faithful):
    closed = False

    async def close_write(self) -> None:
        if self.closed:
            raise RuntimeError("close_write was called twice")
        await self.inner.close_write()
        self.closed = True


class ClosesWriteThenPauses(Faithful):
    async def close_write(self) -> None:
        with conc.CancelScope(shield=True):
            await self.inner.close_write()
        await conc.checkpoint()


class ClosesWriteAfterClosing(Faithful):
    async def close_write(self) -> None:
        try:
            await self.inner.close_write()
        except ClosedResource:
            return


class ClosesOnce(Faithful):
    closed = False

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("aclose was called twice")
        self.closed = True
        await self.inner.aclose()


class ClosesForItselfOnly(Faithful):
    async def aclose(self) -> None:
        self.inner._closed = True
        await conc.checkpoint()


class ClosesUnlessCancelled(Faithful):
    async def aclose(self) -> None:
        await conc.checkpoint()
        await self.inner.aclose()


class ClosesSlowly(Faithful):
    async def aclose(self) -> None:
        try:
            await self.inner.aclose()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(0.001)
