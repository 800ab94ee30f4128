"""TcpListener.serve: a child for each connection, and how all of that ends."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.net import TcpListener, TcpStream, connect_tcp, listen_tcp
from conc.sync import Event
from tests.net.support import connected, on_every_network, read_all, reset, run


async def echo(stream: TcpStream) -> None:
    while data := await stream.read(65_536):
        await stream.write_all(data)


async def ask(listener: TcpListener, question: bytes) -> bytes:
    """Write, end, and read the whole answer."""
    async with await connect_tcp("127.0.0.1", listener.port) as stream:
        await stream.write_all(question)
        await stream.close_write()
        return await read_all(stream)


@on_every_network
async def test_each_connection_is_handled_by_a_child_that_is_named_after_the_handler() -> None:
    names = []

    async def handle(stream: TcpStream) -> None:
        names.append(conc.lowlevel.current_task().name)
        await echo(stream)

    async with await listen_tcp("127.0.0.1", 0) as listener, conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, handle)
        async with conc.open_nursery() as clients:
            answers = [clients.start_soon(ask, listener, b"%d" % number) for number in range(20)]
        assert [await answer.join() for answer in answers] == [b"%d" % number for number in range(20)]
        nursery.cancel_scope.cancel()

    assert [name.split(".")[-1] for name in names] == ["handle"] * 20


@on_every_network
async def test_a_stream_is_closed_when_its_handler_ends() -> None:
    streams: list[TcpStream] = []

    async def handle(stream: TcpStream) -> None:
        streams.append(stream)
        await stream.write_all(b"bye")

    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, handle)
        assert await ask(listener, b"") == b"bye"
        with pytest.raises(ClosedResource):
            await streams[0].read(1)
        await listener.aclose()


@on_every_network
async def test_after_closing_serve_waits_for_its_handlers_and_returns() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(listener.serve, echo)
        async with await connect_tcp("127.0.0.1", listener.port) as client:
            await client.write_all(b"before")
            assert await client.read(100) == b"before"
            await listener.aclose()

            await client.write_all(b"after")
            assert await client.read(100) == b"after"
            assert serving.outcome is None
            with pytest.raises(ConnectionRefusedError):
                await connect_tcp("127.0.0.1", listener.port)
        await serving.join()


@on_every_network
async def test_cancelling_serve_ends_the_handlers_and_closes_their_streams_but_not_the_listener() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    ended = []

    async def handle(stream: TcpStream) -> None:
        try:
            await echo(stream)
        finally:
            ended.append(stream)

    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(listener.serve, handle)
        async with await connect_tcp("127.0.0.1", listener.port) as client:
            await client.write_all(b"x")
            await client.read(1)
            serving.cancel("enough")
            assert await client.read(1) == b""
            assert len(ended) == 1

        nursery.start_soon(listener.serve, echo)
        assert await ask(listener, b"again") == b"again"
        await listener.aclose()


@on_every_network
async def test_an_error_of_a_handler_ends_serve_and_the_other_handlers() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    streams: list[TcpStream] = []

    async def handle(stream: TcpStream) -> None:
        streams.append(stream)
        if await stream.read(1) == b"!":
            raise LookupError("this one")
        await conc.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(listener.serve, handle)
            async with connected_to(listener) as first, connected_to(listener) as second:
                await first.write_all(b"?")
                await conc.sleep(0.01)
                await second.write_all(b"!")
                await conc.sleep(5)

    assert caught.group_contains(LookupError, match="this one")
    assert len(streams) == 2
    assert all("closed" in repr(stream) for stream in streams)
    await listener.aclose()


def connected_to(listener: TcpListener) -> Any:
    return Connecting(listener)


class Connecting:
    """``async with`` a connection to a listener."""

    def __init__(self, listener: TcpListener) -> None:
        self._listener = listener

    async def __aenter__(self) -> TcpStream:
        self._stream = await connect_tcp("127.0.0.1", self._listener.port)
        return self._stream

    async def __aexit__(self, *error: object) -> None:
        self._stream._close()


@on_every_network
async def test_on_error_gets_the_error_and_the_stream_and_serve_goes_on() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    reported: list[tuple[type[Exception], bool]] = []

    async def handle(stream: TcpStream) -> None:
        data = await stream.read(10)
        if data == b"fail":
            raise LookupError
        await stream.write_all(data)

    def report(error: Exception, stream: TcpStream) -> None:
        reported.append((type(error), "closed" in repr(stream)))

    async with conc.open_nursery() as nursery:
        nursery.start_soon(partial(listener.serve, handle, on_error=report))
        assert await ask(listener, b"fail") == b""
        assert await ask(listener, b"well") == b"well"
        async with connected_to(listener) as client:
            await conc.sleep(0.01)
            reset(client)
        await conc.sleep(0.01)
        await listener.aclose()

    assert reported == [(LookupError, False), (BrokenResource, False)]


@on_every_network
async def test_an_error_of_on_error_ends_serve_and_tells_both() -> None:
    listener = await listen_tcp("127.0.0.1", 0)

    async def handle(stream: TcpStream) -> None:
        raise LookupError

    def report(error: Exception, stream: TcpStream) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(ask, listener, b"")
            await listener.serve(handle, on_error=report)

    group = caught.value.exceptions[0]
    assert isinstance(group, ExceptionGroup)
    assert isinstance(group.exceptions[0], ZeroDivisionError)
    assert isinstance(group.exceptions[0].__context__, LookupError)
    await listener.aclose()


@on_every_network
async def test_an_async_on_error_is_a_mistake_that_is_named() -> None:
    listener = await listen_tcp("127.0.0.1", 0)

    async def handle(stream: TcpStream) -> None:
        raise LookupError

    async def report(error: Exception, stream: TcpStream) -> None:
        raise AssertionError("never runs")

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(ask, listener, b"")
            await listener.serve(handle, on_error=report)

    assert caught.group_contains(TypeError, match="on_error must be a plain function; .*report is async", depth=2)
    await listener.aclose()


@on_every_network
async def test_no_more_than_limit_connections_are_handled_at_a_time() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    now = most = 0

    async def handle(stream: TcpStream) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await conc.sleep(0.005)
        await echo(stream)
        now -= 1

    async with conc.open_nursery() as nursery:
        nursery.start_soon(partial(listener.serve, handle, limit=3))
        async with conc.open_nursery() as clients:
            answers = [clients.start_soon(ask, listener, b"%d" % number) for number in range(10)]
        await listener.aclose()

    assert most == 3
    assert [answer.join_nowait() for answer in answers] == [b"%d" % number for number in range(10)]


@on_every_network
async def test_closing_ends_a_serve_that_waits_for_a_free_place() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    started, finish = Event(), Event()

    async def handle(stream: TcpStream) -> None:
        started.set()
        await finish.wait()

    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(partial(listener.serve, handle, limit=1))
        async with connected_to(listener), connected_to(listener):
            await started.wait()
            await listener.aclose()
            await conc.sleep(0.01)
            assert serving.outcome is None
            finish.set()
            await serving.join()


@on_every_network
async def test_serving_with_a_closed_listener_is_refused() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    await listener.aclose()

    with pytest.raises(ClosedResource):
        await listener.serve(echo)


@on_every_network
async def test_two_serves_of_one_listener_are_a_mistake_that_is_named() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(listener.serve, echo)
                nursery.start_soon(listener.serve, echo)

        assert caught.group_contains(BusyResource)


@on_every_network
async def test_a_handler_may_hand_its_stream_on_but_not_keep_it() -> None:
    listener = await listen_tcp("127.0.0.1", 0)

    async def handle(stream: TcpStream) -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(echo, stream)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, handle)
        assert await ask(listener, b"through a child") == b"through a child"
        await listener.aclose()


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        ({"handler": None}, TypeError, "handler"),
        ({"on_error": "log"}, TypeError, "on_error"),
        ({"limit": 0}, ValueError, "limit"),
        ({"limit": 2.5}, TypeError, "limit"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], kind: type[Exception], names: str) -> None:
    async def main() -> None:
        async with await listen_tcp("127.0.0.1", 0) as listener:
            with pytest.raises(kind, match=f"^{names} must"):
                await listener.serve(**{"handler": echo, **change})

    run(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_parallel_handlers_are_strands_that_close_their_streams_and_end_gracefully(workers: int) -> None:
    strands = set()

    async def handle(stream: TcpStream) -> None:
        strands.add(conc.lowlevel.current_task().strand)
        await echo(stream)

    async def main() -> None:
        listener = await listen_tcp("127.0.0.1", 0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(partial(listener.serve, handle, parallel=True, limit=5))
            async with conc.open_nursery() as clients:
                answers = [clients.start_soon(ask, listener, b"%d" % number * 10_000) for number in range(30)]
            await listener.aclose()
        assert [answer.join_nowait() for answer in answers] == [b"%d" % number * 10_000 for number in range(30)]

    run(main, workers=workers)
    assert len(strands) == 30


def test_cancelling_a_parallel_serve_ends_its_strands() -> None:
    async def main() -> None:
        async with await listen_tcp("127.0.0.1", 0) as listener, conc.open_nursery() as nursery:
            serving = nursery.start_soon(partial(listener.serve, echo, parallel=True))
            async with connected_to(listener) as client:
                await client.write_all(b"x")
                await client.read(1)
                serving.cancel()
                assert await client.read(1) == b""

    run(main, workers=3)


def test_a_connection_that_comes_while_serve_is_cancelled_is_closed() -> None:
    async def main() -> None:
        for steps in range(12):
            async with await listen_tcp("127.0.0.1", 0) as listener, connected() as _:
                async with conc.open_nursery() as nursery:
                    serving = nursery.start_soon(listener.serve, echo)
                    async with connected_to(listener) as client:
                        for _ in range(steps):
                            await conc.checkpoint()
                        serving.cancel()
                        await serving_ended(serving)
                        await listener.aclose()
                        try:
                            assert await client.read(1) == b""
                        except BrokenResource:
                            pass  # it had not been accepted

    run(main)


async def serving_ended(serving: conc.Task[None]) -> None:
    with pytest.raises(conc.TaskCancelled):
        await serving.join()
