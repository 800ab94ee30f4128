"""Both directions at a time: in tasks, in strands on two workers, and while a handshake goes on in the middle."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource, WouldBlock
from conc.net import TlsStream
from conc.net.tls_wire import AHEAD_AT_MOST, CIPHERTEXT
from conc_testing import Budget, explore
from tests.net.support import run
from tests.net.tls.support import read_exactly, read_to_end, speak_tls, tcp_pair, tls_pair

DATA = bytes(range(256)) * 8_000  # 2 MB


@pytest.mark.parametrize("workers", [1, 3])
def test_the_halves_of_a_stream_may_be_in_different_strands(workers: int) -> None:
    async def main() -> None:
        client, server = await speak_tls(*await tcp_pair())
        got: dict[TlsStream, bytes] = {}

        async def write(stream: TlsStream) -> None:
            for start in range(0, len(DATA), 100_000):
                await stream.write_all(DATA[start : start + 50], DATA[start + 50 : start + 100_000])
            await stream.close_write()

        async def read(stream: TlsStream) -> None:
            got[stream] = await read_to_end(stream)

        async with client, server:
            async with conc.open_nursery(parallel=True) as nursery:
                for stream in (client, server):
                    nursery.start_soon(write, stream)
                    nursery.start_soon(read, stream)
            assert got[client] == got[server] == DATA

    run(main, workers=workers)


async def test_reading_into_a_buffer_fills_it_with_what_is_there() -> None:
    async with tls_pair() as (client, server):
        await client.write_all(b"0123456789")
        buffer = bytearray(4)
        assert [await server.read_into(buffer), bytes(buffer)] == [4, b"0123"]
        assert await server.read_into(memoryview(bytearray(100))) == 6
        await client.close_write()
        assert await server.read_into(buffer) == 0


def test_reading_without_waiting_takes_what_is_there() -> None:
    async def main() -> None:
        client, server = await speak_tls(*await tcp_pair())
        async with client, server:
            with pytest.raises(WouldBlock):
                server.read_nowait(10)
            await client.write_all(b"0123456789")
            assert await server.read(1) == b"0"
            assert server.read_nowait(100) == b"123456789"
            with pytest.raises(WouldBlock):
                server.read_nowait(10)
            with pytest.raises(ValueError, match="max_bytes"):
                server.read_nowait(0)
            await client.close_write()
            assert await server.read(1) == b""
            assert server.read_nowait(1) == b""

    run(main)


def refuse_to_write(stream: TlsStream, until: Callable[[], bool]) -> None:
    """From now on the SSL object wants to read before it writes, as in a renegotiation."""
    write = stream._machine._write

    def refuse(data: bytes) -> int:
        if not until():
            raise ssl.SSLWantReadError
        return write(data)

    stream._machine._write = refuse  # type: ignore[assignment]


async def test_a_writer_that_has_to_read_keeps_what_it_read_for_a_reader() -> None:
    async with tls_pair() as (client, server):
        refuse_to_write(client, lambda: client._machine._ahead == b"onetwo")
        async with conc.open_nursery() as nursery:
            writing = nursery.start_soon(client.write_all, b"written")
            await conc.sleep(1)
            reading = nursery.start_soon(read_exactly, client, 6)  # no BusyResource: it waits
            await server.write_all(b"one")
            await server.write_all(b"two")
            await writing.join()
            assert await reading.join() == b"onetwo"
            assert await read_exactly(server, 7) == b"written"


async def test_a_writer_that_has_to_read_waits_for_a_reader_that_does() -> None:
    async with tls_pair() as (client, server):
        got: list[bytes] = []
        refuse_to_write(client, lambda: b"".join(got) == b"onetwo")

        async def read() -> None:
            while len(got) < 2:
                got.append(await client.read(10))

        async with conc.open_nursery() as nursery:
            nursery.start_soon(read)
            await conc.sleep(1)
            writing = nursery.start_soon(client.write_all, b"written")
            for part in (b"one", b"two"):
                await conc.sleep(1)
                assert writing.outcome is None
                await server.write_all(part)
            assert await read_exactly(server, 7) == b"written"


async def test_a_writer_that_has_to_read_goes_on_when_half_a_record_has_come() -> None:
    async with tls_pair() as (client, server):
        record = server._machine.seal(b"whole")
        came: list[bool] = []
        refuse_to_write(client, lambda: bool(came))
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(client.read, 10)
            await conc.sleep(1)
            nursery.start_soon(client.write_all, b"written")
            await conc.sleep(1)
            came.append(True)
            await server.raw.write_all(record[:10])
            assert await read_exactly(server, 7) == b"written"
            assert reading.outcome is None
            await server.raw.write_all(record[10:])
            assert await reading.join() == b"whole"


MUCH = bytes(range(256)) * 2_000  # more than a writer keeps for a reader


async def test_a_reader_gets_its_turn_however_much_comes_while_a_writer_has_to_read() -> None:
    async with tls_pair(capacity=1_000_000) as (client, server):
        got: list[bytes] = []
        refuse_to_write(client, lambda: len(b"".join(got)) == len(MUCH))

        async def read() -> None:
            while len(b"".join(got)) < len(MUCH):
                got.append(await client.read(50_000))

        async with conc.open_nursery() as nursery:
            nursery.start_soon(client.write_all, b"written")
            await conc.sleep(1)
            nursery.start_soon(read)
            await conc.sleep(1)
            await server.write_all(MUCH)
            assert await read_exactly(server, 7) == b"written"
        assert b"".join(got) == MUCH


async def test_a_writer_that_has_to_read_much_waits_until_somebody_reads_it() -> None:
    async with tls_pair(capacity=1_000_000) as (client, server):
        got: list[bytes] = []
        refuse_to_write(client, lambda: len(b"".join(got)) == len(MUCH))
        async with conc.open_nursery() as nursery:
            writing = nursery.start_soon(client.write_all, b"written")
            await server.write_all(MUCH)
            await conc.sleep(1)
            assert writing.outcome is None
            assert AHEAD_AT_MOST < client._machine.ahead <= AHEAD_AT_MOST + CIPHERTEXT
            while len(b"".join(got)) < len(MUCH):
                got.append(await client.read(50_000))
            assert await read_exactly(server, 7) == b"written"
        assert b"".join(got) == MUCH


async def test_a_writer_that_waits_until_somebody_reads_is_told_of_the_closing() -> None:
    async with tls_pair(capacity=1_000_000) as (client, server):
        refuse_to_write(client, lambda: False)

        async def write() -> None:
            with pytest.raises(ClosedResource):
                await client.write_all(b"x")

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            await server.write_all(MUCH)
            await conc.sleep(1)
            await client.aclose()


async def test_a_reader_that_waits_for_a_writer_which_reads_may_give_up() -> None:
    async with tls_pair() as (client, server):
        refuse_to_write(client, lambda: client._machine._ahead == b"onetwo")
        async with conc.open_nursery() as nursery:
            writing = nursery.start_soon(client.write_all, b"written")
            await conc.sleep(1)
            with pytest.raises(WouldBlock):
                client.read_nowait(10)
            with conc.move_on_after(1) as scope:
                await client.read(10)
            assert scope.cancelled_caught
            await server.write_all(b"one")
            await server.write_all(b"two")
            await writing.join()
        assert await client.read(10) == b"onetwo"


def test_who_waits_for_a_writer_which_reads_may_be_cancelled_at_any_moment() -> None:
    async def scenario() -> None:
        async with tls_pair(version=ssl.TLSVersion.TLSv1_2) as (client, server):
            got: list[bytes] = []
            refuse_to_write(client, lambda: b"".join(got) + client._machine._ahead == b"onetwo")

            async def read() -> None:
                while len(b"".join(got)) < 6:
                    part = await client.read(2)
                    got.append(part)

            async with conc.open_nursery() as nursery:
                nursery.start_soon(client.write_all, b"written", name="writer")
                reading = nursery.start_soon(read, name="reader")
                await server.write_all(b"one")
                await conc.sleep(1)
                await server.write_all(b"two")
                assert await read_exactly(server, 7) == b"written"
                while reading.outcome is None:
                    await conc.sleep(1)
                await read()
            assert b"".join(got) == b"onetwo"

    explore(scenario, cancel="sweep", sweep_tasks="reader", budget=Budget(runs=300, seconds=20)).assert_ok()


async def test_a_writer_that_has_to_read_is_cancelled_closed_and_ended_like_any() -> None:
    async with tls_pair() as (client, server):
        refuse_to_write(client, lambda: False)
        with conc.move_on_after(1) as scope:
            await client.write_all(b"x")
        assert scope.cancelled_caught
        assert client.bytes_written == 0
        async with conc.open_nursery() as nursery:

            async def write() -> None:
                with pytest.raises(ClosedResource):
                    await client.write_all(b"x")

            nursery.start_soon(write)
            await conc.sleep(1)
            await client.aclose()
        with pytest.raises(BrokenResource, match="close_notify"):
            await server.read(1)  # something was being written, and is missing


async def test_a_writer_that_has_to_read_and_meets_the_end_is_broken() -> None:
    async with tls_pair() as (client, server):
        refuse_to_write(client, lambda: False)
        await server.raw.aclose()
        with pytest.raises(BrokenResource):
            await client.write_all(b"x")
