"""Ending: orderly, one direction at a time, cut off, by who never reads; and going on without TLS."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.net import TlsStream, wrap_tls
from conc.net.tls_wire import ANSWERS_AT_MOST
from conc_testing import duplex
from tests.net.support import run
from tests.net.tls.certificates import HOST, client_context, server_context
from tests.net.tls.support import VERSIONS, read_exactly, read_to_end, speak_tls, tcp_pair, tls_pair


@pytest.mark.parametrize("version", VERSIONS, ids=["1.3", "1.2"])
async def test_reading_goes_on_behind_a_half_close(version: ssl.TLSVersion) -> None:
    async with tls_pair(version=version) as (client, server):
        await client.write_all(b"question")
        await client.close_write()
        assert await read_to_end(server) == b"question"
        await server.write_all(b"answer " * 5_000)
        await server.close_write()
        assert await read_to_end(client) == b"answer " * 5_000


@pytest.mark.parametrize("version", VERSIONS, ids=["1.3", "1.2"])
async def test_what_had_come_before_a_half_close_can_still_be_read(version: ssl.TLSVersion) -> None:
    async with tls_pair(version=version) as (client, server):
        await server.write_all(b"0123456789" * 5_000)
        assert await client.read(3) == b"012"  # the rest of a record is decrypted, and more is not
        await client.close_write()
        await server.close_write()
        assert b"012" + await read_to_end(client) == b"0123456789" * 5_000


async def test_an_end_without_close_notify_is_no_end() -> None:
    async with tls_pair() as (client, server):
        await server.write_all(b"half a")
        await server.raw.aclose()
        assert await client.read(100) == b"half a"
        for _ in range(2):
            with pytest.raises(BrokenResource, match="without a close_notify"):
                await client.read(100)
        with pytest.raises(BrokenResource, match="without a close_notify"):
            client.read_nowait(100)


async def test_an_end_without_close_notify_is_one_for_who_wants_it_so() -> None:
    async with tls_pair(require_close_notify=False) as (client, server):
        await server.write_all(b"all")
        await server.raw.aclose()
        assert await read_to_end(client) == b"all"
        assert await client.read_into(bytearray(5)) == 0
        assert client.read_nowait(5) == b""


async def test_an_end_within_a_record_is_no_end() -> None:
    raw, pipe = duplex()
    towards, server = duplex()

    async def carry(source: object, sink: object, at_most: int) -> None:
        while at_most and (data := await source.read(at_most)):  # type: ignore[attr-defined]
            await sink.write_all(data)  # type: ignore[attr-defined]
            at_most -= len(data)
        await sink.close_write()  # type: ignore[attr-defined]

    async with conc.open_nursery() as nursery:
        nursery.start_soon(carry, pipe, towards, 10**9)
        ended = nursery.start_soon(carry, towards, pipe, 10**9)
        client, serving = await speak_tls(raw, server)
        await serving.write_all(b"complete")
        assert await client.read(100) == b"complete"
        ended.cancel()
        await conc.sleep(1)
        await serving.write_all(b"cut off")
        await pipe.write_all(await towards.read(10))  # half a record
        await pipe.close_write()
        with pytest.raises(BrokenResource, match="without a close_notify"):
            await client.read(100)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("version", VERSIONS, ids=["1.3", "1.2"])
async def test_cut_off_at_any_byte_it_is_told_from_the_whole(version: ssl.TLSVersion) -> None:
    """The client's bytes are let through up to here; in its handshake, in a record, between records."""
    ours, theirs = client_context(version=version), server_context(version=version)

    async def cut(length: int) -> tuple[str, int]:
        """What becomes of the server, and how many bytes were let through."""
        client, carried = duplex()
        carrying, server = duplex()
        passed = 0

        async def carry() -> None:
            nonlocal passed
            while passed < length and (data := await carried.read(length - passed)):
                await carrying.write_all(data)
                passed += len(data)
            with suppress(BrokenResource):  # it has heard enough
                await carrying.close_write()

        async def carry_back() -> None:
            while data := await carrying.read(65_536):
                await carried.write_all(data)
            with suppress(BrokenResource):
                await carried.close_write()

        async def ask() -> None:
            with suppress(BrokenResource):
                stream = await wrap_tls(client, ssl_context=ours, server_hostname=HOST)
                await stream.write_all(b"question")
                await stream.close_write()
                await stream.read(1)
            await client.aclose()

        async def serve() -> str:
            try:
                async with await wrap_tls(server, ssl_context=theirs, server_side=True) as stream:
                    return "whole" if await read_to_end(stream) == b"question" else "part"
            except BrokenResource:
                return "broken"
            finally:
                await server.aclose()

        async with conc.open_nursery() as nursery:
            for task in (carry, carry_back, ask):
                nursery.start_soon(task)
            serving = nursery.start_soon(serve)
        return await serving.join(), passed

    outcome, length = await cut(100_000)
    assert outcome == "whole"
    assert {(await cut(passed))[0] for passed in range(1, length)} == {"broken"}
    assert await cut(length) == ("whole", length)


async def test_who_asks_for_answers_without_end_and_reads_none_is_cut_off() -> None:
    """In TLS 1.3 new keys can be asked for again and again, and each time something is to be sent."""
    async with tls_pair(capacity=100) as (client, server):
        server._machine.outgoing.write(bytes(ANSWERS_AT_MOST + 1))
        with pytest.raises(BrokenResource, match="reads no answer"):
            await server.read(1)
        await client.aclose()


@pytest.mark.parametrize("is_to_send", [False, True])
async def test_an_error_of_the_stream_below_is_raised_as_it_is(is_to_send: bool) -> None:
    async with tls_pair() as (client, _):

        async def fail(max_bytes: int) -> bytes:
            raise OSError(f"cannot give {max_bytes} bytes")

        client._raw_read = fail
        if is_to_send:
            client._machine.outgoing.write(b"answer")
        with pytest.raises(OSError, match="cannot give"):
            await client.read(1)


async def test_a_record_that_was_tampered_with_breaks_the_stream() -> None:
    client, server = await speak_tls(*duplex())
    async with client, server:
        await client.raw.write_all(b"\x17\x03\x03\x00\x20" + bytes(32))
        for _ in range(2):
            with pytest.raises(BrokenResource, match="tampered with"):
                await server.read(10)
        await server.aclose()
        with pytest.raises(BrokenResource, match="the other side broke it off"):
            await client.read(10)


async def test_who_closes_does_not_wait_for_a_peer_that_never_reads() -> None:
    async with tls_pair(capacity=100) as (client, _):
        with conc.move_on_after(1):
            await client.write_all(bytes(100_000))
        began = conc.current_time()
        await client.aclose()
        assert conc.current_time() == began


async def test_who_closes_waits_at_most_a_moment_for_room() -> None:
    async with tls_pair(capacity=2_000) as (client, server):
        with conc.move_on_after(1):
            while True:
                await client.write_all(bytes(50))  # until the last one does not fit
        with conc.move_on_after(1):
            await client.write_all()
        began = conc.current_time()
        await client.aclose()
        assert conc.current_time() - began <= 0.1
        with pytest.raises(BrokenResource, match="without a close_notify"):
            await read_to_end(server)


def test_over_tcp_nobody_waits_for_a_peer_that_never_reads() -> None:
    async def main() -> None:
        client, server = await speak_tls(*await tcp_pair())
        with conc.move_on_after(0.2):
            await client.write_all(bytes(50_000_000))
        with conc.fail_after(1):
            await client.aclose()
        await server.aclose()

    run(main)


def test_a_client_that_never_read_its_sessions_loses_no_last_words() -> None:
    """A socket closed with unread bytes resets the connection, and what it had sent may be lost."""

    async def main() -> None:
        for _ in range(20):
            client, server = await speak_tls(*await tcp_pair())
            async with client:
                await client.write_all(b"last words" * 1_000)
            async with server:
                assert await read_to_end(server) == b"last words" * 1_000
                assert await server.raw.read(1) == b""  # not reset

    run(main)


async def test_tls_ends_and_both_sides_go_on_without_it() -> None:
    client, server = await speak_tls(*duplex())

    async def serve() -> None:
        assert await read_to_end(server) == b"secret"
        raw, leftover = await server.unwrap()
        got = leftover or await raw.read(100)
        assert got == b"in the clear"
        await raw.write_all(b"too")

    async with conc.open_nursery() as nursery:
        nursery.start_soon(serve)
        await client.write_all(b"secret")
        raw, leftover = await client.unwrap()
        assert leftover == b""
        await raw.write_all(b"in the clear")
        assert await raw.read(100) == b"too"
    for stream in (client, server):
        with pytest.raises(ClosedResource, match="unwrapped"):
            await stream.read(1)
        await stream.aclose()  # which leaves what is below alone
    await raw.write_all(b"open")


async def test_what_follows_the_end_of_tls_in_one_piece_is_left_over() -> None:
    client, server = await speak_tls(*duplex())
    await client.close_write()
    await client.raw.write_all(b"in the clear")
    await server.close_write()
    assert await server.unwrap() == (server.raw, b"in the clear")


async def test_unwrapping_refuses_to_lose_what_was_not_read() -> None:
    async with tls_pair() as (client, server):
        await server.write_all(b"unread")
        with pytest.raises(BrokenResource, match="read until b'' first"):
            await client.unwrap()
        assert await client.read(100) == b"unread"
        await server.close_write()
        assert await client.unwrap() == (client.raw, b"")


async def test_nothing_can_be_done_after_closing() -> None:
    async with tls_pair() as (client, server):
        await client.aclose()
        for operation in (lambda: client.read(1), lambda: client.write_all(b"x"), client.close_write, client.unwrap):
            with pytest.raises(ClosedResource):
                await operation()
        with pytest.raises(ClosedResource):
            client.read_nowait(1)
        with pytest.raises(ClosedResource):
            await client.read_into(bytearray(1))
        assert "closed" in repr(client)
        assert await server.read(1) == b""


async def test_one_task_at_a_time_reads_however_it_does() -> None:
    async with tls_pair() as (client, _), conc.open_nursery() as nursery:
        nursery.start_soon(client.read, 10)
        await conc.sleep(1)
        with pytest.raises(BusyResource):
            client.read_nowait(1)
        with pytest.raises(BusyResource):
            await client.read_into(bytearray(1))
        nursery.cancel_scope.cancel()


async def test_closing_by_an_error_lets_the_error_pass_though_cancelled() -> None:
    client, server = await speak_tls(*duplex())
    with conc.CancelScope() as scope, pytest.raises(ZeroDivisionError):
        async with client:
            scope.cancel()
            raise ZeroDivisionError
    assert await server.read(1) == b""


async def test_nested_tls_is_closed_from_the_inside_out() -> None:
    outer = await speak_tls(*duplex())
    inner = await speak_tls(*outer)
    await inner[0].write_all(b"deep")
    assert await read_exactly(inner[1], 4) == b"deep"
    await inner[0].aclose()
    assert await inner[1].read(1) == b""
    with pytest.raises(ClosedResource):
        await outer[0].read(1)
    assert isinstance(inner[0].raw, TlsStream)


async def test_a_stream_without_an_address_says_so() -> None:
    raw, other = duplex()
    async with conc.open_nursery() as nursery:
        nursery.start_soon(lambda: wrap_tls(other, ssl_context=server_context(), server_side=True))
        client = await wrap_tls(raw, ssl_context=client_context(), server_hostname=HOST)
    with pytest.raises(AttributeError):
        _ = client.peer_address
