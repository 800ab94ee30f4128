"""Looking ahead, breaking off, and sockets that are taken over and given away."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.net import TcpListener, TcpStream, UnixListener, UnixStream, connect_tcp, connect_unix, listen_tcp
from tests.net.support import LARGE, connected, read_all


@pytest.fixture(autouse=True)
def no_descriptor_left() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


async def test_what_was_looked_at_is_read_again() -> None:
    async with connected() as (client, server):
        await client.write_all(b"GET /")
        for _ in range(3):
            assert await server.peek(3) == b"GET"
        assert await server.peek(100) == b"GET /"
        assert await server.read(4) == b"GET "
        assert await server.peek(100) == b"/"
        assert await server.read(100) == b"/"
        await client.close_write()
        assert await server.peek(1) == b""
        assert await server.read(1) == b""


async def test_a_look_waits_for_bytes_and_a_cancelled_one_took_none() -> None:
    async with connected() as (client, server):
        with conc.move_on_after(1) as scope:
            await server.peek(10)
        assert scope.cancelled_caught
        async with conc.open_nursery() as nursery:
            looking = nursery.start_soon(server.peek, 10)
            await conc.sleep(1)
            with pytest.raises(BusyResource):
                await server.read(1)
            await client.write_all(b"there")
            assert await looking.join() == b"there"
        assert await server.read(10) == b"there"


async def test_looking_at_a_broken_or_a_closed_connection_says_so() -> None:
    async with connected() as (client, server):
        client.abort()
        with pytest.raises(BrokenResource):
            await server.peek(1)
        await server.aclose()
        with pytest.raises(ClosedResource):
            await server.peek(1)
        with pytest.raises(ValueError, match=r"^max_bytes must"):
            await server.peek(0)


async def test_breaking_off_resets_the_connection_and_drops_what_was_not_sent() -> None:
    async with connected() as (client, server):
        async with conc.open_nursery() as nursery:

            async def write() -> None:
                with pytest.raises(ClosedResource):
                    await client.write_all(LARGE * 8)

            nursery.start_soon(write)
            await conc.sleep(0.1)
            client.abort()
            client.abort()
        with pytest.raises(BrokenResource) as caught:
            await read_all(server)
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        with pytest.raises(ClosedResource):
            await client.read(1)


async def test_a_socket_that_was_made_elsewhere_becomes_a_stream() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        plain = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    fd = plain.fileno()
    with other:
        async with TcpStream.from_socket(plain) as stream:
            assert plain.fileno() == -1
            assert stream._fd == fd
            assert stream.peer_address == other.getsockname()
            assert not os.get_blocking(fd)
            other.sendall(b"hello")
            assert await stream.read(10) == b"hello"


async def test_a_stream_becomes_a_plain_socket_with_what_was_not_read() -> None:
    async with connected() as (client, server):
        await client.write_all(b"first, second")
        assert await server.read(6) == b"first,"
        peer = server.peer_address
        with server.detach() as plain:
            assert os.get_blocking(plain.fileno())
            assert plain.getpeername() == peer
            assert plain.recv(100) == b" second"
            plain.sendall(b"answer")
            assert await client.read(100) == b"answer"
            with pytest.raises(ClosedResource):
                await server.read(1)
            async with TcpStream.from_socket(plain.dup()) as again:  # of the same worker, with the same connection
                await again.write_all(b"again")
                assert await client.read(100) == b"again"
        await server.aclose()


async def test_a_stream_that_is_in_use_is_not_given_away() -> None:
    async with connected() as (client, server), conc.open_nursery() as nursery:
        reading = nursery.start_soon(server.read, 1)
        writing = nursery.start_soon(client.write_all, LARGE * 8)
        await conc.sleep(0.1)
        await reading.join()
        second = nursery.start_soon(client.read, 1)
        await conc.sleep(0.1)
        with pytest.raises(BusyResource):
            client.detach()
        second.cancel()
        await conc.sleep(0.1)
        with pytest.raises(BusyResource):
            client.detach()
        writing.cancel()
        await conc.sleep(0.1)
        client.detach().close()


async def test_a_listening_socket_that_was_made_elsewhere_becomes_a_listener(tmp_path: Path) -> None:
    async with TcpListener.from_socket(socket.create_server(("127.0.0.1", 0))) as listener:
        async with await connect_tcp("127.0.0.1", listener.port) as client, await listener.accept() as server:
            assert server.peer_address == client.local_address
            assert server.no_delay
    path = str(tmp_path / "socket")
    plain = socket.socket(socket.AF_UNIX)
    plain.bind(path)
    plain.listen()
    async with UnixListener.from_socket(plain) as unix_listener:
        async with await connect_unix(path), await unix_listener.accept():
            assert unix_listener.path == path
    assert os.path.exists(path), "it is of whoever made it"


async def test_both_ends_of_a_plain_pair_become_streams() -> None:
    left, right = map(UnixStream.from_socket, socket.socketpair())
    async with left, right:
        await left.write_all(b"x")
        assert await right.read(1) == b"x"


async def test_a_socket_of_another_kind_is_refused_and_stays_as_it_was() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket() as fresh,
        socket.socket(socket.AF_UNIX) as unix,
        socket.create_connection(listening.getsockname()) as client,
        socket.socket() as closed,
        ssl.create_default_context().wrap_socket(socket.socket(), server_hostname="x") as tls,
    ):
        closed.close()
        refused: list[tuple[Any, Any, type[Exception], str]] = [
            (TcpStream.from_socket, listening, ValueError, "must not listen for connections"),
            (TcpStream.from_socket, datagrams, ValueError, "must be a stream socket"),
            (TcpStream.from_socket, unix, ValueError, "must be of the family AF_INET or AF_INET6"),
            (TcpStream.from_socket, closed, ValueError, "must be open"),
            (TcpStream.from_socket, tls, TypeError, "must be a plain socket.socket"),
            (TcpStream.from_socket, 7, TypeError, "must be a plain socket.socket"),
            (UnixStream.from_socket, client, ValueError, "must be of the family AF_UNIX"),
            (TcpListener.from_socket, client, ValueError, "must listen for connections"),
            (TcpListener.from_socket, unix, ValueError, "must be of the family"),
            (UnixListener.from_socket, unix, ValueError, "must listen for connections"),
        ]
        for take, other, kind, text in refused:
            with pytest.raises(kind, match=f"^sock {text}"):
                take(other)
        with pytest.raises(OSError, match=r"cannot use .* as a connection: ") as caught:
            TcpStream.from_socket(fresh)
        assert caught.value.errno == errno.ENOTCONN
        for sock in (listening, datagrams, fresh, unix):
            assert os.get_blocking(sock.fileno())


async def test_a_listener_that_was_inherited_is_shared_with_who_made_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        async with TcpListener.from_socket(plain.dup()) as listener:
            async with await connect_tcp("127.0.0.1", listener.port), await listener.accept():
                pass
        async with await connect_tcp(*plain.getsockname()[:2]):
            plain.setblocking(True)
            plain.accept()[0].close()


async def test_one_machine_listens_twice_only_if_it_says_so() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        with pytest.raises(OSError, match="in use"):
            await listen_tcp("127.0.0.1", listener.port)
