"""copy: all bytes in order, whatever pieces they come in; and none is lost without a word when that is interrupted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io import BufReader, BufWriter, Copy, chain, copy, duplex, repeat, simplex, sink, take
from conc_testing import Budget, VirtualClock, explore, script, settle
from tests.io.flushing import KeepsBack
from tests.io.pieces import Pieces

PIECES = st.lists(st.binary(max_size=6), max_size=8)


async def read_all(reader: conc.io.AsyncRead) -> bytes:
    parts = []
    while part := await reader.read(65_536):
        parts.append(part)
    return b"".join(parts)


@given(pieces=PIECES, capacity=st.integers(1, 9))
def test_all_bytes_are_written_in_order(pieces: list[bytes], capacity: int) -> None:
    async def main() -> None:
        writer, reader = simplex(capacity)
        async with conc.open_nursery() as nursery:
            copying = nursery.start_soon(copy, Pieces(pieces), writer)
            reading = nursery.start_soon(read_all, reader)
            assert await copying.join() == writer.bytes_written == len(b"".join(pieces))
            await writer.close_write()
        assert await reading.join() == b"".join(pieces)

    conc.run(main, clock=VirtualClock())


@given(pieces=PIECES, capacity=st.integers(1, 9), pauses=st.lists(st.floats(0, 2), max_size=10), back=st.booleans())
def test_a_copy_that_is_cancelled_anywhere_goes_on_where_it_was(
    pieces: list[bytes], capacity: int, pauses: list[float], back: bool
) -> None:
    async def main() -> None:
        writer, reader = simplex(capacity)
        source = Pieces(pieces)
        copying = Copy(source, KeepsBack(writer) if back else writer)

        async def run() -> None:
            for pause in pauses:
                with conc.move_on_after(pause) as scope:
                    await copying.run()
                if not scope.cancelled_caught:
                    break
                copying._check()
                assert copying.copied == copying.writer.bytes_written
            assert await copying.run() == len(b"".join(pieces))
            assert copying.pending == b""
            await copying.writer.close_write()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(run)
            got = b""
            while part := await reader.read(2):
                got += part
                await conc.sleep(0.1)
        assert got == b"".join(pieces)

    conc.run(main, clock=VirtualClock())


async def test_a_copy_says_what_was_read_and_not_written(nursery: conc.Nursery) -> None:
    writer, reader = simplex(3)
    copying = Copy(Pieces([b"abcdef", b"ghi"]), writer)
    with conc.move_on_after(1):
        await copying.run()
    assert (copying.copied, copying.pending) == (3, b"def")
    assert repr(copying).endswith(", standing, 3 bytes copied, 3 pending>")
    running = nursery.start_soon(copying.run)
    await settle()
    assert repr(copying).endswith(", running, 6 bytes copied, 6 pending>") or copying.copied >= 3
    got = b""
    while len(got) < 9:
        got += await reader.read(9)
    assert (await running.join(), got) == (9, b"abcdefghi")
    assert repr(copying).endswith(", ended, 9 bytes copied>")


async def test_what_is_pending_can_be_taken_out() -> None:
    writer, reader = simplex(3)
    copying = Copy(Pieces([b"abcdef"]), writer)
    with conc.move_on_after(1):
        await copying.run()
    rest, copying.pending = copying.pending, b""
    assert (rest, await reader.read(9)) == (b"def", b"abc")
    assert (await copying.run(), await Copy(Pieces([rest]), sink()).run()) == (3, 3)


async def test_the_writer_is_not_closed() -> None:
    writer, reader = simplex()
    assert await copy(Pieces([b"abc"]), writer) == 3
    await writer.write_all(b"def")
    assert await reader.read(9) == b"abcdef"


async def test_nothing_is_copied_out_of_what_has_ended() -> None:
    copying = Copy(Pieces([]), sink())
    assert (await copying.run(), await copying.run(), copying.copied) == (0, 0, 0)


async def test_a_part_is_copied_through_take_and_more_through_chain() -> None:
    writer, reader = simplex(1 << 20)
    assert await copy(chain(Pieces([b"head:"]), take(repeat(b"ab"), 300_000)), writer) == 300_005
    await writer.close_write()
    assert await read_all(reader) == b"head:" + b"ab" * 150_000


async def test_a_writer_is_flushed_when_the_reader_has_nothing_more_and_at_the_end(nursery: conc.Nursery) -> None:
    far, near = duplex()
    target, out = simplex()
    writer = KeepsBack(target)
    copying = nursery.start_soon(copy, near, writer)
    await settle()
    assert writer.flushes == 0  # nothing was written, so there is nothing to flush
    await far.write_all(b"a")
    await settle()
    assert (writer.flushes, out.read_nowait(9)) == (1, b"a")
    await far.write_all(b"b" * 65_536)
    await settle()
    assert (writer.flushes, len(await out.read(100_000))) == (2, 65_536)
    await far.write_all(b"c")
    await far.close_write()
    await copying.join()
    assert (writer.flushes, out.read_nowait(9)) == (3, b"c")


async def test_a_reader_that_has_more_is_read_before_the_writer_is_flushed() -> None:
    writer = KeepsBack(sink())
    assert await copy(take_with_nowait(b"x" * 300_000), writer) == 300_000
    assert writer.flushes == 1


def take_with_nowait(data: bytes) -> conc.io.SimplexReader:
    """A reader that has it all."""
    writer, reader = simplex(len(data))
    writer._sink.put(data)
    writer._close()
    return reader


async def test_without_read_nowait_it_is_flushed_before_each_read() -> None:
    writer = KeepsBack(sink())
    assert await copy(Pieces([b"a", b"b", b"c"]), writer) == 3
    assert writer.flushes == 3


async def test_peers_behind_writers_that_keep_bytes_back_do_not_wait_for_each_other() -> None:
    """Unless it flushed, the question would stay in the proxy while the peer waits for it."""
    near, proxy_near = duplex()
    proxy_far, far = duplex()

    async def answer() -> None:
        assert await far.read(9) == b"ping"
        await far.write_all(b"pong")
        await far.close_write()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(answer)
        nursery.start_soon(copy, proxy_near, BufWriter(proxy_far))
        nursery.start_soon(copy, proxy_far, BufWriter(proxy_near))
        await near.write_all(b"ping")
        assert await near.read(9) == b"pong"
        await near.close_write()


async def test_a_cancelled_flush_is_made_up_for() -> None:
    target, out = simplex(1)
    writer = KeepsBack(target)
    copying = Copy(Pieces([b"abc"]), writer)
    with conc.move_on_after(1):
        await copying.run()
    assert (copying.copied, copying.pending, out.read_nowait(9)) == (3, b"", b"a")
    async with conc.open_nursery() as nursery:
        running = nursery.start_soon(copying.run)
        assert [await out.read(1), await out.read(1)] == [b"b", b"c"]
    assert (await running.join(), writer.flushes) == (3, 2)


async def test_a_write_error_has_a_note_and_what_was_not_written_is_pending() -> None:
    writer, reader = simplex(4)
    copying = Copy(Pieces([b"abc", b"def"]), writer)
    with conc.move_on_after(1):
        await copying.run()
    await reader.aclose()
    with pytest.raises(BrokenResource) as caught:
        await copying.run()
    assert caught.value.__notes__ == [f"while writing to {writer!r}, to copy; 4 bytes were copied before"]
    assert (copying.copied, copying.pending) == (4, b"ef")


async def test_a_read_error_has_a_note() -> None:
    writer, _ = simplex()
    async with script("peer").provide(b"abc").fail_read(ConnectionResetError(104, "reset by peer")).stream() as stream:
        with pytest.raises(BrokenResource, match="reset by peer") as caught:
            await copy(stream, writer)
    [note] = caught.value.__notes__
    assert note.startswith("while reading from <MemoryStream")
    assert note.endswith(", to copy; 3 bytes were copied before")


async def test_closing_the_reader_ends_the_copy_with_an_error(nursery: conc.Nursery) -> None:
    _, near = duplex()

    async def expect_closed() -> None:
        with pytest.raises(ClosedResource):
            await copy(near, sink())

    copying = nursery.start_soon(expect_closed)
    await settle()
    await near.aclose()
    await copying.join()


async def test_only_one_task_runs_it(nursery: conc.Nursery) -> None:
    _, near = duplex()
    copying = Copy(near, sink())
    task = nursery.start_soon(copying.run)
    await settle()
    with pytest.raises(BusyResource, match=r"<Copy from .* running, .*> is running"):
        await copying.run()
    task.cancel()


async def test_it_is_a_cancel_point_before_anything_happens() -> None:
    source = Pieces([b"abc"])
    with conc.CancelScope() as scope:
        scope.cancel()
        await copy(source, sink())
    assert (scope.cancelled_caught, source.reads) == (True, 0)


async def test_what_cannot_be_copied_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="reader must have the methods"):
        await copy(sink(), sink())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="writer must have the methods"):
        await copy(Pieces([]), b"")  # type: ignore[arg-type]


async def test_what_a_bufreader_has_buffered_is_copied_first() -> None:
    source = BufReader(Pieces([b"line\nre", b"st"]))
    assert await source.read_line() == b"line\n"
    writer, reader = simplex()
    assert await copy(source, writer) == 4
    assert await reader.read(9) == b"rest"


def test_wherever_it_is_cancelled_nothing_is_lost_between_the_two() -> None:
    async def copy_a_little() -> None:
        far, near = duplex(2)
        writer, reader = simplex(2)
        copying = Copy(near, writer)
        got = b""

        async def write() -> None:
            await far.write_all(b"abcdefg")
            await far.close_write()

        async def run() -> None:
            await copying.run()
            await writer.close_write()

        async def read() -> None:
            nonlocal got
            while part := await reader.read(3):
                got += part

        async def all_or_none(operation: Callable[[], Awaitable[None]]) -> None:
            done = False
            try:
                await operation()
                done = True
            finally:
                if not done:  # else the others would wait for ever
                    nursery.cancel_scope.cancel()

        try:
            async with conc.open_nursery() as nursery:
                for operation in (write, run, read):
                    nursery.start_soon(all_or_none, operation)
        finally:  # here all others have ended
            in_pipe = reader.read_nowait(9) if reader._source.size else b""
            unread = near.read_nowait(9) if near._source.size else b""
            assert got + in_pipe + copying.pending + unread == b"abcdefg"[: far.bytes_written]
            assert copying.copied == len(got + in_pipe)

    explore(copy_a_little, budget=Budget(runs=500, seconds=20), cancel="sweep").assert_ok()
    explore(copy_a_little, budget=Budget(runs=200, seconds=10)).assert_ok()


class CannotSendOn(KeepsBack):
    async def flush(self) -> None:
        raise BrokenResource("the line is cut")


async def test_an_error_of_flushing_says_that_it_was_the_writer() -> None:
    writer, reader = simplex()
    await writer.write_all(b"abc")
    with pytest.raises(BrokenResource) as caught:
        await copy(reader, CannotSendOn(sink()))
    (note,) = caught.value.__notes__
    assert note.startswith("while writing to <tests.io.test_copy.CannotSendOn")
