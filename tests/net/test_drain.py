"""The end of serve: how long its handlers have, how they hear of it, and what a preparation changes."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource
from conc.net import TcpListener, TcpStream, connect_tcp, listen_tcp
from conc.net.serving import Service
from conc.sync import CancellationToken, Event
from tests.net.support import on_every_network, read_all


async def test_handlers_that_do_not_end_are_cancelled_when_the_time_is_over() -> None:
    ended: list[tuple[str, float]] = []

    async def handle(stream: TcpStream) -> None:
        seconds = float(await stream.read(10))
        try:
            await conc.sleep(seconds)
            ended.append(("finished", conc.current_time()))
        except conc.Cancelled:
            ended.append(("cancelled", conc.current_time()))
            raise

    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(partial(listener.serve, handle, drain_timeout=3))
        async with await connect_tcp("127.0.0.1", listener.port) as short:
            async with await connect_tcp("127.0.0.1", listener.port) as long:
                await short.write_all(b"2")
                await long.write_all(b"60")
                await conc.sleep(1)
                closed = conc.current_time()
                await listener.aclose()
                await serving.join()
                assert conc.current_time() - closed == pytest.approx(3)
                assert await long.read(1) == b""

    assert [what for what, _ in ended] == ["finished", "cancelled"]
    assert ended[1][1] - closed == pytest.approx(3)


async def test_serve_ends_at_once_when_the_last_handler_has_ended() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(partial(listener.serve, read_all, drain_timeout=3600))
        async with await connect_tcp("127.0.0.1", listener.port):
            await conc.sleep(1)
            await listener.aclose()
            assert serving.outcome is None
        closed = conc.current_time()
        await serving.join()
        assert conc.current_time() - closed < 1


async def test_the_time_begins_with_closing_even_if_serve_waits_for_a_free_place() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(partial(listener.serve, read_all, limit=1, drain_timeout=2))
        async with await connect_tcp("127.0.0.1", listener.port), await connect_tcp("127.0.0.1", listener.port):
            await conc.sleep(5)
            closed = conc.current_time()
            await listener.aclose()
            await serving.join()
            assert conc.current_time() - closed == pytest.approx(2)


async def test_no_time_at_all_cancels_the_handlers_at_once() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(partial(listener.serve, read_all, drain_timeout=0))
        async with await connect_tcp("127.0.0.1", listener.port) as client:
            await conc.sleep(1)
            await listener.aclose()
            await serving.join()
            assert await client.read(1) == b""


async def test_parallel_handlers_have_the_same_time() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        serving = nursery.start_soon(partial(listener.serve, read_all, parallel=True, drain_timeout=1))
        async with await connect_tcp("127.0.0.1", listener.port) as client:
            await conc.sleep(1)
            await listener.aclose()
            await serving.join()
            assert await client.read(1) == b""


async def test_handlers_hear_of_the_end_from_a_token() -> None:
    stopping = CancellationToken()

    async def handle(stream: TcpStream) -> None:
        with stopping.scope():
            while data := await stream.read(100):
                await stream.write_all(data)
        await stream.write_all(b"bye")

    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(partial(listener.serve, handle, drain_timeout=5))
        async with await connect_tcp("127.0.0.1", listener.port) as client:
            await client.write_all(b"hello")
            assert await client.read(10) == b"hello"
            await listener.aclose()
            stopping.cancel()
            assert await read_all(client) == b"bye"


@pytest.mark.parametrize(
    ("drain_timeout", "kind"), [(-1, ValueError), ("1", TypeError), (float("nan"), ValueError), (True, TypeError)]
)
async def test_a_bad_time_is_named(drain_timeout: Any, kind: type[Exception]) -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        with pytest.raises(kind, match=r"^drain_timeout must"):
            await listener.serve(read_all, drain_timeout=drain_timeout)


class Prepared:
    """A stream behind a password, as one behind a handshake would be."""

    def __init__(self, raw: TcpStream) -> None:
        self.raw = raw
        self.closed = False

    def _close(self) -> None:
        assert not self.raw._closed, "the outer stream is closed first"
        self.closed = True


def serve_prepared(listener: TcpListener, handler: Any, **options: Any) -> Any:
    async def prepare(raw: TcpStream) -> Prepared:
        if await raw.read(10) != b"password":
            raise LookupError("not the password")
        return Prepared(raw)

    return partial(listener._serve, Service(handler, prepare, **options), parallel=False, drain_timeout=1)


@on_every_network
async def test_a_preparation_that_fails_is_reported_and_ends_nothing_but_its_connection() -> None:
    reported: list[tuple[str, str]] = []
    streams: list[Prepared] = []

    async def handle(stream: Prepared) -> None:
        streams.append(stream)
        await stream.raw.write_all(b"welcome")

    def report(error: Exception, stream: TcpStream) -> None:
        reported.append((str(error), type(stream).__name__))

    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(serve_prepared(listener, handle, on_error=report, limit=1))
        assert await answer(listener, b"wrong") == b""
        assert await answer(listener, b"password") == b"welcome"
        await listener.aclose()
    assert reported == [("not the password", "TcpStream")]
    assert [stream.closed and stream.raw._closed for stream in streams] == [True]


async def test_a_preparation_that_fails_is_logged_if_nobody_asks(caplog: pytest.LogCaptureFixture) -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    with caplog.at_level(logging.WARNING, logger="conc.net"):
        async with conc.open_nursery() as nursery:
            nursery.start_soon(serve_prepared(listener, read_all))
            assert await answer(listener, b"wrong") == b""
            await listener.aclose()
    [record] = caplog.records
    assert "was not served: LookupError: " in record.getMessage()


async def test_an_error_of_a_prepared_handler_ends_serve_as_ever() -> None:
    async def handle(stream: Prepared) -> None:
        raise ZeroDivisionError

    async with await listen_tcp("127.0.0.1", 0) as listener:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(serve_prepared(listener, handle))
                await answer(listener, b"password")
        assert caught.group_contains(ZeroDivisionError)


async def test_a_preparation_that_is_cancelled_closes_its_connection_and_keeps_no_place() -> None:
    streams: list[TcpStream] = []
    started = Event()

    async def prepare(raw: TcpStream) -> TcpStream:
        streams.append(raw)
        started.set()
        await conc.sleep_forever()
        raise AssertionError("sleep_forever ends never")

    async with await listen_tcp("127.0.0.1", 0) as listener, conc.open_nursery() as nursery:
        service: Service[TcpStream, TcpStream] = Service(read_all, prepare, limit=1)
        serving = nursery.start_soon(partial(listener._serve, service, parallel=False, drain_timeout=None))
        async with await connect_tcp("127.0.0.1", listener.port):
            await started.wait()
            serving.cancel()
        with pytest.raises(conc.TaskCancelled):
            await serving.join()
        with pytest.raises(ClosedResource):
            await streams[0].read(1)
        assert service.places is not None
        assert service.places.value == 1


async def answer(listener: TcpListener, question: bytes) -> bytes:
    async with await connect_tcp("127.0.0.1", listener.port) as client:
        await client.write_all(question)
        try:
            return await read_all(client)
        except BrokenResource:
            return b""
