"""RecordingStream: a session with a real peer becomes a script, and text."""

from __future__ import annotations

import errno

import pytest

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io import BufReader, Stream
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import MemoryStream, RecordingStream, Script, assert_checkpoints, duplex, script, settle
from conc_testing.io.steps import End, ExpectEnd, FailWrite


def pasted(text: str) -> Script:
    """What the text of a script comes to, where it is pasted."""
    made = eval(text, {"script": script, "BrokenResource": BrokenResource})
    assert isinstance(made, Script)
    return made


async def fetch(stream: Stream) -> bytes:
    """A client: asks in two writes, says that it is done, reads to the end, closes."""
    await stream.write_all(b"GET /", b" HTTP/1.0\r\n")
    await stream.write_all(b"\r\n")
    await stream.close_write()
    answer = await BufReader(stream).read_to_end()
    await stream.aclose()
    return answer


@pytest.mark.conc(clock="real")
async def test_a_session_over_tcp_can_be_played_again() -> None:
    async def serve(stream: TcpStream) -> None:
        await BufReader(stream).read_to_end()
        await stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n")
        await stream.write_all(b"body")

    async with conc.open_nursery() as nursery, await listen_tcp("127.0.0.1", 0) as listener:
        nursery.start_soon(listener.serve, serve)
        recording = RecordingStream(await connect_tcp("127.0.0.1", listener.port))
        answer = await fetch(recording)
        nursery.cancel_scope.cancel()

    assert answer == b"HTTP/1.0 200 OK\r\n\r\nbody"
    for peer in (recording.script("http"), pasted(recording.source("http"))):
        async with peer.stream() as stream:
            assert await fetch(stream) == answer
    recording._check()


async def test_what_was_read_stays_in_pieces_and_writes_in_a_row_are_one_step() -> None:
    one, other = duplex()
    recording = RecordingStream(one)
    await recording.write_all(b"a")
    await recording.write_all()
    await recording.write_all(b"b", bytearray(b"c"))
    await other.write_all(b"xyz")
    assert [await recording.read(2), await recording.read(2)] == [b"xy", b"z"]
    await recording.write_all(b"d")
    await other.aclose()
    for _ in range(2):
        assert await recording.read(2) == b""
    await recording.aclose()
    assert repr(recording.script()) == (
        "script('recorded').expect(b'abc').provide(b'xy').provide(b'z').expect(b'd').end().expect_end()"
    )
    assert repr(recording).endswith("6 steps so far>")
    assert recording.bytes_written == 4


async def test_the_source_of_a_script_can_be_pasted() -> None:
    one, other = duplex()
    recording = RecordingStream(one)
    await recording.write_all(b"PING\r\n")
    await other.write_all(b"+PONG\r\n")
    await recording.read(100)
    await recording.aclose()
    assert recording.source("redis") == (
        "(\n    script('redis')\n    .expect(b'PING\\r\\n')\n    .provide(b'+PONG\\r\\n')\n    .expect_end()\n)"
    )
    assert pasted(recording.source("redis"))._steps == recording.script("redis")._steps


async def test_long_bytes_are_broken_into_lines() -> None:
    one, other = duplex()
    recording = RecordingStream(one)
    text = b"".join(b"line %d of the text\r\n" % number for number in range(20))
    binary = bytes(range(256)) * 2
    await recording.write_all(text)
    await other.write_all(binary)
    await recording.read(1000)
    source = recording.source()
    assert pasted(source)._steps == recording.script()._steps
    assert max(map(len, source.splitlines())) <= 100
    assert "        b'line 7 of the text\\r\\n'\n" in source


async def test_errors_of_the_peer_are_recorded_and_mistakes_of_this_side_are_not() -> None:
    peer = script("peer").provide(b"x").fail_read(ConnectionResetError(errno.ECONNRESET, "gone"))
    async with peer.fail_write(BrokenPipeError(errno.EPIPE, "pipe")).stream() as inner:
        recording = RecordingStream(inner)
        with pytest.raises(ValueError, match="max_bytes"):
            await recording.read(0)
        await recording.read(1)
        for _ in range(2):
            with pytest.raises(BrokenResource):
                await recording.read(1)
            with pytest.raises(BrokenResource):
                await recording.write_all(b"y")
        with pytest.raises(BrokenResource):
            await recording.close_write()
        await recording.aclose()
        with pytest.raises(ClosedResource):
            await recording.write_all(b"y")
    assert repr(recording.script("peer")) == (
        f"script('peer').provide(b'x').fail_read(ConnectionResetError({errno.ECONNRESET}, 'gone'))"
        f".fail_write(BrokenPipeError({errno.EPIPE}, 'pipe'))"
    )
    played = repr(pasted(recording.source("peer")))
    assert played == repr(recording.script("peer"))


async def test_an_error_without_a_cause_is_recorded_itself() -> None:
    class Torn(MemoryStream):
        async def close_write(self) -> None:
            raise BrokenResource("torn")

    one, _ = duplex()
    torn = RecordingStream(Torn("torn", one._table, one._source, one._sink))
    with pytest.raises(BrokenResource):
        await torn.close_write()
    (step,) = torn.script()._steps
    assert isinstance(step, FailWrite) and isinstance(step.error, BrokenResource)
    assert "fail_write(BrokenResource('torn'))" in repr(pasted(torn.source()))


async def test_of_a_cancelled_write_that_part_is_recorded_that_was_written(nursery: conc.Nursery) -> None:
    one, other = duplex(4)
    recording = RecordingStream(one)
    with conc.move_on_after(1):
        await recording.write_all(b"abc", b"defg")
    assert recording.script()._steps == pasted("script('s').expect(b'abcd')")._steps

    async def write() -> None:
        with pytest.raises(BrokenResource):
            await recording.write_all(b"efgh")

    nursery.start_soon(write)
    await settle()
    with pytest.raises(BusyResource):
        await recording.write_all(b"!")
    assert await other.read(2) == b"ab"
    await settle()
    await other.aclose()
    await settle()
    assert repr(recording.script()).startswith("script('recorded').expect(b'abcdef').fail_write(BrokenPipeError(")


async def test_the_end_of_writing_is_recorded_once() -> None:
    async with RecordingStream(duplex()[0]) as recording:
        await recording.close_write()
        await recording.close_write()
    assert recording.script()._steps == [ExpectEnd()]
    with assert_checkpoints():
        await recording.aclose()


async def test_the_end_of_reading_is_recorded_once() -> None:
    one, other = duplex()
    await other.aclose()
    recording = RecordingStream(one)
    await recording.read(1)
    await recording.read(1)
    assert recording.script()._steps == [End()]
