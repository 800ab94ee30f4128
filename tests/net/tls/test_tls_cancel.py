"""A cancellation at any moment: no byte is lost, none comes twice, and no record is torn."""

from __future__ import annotations

import ssl

import pytest

import conc
from conc.io import BufStream, Stream
from conc.net import TlsStream, wrap_tls
from conc_testing import Budget, duplex, explore
from tests.net.tls.certificates import HOST, client_context, server_context
from tests.net.tls.support import VERSIONS, read_exactly, read_to_end, speak_tls, tls_pair

DATA = bytes(range(256)) * 8
BUDGET = Budget(runs=250, seconds=20)


async def over_little_room() -> tuple[TlsStream, TlsStream]:
    """The pieces that a write leaves in are smaller than what it writes."""
    return await speak_tls(*duplex(300))


def test_a_cancelled_write_is_continued_without_loss_wherever_it_was_cancelled() -> None:
    async def scenario() -> None:
        client, server = await over_little_room()

        async def write() -> None:
            for start in range(0, 1_500, 500):
                await client.write_all(DATA[start : start + 100], DATA[start + 100 : start + 500])

        async def go_on() -> None:
            while writer.outcome is None:
                await conc.sleep(1)
            await client.write_all(DATA[client.bytes_written :])
            await client.close_write()

        async with client, server, conc.open_nursery() as nursery:
            writer = nursery.start_soon(write, name="writer")
            nursery.start_soon(go_on, name="heir")
            got = await read_to_end(server)
            assert got == DATA

    explore(scenario, cancel="sweep", sweep_tasks="writer*", plan=(), budget=BUDGET).assert_ok()


def test_a_cancelled_read_takes_no_byte_wherever_it_was_cancelled() -> None:
    async def scenario() -> None:
        client, server = await over_little_room()
        parts: list[bytes] = []

        async def read() -> None:
            for _ in range(6):
                part = await server.read(100)
                parts.append(part)

        async def write() -> None:
            await client.write_all(DATA)
            await client.close_write()

        async with client, server, conc.open_nursery() as nursery:
            reader = nursery.start_soon(read, name="reader")
            nursery.start_soon(write, name="writer")
            while reader.outcome is None:
                await conc.sleep(1)
            parts.append(await read_to_end(server))
            assert b"".join(parts) == DATA

    explore(scenario, cancel="sweep", sweep_tasks="reader*", plan=(), budget=BUDGET).assert_ok()


def test_a_cancelled_close_write_was_done_or_can_be_done_again() -> None:
    async def scenario() -> None:
        client, server = await speak_tls(*duplex(20))  # less than a close_notify

        closed: list[bool] = []

        async def close() -> None:
            await client.close_write()
            closed.append(True)

        async def go_on() -> None:
            while closer.outcome is None:
                await conc.sleep(1)
            if not closed:
                await client.write_all(b"open")
            await client.close_write()

        async with client, server, conc.open_nursery() as nursery:
            closer = nursery.start_soon(close, name="closer")
            nursery.start_soon(go_on, name="heir")
            assert await read_to_end(server) == (b"" if closed else b"open")

    explore(scenario, cancel="sweep", sweep_tasks="closer*", plan=(), budget=BUDGET).assert_ok()


@pytest.mark.parametrize("swept", ["client", "server"])
def test_a_handshake_that_is_cancelled_closes_the_stream_below(swept: str) -> None:
    async def scenario() -> None:
        client, server = duplex(1_000)
        made: list[TlsStream] = []

        async def shake_hands(stream: Stream, *, server_side: bool) -> None:
            context = server_context() if server_side else client_context()
            hostname = None if server_side else HOST
            try:
                made.append(
                    await wrap_tls(stream, ssl_context=context, server_side=server_side, server_hostname=hostname)
                )
            except conc.errors.BrokenResource:
                pass  # what the other one sees

        async with conc.open_nursery() as nursery:
            nursery.start_soon(lambda: shake_hands(client, server_side=False), name="client")
            nursery.start_soon(lambda: shake_hands(server, server_side=True), name="server")
        for stream in made:
            await stream.aclose()
        for raw in (client, server):
            with pytest.raises(conc.errors.ClosedResource):
                await raw.read(1)

    explore(scenario, cancel="sweep", sweep_tasks=f"{swept}*", plan=(), budget=BUDGET).assert_ok()


@pytest.mark.parametrize("version", VERSIONS, ids=["1.3", "1.2"])
@pytest.mark.parametrize("swept", ["write_client", "read_server"])
def test_both_directions_at_once_lose_nothing_wherever_a_task_is_cancelled(swept: str, version: ssl.TLSVersion) -> None:
    ours, theirs = client_context(version=version), server_context(version=version)

    async def scenario() -> None:
        client, server = await speak_tls(*duplex(300), client_side=ours, server_side=theirs)
        ends = {"client": client, "server": server}
        got = {"client": b"", "server": b""}
        tasks: dict[str, conc.Task[None]] = {}

        async def write(name: str) -> None:
            stream = ends[name]
            while rest := DATA[stream.bytes_written :][:500]:
                await stream.write_all(rest[:100], rest[100:])
            await stream.close_write()

        async def read(name: str) -> None:
            while part := await ends[name].read(333):
                got[name] += part

        async def go_on() -> None:
            while tasks[swept].outcome is None:
                await conc.sleep(1)
            what, name = swept.split("_")
            await (write if what == "write" else read)(name)

        async with client, server:
            async with conc.open_nursery() as nursery:
                for name in ends:
                    tasks[f"write_{name}"] = nursery.start_soon(write, name, name=f"write_{name}")
                    tasks[f"read_{name}"] = nursery.start_soon(read, name, name=f"read_{name}")
                nursery.start_soon(go_on, name="heir")
            assert got == {"client": DATA, "server": DATA}

    explore(scenario, cancel="sweep", sweep_tasks=swept, plan=(), budget=BUDGET).assert_ok()


async def test_what_a_buffered_stream_keeps_back_goes_out_while_a_read_waits() -> None:
    raw, other = duplex(200)
    client, server = await speak_tls(BufStream(raw, 10_000), other)
    with conc.move_on_after(1) as scope:
        await client.write_all(bytes(1_000))
    assert scope.cancel_called
    assert not scope.cancelled_caught  # all was written

    async def answer() -> None:
        assert len(await read_exactly(server, 1_000)) == 1_000
        await server.write_all(b"answer")

    async with conc.open_nursery() as nursery:
        nursery.start_soon(answer)
        assert await client.read(100) == b"answer"


async def test_what_a_cancelled_write_left_goes_out_while_a_read_waits() -> None:
    async with tls_pair(capacity=500) as (client, server):
        with conc.move_on_after(1) as scope:
            await client.write_all(bytes(10_000))
        assert scope.cancel_called
        assert client.bytes_written == 10_000  # encrypted, and most of it not sent

        async def answer() -> None:
            assert len(await read_exactly(server, 10_000)) == 10_000
            await server.write_all(b"answer")

        async with conc.open_nursery() as nursery:
            nursery.start_soon(answer)
            assert await client.read(100) == b"answer"


async def test_a_write_that_is_cancelled_before_all_is_encrypted_tells_so() -> None:
    async with tls_pair(capacity=500) as (client, _):
        with conc.move_on_after(1) as scope:
            await client.write_all(bytes(1_000_000))
        assert scope.cancelled_caught
        assert 0 < client.bytes_written < 1_000_000


async def test_a_writer_waits_for_a_reader_that_sends_what_was_left() -> None:
    async with tls_pair(capacity=500) as (client, server):
        with conc.move_on_after(1):
            await client.write_all(bytes(10_000))

        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(client.read, 100)
            await conc.sleep(1)  # now it sends
            nursery.start_soon(client.write_all, b"later")
            await conc.sleep(1)
            assert await read_exactly(server, 10_005) == bytes(10_000) + b"later"
            await server.write_all(b"answer")
            assert await reading.join() == b"answer"
