"""Unix sockets for datagrams, real and in memory: sending, receiving, names."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource, LimitExceeded, WouldBlock
from conc.net import bind_unix_datagram, connect_unix_datagram, unix_datagram_pair
from conc.net.network import current_network
from tests.net.datagram_support import folder, received_now
from tests.net.support import on_every_network


@on_every_network
async def test_a_datagram_arrives_whole_with_the_path_of_its_sender() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "one") as one, await bind_unix_datagram(f"{here}/other") as other:
            assert one.local_address == str(here / "one")
            for data in (b"hello", b"", bytes(100_000)):
                await one.send_to(data, here / "other")
                assert await other.receive_from(100_000) == (data, one.local_address)
            other.send_to_nowait(b"back", one.local_address)
            assert await one.receive() == b"back"


@on_every_network
async def test_datagrams_come_in_order_and_in_a_loop() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "one") as one, await bind_unix_datagram(here / "other") as other:
            for data in (b"a", b"bb", b"end"):
                await one.send_to(data, other.local_address)
            got = []
            async for data, sender in other:
                got.append(data)
                assert sender == one.local_address
                if data == b"end":
                    break
            assert got == [b"a", b"bb", b"end"]


@on_every_network
async def test_a_waiting_receiver_gets_datagrams_whole_too() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "one") as one, await bind_unix_datagram(here / "other") as other:
            async with conc.open_nursery() as nursery:
                receiving = nursery.start_soon(other.receive_from)
                await conc.sleep(0.01)
                one.send_to_nowait(b"first", other.local_address)
                one.send_to_nowait(b"second", other.local_address)
            assert await receiving.join() == (b"first", one.local_address)
            assert await other.receive() == b"second"


@on_every_network
async def test_a_datagram_longer_than_asked_for_is_refused_and_never_cut() -> None:
    one, other = unix_datagram_pair()
    async with one, other:
        await one.send(bytes(65_536))
        await one.send(b"123456")
        with pytest.raises(LimitExceeded, match="a socket without a name has more than 65535 bytes"):
            await other.receive()
        assert await other.peek_from(3) == (b"123", "")
        with pytest.raises(LimitExceeded):
            other.receive_nowait(5)
        assert received_now(other) == []


@on_every_network
async def test_the_two_of_a_pair_talk_to_each_other() -> None:
    one, other = unix_datagram_pair()
    async with one, other:
        assert (one.local_address, one.peer_address) == ("", "")
        await one.send(b"question")
        assert await other.receive_from() == (b"question", "")
        other.send_nowait(b"answer")
        assert await one.receive() == b"answer"


@on_every_network
async def test_a_connected_socket_is_answered_if_it_has_a_name() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "server") as server:
            async with await connect_unix_datagram(here / "server") as nobody:
                assert nobody.peer_address == server.local_address
                await nobody.send(b"hello")
                assert await server.receive_from() == (b"hello", "")
            async with await connect_unix_datagram(here / "server", local_path=here / "client") as client:
                await client.send(b"question")
                question, sender = await server.receive_from()
                assert (question, sender) == (b"question", client.local_address)
                await server.send_to(b"answer", sender)
                assert await client.receive() == b"answer"
            assert not exists(here / "client")


@on_every_network
async def test_a_connected_socket_hears_nobody_else() -> None:
    with folder() as here:
        async with (
            await bind_unix_datagram(here / "server") as server,
            await bind_unix_datagram(here / "stranger") as stranger,
            await connect_unix_datagram(here / "server", local_path=here / "client") as client,
        ):
            with pytest.raises(PermissionError, match="cannot send 1 bytes to"):
                await stranger.send_to(b"x", client.local_address)
            await server.send_to(b"x", client.local_address)
            assert await client.receive() == b"x"
            await client.connect(stranger.local_address)
            await stranger.send_to(b"y", client.local_address)
            assert await client.receive_from() == (b"y", stranger.local_address)


@on_every_network
async def test_an_abstract_name_has_no_file_and_goes_with_its_socket() -> None:
    name = f"\0conc-test-{os.getpid()}"
    async with await bind_unix_datagram(name) as server, await bind_unix_datagram(None) as client:
        assert server.local_address == name
        assert client.local_address.startswith("\0")
        with pytest.raises(OSError, match="cannot bind to @conc-test") as found:
            await bind_unix_datagram(name)
        assert found.value.errno == errno.EADDRINUSE
        await client.send_to(b"question", name)
        assert await server.receive_from() == (b"question", client.local_address)
        await server.send_to(b"answer", client.local_address)
        assert await client.receive() == b"answer"
        async with await connect_unix_datagram(name) as connected:
            await connected.send(b"too")
            assert await server.receive() == b"too"
    async with await bind_unix_datagram(None) as client:
        with pytest.raises(ConnectionRefusedError):
            await client.send_to(b"x", name)


@on_every_network
async def test_a_path_is_taken_by_one_socket_and_free_when_that_is_closed() -> None:
    with folder() as here:
        path = here / "server"
        async with await bind_unix_datagram(path):
            assert exists(path)
            with pytest.raises(OSError, match=r"cannot bind to .*: another socket has it") as found:
                await bind_unix_datagram(path)
            assert found.value.errno == errno.EADDRINUSE
        assert not exists(path)
        async with await bind_unix_datagram(path):
            pass


@on_every_network
async def test_what_a_dead_server_has_left_is_replaced() -> None:
    with folder() as here:
        path = here / "server"
        dead = await bind_unix_datagram(path)
        dead._file = None
        await dead.aclose()
        assert exists(path)
        async with await bind_unix_datagram(None) as client:
            with pytest.raises(ConnectionRefusedError, match="has left its file"):
                await client.send_to(b"x", path)
            async with await bind_unix_datagram(path) as server:
                await client.send_to(b"x", path)
                assert await server.receive() == b"x"


@on_every_network
async def test_there_must_be_somebody_at_the_path() -> None:
    with folder() as here:
        one, other = unix_datagram_pair()
        async with one, other, await bind_unix_datagram(None) as client:
            with pytest.raises(FileNotFoundError, match=r"cannot send 1 bytes to .*/nobody"):
                await client.send_to(b"x", here / "nobody")
            with pytest.raises(FileNotFoundError):
                client.send_to_nowait(b"x", here / "nobody")
            with pytest.raises(FileNotFoundError, match=r"cannot connect to .*/nobody"):
                await connect_unix_datagram(here / "nobody")
            with pytest.raises(FileNotFoundError, match=r"cannot connect .*/nobody"):
                await client.connect(here / "nobody")
            assert client.peer_address is None
            with pytest.raises(OSError, match="not connected, so use send_to"):
                await client.send(b"x")


@on_every_network
async def test_a_sender_hears_that_the_other_side_of_a_connection_is_closed() -> None:
    with folder() as here:
        one, other = unix_datagram_pair()
        server = await bind_unix_datagram(here / "server")
        async with one, await connect_unix_datagram(here / "server") as client:
            await other.aclose()
            await server.aclose()
            for sock in (one, client):
                for _ in range(2):
                    with pytest.raises(BrokenResource, match="the other side is closed") as found:
                        await sock.send(b"x")
                    assert isinstance(found.value.__cause__, OSError)
                    with pytest.raises(BrokenResource):
                        sock.send_nowait(b"x")
            async with await bind_unix_datagram(here / "server") as newcomer:
                with pytest.raises(BrokenResource):
                    await client.send(b"to the old one")
                await client.connect(here / "server")
                await client.send(b"to the new one")
                assert await newcomer.receive() == b"to the new one"


@on_every_network
async def test_what_is_no_path_is_refused_before_anything_happens() -> None:
    async with await bind_unix_datagram(None) as sock:
        cases: list[tuple[Any, type[Exception]]] = [
            (5, TypeError),
            (b"x", TypeError),
            ("", ValueError),
            ("a\0b", ValueError),
        ]
        for path, error in cases:
            operations: list[Callable[[], Awaitable[object]]] = [
                partial(bind_unix_datagram, path),
                partial(connect_unix_datagram, path),
                partial(sock.send_to, b"x", path),
                partial(sock.connect, path),
            ]
            for operation in operations:
                with pytest.raises(error, match=r"path|address"):
                    await operation()
        with pytest.raises(OSError, match="has room for") as found:
            await sock.send_to(b"x", "x" * 200)
        assert found.value.errno == errno.ENAMETOOLONG
        with pytest.raises(TypeError, match="mode"):
            await bind_unix_datagram("x", mode="rw")  # type: ignore[arg-type]
        for data in ("text", None, 5):
            with pytest.raises(TypeError):
                await sock.send_to(data, sock.local_address)  # type: ignore[arg-type]


@on_every_network
async def test_a_closed_socket_does_nothing_any_more() -> None:
    one, other = unix_datagram_pair()
    async with other:
        assert repr(one) == "<UnixDatagramSocket at a socket without a name to a socket without a name>"
        await one.aclose()
        assert repr(one) == "<UnixDatagramSocket, closed>"
        for operation in (one.receive, one.peek_from, lambda: one.send(b"x"), lambda: one.send_to(b"x", "y")):
            with pytest.raises(ClosedResource):
                await operation()
        with pytest.raises(ClosedResource):
            assert one.local_address
        with pytest.raises(WouldBlock):
            other.receive_nowait()


def exists(path: Path) -> bool:
    """Whether there is a socket at the path, as the network sees it."""
    return current_network().identify(str(path)) is not None
