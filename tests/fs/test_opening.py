"""Opening: what modes mean, what is refused, and that nothing stays open that nobody has."""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys
import warnings
from io import FileIO
from pathlib import Path as SystemPath
from typing import Any

import pytest

import conc
from conc import fs
from conc._kernel.current import current_task
from conc._os import files
from conc.fs.opening import HandOver
from tests.fs.support import Gate, nothing_left_open


def forget(thing: object) -> None:
    """Drop what nobody else holds."""


async def test_opening_is_awaited_or_entered(tmp_path: SystemPath) -> None:
    file = await fs.open(tmp_path / "a", "wb")
    async with file:
        assert isinstance(file, fs.File)
    async with await fs.open(tmp_path / "a") as text:
        assert isinstance(text, fs.TextFile)
    async with fs.open(str(tmp_path / "a"), "rb") as again:
        assert await again.read() == b""
    assert file.closed
    assert text.closed
    assert again.closed


async def test_several_files_can_be_opened_at_the_same_time(tmp_path: SystemPath) -> None:
    one, two = await conc.join(fs.open(tmp_path / "a", "w"), fs.open(tmp_path / "b", "wb"))
    async with one, two:
        assert one.name == str(tmp_path / "a")
        assert two.name == str(tmp_path / "b")


async def test_an_opening_is_awaited_once_and_not_forgotten(tmp_path: SystemPath) -> None:
    opening = fs.open(tmp_path / "a", "wb")
    await (await opening).aclose()
    with pytest.raises(RuntimeError, match="awaited already"):
        await opening
    with pytest.warns(RuntimeWarning, match="was never awaited, so nothing was opened"):
        forget(fs.open(tmp_path / "b", "wb"))
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("mode", ["", "rw", "b", "rbt", "rr", "q", "r++", "U", "+"])
def test_a_mode_that_means_nothing_is_refused_at_the_call(mode: str) -> None:
    with pytest.raises(ValueError, match="mode must be one of"):
        fs.open("x", mode)


def test_bad_arguments_are_refused_at_the_call_and_named() -> None:
    with pytest.raises(ValueError, match="encoding is for text"):
        fs.open("x", "rb", encoding="utf-8")
    with pytest.raises(ValueError, match="newline must be None"):
        fs.open("x", newline="\t")
    with pytest.raises(ValueError, match="zero character"):
        fs.open("a\0b")
    with pytest.raises(TypeError, match="mode must be a string"):
        fs.open("x", 1)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        fs.open(1.5)  # type: ignore[call-overload]


async def test_an_encoding_that_does_not_exist_leaves_nothing_open(tmp_path: SystemPath) -> None:
    with nothing_left_open():
        with pytest.raises(LookupError):
            await fs.open(tmp_path / "a", "w", encoding="klingon")
        gc.collect()


async def test_an_error_names_what_was_to_be_opened(tmp_path: SystemPath) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        await fs.open(tmp_path / "missing")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        await fs.open(tmp_path, "rb")
    (tmp_path / "there").touch()
    with pytest.raises(FileExistsError, match="there"):
        await fs.open(tmp_path / "there", "x")


async def test_what_is_not_permitted_is_an_error_of_opening(tmp_path: SystemPath) -> None:
    path = tmp_path / "secret"
    path.touch(0o000)
    user = os.geteuid()
    if user == 0:  # root may all
        os.seteuid(65_534)
    try:
        with pytest.raises(PermissionError, match="secret"):
            await fs.open(path)
    finally:
        os.seteuid(user)


async def test_x_makes_a_file_only_if_there_is_none(tmp_path: SystemPath) -> None:
    async with fs.open(tmp_path / "a", "xb") as file:
        await file.write(b"1")
    async with fs.open(tmp_path / "a", "w+b") as file:
        assert await file.read() == b""


async def test_no_more_descriptors_is_an_error_and_others_go_on(tmp_path: SystemPath) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    (tmp_path / "a").write_bytes(b"here")
    async with fs.open(tmp_path / "a", "rb") as file:
        resource.setrlimit(resource.RLIMIT_NOFILE, (file.fileno() + 1, hard))
        try:
            with pytest.raises(OSError, match="Too many open files") as caught:
                for _ in range(100):
                    await fs.open(tmp_path / "a", "rb")
            assert caught.value.errno == errno.EMFILE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await file.read() == b"here"


async def test_a_file_that_nobody_closed_is_told_of_and_closed(tmp_path: SystemPath) -> None:
    for mode in ("wb", "w"):
        file = await fs.open(tmp_path / "forgotten", mode)
        fd = file.fileno()
        with pytest.warns(ResourceWarning, match="forgotten.*was never closed"):
            del file
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


async def test_a_closed_file_is_dropped_without_a_word(tmp_path: SystemPath) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with fs.open(tmp_path / "a", "w"):
            pass
        gc.collect()


async def test_opening_that_is_cancelled_before_a_thread_begins_opens_nothing(tmp_path: SystemPath) -> None:
    with conc.CancelScope() as scope:
        scope.cancel()
        await fs.open(tmp_path / "a", "wb")
    assert scope.cancelled_caught
    assert not (tmp_path / "a").exists()


async def test_opening_that_is_cancelled_in_the_thread_ends_and_gives_the_file(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(files.open_unless_fifo)
    monkeypatch.setattr(files, "open_unless_fifo", gate)
    got = []

    async def open_one(scope: conc.CancelScope) -> None:
        with scope:
            async with fs.open(tmp_path / "a", "wb") as file:
                got.append(file)

    async with conc.open_nursery() as nursery:
        scope = conc.CancelScope()
        nursery.start_soon(open_one, scope)
        await conc.to_thread(gate.wait_for_arrival)
        scope.cancel()
        gate.open()
    (file,) = got
    assert file.closed
    assert scope.cancelled_caught


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_hundred_files_at_once_are_written_and_closed(tmp_path: SystemPath) -> None:
    async def fill(number: int) -> None:
        async with fs.open(tmp_path / str(number), "w+b") as file:
            for _ in range(5):
                await file.write(b"%d " % number)
                await conc.checkpoint()
            await file.seek(0)
            assert await file.read() == b"%d " % number * 5

    with nothing_left_open():
        async with conc.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(fill, number)
    assert len(list(tmp_path.iterdir())) == 100


async def test_who_forgets_to_await_is_told(tmp_path: SystemPath) -> None:
    (tmp_path / "file").touch()
    opening: Any = fs.open(tmp_path / "file")
    with pytest.raises(AttributeError, match=r"file'\)> has no 'read': it is not open yet; write await before it"):
        await opening.read(1)
    async with opening:
        pass


@pytest.mark.parametrize("spare", [0, 1, 2, 3])
async def test_a_fifo_for_which_no_descriptors_are_left_is_an_error_and_nothing_stays_open(
    tmp_path: SystemPath, spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo")
    left = spare

    def take_one() -> None:
        nonlocal left
        if not left:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        left -= 1

    def duplicate(fd: int) -> int:
        take_one()
        return os.dup(fd)

    monkeypatch.setattr(files, "duplicate", duplicate)
    with nothing_left_open(), warnings.catch_warnings():
        warnings.simplefilter("error")
        if spare >= 2:
            await (await fs.open(tmp_path / "fifo", "r+b")).aclose()
        else:
            with pytest.raises(OSError, match=r"Too many open files: '.*fifo'"):
                await fs.open(tmp_path / "fifo", "r+b")
        gc.collect()


def test_a_file_that_comes_to_who_has_just_left_is_closed(tmp_path: SystemPath) -> None:
    for refused_first in (False, True):
        raw = FileIO(tmp_path / "file", "w")
        hand_over = HandOver()
        if refused_first:
            hand_over.refuse()
        hand_over.offer(raw)
        hand_over.refuse()
        assert raw.closed


async def test_what_is_forgotten_while_a_thread_works_on_it_is_not_closed_under_that(tmp_path: SystemPath) -> None:
    file: Any = await fs.open(tmp_path / "file", "wb")
    raw = file._raw
    file._user = current_task()  # as if it were torn out of the wait for a thread
    files_held = [file]
    del file
    with pytest.warns(ResourceWarning, match="never closed"):
        files_held.clear()
    assert not raw.closed
    raw.close()
