"""Programs that run in a terminal of their own."""

import errno
import signal
from pathlib import Path
from typing import Any

import pytest

import conc
from conc.errors import ClosedResource
from conc.io import Stream
from conc.process import PIPE, Process, Terminal
from tests.process.support import STUBBORN, run, sh


async def read_all(terminal: Terminal) -> bytes:
    """Everything until the end."""
    parts = []
    while part := await terminal.read(4096):
        parts.append(part)
    return b"".join(parts)


async def read_until(terminal: Terminal, end: bytes) -> bytes:
    """What stands on the screen until `end` does."""
    screen = b""
    while end not in screen:
        part = await terminal.read(4096)
        assert part, screen
        screen += part
    return screen


async def test_a_program_in_a_terminal_knows_it_and_its_output_ends() -> None:
    async with Process(sh("test -t 0 && test -t 1 && test -t 2 && tty && echo good >&2"), pty=True) as process:
        assert isinstance(process.terminal, Stream)
        screen = await read_all(process.terminal)
        assert await process.wait() == 0
        assert await process.terminal.read(1) == b""

    assert screen.startswith(b"/dev/pts/")
    assert screen.endswith(b"\r\ngood\r\n")


async def test_what_is_typed_is_echoed_and_read() -> None:
    async with Process(sh("read word; echo got $word"), pty=True) as process:
        await process.terminal.write_all(b"hel", b"lo\n")
        assert await read_all(process.terminal) == b"hello\r\ngot hello\r\n"


async def test_the_end_of_what_is_typed_can_be_typed() -> None:
    async with Process(["cat"], pty=True) as process:
        await process.terminal.write_all(b"line\n")
        await process.terminal.close_write()
        await process.terminal.close_write()
        with pytest.raises(ClosedResource, match="close_write was called"):
            await process.terminal.write_all(b"more")
        assert b"line\r\n" in await read_all(process.terminal)
        assert await process.wait() == 0


async def test_the_window_has_a_size_that_may_change() -> None:
    line = "stty size; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done"
    async with Process(sh(line), pty=True, terminal_size=(132, 43)) as process:
        assert b"43 132" in await read_until(process.terminal, b"ready")
        assert process.terminal.size == (132, 43)
        process.terminal.resize(columns=100, rows=30)
        assert process.terminal.size == (100, 30)
        assert b"30 100" in await read_all(process.terminal)


async def test_the_terminal_controls_the_session_so_that_its_keys_are_signals() -> None:
    async with Process(sh("echo ready; exec sleep 60"), pty=True) as process:
        await read_until(process.terminal, b"ready")
        await process.terminal.write_all(b"\x03")  # Ctrl-C
        assert await process.wait() == -signal.SIGINT


async def test_leaving_the_block_hangs_the_terminal_up() -> None:
    async with Process(sh("echo ready; exec sleep 60"), pty=True) as process:
        await read_until(process.terminal, b"ready")

    assert process.returncode == -signal.SIGHUP
    for attempt in (lambda: process.terminal.size, lambda: process.terminal.resize(1, 1)):
        with pytest.raises(ClosedResource):
            attempt()
    with pytest.raises(ClosedResource):
        await process.terminal.close_write()


async def test_by_an_error_what_runs_in_a_terminal_is_ended() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Process(sh(STUBBORN), pty=True, grace=0.05) as process:
            await read_until(process.terminal, b"ready")
            raise ZeroDivisionError

    assert process.returncode == -signal.SIGKILL


async def test_directory_and_environment_hold_in_a_terminal_too(tmp_path: Path) -> None:
    async with Process(sh("pwd; echo $MOOD"), pty=True, cwd=tmp_path, env={"MOOD": "good"}) as process:
        assert await read_all(process.terminal) == f"{tmp_path}\r\ngood\r\n".encode()


async def test_what_cannot_be_started_in_a_terminal_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    cases: list[tuple[dict[str, Any], int]] = [
        ({"argv": ["no-such-program"]}, errno.ENOENT),
        ({"argv": ["/no/such/program"]}, errno.ENOENT),
        ({"argv": ["data"], "env": {"PATH": str(tmp_path)}}, errno.EACCES),
        ({"argv": ["true"], "cwd": tmp_path / "missing"}, errno.ENOENT),
        ({"argv": ["true"], "cwd": tmp_path / "data"}, errno.ENOTDIR),
    ]
    for options, number in cases:
        with pytest.raises(OSError, match=f"cannot start '{options['argv'][0]}'") as caught:
            await Process(pty=True, **options).__aenter__()
        assert caught.value.errno == number


async def test_a_terminal_and_pipes_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="the terminal is stdin, stdout and stderr"):
        Process(["true"], pty=True, stdout=PIPE)
    for size, error in [((0, 1), ValueError), ((80, 70_000), ValueError), (("80", 24), TypeError)]:
        with pytest.raises(error, match="size of a terminal"):
            Process(["true"], pty=True, terminal_size=size)  # type: ignore[arg-type]


def test_a_read_of_a_terminal_that_is_cancelled_takes_nothing() -> None:
    async def main() -> None:
        async with Process(["cat"], pty=True) as process:
            with conc.move_on_after(0.01) as scope:
                await process.terminal.read(100)
            assert scope.cancelled_caught
            await process.terminal.write_all(b"x\n")
            buffer = bytearray(3)
            assert await process.terminal.read_into(buffer) == 3
            assert bytes(buffer) == b"x\r\n"
            process.kill()
            while await process.terminal.read_into(buffer):
                pass

    run(main)
