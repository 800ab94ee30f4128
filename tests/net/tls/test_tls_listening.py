"""listen_tls and TlsListener: each connection shakes hands by itself, and none that is slow or hostile does harm."""

from __future__ import annotations

import logging
import ssl
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource
from conc.net import TlsListener, TlsStream, connect_tcp, connect_tls, connect_unix, listen_tls, listen_unix, wrap_tls
from conc_testing import SimNetwork
from tests.net.support import on_every_network, run
from tests.net.tls.certificates import HOST, client_context, server_context
from tests.net.tls.support import read_to_end


async def echo(stream: TlsStream) -> None:
    while data := await stream.read(65_536):
        await stream.write_all(data)


async def listen(**options: Any) -> TlsListener:
    return await listen_tls("127.0.0.1", 0, server_context(), **options)


async def ask(listener: TlsListener, question: bytes, **options: Any) -> bytes:
    """Write, end, and read the whole answer."""
    options = {"ssl_context": client_context(), **options}
    async with await connect_tls("127.0.0.1", listener.port, **options) as stream:
        await stream.write_all(question)
        await stream.close_write()
        return await read_to_end(stream)


@on_every_network
async def test_clients_are_served_at_the_same_time() -> None:
    async with await listen() as listener, conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, echo)
        questions = [bytes([n]) * 10_000 * n for n in range(1, 9)]
        assert await conc.join(*(ask(listener, question) for question in questions)) == tuple(questions)
        await listener.aclose()


@on_every_network
async def test_a_server_is_known_by_the_name_that_is_given() -> None:
    async with await listen() as listener, conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, echo)
        assert await ask(listener, b"x", server_hostname=HOST) == b"x"
        with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example"):
            await ask(listener, b"x", server_hostname="other.example")
        nursery.cancel_scope.cancel()


@on_every_network
async def test_who_never_shakes_hands_holds_up_nobody_and_is_dropped() -> None:
    errors: list[tuple[Exception, object]] = []
    async with await listen(handshake_timeout=0.3) as listener, conc.open_nursery() as nursery:
        nursery.start_soon(lambda: listener.serve(echo, on_error=lambda error, stream: errors.append((error, stream))))
        silent = [await connect_tcp("127.0.0.1", listener.port) for _ in range(5)]
        assert await ask(listener, b"prompt") == b"prompt"
        for stream in silent:
            with pytest.raises(BrokenResource):
                while await stream.read(10):
                    pass
                raise BrokenResource("the end is as good as a reset")
            await stream.aclose()
        assert await ask(listener, b"still there") == b"still there"
        nursery.cancel_scope.cancel()
    assert len(errors) == 5
    assert all(isinstance(error, TimeoutError) for error, _ in errors)
    assert all("TcpStream" in repr(stream) for _, stream in errors)


def test_a_failed_handshake_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with await listen() as listener, conc.open_nursery() as nursery:
            nursery.start_soon(listener.serve, echo)
            async with await connect_tcp("127.0.0.1", listener.port) as stream:
                await stream.write_all(b"GET / HTTP/1.1\r\n\r\n")
                while await stream.read(100):
                    pass
            assert await ask(listener, b"well") == b"well"
            nursery.cancel_scope.cancel()

    with caplog.at_level(logging.WARNING, logger="conc.net"):
        run(main)
    (record,) = caplog.records
    assert "an HTTP request without TLS" in record.getMessage()
    assert "127.0.0.1" in record.getMessage()


@on_every_network
async def test_an_error_of_a_handler_ends_serve_or_goes_to_on_error() -> None:
    errors: list[Exception] = []

    async def fail(stream: TlsStream) -> None:
        await stream.read(1)
        raise ZeroDivisionError

    async with await listen() as listener:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(lambda: listener.serve(fail, on_error=lambda error, _: errors.append(error)))
            assert await ask(listener, b"x") == b""  # closed in order, with a close_notify
            nursery.cancel_scope.cancel()
        assert [type(error) for error in errors] == [ZeroDivisionError]
        with pytest.raises(ExceptionGroup) as raised:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(listener.serve, fail)
                await ask(listener, b"x")
        assert raised.group_contains(ZeroDivisionError)


@on_every_network
async def test_a_limit_counts_those_who_shake_hands() -> None:
    running = most = 0

    async def count(stream: TlsStream) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await echo(stream)
        running -= 1

    async with await listen() as listener, conc.open_nursery() as nursery:
        nursery.start_soon(lambda: listener.serve(count, limit=2))
        await conc.join(*(ask(listener, b"x") for _ in range(6)))
        nursery.cancel_scope.cancel()
    assert most <= 2


@on_every_network
async def test_closing_drains_those_who_are_served() -> None:
    async with await listen() as listener, conc.open_nursery() as nursery:
        serving = nursery.start_soon(listener.serve, echo)
        stream = await connect_tls("127.0.0.1", listener.port, ssl_context=client_context())
        await stream.write_all(b"before")
        assert await stream.read(10) == b"before"
        await listener.aclose()
        await stream.write_all(b"after")
        assert await stream.read(10) == b"after"
        assert serving.outcome is None
        await stream.aclose()
        await serving.join()


@on_every_network
async def test_accept_shakes_hands_with_one_after_the_other() -> None:
    async with await listen(handshake_timeout=0.2) as listener, conc.open_nursery() as nursery:
        silent = await connect_tcp("127.0.0.1", listener.port)
        with pytest.raises(TimeoutError, match="handshake_timeout"):
            await listener.accept()
        await silent.aclose()
        connecting = nursery.start_soon(lambda: connect_tls("127.0.0.1", listener.port, ssl_context=client_context()))
        async with await listener.accept() as server, await connecting.join() as client:
            await server.write_all(b"welcome")
            assert await client.read(10) == b"welcome"
            assert client.peer_address == server.local_address == listener.address
        await listener.aclose()
        with pytest.raises(ClosedResource):
            await listener.accept()


def test_each_connection_may_be_a_strand_of_its_own() -> None:
    async def main() -> None:
        async with await listen() as listener, conc.open_nursery() as nursery:
            nursery.start_soon(lambda: listener.serve(echo, parallel=True))
            question = bytes(range(256)) * 1_000
            assert await conc.join(*(ask(listener, question) for _ in range(8))) == (question,) * 8
            nursery.cancel_scope.cancel()

    run(main, workers=3)


def test_a_listener_of_unix_sockets_can_speak_tls(tmp_path: Any) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        async with (
            TlsListener(await listen_unix(path), server_context()) as listener,
            conc.open_nursery() as nursery,
        ):
            nursery.start_soon(listener.serve, echo)
            raw = await connect_unix(path)
            async with await wrap_tls(raw, ssl_context=client_context(), server_hostname=HOST) as stream:
                await stream.write_all(b"local")
                assert await stream.read(10) == b"local"
            assert repr(listener).startswith("<TlsListener over <UnixListener")
            with pytest.raises(AttributeError):
                _ = listener.port
            nursery.cancel_scope.cancel()

    run(main)


async def test_bad_arguments_are_named_before_anything_is_listened_on() -> None:
    with pytest.raises(TypeError, match="ssl_context"):
        await listen_tls("127.0.0.1", 0, "secure")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="handshake_timeout"):
        await listen_tls("127.0.0.1", 0, server_context(), handshake_timeout=-1)
    with pytest.raises(TypeError, match="ssl_context"):
        await connect_tls("127.0.0.1", 1, ssl_context="secure")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one for clients"):
        await listen_tls("127.0.0.1", 0, ssl.create_default_context())
    with pytest.raises(ValueError, match="server_hostname"):
        await connect_tls("127.0.0.1", 1, server_hostname="")


def test_no_connection_is_left_when_a_session_is_none() -> None:
    """`run` on a simulated network checks that all sockets are closed."""

    async def main() -> None:
        async with await listen() as listener:
            with pytest.raises(TypeError, match="SSLSession"):
                await ask(listener, b"x", session="none")

    run(main, network=SimNetwork())


def test_nothing_is_left_open_when_connecting_is_cancelled() -> None:
    """`run` on a simulated network checks that all sockets are closed."""

    async def main() -> None:
        async with await listen() as listener:
            for steps in range(40):
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(listener.serve, echo)
                    asking = nursery.start_soon(ask, listener, b"x")
                    for _ in range(steps):
                        await conc.checkpoint()
                    asking.cancel()
                    nursery.cancel_scope.cancel()

    run(main, network=SimNetwork())


def test_the_default_context_trusts_no_certificate_of_a_test() -> None:
    async def main() -> None:
        async with await listen() as listener, conc.open_nursery() as nursery:
            nursery.start_soon(lambda: listener.serve(echo, on_error=lambda *_: None))
            with pytest.raises(ssl.SSLCertVerificationError, match="load_verify_locations"):
                await connect_tls("127.0.0.1", listener.port)
            nursery.cancel_scope.cancel()

    run(main)
