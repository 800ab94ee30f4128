"""stdin, in programs of their own: pipes, terminals, files, sockets; cancelled, shared with others, closed."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.io.standard import is_blocking, program

PIPE = subprocess.PIPE
ANEW = pytest.mark.parametrize("anew", [True, False], ids=["opened anew", "shared"])
READ_ALL = "print(len(await BufReader(stdin()).read_to_end(1 << 20)), flush=True)"


@ANEW
def test_all_of_a_pipe_is_read_and_it_stays_as_it_was(anew: bool) -> None:
    ours, theirs = os.pipe()
    with program(READ_ALL, anew=anew, stdin=ours, stdout=PIPE) as process:
        assert process.stdout is not None
        os.write(theirs, b"x" * 1000)
        assert is_blocking(ours)
        os.write(theirs, b"y" * 60_000)
        os.close(theirs)
        assert process.stdout.read() == b"61000\n"
        assert is_blocking(ours)
    os.close(ours)


@ANEW
def test_a_cancelled_read_eats_nothing_and_what_nobody_read_is_left_to_others(anew: bool) -> None:
    ours, theirs = os.pipe()
    text = """
        source = stdin()
        with conc.move_on_after(0.05) as scope:
            await source.read(100)
        print("cancelled", scope.cancelled_caught, flush=True)
        print(await source.read(3), flush=True)
    """
    with program(text, anew=anew, stdin=ours, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"cancelled True\n"
        os.write(theirs, b"abcdef")
        assert process.stdout.read() == b"b'abc'\n"
    assert os.read(ours, 100) == b"def"
    os.close(ours)
    os.close(theirs)


@ANEW
def test_a_read_that_waits_does_not_hold_up_the_end(anew: bool) -> None:
    text = """
        async with conc.open_nursery() as nursery:
            nursery.start_soon(stdin().read, 1)
            await conc.sleep(0.05)
            nursery.cancel_scope.cancel()
    """
    with program(text, anew=anew, stdin=PIPE) as process:
        assert process.wait(timeout=20) == 0


@ANEW
def test_while_it_waits_other_tasks_run(anew: bool) -> None:
    text = """
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(stdin().read, 10)
            for _ in range(3):
                await conc.sleep(0.01)
                print("tick", flush=True)
        print(reading.outcome.value)
    """
    with program(text, anew=anew, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == [b"tick\n"] * 3
        process.stdin.write(b"now")
        process.stdin.close()
        assert process.stdout.read() == b"b'now'\n"


@ANEW
def test_a_terminal_gives_lines_and_stays_as_it_was(anew: bool) -> None:
    master, terminal = os.openpty()
    text = """
        source = stdin()
        for _ in range(2):
            print(await source.read(100), flush=True)
    """
    with program(text, anew=anew, stdin=terminal, stdout=PIPE) as process:
        assert process.stdout is not None
        for typed in (b"hello\n", b"world\n"):
            os.write(master, typed)
            assert process.stdout.readline().decode() == f"{typed!r}\n"
            assert is_blocking(terminal)
    os.close(master)
    os.close(terminal)


def test_the_end_that_a_user_types_is_no_end_for_ever() -> None:
    master, terminal = os.openpty()
    text = """
        source = stdin()
        for _ in range(3):
            print(await source.read(100), flush=True)
    """
    with program(text, stdin=terminal, stdout=PIPE) as process:
        assert process.stdout is not None
        lines = []
        for typed in (b"one\n", b"\x04", b"two\n"):
            os.write(master, typed)
            lines.append(process.stdout.readline())
        assert lines == [b"b'one\\n'\n", b"b''\n", b"b'two\\n'\n"]
    os.close(master)
    os.close(terminal)


def test_a_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"head" + b"x" * 200_000)
    with path.open("rb", buffering=0) as file:
        file.read(4)
        with program(READ_ALL, stdin=file, stdout=PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"200000\n"


def test_a_device_without_readiness_can_be_read() -> None:
    with program(READ_ALL, stdin=subprocess.DEVNULL, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"0\n"


def test_a_socket_is_read_and_stays_as_it_was() -> None:
    ours, theirs = socket.socketpair()
    with program(READ_ALL, stdin=theirs, stdout=PIPE) as process, ours, theirs:
        assert process.stdout is not None
        ours.sendall(b"x" * 1000)
        ours.shutdown(socket.SHUT_WR)
        assert process.stdout.read() == b"1000\n"
        assert is_blocking(theirs.fileno())


def test_a_closed_descriptor_is_an_error_that_says_so() -> None:
    text = """
        try:
            stdin()
        except OSError as error:
            print(error)
    """
    with program(text, stdout=PIPE, preexec_fn=lambda: os.close(0)) as process:
        assert process.stdout is not None
        assert process.stdout.read() == (b"[Errno 9] cannot open standard input (descriptor 0): it is closed\n")


def test_a_directory_cannot_be_read() -> None:
    text = """
        os.dup2(os.open("/", os.O_RDONLY), 0)
        try:
            await stdin().read(1)
        except BrokenResource as error:
            print(error, repr(error.__cause__))
    """
    with program(text, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"<standard input>: Is a directory IsADirectoryError")


def test_one_task_reads_at_a_time_and_closing_one_end_leaves_the_others() -> None:
    text = """
        first, second = stdin(), stdin()

        async def expect(error, operation):
            try:
                await operation
            except error:
                print(error.__name__, flush=True)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(expect, ClosedResource, first.read(10))
            await conc.sleep(0.01)
            await expect(BusyResource, first.read(10))
            await expect(BusyResource, second.read(10))
            await first.aclose()
        await expect(ClosedResource, first.read(10))
        buffer = bytearray(10)
        print(await second.read_into(buffer), await second.read(1), first, second)
    """
    with program(text, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert lines == [b"BusyResource\n", b"BusyResource\n", b"ClosedResource\n", b"ClosedResource\n"]
        process.stdin.write(b"abc")
        process.stdin.close()
        assert process.stdout.read() == (
            b"3 b'' <StandardReader of standard input, closed> <StandardReader of standard input>\n"
        )


@pytest.mark.parametrize("end", ["pipe", "file"])
def test_what_is_open_for_writing_only_cannot_be_read_and_says_so(end: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    wrong = writer if end == "pipe" else os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    text = """
        try:
            stdin()
        except OSError as error:
            assert "cannot open standard input (descriptor 0): it is not open for reading" in str(error), error
        else:
            assert False, "it was opened"
    """
    with program(text, stdin=wrong):
        pass
    for fd in {reader, writer, wrong}:
        os.close(fd)
