"""FramedDatagrams: frames with addresses, over a socket in memory and over UDP."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.codec import BytesCodec, FramedDatagrams, LengthDelimitedCodec, LinesCodec
from conc.errors import ClosedResource, IncompleteRead, InvalidFrame, LimitExceeded
from conc.io.stream import Buffer
from conc.net import bind_udp


class Mailbox:
    """A socket in memory: gives out datagrams, then waits for ever; notes what is sent."""

    def __init__(self, datagrams: Iterable[tuple[bytes, Any]] = ()) -> None:
        self.datagrams = deque(datagrams)
        self.sent: list[tuple[bytes, Any]] = []
        self.closed = False

    async def send_to(self, data: Buffer, address: Any) -> None:
        await conc.checkpoint()
        self.sent.append((bytes(data), address))

    async def receive_from(self) -> tuple[bytes, Any]:
        await conc.checkpoint()
        if self.closed:
            raise ClosedResource("closed")
        if not self.datagrams:
            await conc.sleep_forever()
        return self.datagrams.popleft()

    async def aclose(self) -> None:
        self.closed = True
        await conc.checkpoint()


async def test_each_frame_is_a_datagram_and_comes_with_its_address() -> None:
    socket = Mailbox([(b"one", "a"), (b"two\nthree\n", "b")])
    framed = FramedDatagrams(socket, LinesCodec())
    await framed.send("hello", "c")

    assert socket.sent == [(b"hello\n", "c")]
    assert [await framed.receive() for _ in range(3)] == [("one", "a"), ("two", "b"), ("three", "b")]


async def test_a_frame_does_not_go_on_in_the_next_datagram() -> None:
    codec = LengthDelimitedCodec()
    framed = FramedDatagrams(Mailbox([(b"\0\0\0\x05hel", "a"), (b"\0\0\0\x02hi", "b")]), codec)
    with pytest.raises(IncompleteRead, match="a datagram from a ended 7 bytes into a frame") as caught:
        await framed.receive()
    assert caught.value.partial == b"\0\0\0\x05hel"
    assert await framed.receive() == (b"hi", "b")


@pytest.mark.parametrize(
    ("codec", "bad", "error"),
    [
        (LengthDelimitedCodec(10), b"\xff\0\0\0 all of it", LimitExceeded),
        (LengthDelimitedCodec(length_adjustment=-4), b"\0\0\0\x01x", InvalidFrame),
        (LinesCodec(10), b"more than ten bytes", LimitExceeded),
        (LinesCodec(), b"\xff\xff", InvalidFrame),
    ],
)
async def test_what_is_wrong_with_one_datagram_does_not_touch_the_next(
    codec: Any, bad: bytes, error: type[Exception]
) -> None:
    good = b"".join(codec.encode("fine" if isinstance(codec, LinesCodec) else b"fine"))
    framed = FramedDatagrams(Mailbox([(bad, "a"), (good, "b"), (bad, "a"), (good, "c")]), codec)
    for address in "bc":
        with pytest.raises(error):
            await framed.receive()
        frame, sender = await framed.receive()
        assert frame in {"fine", b"fine"}
        assert sender == address


async def test_frames_before_what_is_wrong_are_given_out() -> None:
    framed = FramedDatagrams(Mailbox([(b"good\n\xff\nnot looked at\n", "a"), (b"next", "b")]), LinesCodec())
    assert await framed.receive() == ("good", "a")
    with pytest.raises(InvalidFrame):
        await framed.receive()
    assert await framed.receive() == ("next", "b")


@given(st.lists(st.lists(st.binary(max_size=5), max_size=4), max_size=5))
def test_all_frames_of_all_datagrams_come_in_order(datagrams: list[list[bytes]]) -> None:
    codec = LengthDelimitedCodec()
    packed = [
        (b"".join(piece for frame in frames for piece in codec.encode(frame)), number)
        for number, frames in enumerate(datagrams)
    ]
    expected = [(frame, number) for number, frames in enumerate(datagrams) for frame in frames]

    async def main() -> list[tuple[bytes, Any]]:
        framed = FramedDatagrams(Mailbox(packed), codec)
        return [await framed.receive() for _ in expected]

    assert conc.run(main) == expected


async def test_a_cancelled_receive_takes_no_frame() -> None:
    socket = Mailbox()
    framed = FramedDatagrams(socket, BytesCodec())
    with conc.move_on_after(1) as scope:
        await framed.receive()
    assert scope.cancelled_caught
    socket.datagrams.append((b"here", "a"))
    assert await framed.receive() == (b"here", "a")


async def test_a_frame_that_the_codec_refuses_is_not_sent() -> None:
    socket = Mailbox()
    with pytest.raises(ValueError, match="a frame must have at most 3 bytes"):
        await FramedDatagrams(socket, LengthDelimitedCodec(3)).send(b"four", "a")
    assert socket.sent == []


async def test_leaving_the_block_closes_the_socket() -> None:
    async with FramedDatagrams(Mailbox(), LinesCodec()) as framed:
        pass
    assert framed.socket.closed  # type: ignore[attr-defined]
    with pytest.raises(ClosedResource):
        await framed.receive()


async def test_frames_travel_over_udp_with_the_address_of_their_sender() -> None:
    async with (
        FramedDatagrams(await bind_udp("127.0.0.1", 0), LengthDelimitedCodec()) as one,
        FramedDatagrams(await bind_udp("127.0.0.1", 0), LengthDelimitedCodec()) as two,
    ):
        here, there = one.socket.local_address, two.socket.local_address  # type: ignore[attr-defined]
        await one.send(b"ping", there)
        frame, address = await two.receive()
        assert (frame, address) == (b"ping", here)
        await two.send(b"pong", address)
        async for answer in one:
            assert answer == (b"pong", there)
            break
