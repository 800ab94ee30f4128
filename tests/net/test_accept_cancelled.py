"""accept of TCP and Unix listeners: who was woken and is cancelled leaves the connection in the queue."""

from __future__ import annotations

import socket
from pathlib import Path

import conc
from conc._kernel.current import current_worker
from conc._os.poller import READ
from conc.net import TcpStream, UnixStream, connect_tcp, connect_unix, listen_tcp, listen_unix
from tests.net.support import on_every_network


@on_every_network
async def test_who_was_woken_for_nothing_and_is_cancelled_does_not_wait_again() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        with conc.fail_after(5), conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(listener.accept)
                await conc.sleep(0.01)
                (queue,) = listener._queues
                current_worker().descriptors.notify([(queue._fd, READ)])  # woken, and not run yet
                scope.cancel()
        assert scope.cancelled_caught
        async with await connect_tcp("127.0.0.1", listener.port) as client, await listener.accept() as server:
            assert server.peer_address == client.local_address


async def test_who_was_woken_to_accept_and_is_cancelled_leaves_the_connection_to_the_next() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        accepted: list[TcpStream] = []

        async def accept() -> None:
            accepted.append(await listener.accept())

        with conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(accept)
                await conc.sleep(0.01)
                client = socket.create_connection(("127.0.0.1", listener.port))  # in one step with what follows
                current_worker().descriptors.notify(current_worker().poller.poll(1))
                scope.cancel()
        with client:
            assert accepted == []
            async with await listener.accept() as server:
                assert server.peer_address == client.getsockname()


async def test_who_was_woken_to_accept_a_unix_stream_and_is_cancelled_leaves_it_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with await listen_unix(path) as listener:
        accepted: list[UnixStream] = []

        async def accept() -> None:
            accepted.append(await listener.accept())

        with conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(accept)
                await conc.sleep(0.01)
                client = await connect_unix(path)
                (queue,) = listener._queues
                current_worker().descriptors.notify([(queue._fd, READ)])  # woken, and not run yet
                scope.cancel()
        assert accepted == []
        async with client, await listener.accept() as server:
            await client.write_all(b"hello")
            assert await server.read(10) == b"hello"
