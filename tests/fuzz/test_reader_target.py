"""`BufReader` keeps its promises for what Hypothesis thinks of, and the target finds one that breaks them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conc.io import BufReader
from tests.fuzz.reader_target import check_reader

LIKELY = st.tuples(st.binary(max_size=60), st.text("ab\r\n", max_size=200)).map(
    lambda parts: parts[0] + parts[1].encode()
)


@given(LIKELY)
def test_whatever_comes_and_is_asked_for_no_byte_is_lost_or_doubled(data: bytes) -> None:
    check_reader(data)


def test_a_reader_that_drops_what_it_refused_to_give_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read_exact = BufReader.read_exact

    async def forgetful(reader: BufReader, n: int) -> bytes:
        try:
            return await read_exact(reader, n)
        finally:
            reader.consume(len(reader.buffered))

    monkeypatch.setattr(BufReader, "read_exact", forgetful)
    with pytest.raises(AssertionError, match="bytes were lost, doubled or changed"):
        check_reader(b"\x00\x10\x00\x01\x03abcdefghijklmnop")
