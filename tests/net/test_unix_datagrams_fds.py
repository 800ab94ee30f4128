"""Real Unix sockets for datagrams: descriptors that are passed, sockets made elsewhere, files and modes."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.errors import BrokenResource, BusyResource, LimitExceeded
from conc.net import UnixDatagramSocket, bind_unix_datagram, connect_unix_datagram, unix_datagram_pair
from tests.net.datagram_support import folder
from tests.net.support import run


async def test_open_files_travel_with_a_datagram() -> None:
    one, other = unix_datagram_pair()
    async with one, other:
        reading, writing = os.pipe()
        await one.send_fds(b"a pipe", [reading, writing])
        os.close(reading)
        os.close(writing)
        data, fds = await other.receive_fds(max_fds=2)
        assert data == b"a pipe"
        assert len(fds) == 2
        assert not any(os.get_inheritable(fd) for fd in fds)
        os.write(fds[1], b"through it")
        assert os.read(fds[0], 100) == b"through it"
        for fd in fds:
            os.close(fd)

        await other.send(b"nothing with it")
        assert await one.receive_fds(max_fds=0) == (b"nothing with it", [])


async def test_a_waiting_receiver_gets_descriptors_too() -> None:
    one, other = unix_datagram_pair()
    async with one, other:
        async with conc.open_nursery() as nursery:
            receiving = nursery.start_soon(lambda: other.receive_fds(100, max_fds=1))
            await conc.sleep(0.01)
            with pytest.raises(BusyResource):
                await other.receive()
            await one.send_fds(b"", [0])
        data, (fd,) = await receiving.join()
        assert data == b""
        os.close(fd)


async def test_descriptors_that_are_not_welcome_are_closed() -> None:
    one, other = unix_datagram_pair()
    async with one, other:
        before = os.listdir("/proc/self/fd")
        await one.send_fds(b"x", [0, 1])
        await one.send_fds(b"too long", [0, 1])
        await one.send_fds(b"x", [0, 1])
        with pytest.raises(LimitExceeded, match="more than 1 descriptors") as found:
            await other.receive_fds(max_fds=1)
        assert found.value.limit == 1
        with pytest.raises(LimitExceeded, match="more than 4 bytes"):
            await other.receive_fds(4, max_fds=2)
        assert await other.receive() == b"x"
        assert os.listdir("/proc/self/fd") == before


async def test_who_sends_descriptors_waits_for_room_and_hears_of_a_closing() -> None:
    one, other = unix_datagram_pair()
    async with one, other:
        one.send_buffer = 10_000
        with pytest.raises(conc.errors.WouldBlock):
            while True:
                one.send_nowait(bytes(1_000))
        async with conc.open_nursery() as nursery:
            sending = nursery.start_soon(one.send_fds, b"x", [0])
            await conc.sleep(0.01)
            assert sending.outcome is None
            with pytest.raises(BusyResource):
                await one.send(b"y")
            while True:
                data, fds = await other.receive_fds(max_fds=1)
                if fds:
                    os.close(fds[0])
                    break
        assert data == b"x"
        await other.aclose()
        with pytest.raises(BrokenResource):
            await one.send_fds(b"x", [0])


async def test_wrong_descriptors_are_refused() -> None:
    one, other = unix_datagram_pair()
    async with one, other:
        for fds, error in (([], ValueError), ([-1], ValueError), (["0"], TypeError), ([0] * 254, ValueError)):
            with pytest.raises(error, match="fds"):
                await one.send_fds(b"x", fds)  # type: ignore[arg-type]
        with pytest.raises(OSError, match="cannot send 1 descriptors") as found:
            await one.send_fds(b"x", [99_999])
        assert found.value.errno == errno.EBADF
        for sizes in ((0, 1), (1, -1)):
            with pytest.raises(ValueError, match="must be"):
                await other.receive_fds(sizes[0], max_fds=sizes[1])


async def test_the_mode_says_who_may_send() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "server", mode=0o600):
            assert stat.S_IMODE((here / "server").stat().st_mode) == 0o600


async def test_a_file_that_is_no_socket_is_left_alone() -> None:
    with folder() as here:
        (here / "precious").write_text("data")
        with pytest.raises(OSError, match="a file of another kind") as found:
            await bind_unix_datagram(here / "precious")
        assert found.value.errno == errno.EADDRINUSE
        assert (here / "precious").read_text() == "data"
        async with await bind_unix_datagram(here / "server"):
            (here / "server").unlink()
            (here / "server").write_text("somebody else's")
        assert (here / "server").read_text() == "somebody else's"


async def test_a_socket_made_elsewhere_is_taken_over_and_given_away() -> None:
    with folder() as here:
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        raw.bind(str(here / "made"))
        async with UnixDatagramSocket.from_socket(raw) as taken, await bind_unix_datagram(None) as other:
            await other.send_to(b"x", here / "made")
            assert await taken.receive_from() == (b"x", other.local_address)
            with other.detach() as plain:
                plain.sendto(b"y", str(here / "made"))
            assert await taken.receive() == b"y"
        assert (here / "made").exists()
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        async with UnixDatagramSocket.from_socket(left) as one, UnixDatagramSocket.from_socket(right) as two:
            assert one.peer_address == ""
            await one.send(b"z")
            assert await two.receive() == b"z"
    for family, kind in ((socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM)):
        with socket.socket(family, kind) as wrong, pytest.raises(ValueError, match="sock must be"):
            UnixDatagramSocket.from_socket(wrong)


def test_nothing_stays_open_and_no_file_stays() -> None:
    async def main() -> None:
        with folder() as here:
            async with await bind_unix_datagram(here / "server") as server, await bind_unix_datagram(None) as client:
                await client.send_to(b"x", here / "server")
                await server.receive()
            attempts: list[Callable[[], Awaitable[UnixDatagramSocket]]] = [
                lambda: bind_unix_datagram(here / "no" / "folder"),
                lambda: connect_unix_datagram(here / "nobody", local_path=here / "client"),
            ]
            for refused in attempts:
                with pytest.raises(FileNotFoundError, match=r"cannot (bind|connect) to"):
                    await refused()
            assert os.listdir(here) == []

    before = os.listdir("/proc/self/fd")
    run(main)
    assert os.listdir("/proc/self/fd") == before
