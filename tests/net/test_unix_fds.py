"""Descriptors that are passed over Unix streams: each arrives once, is inherited by nobody, and none is left open."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import conc
from conc.errors import BusyResource, ClosedResource, LimitExceeded
from conc.net import TcpStream, UnixStream, connect_tcp, listen_tcp, unix_pair

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")


@pytest.fixture(autouse=True)
def no_descriptor_left() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


async def test_a_descriptor_arrives_as_another_of_the_same_file(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    left, right = unix_pair()
    async with left, right:
        await left.send_fds(b"here", [writer])
        assert left.bytes_written == 4
        data, [passed] = await right.receive_fds(100, 1)
        assert data == b"here"
        assert passed != writer
        assert not os.get_inheritable(passed)
        os.write(passed, b"through it")
        os.close(passed)
        assert os.read(reader, 100) == b"through it"


async def test_bytes_before_and_behind_come_apart_from_those_with_descriptors(pipe: tuple[int, int]) -> None:
    left, right = unix_pair()
    async with left, right:
        await left.write_all(b"before")
        await left.send_fds(b"with", pipe)
        await left.write_all(b"behind")
        received = b""
        came_with = []
        while len(received) < 16:
            data, fds = await right.receive_fds(100, 2)
            if fds:
                came_with.append(data)
            received += data
            close(fds)
        assert received == b"beforewithbehind"
        assert [data[-4:] for data in came_with] == [b"with"]


async def test_many_bytes_go_out_whole_and_the_descriptors_once(pipe: tuple[int, int]) -> None:
    left, right = unix_pair()
    large = bytes(range(256)) * 4096
    count = 0
    received = bytearray()
    async with left, right, conc.open_nursery() as nursery:
        nursery.start_soon(left.send_fds, large, pipe)
        while len(received) < len(large):
            data, fds = await right.receive_fds(65_536, 2)
            received += data
            count += len(fds)
            close(fds)
    assert received == large
    assert count == 2


async def test_more_descriptors_than_are_welcome_are_closed_and_told_of(pipe: tuple[int, int]) -> None:
    left, right = unix_pair()
    async with left, right:
        for welcome in (0, 1, 2):
            await left.send_fds(b"x", [*pipe, *pipe])
            with pytest.raises(LimitExceeded, match=f"4 descriptors came .* at most {welcome} were") as caught:
                await right.receive_fds(1, welcome)
            assert caught.value.limit == welcome
        await left.send_fds(b"y", [pipe[0]] * 253)
        data, fds = await right.receive_fds(1, 253)
        assert (data, len(fds)) == (b"y", 253)
        close(fds)


async def test_who_reads_without_asking_for_descriptors_gets_none(pipe: tuple[int, int]) -> None:
    left, right = unix_pair()
    async with left, right:
        await left.send_fds(b"x", pipe)
        assert await right.read(10) == b"x"


async def test_descriptors_that_nobody_received_are_closed_with_the_stream(pipe: tuple[int, int]) -> None:
    left, right = unix_pair()
    async with left, right:
        await left.send_fds(b"x", pipe)


async def test_a_cancelled_receive_leaves_the_descriptor_for_the_next(pipe: tuple[int, int]) -> None:
    left, right = unix_pair()
    async with left, right:
        for steps in range(6):
            got: list[tuple[bytes, list[int]]] = []

            async def receive(got: list[Any] = got) -> None:
                got.append(await right.receive_fds(10, 1))

            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(receive)
                await conc.sleep(0.01)
                await left.send_fds(b"x", pipe[:1])
                for _ in range(steps):
                    await conc.checkpoint()
                task.cancel()
            [(data, fds)] = got or [await right.receive_fds(10, 1)]
            assert (data, len(fds)) == (b"x", 1)
            close(fds)


async def test_a_cancelled_send_passed_all_or_nothing(pipe: tuple[int, int]) -> None:
    left, right = unix_pair()
    async with left, right:
        while True:
            before = left.bytes_written
            with conc.move_on_after(0.1) as scope:
                await left.write_all(bytes(10_000))
            if scope.cancelled_caught and left.bytes_written == before:
                break
        with conc.move_on_after(0.1) as scope:
            await left.send_fds(b"x", pipe)
        assert scope.cancelled_caught
        assert left.bytes_written == before
        left_over = before
        while left_over:
            data, fds = await right.receive_fds(65_536, 2)
            assert fds == []
            left_over -= len(data)
        await left.send_fds(b"again", pipe)
        data, fds = await right.receive_fds(10, 2)
        assert (data, len(fds)) == (b"again", 2)
        close(fds)


async def test_sending_and_receiving_are_directions_of_the_stream(pipe: tuple[int, int]) -> None:
    left, right = unix_pair()
    async with left, right, conc.open_nursery() as nursery:
        reading = nursery.start_soon(right.read, 10)
        await conc.sleep(0.01)
        with pytest.raises(BusyResource):
            await right.receive_fds(1, 1)
        await left.aclose()
        with pytest.raises(ClosedResource):
            await left.send_fds(b"x", pipe)
        assert await reading.join() == b""
        assert await right.receive_fds(1, 1) == (b"", [])


async def test_closing_wakes_who_waits_for_descriptors() -> None:
    left, right = unix_pair()
    async with left, conc.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(ClosedResource):
                await right.receive_fds(1, 1)

        nursery.start_soon(receive)
        await conc.sleep(0.01)
        await right.aclose()


async def test_a_descriptor_that_is_not_open_is_an_error_and_nothing_is_sent() -> None:
    left, right = unix_pair()
    async with left, right:
        reader, writer = os.pipe()
        close([reader, writer])
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            await left.send_fds(b"x", [writer])
        assert caught.value.errno == errno.EBADF
        await left.write_all(b"fine")
        assert await right.read(10) == b"fine"


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        ({"data": b""}, ValueError, "data must"),
        ({"data": "text"}, TypeError, "what is written must"),
        ({"fds": []}, ValueError, "fds must"),
        ({"fds": [1] * 254}, ValueError, "fds must"),
        ({"fds": ["1"]}, TypeError, "each of fds must"),
        ({"fds": [-1]}, ValueError, "each of fds must"),
    ],
)
async def test_a_bad_argument_is_named(change: dict[str, Any], kind: type[Exception], names: str) -> None:
    left, right = unix_pair()
    async with left, right:
        with pytest.raises(kind, match=f"^{names}"):
            await left.send_fds(**{"data": b"x", "fds": [1], **change})


async def test_a_connection_is_handed_to_another_process_as_a_descriptor() -> None:
    """What a pre-forking server does; here the other process is played by this one."""
    left, right = unix_pair()
    async with left, right, await listen_tcp("127.0.0.1", 0) as listener:
        async with await connect_tcp("127.0.0.1", listener.port) as client:
            with (await listener.accept()).detach() as accepted:
                await left.send_fds(b"c", [accepted.fileno()])
            _, [fd] = await right.receive_fds(1, 1)
            async with TcpStream.from_socket(socket.socket(fileno=fd)) as server:
                await client.write_all(b"hello")
                assert await server.read(10) == b"hello"
                assert server.peer_address == client.local_address


def close(fds: Any) -> None:
    for fd in fds:
        os.close(fd)


def test_pairs_are_of_unix_streams() -> None:
    async def main() -> None:
        left, right = unix_pair()
        assert type(left) is type(right) is UnixStream
        assert left.peer_address == left.local_address == ""
        async with left, right:
            await left.write_all(b"x")
            assert await right.read(1) == b"x"

    conc.run(main)
