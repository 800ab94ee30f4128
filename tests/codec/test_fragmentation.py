"""Every codec: what comes out depends on the bytes, and not on the pieces they come in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conc.codec import BytesCodec, Codec, DelimiterCodec, LengthDelimitedCodec, LinesCodec
from tests.codec.decoding import BYTES, DOCUMENTED, MAKERS, PLACES, REPEATED, SMALL_LIMIT, cut, encoded, outcomes

TEXT = st.text(max_size=40).filter(lambda line: "\n" not in line and not line.endswith("\r"))
CHUNK = st.binary(max_size=40)


@given(st.sampled_from(MAKERS), BYTES, PLACES)
def test_any_bytes_in_any_pieces_give_what_they_give_in_one(
    make: Callable[[], Codec[Any, Any]], data: bytes, places: list[int]
) -> None:
    assert outcomes(make(), cut(data, places)) == outcomes(make(), [data])


@given(st.sampled_from(MAKERS), BYTES)
def test_any_bytes_one_by_one_give_what_they_give_in_one_piece(
    make: Callable[[], Codec[Any, Any]], data: bytes
) -> None:
    assert outcomes(make(), [data[i : i + 1] for i in range(len(data))]) == outcomes(make(), [data])


@given(st.sampled_from(MAKERS), BYTES, PLACES)
def test_any_bytes_give_frames_within_the_limit_or_a_documented_error(
    make: Callable[[], Codec[Any, Any]], data: bytes, places: list[int]
) -> None:
    codec = make()
    for result in outcomes(codec, cut(data, places)):
        if isinstance(result, type):
            assert result in DOCUMENTED
        elif result is not REPEATED and make is not LengthDelimitedCodec:
            assert len(result) <= SMALL_LIMIT + 2  # of what is left in the buffer: a header and less than a frame


@given(st.lists(TEXT, max_size=8), PLACES, st.sampled_from(["\n", "\r\n"]))
def test_lines_come_back_as_they_were(lines: list[str], places: list[int], newline: Any) -> None:
    codec = LinesCodec(200, newline=newline)
    assert outcomes(codec, cut(encoded(codec, lines), places)) == lines


@given(st.lists(CHUNK, max_size=8), PLACES)
def test_chunks_come_back_as_they_were(chunks: list[bytes], places: list[int]) -> None:
    codec = DelimiterCodec(b"--", b"-\n-", b";")
    sendable = []
    for chunk in chunks:
        try:
            codec.encode(chunk)
        except ValueError:
            continue
        sendable.append(chunk)
    assert outcomes(codec, cut(encoded(codec, sendable), places)) == sendable


@given(st.lists(st.text("-\n;x", max_size=8).map(str.encode), max_size=8), PLACES)
def test_chunks_of_halves_of_delimiters_come_back_or_are_refused(chunks: list[bytes], places: list[int]) -> None:
    codec = DelimiterCodec(b"--", b"-\n-", b";")
    sendable = []
    for chunk in chunks:
        refused = False
        try:
            codec.encode(chunk)
        except ValueError:
            refused = True
        assert refused == (outcomes(DelimiterCodec(b"--", b"-\n-", b";"), [chunk + b"--"]) != [chunk])
        if not refused:
            sendable.append(chunk)
    assert outcomes(codec, cut(encoded(codec, sendable), places)) == sendable


@given(
    st.lists(CHUNK, max_size=8),
    PLACES,
    st.sampled_from(["big", "little", "native"]),
    st.integers(1, 8),
    st.integers(-9, 0),
)
def test_frames_with_lengths_come_back_as_they_were(
    frames: list[bytes], places: list[int], byteorder: Any, length: int, adjustment: int
) -> None:
    codec = LengthDelimitedCodec(
        byteorder=byteorder, length_field_length=length, length_adjustment=adjustment, max_frame_length=1000
    )
    assert outcomes(codec, cut(encoded(codec, frames), places)) == frames


@given(CHUNK, PLACES)
def test_pieces_come_out_as_they_came(data: bytes, places: list[int]) -> None:
    pieces = cut(data, places)
    assert outcomes(BytesCodec(), pieces) == [piece for piece in pieces if piece]


@pytest.mark.parametrize(
    ("codec", "frame"),
    [
        (LinesCodec(1 << 22), b"x" * (1 << 20) + b"\n"),
        (DelimiterCodec(b"\r\n.\r\n", max_length=1 << 22), b"\r" * (1 << 20) + b"\r\n.\r\n"),
        (LengthDelimitedCodec(), (1 << 20).to_bytes(4, "big") + b"x" * (1 << 20)),
    ],
    ids=["lines", "delimiters", "lengths"],
)
def test_a_large_frame_in_tiny_pieces_costs_time_by_its_bytes(codec: Codec[Any, Any], frame: bytes) -> None:
    def cost(data: bytes) -> float:
        buffer = bytearray()
        began = time.process_time()
        for start in range(0, len(data), 16):
            buffer += data[start : start + 16]
            codec.decode(buffer)
        return time.process_time() - began

    # Searched or copied from the front for each of 65,536 pieces it would be 32 GiB, or minutes.
    assert cost(frame) < 5.0


def test_many_small_frames_in_one_piece_cost_time_by_their_bytes() -> None:
    codec = LinesCodec()
    buffer = bytearray(b"\n" * (1 << 21))
    began = time.process_time()
    count = 0
    while codec.decode(buffer) == "":
        count += 1
    assert count == 1 << 21
    assert time.process_time() - began < 15.0  # moved to the front each time it would be hours
