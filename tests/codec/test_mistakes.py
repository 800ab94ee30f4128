"""Mistakes in a codec of one's own, or in handing one over: what they say, and that nothing is left of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import pytest

from conc.codec import NEED_MORE, Codec, Framed, FramedDatagrams, FramedRead, FramedWrite, LinesCodec, NeedMore
from conc_testing import duplex
from tests.codec.test_datagrams import Mailbox


class AsReturned(Codec[Any, Any]):
    """Each frame is what `encode` returns."""

    def decode(self, buffer: bytearray) -> NeedMore:
        return NEED_MORE

    def encode(self, frame: Any) -> Any:
        return frame

    def __repr__(self) -> str:
        return "<AsReturned>"


NO_PIECES = [b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), b"", "text", None, 5]
NO_BYTES = [("text",), (b"good", None), [5], (memoryview(array("I", [1, 2])),), {"text"}]


@pytest.mark.parametrize("made", [*NO_PIECES, *NO_BYTES])
async def test_an_encoder_that_makes_no_pieces_of_bytes_is_told_so_and_leaves_nothing(made: Any) -> None:
    near, far = duplex()
    framed = Framed(near, AsReturned())
    await framed.feed((b"before ",))
    for send in (framed.send, framed.feed):
        with pytest.raises(TypeError, match="encode of <AsReturned> must return pieces of bytes"):
            await send(made)

    assert (framed.frames_sent, framed.pending_bytes) == (1, 7)
    await framed.send([bytearray(b"and "), memoryview(b"after")])
    assert await far.read(100) == b"before and after"


async def test_a_datagram_of_no_pieces_is_refused_too() -> None:
    framed: FramedDatagrams[Any, Any] = FramedDatagrams(Mailbox(), AsReturned())
    with pytest.raises(TypeError, match="encode of <AsReturned> must return pieces of bytes"):
        await framed.send(b"bytes", "address")

    assert framed.socket.sent == []  # type: ignore[attr-defined]


MAKERS: list[Callable[[Any], Any]] = [
    lambda codec: Framed(duplex()[0], codec),
    lambda codec: FramedRead(duplex()[0], codec),
    lambda codec: FramedWrite(duplex()[0], codec),
    lambda codec: FramedDatagrams(object(), codec),  # type: ignore[arg-type]
    lambda codec: setattr(Framed(duplex()[0], LinesCodec()), "decoder", codec),
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_class_in_place_of_a_codec_is_refused_at_once(make: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"such as LinesCodec\(\.\.\.\), and not the class LinesCodec"):
        make(LinesCodec)


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_no_codec_is_refused_at_once(make: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"is no codec: it has no (decode|encode); conc.codec.Codec is the class"):
        make(duplex()[0])


def test_a_decoder_without_an_end_is_refused_before_the_end() -> None:
    class Half:
        def decode(self, buffer: bytearray) -> NeedMore:
            return NEED_MORE

    with pytest.raises(TypeError, match="it has no decode_end"):
        FramedRead(duplex()[0], Half())  # type: ignore[arg-type]


@pytest.mark.parametrize("buffered", [5, "text", None])
def test_what_was_read_already_has_to_be_bytes(buffered: Any) -> None:
    with pytest.raises(TypeError, match="buffered must be the bytes that were read already, not"):
        FramedRead(duplex()[0], LinesCodec(), buffered=buffered)
