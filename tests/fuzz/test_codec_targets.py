"""The fuzz targets hold for what Hypothesis thinks of, and find a codec that breaks its promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conc.codec import LinesCodec, NeedMore
from tests.fuzz import codec_targets
from tests.fuzz.codec_targets import TARGETS, check
from tests.fuzz.codecs import main

LIKELY = st.one_of(
    st.binary(max_size=120),
    st.tuples(st.binary(max_size=14), st.text("ab;,\n\r\0\x01\x02\x05c.", max_size=80)).map(
        lambda parts: parts[0] + parts[1].encode()
    ),
)


@given(st.sampled_from(sorted(TARGETS)), LIKELY)
def test_any_bytes_whatever_keep_the_promises_of_a_codec(name: str, data: bytes) -> None:
    check(name, data)


def test_a_codec_that_looks_at_pieces_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(LinesCodec):
        def decode(self, buffer: bytearray) -> str | NeedMore:
            frame = super().decode(buffer)
            if isinstance(frame, NeedMore):
                buffer.clear()
                self._searched = 0
            return frame

    monkeypatch.setitem(codec_targets.TARGETS, "lines", lambda choice: lambda: Forgetful(40))
    with pytest.raises(AssertionError, match="depend on how the bytes were cut"):
        check("lines", b"\x01\x02abcd\nef\n")


def test_an_unknown_target_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codecs", "nothing"]) == 2
    assert "lines|delimiters|lengths" in capsys.readouterr().out
