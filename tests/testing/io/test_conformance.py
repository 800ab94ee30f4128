"""check_stream: every stream of conc keeps all claims, and each claim finds who breaks it."""

from __future__ import annotations

from typing import Any

import pytest

import conc
from conc.io import BufReader
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import MemoryStream, RecordingStream, SimNetwork, VirtualClock, check_stream, duplex, lockstep_pair
from conc_testing.io.bench import CLAIMS, Claim
from tests.testing.io import broken_streams
from tests.testing.io.broken_streams import Faithful, pair_of

# What breaks each claim; some break more than one.
BREAKERS: dict[str, type[Any]] = {
    "stream: has the methods of conc.io.Stream": broken_streams.CannotCloseWrite,
    "close_write: ends one direction, and the other goes on": broken_streams.ClosesBothDirections,
    "close_write: wakes who reads on the other side": broken_streams.EndsNever,
    "close_write: is idempotent": broken_streams.ClosesWriteOnce,
    "close_write: is a cancel point, and the direction is open then": broken_streams.ClosesWriteThenPauses,
    "close_write: is ClosedResource after aclose": broken_streams.ClosesWriteAfterClosing,
    "close_write: cancelled at any moment, it was done or it was not": broken_streams.ClosesWriteThenPauses,
    "aclose: is idempotent": broken_streams.ClosesOnce,
    "aclose: tells the other side": broken_streams.ClosesForItselfOnly,
    "aclose: is a cancel point, and the stream is closed all the same": broken_streams.ClosesUnlessCancelled,
    "aclose: cancelled at any moment, it has closed": broken_streams.ClosesUnlessCancelled,
    "aclose: does not wait, whatever the other side does": broken_streams.ClosesSlowly,
    "read: returns bytes in order, at least one and at most max_bytes": broken_streams.ReadsTooMuch,
    "read: does not wait for more than there is": broken_streams.ReadsExactly,
    "read: max_bytes below 1 is a ValueError, and takes nothing": broken_streams.ReadsNothingGladly,
    "read: waits until there is something": broken_streams.ReadsImpatiently,
    "read: is b'' at the end, again and again": broken_streams.EndsOnce,
    "read: gives what was written before the other side closed, then the end": broken_streams.ForgetsWhenClosing,
    "read: a second reader gets BusyResource, and the first goes on": broken_streams.LetsReadersQueue,
    "read: is ClosedResource after aclose": broken_streams.ReadsAfterClosing,
    "read: who waits gets ClosedResource when this side closes": broken_streams.ReadsAfterClosing,
    "read: is a cancel point though bytes are there, and takes none of them": broken_streams.ReadsShielded,
    "read: cancelled at any moment, it takes no byte": broken_streams.ReadsThenPauses,
    "read: goes on while this side's writing waits": broken_streams.OneDirectionAtATime,
    "read: brings back all of a large transfer, both ways at once, in pieces of random sizes": (
        broken_streams.MixesUpLargeWrites
    ),
    "write_all: writes all bytes of all buffers in order, of any kind": broken_streams.WritesBackwards,
    "write_all: without bytes it writes nothing": broken_streams.WritesSomethingForNothing,
    "bytes_written: counts what was written": broken_streams.CountsCalls,
    "write_all: waits while there is no room": broken_streams.FailsWhenFull,
    "write_all: a second writer gets BusyResource, close_write too, and the first goes on": (
        broken_streams.LetsWritersQueue
    ),
    "write_all: is ClosedResource after aclose, and after close_write": broken_streams.WritesAfterClosing,
    "write_all: who waits gets ClosedResource when this side closes": broken_streams.WritesAfterClosing,
    "write_all: is BrokenResource when the other side is gone": broken_streams.WritesIntoTheVoid,
    "write_all: who waits gets BrokenResource when the other side goes": broken_streams.WritesIntoTheVoid,
    "write_all: is a cancel point though there is room, and writes nothing then": broken_streams.WritesShielded,
    "write_all: cancelled while it waits, it is continued by bytes_written, and writes no more by itself": (
        broken_streams.CountsBeforeWriting
    ),
    "write_all: cancelled at any moment, bytes_written tells what was written": broken_streams.CountsAfterWriting,
}


async def connected() -> tuple[TcpStream, TcpStream]:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        client = await connect_tcp("127.0.0.1", listener.port)
        return client, await listener.accept()


class Buffered:
    """A stream that is read through a BufReader."""

    def __init__(self, inner: MemoryStream) -> None:
        self._inner = inner
        self.read = BufReader(inner).read
        self.write_all = inner.write_all
        self.close_write = inner.close_write
        self.aclose = inner.aclose

    @property
    def bytes_written(self) -> int:
        return self._inner.bytes_written


@pytest.mark.conc(clock="real")
async def test_a_tcp_stream_keeps_the_protocol() -> None:
    await check_stream(connected)


def test_a_tcp_stream_of_the_simulated_network_keeps_the_protocol() -> None:
    conc.run(check_stream, connected, clock=VirtualClock(), network=SimNetwork())


@pytest.mark.parametrize(
    "options",
    [{}, {"capacity": 1}, {"capacity": 100, "chunk": 1}, {"latency": 0.01}, {"chunk": "choice"}],
    ids=["plain", "one byte", "in bits", "slow", "in chosen pieces"],
)
async def test_a_duplex_keeps_the_protocol(options: dict[str, Any]) -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        return duplex(**options)

    await check_stream(make)


@pytest.mark.conc(clock="real")
async def test_a_duplex_keeps_the_protocol_on_real_time() -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        return duplex()

    await check_stream(make)


async def test_a_lockstep_pair_keeps_the_protocol() -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        return lockstep_pair()

    await check_stream(make, make)


@pytest.mark.parametrize("wrapper", [RecordingStream, Buffered, Faithful])
async def test_a_stream_around_a_duplex_keeps_the_protocol(wrapper: type[Any]) -> None:
    async def make() -> tuple[Any, Any]:
        return pair_of(wrapper)

    await check_stream(make)


@pytest.mark.parametrize(("words", "breaker"), BREAKERS.items(), ids=[kind.__name__ for kind in BREAKERS.values()])
async def test_a_broken_promise_is_told_by_name(words: str, breaker: type[Any]) -> None:
    async def make() -> tuple[Any, Any]:
        return pair_of(breaker)

    with pytest.raises(AssertionError) as raised:
        await check_stream(make)
    assert f"\ncheck_stream: {words}\n    but " in str(raised.value)
    assert isinstance(raised.value.__cause__, ExceptionGroup)


def test_every_claim_is_seen_to_fail() -> None:
    assert list(BREAKERS) == list(CLAIMS)


async def test_a_stream_without_limits_is_told() -> None:
    async def make() -> tuple[Any, Any]:
        return pair_of(broken_streams.DropsWhatDoesNotFit)

    with pytest.raises(AssertionError, match="it always finds room: write_all took 64 MiB that nobody has read"):
        await check_stream(make)


async def test_an_error_of_another_kind_is_told() -> None:
    async def make() -> tuple[Any, Any]:
        return pair_of(broken_streams.RaisesErrorsOfItsOwn)

    with pytest.raises(AssertionError, match=r"read after aclose raised LookupError\('closed'\), not ClosedResource"):
        await check_stream(make)


async def test_a_claim_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(bench: object) -> None:
        await conc.sleep_forever()

    claims: dict[str, Claim] = {"read: ends": never}
    monkeypatch.setattr("conc_testing.io.conformance.CLAIMS", claims)

    with pytest.raises(AssertionError, match=r"check_stream: read: ends\n    but this did not end within 10 s"):
        await check_stream(connected)


async def test_pairs_that_cannot_be_made_are_told() -> None:
    async def make() -> tuple[Any, Any]:
        raise OSError("no network")

    with pytest.raises(AssertionError, match="37 of 37 claims do not hold") as raised:
        await check_stream(make)
    assert "OSError('no network')" in str(raised.value)


async def test_all_streams_are_closed_when_the_check_is_cancelled() -> None:
    made: list[MemoryStream] = []

    async def make() -> tuple[MemoryStream, MemoryStream]:
        made.extend(pair := duplex())
        if len(made) == 20:
            scope.cancel()
        return pair

    with conc.CancelScope() as scope:
        await check_stream(make)

    assert scope.cancelled_caught
    assert [stream for stream in made if not stream._closed] == []
