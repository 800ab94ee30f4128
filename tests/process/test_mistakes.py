"""Mistakes in the arguments: what they say, before anything happens."""

import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conc import process
from conc.process import PIPE, Process
from tests.process.support import run, sh


async def test_input_of_text_is_told_how_to_be_bytes() -> None:
    with pytest.raises(TypeError, match=r"input must be bytes, and text.encode\(\) makes some of text; not 'text'"):
        await process.run(["cat"], input="text")  # type: ignore[arg-type]


def test_an_input_that_nobody_could_write_is_refused_instead_of_waited_for() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"stdin=PIPE.* would wait for ever"):
            await process.run(["cat"], stdin=PIPE)

    run(main)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Process([""]), ValueError, "argv must begin with the name of a program"),
    (lambda: Process("ls \0", shell=True), ValueError, "argv must not contain zero bytes"),
    (lambda: Process(["ls"], cwd=5), TypeError, "cwd must be the name of a directory"),  # type: ignore[arg-type]
    (lambda: Process(["ls"], cwd="a\0b"), ValueError, "cwd must not contain zero bytes"),
    (lambda: Process(["ls"], env=["A=1"]), TypeError, "env must map names to values"),  # type: ignore[arg-type]
    (lambda: Process(["ls"], env=5), TypeError, "env must map names to values"),  # type: ignore[arg-type]
    (lambda: Process(["ls"], terminal_size=80), TypeError, "two whole numbers"),  # type: ignore[arg-type]
    (lambda: Process(["ls"], terminal_size=(1, 2, 3)), TypeError, "two whole numbers"),  # type: ignore[arg-type]
    (lambda: Process(["ls"], stdout=io.BytesIO()), ValueError, "stdout must be an open file of the system"),
    (lambda: Process(["ls"], stdin=closed_file()), ValueError, "stdin must be an open file of the system"),
    (lambda: Process(["ls"], stderr=closed_socket()), ValueError, "stderr must be an open file.* is closed"),
]


@pytest.mark.parametrize(("make", "kind", "text"), REFUSED)
def test_what_cannot_be_meant_is_refused_when_it_is_said(
    make: Callable[[], Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        make()


async def test_a_signal_by_its_name_is_refused_also_when_the_process_has_ended() -> None:
    async with Process(["true"]) as ended:
        await ended.wait()
        for wrong in ("SIGTERM", True, None):
            with pytest.raises(TypeError, match=r"such as signal.SIGHUP, not"):
                ended.send_signal(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("pty", [False, True])
async def test_a_missing_program_below_the_directory_is_not_taken_for_the_directory(tmp_path: Path, pty: bool) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such program") as caught:
        await process.run([tmp_path / "missing"], cwd=tmp_path)
    assert caught.value.filename == tmp_path / "missing"
    with pytest.raises(FileNotFoundError, match="that is no directory"):
        async with Process(sh("true"), cwd=tmp_path / "missing", pty=pty):
            pass


def closed_file() -> Any:
    with open("/dev/null") as file:
        return file


def closed_socket() -> Any:
    with socket.socket() as one:
        return one
