"""A file of bytes is the file of the standard library, whatever is done with it in whatever order."""

from __future__ import annotations

import os
import tempfile
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc import fs
from conc.errors import IncompleteRead, LimitExceeded
from tests.fs.support import Memory

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 30)),
        st.tuples(st.just("read"), st.none()),
        st.tuples(st.just("read_exact"), st.integers(0, 30)),
        st.tuples(st.just("read_to_end"), st.integers(0, 60)),
        st.tuples(st.just("readline")),
        st.tuples(st.just("write"), st.text("ab\n", max_size=20).map(str.encode)),
        st.tuples(st.just("seek"), st.integers(0, 60)),
        st.tuples(st.just("seek"), st.integers(-5, 5), st.just(os.SEEK_CUR)),
        st.tuples(st.just("seek"), st.integers(-5, 5), st.just(os.SEEK_END)),
        st.tuples(st.just("truncate"), st.integers(0, 60)),
        st.tuples(st.just("truncate")),
        st.tuples(st.just("tell")),
    ),
    max_size=15,
)
SIZES = st.lists(st.one_of(st.none(), st.integers(1, 40)), min_size=1, max_size=5)
CONTENTS = st.text("ab\n", max_size=60).map(str.encode)


def expected(file: Any, name: str, *args: Any) -> object:
    """What the standard library does, in our words."""
    if name == "read_exact":
        start = file.tell()
        data = file.read(args[0])
        if len(data) < args[0]:
            file.seek(start)
            return ("incomplete", data)
        return data
    if name == "read_to_end":
        start = file.tell()
        data = file.read()
        if len(data) > args[0]:
            file.seek(start)
            return ("limit", args[0])
        return data
    try:
        return getattr(file, name)(*args)
    except OSError as error:
        return ("error", error.errno)


async def found(file: fs.File, name: str, *args: Any) -> object:
    try:
        return await getattr(file, name)(*args)
    except IncompleteRead as error:
        return ("incomplete", error.partial)
    except LimitExceeded as error:
        return ("limit", error.limit)
    except OSError as error:
        return ("error", error.errno)


@pytest.mark.parametrize("mode", ["r+b", "a+b", "w+b"])
@given(contents=CONTENTS, steps=STEPS, sizes=SIZES)
def test_each_operation_does_what_the_file_of_the_standard_library_does(
    mode: str, contents: bytes, steps: list[tuple[Any, ...]], sizes: list[int | None]
) -> None:
    async def main(ours: str, theirs: str) -> None:
        with open(theirs, mode, buffering=0) as model:
            async with fs.open(ours, mode) as file:
                for step in steps:
                    assert await found(file, *step) == expected(model, *step)
                    assert await file.tell() == model.tell()

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        Memory(cycle(sizes)).install(patch)
        ours, theirs = os.path.join(folder, "ours"), os.path.join(folder, "theirs")
        for path in (ours, theirs):
            with open(path, "wb") as file:
                file.write(contents)
        conc.run(main, ours, theirs)
        with open(ours, "rb") as one, open(theirs, "rb") as other:
            assert one.read() == other.read()
