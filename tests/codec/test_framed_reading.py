"""FramedRead: frames out of pieces, the end, errors, and what is read when."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.codec import NEED_MORE, BytesCodec, Decoder, FramedRead, LengthDelimitedCodec, LinesCodec, NeedMore
from conc.errors import BusyResource, EndOfChannel, IncompleteRead, InvalidFrame, LimitExceeded, WouldBlock
from conc_testing import assert_checkpoints, duplex
from tests.codec.decoding import PLACES, cut
from tests.io.pieces import Pieces


async def test_the_loop_gives_all_frames_and_stops_at_the_end() -> None:
    framed = FramedRead(Pieces([b"one\ntw", b"o\n", b"", b"three"]), LinesCodec())

    assert [line async for line in framed] == ["one", "two", "three"]
    assert [line async for line in framed] == []
    with pytest.raises(EndOfChannel, match="nothing more will come out of <FramedRead of"):
        await framed.receive()


@given(st.lists(st.binary(max_size=20), max_size=8), PLACES)
def test_frames_come_out_as_they_went_in_however_the_bytes_were_cut(frames: list[bytes], places: list[int]) -> None:
    codec = LengthDelimitedCodec()
    data = b"".join(piece for frame in frames for piece in codec.encode(frame))

    async def main() -> list[bytes]:
        return [frame async for frame in FramedRead(Pieces(filter(None, cut(data, places))), codec)]

    assert conc.run(main) == frames


async def test_frames_that_came_in_one_piece_are_given_out_without_reading() -> None:
    source = Pieces([b"1\n2\n3\n", b"4\n"])
    framed = FramedRead(source, LinesCodec())

    assert [await framed.receive() for _ in range(3)] == ["1", "2", "3"]
    assert source.reads == 1


async def test_a_loop_over_many_frames_lets_others_run() -> None:
    seen: list[int] = []
    framed = FramedRead(Pieces([b"\n" * 20_000]), LinesCodec())
    count = 0

    async def watch() -> None:
        while True:
            seen.append(count)
            await conc.checkpoint()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(watch)
        async for _ in framed:
            count += 1
        nursery.cancel_scope.cancel()

    assert count == 20_000
    assert max(after - before for before, after in pairwise(seen)) <= 1_000


async def test_bytes_that_were_read_before_come_first_and_need_no_reading() -> None:
    source = Pieces([b"d\n"])
    framed = FramedRead(source, LinesCodec(), buffered=b"one\ntwo\nthir")

    assert [await framed.receive(), await framed.receive()] == ["one", "two"]
    assert source.reads == 0
    assert framed.buffered == b"thir"
    assert await framed.receive() == "third"


async def test_a_stream_that_ends_within_a_frame_says_so_each_time() -> None:
    framed = FramedRead(Pieces([b"\0\0\0\x01x\0\0\0\x05hel"]), LengthDelimitedCodec())

    assert await framed.receive() == b"x"
    for _ in range(2):
        with pytest.raises(IncompleteRead, match="the stream ended 7 bytes into a frame") as caught:
            await framed.receive()
        assert caught.value.partial == b"\0\0\0\x05hel"


async def test_after_an_error_that_the_codec_goes_on_from_the_next_frames_come() -> None:
    source = Pieces([b"ok\n\xff\nlonger than ten\nfine\nand again longer", b" than ten\nlast"])
    framed = FramedRead(source, LinesCodec(10))
    got: list[object] = []
    while True:
        try:
            async for line in framed:
                got.append(line)  # noqa: PERF401  # what came before an error is kept
            break
        except (InvalidFrame, LimitExceeded) as error:
            got.append(type(error))

    assert got == ["ok", InvalidFrame, LimitExceeded, "fine", LimitExceeded, "last"]


async def test_after_an_error_that_is_the_end_nothing_more_is_read() -> None:
    source = Pieces([b"\xff\xff\xff\xff", b"x" * 100, b"x" * 100])
    framed = FramedRead(source, LengthDelimitedCodec())
    for _ in range(3):
        with pytest.raises(LimitExceeded, match="a frame has 4294967295 bytes"):
            await framed.receive()

    assert source.reads == 1
    assert framed.buffered == b"\xff\xff\xff\xff"


async def test_memory_is_bounded_by_the_limit_and_one_read() -> None:
    class Endless:
        largest = 0

        async def read(self, max_bytes: int) -> bytes:
            await conc.checkpoint()
            self.largest = max(self.largest, len(framed.buffered))
            return b"x" * max_bytes

    source = Endless()
    framed = FramedRead(source, LinesCodec(100_000))
    with pytest.raises(LimitExceeded):
        await framed.receive()
    with conc.move_on_after(0) as scope:
        await framed.receive()

    assert scope.cancelled_caught
    assert source.largest <= 100_000 + 65_536


async def test_what_came_with_the_end_is_decoded_before_the_end_is_told() -> None:
    class Keeper(Decoder[bytes]):
        """As a parser with a buffer of its own: it gives out one letter at a time."""

        def __init__(self) -> None:
            self.kept = b""

        def decode(self, buffer: bytearray) -> bytes | NeedMore:
            self.kept += bytes(buffer)
            buffer.clear()
            if not self.kept:
                return NEED_MORE
            letter, self.kept = self.kept[:1], self.kept[1:]
            return letter

    assert [letter async for letter in FramedRead(Pieces([b"abc", b"d"]), Keeper())] == [b"a", b"b", b"c", b"d"]


async def test_a_frame_may_be_none() -> None:
    class Nulls(Decoder[None]):
        def decode(self, buffer: bytearray) -> NeedMore | None:
            if not buffer:
                return NEED_MORE
            del buffer[0]
            return None

    assert [frame async for frame in FramedRead(Pieces([b"xx", b"x"]), Nulls())] == [None, None, None]


async def test_another_decoder_gets_all_bytes_that_were_not_decoded() -> None:
    framed: FramedRead[str | bytes] = FramedRead(Pieces([b"upgrade\nabc", b"def"]), LinesCodec())
    assert await framed.receive() == "upgrade"
    with pytest.raises(WouldBlock):
        framed.receive_nowait()
    framed.decoder = BytesCodec()

    assert await framed.receive() == b"abc"
    assert await framed.receive() == b"def"


async def test_without_waiting_there_is_what_was_read_already() -> None:
    source = Pieces([b"1\n2\n3", b"\n"])
    framed = FramedRead(source, LinesCodec())
    with pytest.raises(WouldBlock, match="no whole frame among the 0 bytes"):
        framed.receive_nowait()
    assert await framed.receive() == "1"
    assert framed.receive_nowait() == "2"
    with pytest.raises(WouldBlock, match="no whole frame among the 1 bytes"):
        framed.receive_nowait()
    assert await framed.receive() == "3"
    with pytest.raises(WouldBlock):
        framed.receive_nowait()
    assert [line async for line in framed] == []
    with pytest.raises(EndOfChannel):
        framed.receive_nowait()


async def test_without_waiting_the_last_frame_is_given_out_at_the_end() -> None:
    framed = FramedRead(Pieces([b"1\n2"]), LinesCodec())
    assert await framed.receive() == "1"
    assert await framed.receive() == "2"
    with pytest.raises(EndOfChannel):
        framed.receive_nowait()


async def test_a_second_task_that_receives_is_refused() -> None:
    a, _b = duplex()
    framed = FramedRead(a, LinesCodec())
    async with conc.open_nursery() as nursery:
        nursery.start_soon(framed.receive)
        await conc.sleep(1)
        with pytest.raises(BusyResource):
            await framed.receive()
        nursery.cancel_scope.cancel()


async def test_a_received_frame_costs_a_cancel_point_also_when_it_is_there() -> None:
    framed = FramedRead(Pieces([b"1\n2\n3\n"]), LinesCodec())
    await framed.receive()
    with assert_checkpoints():
        await framed.receive()
    with conc.CancelScope() as scope:
        scope.cancel()
        await framed.receive()
    assert scope.cancelled_caught
    assert await framed.receive() == "3"


async def test_closing_closes_the_reader_below_if_it_can_be_closed() -> None:
    a, b = duplex()
    async with FramedRead(a, LinesCodec()) as framed:
        assert framed.reader is a
    assert await b.read(1) == b""
    await FramedRead(Pieces([]), LinesCodec()).aclose()
