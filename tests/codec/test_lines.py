"""LinesCodec against bytes made by hand: what is a line, what is too long, what is no text."""

from __future__ import annotations

from typing import Any

import pytest

from conc.codec import NEED_MORE, LinesCodec
from conc.errors import InvalidFrame, LimitExceeded
from tests.codec.decoding import outcomes


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"one\ntwo\r\n\nfour", ["one", "two", "", "four"]),
        (b"a\rb\r\r\n", ["a\rb\r"]),
        (b"one\n\r", ["one"]),
        (b"one\r", ["one"]),
        ("grün\n\u20ac".encode(), ["grün", "€"]),
    ],
)
def test_lines_are_what_newlines_end_and_the_rest(data: bytes, lines: list[str]) -> None:
    assert outcomes(LinesCodec(), [data]) == lines


def test_a_line_that_is_too_long_is_told_once_and_the_next_one_comes() -> None:
    pieces = [b"abcdef", b"ghi", b"jkl\nok\n"]

    assert outcomes(LinesCodec(5), pieces) == [LimitExceeded, "ok"]


def test_a_line_is_refused_before_its_end_has_come_and_its_bytes_are_not_kept() -> None:
    codec = LinesCodec(5)
    buffer = bytearray(b"abcdef")
    with pytest.raises(LimitExceeded, match="more than 5 bytes") as caught:
        codec.decode(buffer)
    assert caught.value.limit == 5
    assert buffer == b""

    for _ in range(100):
        buffer += b"x" * 1000
        assert codec.decode(buffer) is NEED_MORE
        assert buffer == b""
    buffer += b"\nnext\n"
    assert codec.decode(buffer) == "next"


def test_a_line_of_just_the_limit_is_a_line() -> None:
    assert outcomes(LinesCodec(5), [b"12345", b"\n123456\n", b"1234\r\n"]) == ["12345", LimitExceeded, "1234"]


def test_two_lines_that_are_too_long_are_told_of_one_by_one() -> None:
    assert outcomes(LinesCodec(2), [b"aaaa\nbbbb\nc\ndddd"]) == [LimitExceeded, LimitExceeded, "c", LimitExceeded]


def test_the_rest_of_a_line_that_was_too_long_is_no_line_at_the_end() -> None:
    assert outcomes(LinesCodec(2), [b"aaaa", b"aa"]) == [LimitExceeded]


@pytest.mark.parametrize("data", [b"good\n\xff\xfe\nalso good\n", b"good\n\xc3\nalso good\n"])
def test_a_line_that_is_no_text_is_an_error_of_that_line_only(data: bytes) -> None:
    assert outcomes(LinesCodec(), [data]) == ["good", InvalidFrame, "also good"]


def test_text_that_breaks_off_at_the_end_is_an_error_once() -> None:
    codec = LinesCodec()
    buffer = bytearray(b"good\n\xe2\x82")
    assert codec.decode_end(buffer) == "good"
    with pytest.raises(InvalidFrame, match="no UTF-8: unexpected end of data at byte 0 of 2") as caught:
        codec.decode_end(buffer)
    assert isinstance(caught.value.__cause__, UnicodeDecodeError)
    assert codec.decode_end(buffer) is NEED_MORE
    assert buffer == b""


def test_after_the_end_nothing_is_remembered() -> None:
    codec = LinesCodec(3)
    assert outcomes(codec, [b"aaaaaa"]) == [LimitExceeded]
    assert outcomes(codec, [b"b\nc"]) == ["b", "c"]


def test_a_line_is_encoded_with_its_end() -> None:
    assert LinesCodec().encode("grün") == ("grün\n".encode(),)
    assert LinesCodec(newline="\r\n").encode("") == (b"\r\n",)


@pytest.mark.parametrize("line", ["a\nb", "\n", "a\r", "\ud800"])
def test_what_would_not_come_back_as_it_is_cannot_be_sent(line: str) -> None:
    with pytest.raises(ValueError, match=r"line|surrogates"):
        LinesCodec().encode(line)


def test_bytes_are_no_line() -> None:
    line: Any = b"bytes"
    with pytest.raises(TypeError, match="a line must be a str, not b'bytes'"):
        LinesCodec().encode(line)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"max_length": 0}, ValueError, "max_length must be at least 1, not 0"),
        ({"max_length": True}, TypeError, "max_length must be a number of bytes, not True"),
        ({"max_length": 1.5}, TypeError, "max_length must be a number of bytes, not 1.5"),
        ({"newline": "\r"}, ValueError, "newline must be"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        LinesCodec(**arguments)
