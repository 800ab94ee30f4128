"""A peer that goes away at any moment: an error of the connection, or an end; never a hang, never another error."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from contextlib import suppress

import pytest

import conc
from conc.errors import BrokenResource
from conc.net import TcpStream, connect_tcp, listen_tcp
from tests.net.support import on_every_network, reset, run

ROUNDS = 60


def vanish(sock: socket.socket, *, politely: bool) -> None:
    """Close from outside, with a FIN or with a reset."""
    if not politely:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_client_that_vanishes_at_any_moment_ends_its_own_handler_and_nothing_else(seed: int) -> None:
    rand = random.Random(seed)
    ended: list[type[Exception] | None] = []

    async def handle(stream: TcpStream) -> None:
        while data := await stream.read(10_000):
            await stream.write_all(data * 3)
        ended.append(None)

    def note(error: Exception, stream: TcpStream) -> None:
        ended.append(type(error))

    def be_rude(port: int) -> None:
        for _ in range(ROUNDS):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setblocking(False)  # it reads nothing, so the server stops reading too
            for _ in range(rand.randrange(5)):
                with suppress(BlockingIOError):
                    sock.send(bytes(rand.choice([1, 5_000, 100_000])))
                time.sleep(rand.choice([0, 0.0003]))
            vanish(sock, politely=rand.random() < 0.3)

    async def main() -> None:
        listener = await listen_tcp("127.0.0.1", 0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(lambda: listener.serve(handle, on_error=note))
            await conc.to_thread(be_rude, listener.port)
            while len(ended) < ROUNDS:
                await conc.sleep(0.01)
            await listener.aclose()

    run(main)
    assert set(ended) <= {None, BrokenResource}
    assert BrokenResource in ended


def test_a_server_that_vanishes_at_any_moment_gives_a_client_an_error_or_an_end() -> None:
    rand = random.Random(1)
    listener = socket.create_server(("127.0.0.1", 0))

    def be_rude() -> None:
        for _ in range(ROUNDS):
            sock, _ = listener.accept()
            time.sleep(rand.choice([0, 0.0002, 0.001]))
            if rand.random() < 0.5:
                sock.sendall(b"x" * 1_000)
            vanish(sock, politely=rand.random() < 0.3)

    async def main() -> set[str]:
        outcomes = set()
        for _ in range(ROUNDS):
            try:
                async with await connect_tcp(*listener.getsockname()) as stream:
                    await stream.write_all(b"y" * rand.choice([1, 100_000]))
                    while await stream.read(1_000):
                        pass
                outcomes.add("end")
            except ConnectionResetError:
                outcomes.add("broken before it was connected")
            except BrokenResource as error:
                assert isinstance(error.__cause__, OSError)
                outcomes.add("broken")
        return outcomes

    thread = threading.Thread(target=be_rude)
    thread.start()
    assert "broken" in run(main)
    thread.join()
    listener.close()


@on_every_network
async def test_what_came_before_a_reset_is_read_or_the_reset_is_told_but_nothing_is_made_up() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        for moment in range(6):
            async with await connect_tcp("127.0.0.1", listener.port) as client:
                server = await listener.accept()
                got = b""

                async def read(stream: TcpStream = client) -> None:
                    nonlocal got
                    try:
                        while part := await stream.read(4):
                            got += part
                    except BrokenResource:
                        pass

                async with conc.open_nursery() as nursery:
                    nursery.start_soon(read)
                    for step in range(moment):
                        await server.write_all(b"%d" % step * 3)
                        await conc.checkpoint()
                    reset(server)
                assert b"000111222333444".startswith(got)
