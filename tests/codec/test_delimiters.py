"""DelimiterCodec against bytes made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from conc.codec import NEED_MORE, DelimiterCodec
from conc.errors import LimitExceeded
from tests.codec.decoding import outcomes


def test_any_of_the_delimiters_ends_a_chunk_and_the_rest_is_one() -> None:
    assert outcomes(DelimiterCodec(b",", b";", b"\r\n"), [b"a,b;;c\r\nd"]) == [b"a", b"b", b"", b"c", b"d"]


def test_a_delimiter_that_comes_in_two_pieces_is_found() -> None:
    assert outcomes(DelimiterCodec(b"\r\n\r\n"), [b"head\r\n\r", b"\nbody"]) == [b"head", b"body"]


def test_the_first_delimiter_that_is_whole_ends_the_chunk() -> None:
    assert outcomes(DelimiterCodec(b"aba", b"bb"), [b"xababbc"]) == [b"x", b"", b"c"]


def test_a_chunk_that_is_too_long_is_told_once_and_the_next_one_comes() -> None:
    codec = DelimiterCodec(b"--", max_length=3)
    buffer = bytearray(b"12345")
    with pytest.raises(LimitExceeded, match="more than 3 bytes") as caught:
        codec.decode(buffer)
    assert caught.value.limit == 3
    for _ in range(100):
        buffer += b"6" * 1000
        assert codec.decode(buffer) is NEED_MORE
        assert len(buffer) <= 1  # what may be the first half of a delimiter
    buffer += b"--ok--"
    assert codec.decode(buffer) == b"ok"


def test_a_chunk_of_just_the_limit_is_a_chunk() -> None:
    assert outcomes(DelimiterCodec(b"--", max_length=3), [b"123-", b"-1234--12-"]) == [b"123", LimitExceeded, b"12-"]


def test_the_rest_of_a_chunk_that_was_too_long_is_no_chunk_at_the_end() -> None:
    assert outcomes(DelimiterCodec(b"--", max_length=3), [b"123456", b"7-"]) == [LimitExceeded]


def test_a_rest_that_is_too_long_by_half_a_delimiter_is_refused() -> None:
    assert outcomes(DelimiterCodec(b"--", max_length=3), [b"123-"]) == [LimitExceeded]


def test_after_the_end_nothing_is_remembered() -> None:
    codec = DelimiterCodec(b"--", max_length=3)
    assert outcomes(codec, [b"123456"]) == [LimitExceeded]
    assert outcomes(codec, [b"1--2"]) == [b"1", b"2"]


def test_a_chunk_is_encoded_with_the_first_delimiter_and_not_copied() -> None:
    chunk = b"x" * 10_000
    codec = DelimiterCodec(b"\r\n", b";")
    assert codec.encode(chunk)[0] is chunk
    assert codec.encode(bytearray(b"abc")) == (b"abc", b"\r\n")


@pytest.mark.parametrize("chunk", [b"a;b", b"a\r\nb", b"--", b"a-"])
def test_what_would_not_come_back_as_it_is_cannot_be_sent(chunk: bytes) -> None:
    with pytest.raises(ValueError, match="must not contain a delimiter"):
        DelimiterCodec(b"--", b";", b"\r\n").encode(chunk)


@pytest.mark.parametrize(
    ("delimiters", "error", "words"),
    [
        ((), ValueError, "at least one delimiter"),
        ((b"",), ValueError, "at least one byte"),
        (("\n",), TypeError, "delimiters must be bytes, not '.n'"),
        ((b"\n", b"\r\n"), ValueError, "one is a part of the other"),
        ((b";", b";"), ValueError, "one is a part of the other"),
    ],
)
def test_bad_delimiters_are_named(delimiters: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        DelimiterCodec(*delimiters)


def test_a_chunk_must_be_bytes() -> None:
    chunk: Any = "text"
    with pytest.raises(TypeError, match="a frame must be bytes, bytearray or memoryview, not 'text'"):
        DelimiterCodec(b";").encode(chunk)
