"""Files of text: as the standard library's, and what was written is in them."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path as SystemPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc import fs
from conc.errors import ClosedResource


async def test_what_is_written_is_in_the_file_when_the_write_returns(tmp_path: SystemPath) -> None:
    path = tmp_path / "new"
    async with fs.open(path, "w") as file:
        assert await file.write("gr\u00fc\u00dfe\n") == 6
        assert path.read_bytes() == "gr\u00fc\u00dfe\n".encode()
        await file.write("x" * 100_000)
        assert path.stat().st_size == 100_008


async def test_characters_and_lines_are_read(tmp_path: SystemPath) -> None:
    path = tmp_path / "text"
    path.write_text("\u00e4\u00f6\u00fc\nzwei\r\ndrei", encoding="utf-8")
    async with fs.open(path) as file:
        assert await file.read(2) == "\u00e4\u00f6"
        assert await file.readline() == "\u00fc\n"
        assert await file.readline() == "zwei\n"
        assert await file.read() == "drei"
        assert await file.read() == ""
        assert await file.readline() == ""
        assert file.newlines == ("\n", "\r\n")
        assert (file.encoding, file.errors) == ("utf-8", "strict")


async def test_a_loop_over_lines_reads_many_with_one_thread_call(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text"
    path.write_text("".join(f"line {number}\n" for number in range(3000)))
    calls = 0
    real = fs.TextFile._call

    async def counted(self: fs.TextFile, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        return await real(self, *args)

    monkeypatch.setattr(fs.TextFile, "_call", counted)
    async with fs.open(path) as file:
        assert [line async for line in file] == path.read_text().splitlines(keepends=True)
    assert calls <= 4


async def test_a_loop_that_is_left_leaves_the_position_behind_its_last_line(tmp_path: SystemPath) -> None:
    path = tmp_path / "text"
    path.write_text("".join(f"z\u00e4hle {number}\n" for number in range(100)), encoding="utf-8")
    async with fs.open(path, "r+") as file:
        async for line in file:
            if line == "z\u00e4hle 41\n":
                break
        here = await file.tell()
        assert await file.readline() == "z\u00e4hle 42\n"
        await file.seek(here)
        assert await file.read(8) == "z\u00e4hle 42"
        await file.write("!")
        assert await file.readline() == "z\u00e4hle 43\n"
    assert "z\u00e4hle 42!z\u00e4hle 43\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "utf-8-sig"])
async def test_appending_continues_an_encoding(tmp_path: SystemPath, encoding: str) -> None:
    path = tmp_path / "text"
    for word in ("eins\n", "zw\u00f6lf\n"):
        async with fs.open(path, "a", encoding=encoding) as file:
            await file.write(word)
    assert path.read_text(encoding=encoding) == "eins\nzw\u00f6lf\n"


async def test_what_cannot_be_encoded_is_not_written(tmp_path: SystemPath) -> None:
    path = tmp_path / "text"
    async with fs.open(path, "w", encoding="ascii") as file:
        await file.write("fine ")
        with pytest.raises(UnicodeEncodeError):
            await file.write("not \u00fc")
        await file.write("again")
        with pytest.raises(TypeError, match="text must be a string"):
            await file.write(b"bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"fine again"


async def test_what_cannot_be_decoded_is_told_behind_the_lines_before_it(tmp_path: SystemPath) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"fine\n" * 10_000 + b"\xff\n")
    lines = []
    async with fs.open(path) as file:
        with pytest.raises(UnicodeDecodeError):
            async for line in file:
                lines += [line]
    assert lines
    assert set(lines) == {"fine\n"}


async def test_the_end_of_a_line_is_what_open_was_told(tmp_path: SystemPath) -> None:
    path = tmp_path / "text"
    async with fs.open(path, "w", newline="\r\n") as file:
        await file.write("a\nb\n")
    assert path.read_bytes() == b"a\r\nb\r\n"
    async with fs.open(path, newline="") as file:
        assert [line async for line in file] == ["a\r\n", "b\r\n"]


async def test_a_text_file_can_be_truncated_and_synced(tmp_path: SystemPath) -> None:
    path = tmp_path / "text"
    async with fs.open(path, "w+") as file:
        await file.write("123456")
        assert await file.truncate(3) == 3
        await file.sync()
        await file.seek(0)
        assert await file.read() == "123"
        await file.seek(1)
        assert await file.truncate() == 1
        with pytest.raises(io.UnsupportedOperation):
            await file.seek(5, os.SEEK_CUR)


async def test_a_text_file_refuses_what_its_mode_does_not_have(tmp_path: SystemPath) -> None:
    async with fs.open(tmp_path / "text", "w") as file:
        for use in (file.read(1), file.readline(), anext(file)):
            with pytest.raises(io.UnsupportedOperation, match="cannot be read"):
                await use
        with pytest.raises(ValueError, match="max_chars must be at least 1"):
            await file.read(0)
    with pytest.raises(ClosedResource):
        await file.write("x")
    async with fs.open(tmp_path / "text") as file:
        with pytest.raises(io.UnsupportedOperation, match="cannot be written to"):
            await file.write("x")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 10)),
        st.tuples(st.just("readline")),
        st.tuples(st.just("line")),
        st.tuples(st.just("write"), st.text("a\u00fc\n", max_size=5)),
        st.tuples(st.just("back")),
        st.tuples(st.just("start")),
    ),
    max_size=12,
)


@given(contents=st.text("a\u00fc\n\r", max_size=40), steps=STEPS, newline=st.sampled_from([None, "", "\n"]))
def test_reading_and_writing_in_any_order_keep_the_position_exact(
    contents: str, steps: list[tuple[Any, ...]], newline: str | None
) -> None:
    """The model reads and writes with a seek to where it is before each step, as the standard library asks for. One
    byte a character, so that no write cuts one in half."""

    async def main(ours: str, theirs: str) -> None:
        with open(theirs, "r+", encoding="latin-1", newline=newline) as model:
            async with fs.open(ours, "r+", encoding="latin-1", newline=newline) as file:
                kept = 0
                for name, *args in steps:
                    model.seek(model.tell())
                    if name == "line":
                        assert await anext(file, "") == model.readline()
                    elif name == "back":
                        kept, there = await file.tell(), model.tell()
                        await file.seek(kept)
                        model.seek(there)
                    elif name == "start":
                        assert await file.seek(0) == model.seek(0)
                    else:
                        assert await getattr(file, name)(*args) == getattr(model, name)(*args)
                assert await file.read() == (model.seek(model.tell()), model.read())[1]

    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = os.path.join(folder, "ours"), os.path.join(folder, "theirs")
        for path in (ours, theirs):
            with open(path, "w", encoding="latin-1", newline="") as file:
                file.write(contents)
        conc.run(main, ours, theirs)
        with open(ours, "rb") as one, open(theirs, "rb") as other:
            assert one.read() == other.read()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-7", "latin-1"])
@pytest.mark.parametrize("loop", [False, True])
async def test_a_text_file_is_cut_off_at_the_position_and_not_where_it_was_read_ahead(
    tmp_path: SystemPath, encoding: str, loop: bool
) -> None:
    path = tmp_path / "text"
    path.write_text("gr\u00fcn\nblau\nrot\n", encoding=encoding)
    async with fs.open(path, "r+", encoding=encoding) as file:
        if loop:
            async for _ in file:
                break
        else:
            assert await file.read(5) == "gr\u00fcn\n"
        await file.truncate()
        assert await file.read() == ""
    assert path.read_text(encoding=encoding) == "gr\u00fcn\n"


async def test_text_that_was_cut_off_is_not_read_any_more(tmp_path: SystemPath) -> None:
    path = tmp_path / "text"
    path.write_text("one\ntwo\nthree\n")
    async with fs.open(path, "r+") as file:
        assert await file.readline() == "one\n"
        assert await file.truncate(6) == 6
        assert await file.read() == "tw"


async def test_what_is_wrong_ahead_is_forgotten_where_the_file_is_read_from_elsewhere(tmp_path: SystemPath) -> None:
    (tmp_path / "text").write_bytes(b"one\ntwo\n" + b"x" * 9000 + b"\n\xff\n")
    async with fs.open(tmp_path / "text") as file:
        assert await anext(file) == "one\n"
        assert await file.seek(0) == 0
        assert await file.readline() == "one\n"
        assert await file.readline() == "two\n"
