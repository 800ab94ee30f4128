"""LengthDelimitedCodec against bytes made by hand: each of its options."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from conc.codec import NEED_MORE, LengthDelimitedCodec
from conc.errors import InvalidFrame, LimitExceeded
from tests.codec.decoding import REPEATED, outcomes


@pytest.mark.parametrize(
    ("options", "data", "frames"),
    [
        ({}, b"\0\0\0\x02hi\0\0\0\0\0\0\0\x03abc", [b"hi", b"", b"abc"]),
        ({"byteorder": "little"}, b"\x02\0\0\0hi", [b"hi"]),
        ({"byteorder": "native"}, (2).to_bytes(4, sys.byteorder) + b"hi", [b"hi"]),
        ({"length_field_length": 1}, b"\x02hi\x01x", [b"hi", b"x"]),
        ({"length_field_length": 3}, b"\0\0\x02hi", [b"hi"]),
        ({"length_field_length": 5, "byteorder": "little"}, b"\x02\0\0\0\0hi", [b"hi"]),
        ({"length_field_length": 8}, b"\0\0\0\0\0\0\0\x02hi", [b"hi"]),
        # The examples of Tokio: the field counts itself; a header before it; one on both sides; all of it kept.
        (
            {"length_field_length": 2, "num_skip": 0, "length_adjustment": 2},
            b"\0\x0bhello world",
            [b"\0\x0bhello world"],
        ),
        ({"length_field_length": 2, "length_adjustment": -2}, b"\0\x0dhello world", [b"hello world"]),
        ({"length_field_length": 3, "length_field_offset": 2}, b"\xca\xfe\0\0\x05hello", [b"hello"]),
        (
            {"length_field_length": 3, "length_adjustment": 2, "num_skip": 0, "length_field_offset": 0},
            b"\0\0\x03\xca\xfehello",
            [b"\0\0\x03\xca\xfe", b"hello"],
        ),
        (
            {"length_field_length": 1, "length_field_offset": 1, "length_adjustment": -3, "num_skip": 3},
            b"\xca\x08\xfehello",
            [b"hello"],
        ),
        ({"length_field_length": 1, "num_skip": 3}, b"\x02__hi\x01__x", [b"hi", b"x"]),
    ],
)
def test_each_option_tells_of_another_header(options: dict[str, Any], data: bytes, frames: list[bytes]) -> None:
    assert outcomes(LengthDelimitedCodec(**options), [data]) == frames


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({}, b"\0\0\0\x02hi"),
        ({"byteorder": "little", "length_field_length": 2}, b"\x02\0hi"),
        ({"length_field_length": 1, "length_adjustment": -1}, b"\x03hi"),
        ({"length_field_length": 3, "length_adjustment": 1}, b"\0\0\x01hi"),
    ],
)
def test_a_frame_is_encoded_with_its_length_before_it(options: dict[str, Any], data: bytes) -> None:
    assert b"".join(LengthDelimitedCodec(**options).encode(b"hi")) == data


def test_a_payload_is_not_copied_unless_it_could_change() -> None:
    payload = b"x" * 100_000
    codec = LengthDelimitedCodec()
    assert codec.encode(payload)[1] is payload

    changeable = bytearray(b"abc")
    pieces = codec.encode(changeable)
    changeable[0] = 0
    assert pieces[1] == b"abc"


def test_a_frame_that_is_too_long_is_refused_when_its_header_is_there() -> None:
    codec = LengthDelimitedCodec(10)
    buffer = bytearray(b"\0\0\0\x0b")
    with pytest.raises(LimitExceeded, match="a frame has 11 bytes, more than the 10 allowed") as caught:
        codec.decode(buffer)
    assert caught.value.limit == 10


def test_nothing_is_kept_of_a_frame_that_was_refused_and_nothing_comes_behind_it() -> None:
    codec = LengthDelimitedCodec(10)
    buffer = bytearray(b"\x7f\0\0\0" + b"x" * 1000)
    for _ in range(3):
        with pytest.raises(LimitExceeded):
            codec.decode(buffer)
        assert buffer == b"\x7f\0\0\0"
        buffer += b"\0\0\0\x01x"


def test_a_frame_of_just_the_limit_is_a_frame() -> None:
    assert outcomes(LengthDelimitedCodec(2), [b"\0\0\0\x02hi\0\0\0\x03"]) == [b"hi", LimitExceeded, REPEATED]


def test_the_limit_counts_the_frame_and_not_what_the_field_counts() -> None:
    codec = LengthDelimitedCodec(2, length_adjustment=-4)
    assert outcomes(codec, [b"".join(codec.encode(b"hi"))]) == [b"hi"]
    with pytest.raises(LimitExceeded):
        codec.decode(bytearray(b"\0\0\0\x07"))


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"length_field_length": 1}, 255),
        ({"length_field_length": 1, "length_adjustment": 3}, 258),
        ({"length_field_length": 2, "length_adjustment": -2}, 65_533),
        ({"length_field_length": 3}, 8 * 1024 * 1024),
        ({"length_field_length": 8, "max_frame_length": 1 << 70}, (1 << 64) - 1),
        ({}, 8 * 1024 * 1024),
    ],
)
def test_the_limit_is_no_more_than_the_field_can_say(options: dict[str, Any], limit: int) -> None:
    assert LengthDelimitedCodec(**options).max_frame_length == limit


def test_a_length_of_less_than_nothing_is_no_frame() -> None:
    codec = LengthDelimitedCodec(length_adjustment=-4)
    buffer = bytearray(b"\0\0\0\x03rest")
    for _ in range(2):
        with pytest.raises(InvalidFrame, match="says 3, which with length_adjustment -4 is a frame of -1 bytes"):
            codec.decode(buffer)
    assert buffer == b"\0\0\0\x03"


def test_a_frame_that_ends_within_the_header_it_keeps_is_no_frame() -> None:
    codec = LengthDelimitedCodec(num_skip=0)
    with pytest.raises(InvalidFrame, match="its header alone has 4"):
        codec.decode(bytearray(b"\0\0\0\0"))


def test_a_stream_that_ends_between_header_and_frame_ends_within_a_frame() -> None:
    assert outcomes(LengthDelimitedCodec(), [b"\0\0\0\x05"]) == [b"\0\0\0\x05"]
    assert outcomes(LengthDelimitedCodec(), [b"\0\0\0\x05hel"]) == [b"\0\0\0\x05hel"]


def test_after_the_end_nothing_is_remembered() -> None:
    codec = LengthDelimitedCodec()
    assert codec.decode_end(bytearray(b"\0\0\0\x05hel")) is NEED_MORE
    assert codec.decode_end(bytearray(b"\0\0\0\x01x")) == b"x"


def test_a_frame_that_is_too_long_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="a frame must have at most 10 bytes, not 11"):
        LengthDelimitedCodec(10).encode(b"x" * 11)


def test_a_length_that_the_field_cannot_say_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="a frame of 1 bytes would have -1 in its length field"):
        LengthDelimitedCodec(length_adjustment=2).encode(b"x")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"max_frame_length": 0}, ValueError, "max_frame_length must be at least 1, not 0"),
        ({"byteorder": "network"}, ValueError, "byteorder must be"),
        ({"length_field_length": 0}, ValueError, "length_field_length must be 1 to 8, not 0"),
        ({"length_field_length": 9}, ValueError, "length_field_length must be 1 to 8, not 9"),
        ({"length_field_length": "4"}, TypeError, "length_field_length must be an int, not '4'"),
        ({"length_field_offset": -1}, ValueError, "length_field_offset must be at least 0, not -1"),
        ({"length_adjustment": 0.5}, TypeError, "length_adjustment must be an int, not 0.5"),
        ({"num_skip": -1}, ValueError, "num_skip must be at least 0, not -1"),
        ({"num_skip": True}, TypeError, "num_skip must be an int, not True"),
        ({"length_field_length": 1, "length_adjustment": -256}, ValueError, "leaves no length"),
    ],
)
def test_a_bad_argument_is_named(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        LengthDelimitedCodec(**options)
