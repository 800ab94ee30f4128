"""Peers that are slow, deaf or rude: each ends in a clear error of its own connection, and nothing is left open."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, IncompleteRead
from conc.io import BufReader
from conc.net import Listener, TcpStream, connect_tcp, connect_unix, listen_tcp, listen_unix
from tests.net.support import LARGE, on_every_network, read_all

MESSAGE = b"0123456789\n"


@pytest.fixture(autouse=True)
def no_descriptor_left() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


async def test_a_client_that_dribbles_loses_its_place_when_its_time_is_over() -> None:
    errors: list[Exception] = []

    async def handle(stream: TcpStream) -> None:
        with conc.fail_after(5):
            line = await BufReader(stream).read_until(b"\n")
        await stream.write_all(line)

    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(partial(listener.serve, handle, limit=1, on_error=lambda error, _: errors.append(error)))
        async with await connect_tcp("127.0.0.1", listener.port) as slow:
            await slow.write_all(b"G")
            async with await connect_tcp("127.0.0.1", listener.port) as other:
                await other.write_all(b"a line\n")
                asked = conc.current_time()
                with pytest.raises(BrokenResource):
                    while True:
                        await slow.write_all(b"x")
                        await conc.sleep(1)
                assert await read_all(other) == b"a line\n"
                assert conc.current_time() - asked < 10
        await listener.aclose()
    assert [type(error) for error in errors] == [TimeoutError]


async def test_a_client_that_never_reads_costs_no_memory_and_ends_in_time() -> None:
    ended: list[tuple[type[Exception], int]] = []

    async def handle(stream: TcpStream) -> None:
        with conc.fail_after(5):
            while True:
                await stream.write_all(LARGE)

    def note(error: Exception, stream: TcpStream) -> None:
        ended.append((type(error), stream.bytes_written))

    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(partial(listener.serve, handle, on_error=note))
        async with await connect_tcp("127.0.0.1", listener.port):
            await conc.sleep(10)
        await listener.aclose()
    [(kind, written)] = ended
    assert kind is TimeoutError
    assert written < 64 * len(LARGE), "only the system keeps what was written, and not much of it"


@on_every_network
async def test_a_client_that_resets_after_any_byte_ends_its_own_handler_only() -> None:
    ended: list[tuple[int, str]] = []
    turn = 0

    async def handle(stream: TcpStream) -> None:
        try:
            assert await BufReader(stream).read_exact(len(MESSAGE)) == MESSAGE
            await stream.write_all(MESSAGE)
            assert await stream.read(1) == b""
            ended.append((turn, "end"))
        except (BrokenResource, IncompleteRead) as error:
            ended.append((turn, type(error).__name__))

    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, handle)
        for turn in range(len(MESSAGE) + 1):
            client = await connect_tcp("127.0.0.1", listener.port)
            await client.write_all(MESSAGE[:turn])
            await conc.sleep(0.01)
            client.abort()
            while len(ended) <= turn:
                await conc.sleep(0.001)
        async with await connect_tcp("127.0.0.1", listener.port) as polite:
            await polite.write_all(MESSAGE)
            assert await polite.read(100) == MESSAGE
        while len(ended) <= len(MESSAGE) + 1:
            await conc.sleep(0.001)
        await listener.aclose()

    turns = [number for number, _ in ended]
    assert turns[:-1] == list(range(len(MESSAGE) + 1))
    assert [what for _, what in ended] == ["BrokenResource"] * (len(MESSAGE) + 1) + ["end"]


@on_every_network
async def test_a_server_that_resets_after_any_byte_of_its_answer_is_an_error_for_the_client() -> None:
    async def handle(stream: TcpStream) -> None:
        count = int(await stream.read(10))
        await stream.write_all(MESSAGE[:count])
        await conc.sleep(0.01)
        stream.abort()

    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, handle)
        for count in range(len(MESSAGE)):
            async with await connect_tcp("127.0.0.1", listener.port) as client:
                await client.write_all(b"%d" % count)
                reader = BufReader(client)
                with pytest.raises(BrokenResource):
                    await reader.read_exact(len(MESSAGE))
        await listener.aclose()


class Exhausted:
    """A listening socket where the system has nothing to give for the first few connections."""

    def __init__(self, sock: Any, numbers: list[int]) -> None:
        self._sock = sock
        self._numbers = numbers

    def accept(self) -> Any:
        if self._numbers:
            number = self._numbers.pop()
            raise OSError(number, os.strerror(number))
        return self._sock.accept()

    def close(self) -> None:
        self._sock.close()


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_server_outlives_every_kind_of_exhaustion(
    name: str, kind: str, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "socket"
    listener: Listener[Any] = await listen_tcp("127.0.0.1", 0) if kind == "tcp" else await listen_unix(path)
    [queue] = listener._queues
    queue._socket = Exhausted(queue._socket, [getattr(errno, name)] * 3)  # type: ignore[assignment]
    async with conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, read_all)
        start = conc.current_time()
        stream = await (connect_tcp(*listener.address) if kind == "tcp" else connect_unix(path))
        async with stream:
            await stream.close_write()
            assert await stream.read(1) == b""
        assert conc.current_time() - start == pytest.approx(0.3)
        await listener.aclose()
    first, second = [record.getMessage() for record in caplog.records]
    assert "cannot accept, trying again every 0.1 s" in first
    assert "accepts again, after 0.3 s" in second


async def test_closing_ends_a_serve_that_waits_for_better_times() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    [queue] = listener._queues
    queue._socket = Exhausted(queue._socket, [errno.EMFILE] * 1000)  # type: ignore[assignment]
    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(listener.serve, read_all)
        async with await connect_tcp("127.0.0.1", listener.port):
            await conc.sleep(1.01)
            closed = conc.current_time()
            await listener.aclose()
            await serving.join()
            assert conc.current_time() - closed < 0.05


async def test_a_connection_that_broke_in_the_queue_is_passed_over() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    [queue] = listener._queues
    queue._socket = Exhausted(queue._socket, [errno.ECONNABORTED, errno.EPROTO])  # type: ignore[assignment]
    async with listener, await connect_tcp("127.0.0.1", listener.port) as client, await listener.accept() as server:
        assert server.peer_address == client.local_address
