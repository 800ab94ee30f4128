"""stdout and stderr, in programs of their own: order, slow and lost readers, terminals, files, full disks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tty
from pathlib import Path

import pytest

from tests.io.standard import is_blocking, program

PIPE = subprocess.PIPE
ANEW = pytest.mark.parametrize("anew", [True, False], ids=["opened anew", "shared"])
MUCH = 300_000  # more than a pipe holds
WRITE_MUCH = f"await stdout().write_all(b'x' * {MUCH}, b'end')"


def read_all(fd: int) -> bytes:
    data = b""
    while part := os.read(fd, 100_000):
        data += part
    return data


@ANEW
def test_all_is_written_to_a_pipe_and_it_stays_as_it_was(anew: bool) -> None:
    ours, theirs = os.pipe()
    with program(WRITE_MUCH, anew=anew, stdout=theirs):
        data = os.read(ours, 10_000)
        assert is_blocking(theirs)
        os.close(theirs)
        data += read_all(ours)
    assert data == b"x" * MUCH + b"end"
    os.close(ours)


@ANEW
def test_what_tasks_write_comes_in_one_piece_each_and_in_order(anew: bool) -> None:
    text = f"""
        async def write(number):
            out = stdout()
            await out.write_all(b"%d" % number * {MUCH // 2}, b";")
            assert out.bytes_written == {MUCH // 2} + 1

        async with conc.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(write, number)
                await conc.checkpoint()
    """
    with program(text, anew=anew, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"".join(b"%d" % number * (MUCH // 2) + b";" for number in range(4))


@ANEW
def test_a_reader_that_does_not_read_holds_up_only_who_writes_to_it(anew: bool) -> None:
    text = f"""
        out = stdout()
        with conc.move_on_after(0.05) as scope:
            await out.write_all(b"x" * {MUCH})
        assert scope.cancelled_caught
        await stderr().write_all(b"%d" % out.bytes_written)
    """
    ours, theirs = os.pipe()
    with program(text, anew=anew, stdout=theirs, stderr=PIPE) as process:
        assert process.stderr is not None
        os.close(theirs)
        written = int(process.stderr.read())
        assert 0 < written < MUCH
        assert read_all(ours) == b"x" * written
    os.close(ours)


@ANEW
def test_a_reader_that_has_gone_is_a_broken_resource(anew: bool) -> None:
    text = f"""
        for _ in range(2):
            try:
                await stdout().write_all(b"x" * {MUCH})
            except BrokenResource as error:
                await stderr().write_all(repr((error, error.__cause__)).encode() + b"\\n")
    """
    expected = "(BrokenResource('<standard output>: Broken pipe'), BrokenPipeError(32, 'Broken pipe'))\n"
    for reads in (0, 1):
        ours, theirs = os.pipe()
        if not reads:
            os.close(ours)
        with program(text, anew=anew, stdout=theirs, stderr=PIPE) as process:
            os.close(theirs)
            if reads:
                os.read(ours, 1)
                os.close(ours)
            assert process.stderr is not None
            assert process.stderr.read().decode() == expected * 2


@ANEW
def test_a_terminal_is_written_to_at_its_pace_and_stays_as_it_was(anew: bool) -> None:
    master, terminal = os.openpty()
    tty.setraw(terminal)
    text = """
        await stdout().write_all(b"x" * 50_000)
        print("through", file=sys.stderr, flush=True)
    """
    with program(text, anew=anew, stdout=terminal, stderr=PIPE) as process:
        data = b""
        while len(data) < 50_000:
            data += os.read(master, 10_000)
            assert is_blocking(terminal)
        assert process.stderr is not None
        assert process.stderr.read() == b"through\n"
    assert data == b"x" * 50_000
    os.close(master)
    os.close(terminal)


def test_a_write_to_a_terminal_that_stands_still_can_be_cancelled() -> None:
    master, terminal = os.openpty()
    tty.setraw(terminal)
    text = """
        out = stdout()
        with conc.move_on_after(0.05) as scope:
            await out.write_all(b"x" * 500_000)
        await stderr().write_all(b"%d %d" % (scope.cancelled_caught, out.bytes_written))
    """
    with program(text, stdout=terminal, stderr=PIPE) as process:
        assert process.stderr is not None
        cancelled, written = process.stderr.read().split()
        assert cancelled == b"1"
        assert 0 < int(written) < 500_000
    os.close(master)
    os.close(terminal)


def test_a_file_is_written_where_it_stands_and_is_shared_with_print(tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"head\n")
    text = """
        print("printed", flush=True)
        await stdout().write_all(b"x" * 200_000, b"\\n")
        await stderr().write_all(b"complaint\\n")
        print("printed again", flush=True)
    """
    with path.open("ab") as file, program(text, stdout=file, stderr=subprocess.STDOUT):
        pass
    assert path.read_bytes() == b"head\nprinted\n" + b"x" * 200_000 + b"\ncomplaint\nprinted again\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_a_broken_resource_that_says_so() -> None:
    text = """
        out = stdout()
        try:
            await out.write_all(b"x" * 100_000)
        except BrokenResource as error:
            await stderr().write_all(f"{error}, {out.bytes_written}".encode())
    """
    with open("/dev/full", "wb") as full, program(text, stdout=full, stderr=PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.read() == b"<standard output>: No space left on device, 0"


def test_a_device_that_takes_everything_is_written_to() -> None:
    with program(WRITE_MUCH, stdout=subprocess.DEVNULL):
        pass


def test_a_socket_is_written_to_and_stays_as_it_was() -> None:
    ours, theirs = socket.socketpair()
    with program("await stdout().write_all(b'x' * 2_000_000, b'end')", stdout=theirs), ours, theirs:
        theirs.shutdown(socket.SHUT_RD)
        data = b""
        while len(data) < 2_000_003:
            data += ours.recv(100_000)
            assert is_blocking(theirs.fileno())
    assert data == b"x" * 2_000_000 + b"end"


def test_a_filter_copies_its_input_to_its_output() -> None:
    text = "assert await copy(stdin(), stdout()) == 500_000"
    with program(text, stdin=PIPE, stdout=PIPE) as process:
        data = bytes(range(250)) * 2000
        assert process.communicate(data, timeout=20)[0] == data


def test_ends_are_closed_one_by_one_and_the_stream_is_not() -> None:
    text = f"""
        first, second = stdout(), stdout()

        async def expect(error, operation):
            try:
                await operation
            except error:
                print(error.__name__, file=sys.stderr, flush=True)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(expect, ClosedResource, first.write_all(b"x" * {MUCH}))
            await conc.sleep(0.01)
            await expect(BusyResource, first.write_all(b"y"))
            await expect(BusyResource, first.close_write())
            await first.aclose()
        await expect(ClosedResource, first.write_all(b"y"))
        await second.write_all(b"rest")
        await second.close_write()
        await second.close_write()
        await expect(ClosedResource, second.write_all(b"y"))
        async with stdout() as third:
            await third.write_all(b"!")
        await expect(ClosedResource, third.close_write())
        print(first.bytes_written, second.bytes_written, second, file=sys.stderr)
    """
    with program(text, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        refused = [process.stderr.readline() for _ in range(4)]
        assert refused == [b"BusyResource\n", b"BusyResource\n", b"ClosedResource\n", b"ClosedResource\n"]
        data = process.stdout.read()
        words = process.stderr.read().decode()
    written = len(data) - 5
    assert data == b"x" * written + b"rest!"
    assert words == ("ClosedResource\nClosedResource\n" + f"{written} 4 <StandardWriter of standard output>\n")


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_descriptors_are_given_back_at_the_end_of_each_run() -> None:
    source = """
        def count():
            return len(os.listdir("/proc/self/fd"))

        async def use():
            for _ in range(3):
                await stdout().write_all(b"x")
                await stderr().write_all(b"")
                with conc.move_on_after(0.001):
                    await stdin().read(1)
            return count()

        def run_and_count():
            conc.run(use)
            before = count()
            used = conc.run(use)
            assert count() == before, "descriptors are left open"
            assert used > before

        await conc.to_thread(run_and_count)
    """
    with program(source, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"x" * 6


def test_what_is_open_for_reading_only_cannot_be_written_to_and_says_so() -> None:
    reader, writer = os.pipe()
    text = """
        try:
            stdout()
        except OSError as error:
            assert "cannot open standard output (descriptor 1): it is not open for writing" in str(error), error
        else:
            assert False, "it was opened"
    """
    with program(text, stdout=reader):
        pass
    for fd in (reader, writer):
        os.close(fd)
