"""A script that the code under test keeps to: what is read, when, and in which pieces."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io import BufReader, Stream
from conc_testing import MemoryStream, Script, VirtualClock, assert_checkpoints, lane, script, settle


async def test_a_conversation_goes_as_the_script_says(clock: VirtualClock) -> None:
    redis = (
        script("redis")
        .expect(b"PING\r\n")
        .provide(b"+PONG\r\n")
        .pause(0.5)
        .expect(re.compile(rb"GET \w+\r\n"))
        .provide(b"$-1\r\n")
        .end()
    )
    async with redis.stream() as stream:
        await stream.write_all(b"PING\r\n")
        assert await stream.read(100) == b"+PONG\r\n"
        await stream.write_all(b"GET key\r\n")
        assert clock.now() == 0.5
        assert await stream.read(100) == b"$-1\r\n"
        assert await stream.read(100) == b""
        assert await stream.read(100) == b""
    assert stream.bytes_written == 15


async def test_a_stream_of_a_script_is_a_stream_of_conc() -> None:
    async with script("nobody").stream() as stream:
        assert isinstance(stream, Stream)
        assert repr(stream) == "<MemoryStream: script 'nobody'>"
    assert repr(stream) == "<MemoryStream: script 'nobody', closed>"


async def test_writes_and_steps_need_not_have_the_same_borders() -> None:
    async with script("peer").expect(b"abc").expect(b"def").expect_n(3).expect(b"end").stream() as stream:
        await stream.write_all(b"a", b"b")
        await stream.write_all(b"cd")
        await stream.write_all(b"ef?")
        play: Any = stream._source
        play._check()
        await stream.write_all(b"??e", bytearray(b"n"), memoryview(b"d"))


async def test_a_pattern_leaves_the_rest_of_a_write_to_the_next_step() -> None:
    peer = script("peer").expect(re.compile(rb"id=\d+;")).expect(b"body").expect(re.compile(rb"x*"))
    async with peer.stream() as stream:
        await stream.write_all(b"id=", b"17;", b"bo")
        await stream.write_all(b"dyxx")


async def test_a_pattern_may_match_nothing() -> None:
    async with script("peer").expect(re.compile(rb"x*")).expect(b"yes").stream() as stream:
        await stream.write_all(b"yes")


async def test_a_read_returns_bytes_of_one_step_only() -> None:
    async with script("peer").provide(b"abc").provide(b"def").stream() as stream:
        assert [await stream.read(2), await stream.read(100), await stream.read(100)] == [b"ab", b"c", b"def"]


@pytest.mark.parametrize(("chunks", "pieces"), [(None, [b"abcde"]), (2, [b"ab", b"cd", b"e"]), ("choice", [b"abcde"])])
async def test_what_is_provided_comes_in_the_pieces_that_were_asked_for(
    chunks: int | None, pieces: list[bytes]
) -> None:
    async with script("peer").provide(b"abcde", chunks=chunks).stream() as stream:
        assert [await stream.read(100) for _ in pieces] == pieces


async def test_what_is_provided_waits_to_be_read_while_the_script_goes_on() -> None:
    """Which of its tasks runs first is the business of the code under test."""
    async with script("peer").provide(b"hello").expect(b"hi").provide(b"well").stream() as stream:
        await stream.write_all(b"hi")
        assert await BufReader(stream).read_exact(9) == b"hellowell"


async def test_who_reads_too_early_waits_for_what_has_to_be_written_first(nursery: conc.Nursery) -> None:
    async with script("peer").expect(b"question").provide(b"answer").stream() as stream:
        reading = nursery.start_soon(stream.read, 100)
        await settle()
        assert reading.state == "waits for script 'peer': step 1, expect(b'question'), has to come first"
        await stream.write_all(b"quest")
        await settle()
        play: Any = stream._source
        play._check()
        assert reading.outcome is None
        await stream.write_all(b"ion")
        assert await reading.join() == b"answer"


async def test_a_pause_begins_when_the_step_before_it_is_done(clock: VirtualClock) -> None:
    async with script("peer").expect(b"a").pause(2).provide(b"b").pause(1).provide(b"c").stream() as stream:
        await conc.sleep(10)
        await stream.write_all(b"a")
        assert (await stream.read(1), clock.now()) == (b"b", 12)
        await conc.sleep(5)
        assert (await stream.read(1), clock.now()) == (b"c", 17)


async def test_pauses_in_a_row_last_as_long_as_all_of_them(clock: VirtualClock) -> None:
    async with script("peer").pause(1).pause(2).provide(b"x").stream() as stream:
        assert (await stream.read(1), clock.now()) == (b"x", 3)


async def test_who_waits_for_a_pause_says_so(nursery: conc.Nursery, clock: VirtualClock) -> None:
    clock.auto = False
    async with script("peer").pause(3).provide(b"x").stream() as stream:
        reading = nursery.start_soon(stream.read, 1)
        await settle()
        assert reading.state == "waits for script 'peer': step 1, pause(3.0), to pass"
        await clock.advance(3)
        assert await reading.join() == b"x"


async def test_half_a_conversation_may_be_closed(clock: VirtualClock) -> None:
    peer = script("peer").expect(b"all I have").expect_end().pause(1).provide(b"thanks").end()
    async with peer.stream() as stream:
        await stream.write_all(b"all I have")
        await stream.close_write()
        await stream.close_write()
        assert await BufReader(stream).read_to_end() == b"thanks"
        assert clock.now() == 1


async def test_closing_the_stream_closes_its_writing_too() -> None:
    async with script("peer").expect(b"bye").expect_end().stream() as stream:
        await stream.write_all(b"bye")
        await stream.aclose()


async def test_the_end_of_writing_may_come_before_the_script_gets_there(clock: VirtualClock) -> None:
    stream, control = script("peer").pause(2).expect_end().provide(b"x").build()
    await stream.close_write()
    assert await stream.read(1) == b"x"
    assert clock.now() == 2
    control.verify()


async def test_an_end_and_a_pause_that_nobody_noticed_are_nothing_left_undone() -> None:
    async with script("peer").expect(b"x").pause(5).end().stream() as stream:
        await stream.write_all(b"x")


async def test_errors_of_the_system_arrive_as_streams_of_conc_raise_them() -> None:
    reset, pipe = ConnectionResetError(errno.ECONNRESET, "gone"), BrokenPipeError("no more")
    async with script("peer").provide(b"x").fail_read(reset).fail_write(pipe).stream() as stream:
        assert await stream.read(10) == b"x"
        for _ in range(2):
            with pytest.raises(BrokenResource, match="<MemoryStream: script 'peer'>: gone") as reading:
                await stream.read(10)
            assert reading.value.__cause__ is reset
            with pytest.raises(BrokenResource, match="no more") as writing:
                await stream.write_all(b"x")
            assert writing.value.__cause__ is pipe
        with pytest.raises(BrokenResource):
            await stream.close_write()


async def test_other_errors_are_raised_as_they_are() -> None:
    async with script("peer").fail_read(LookupError("r")).fail_write(LookupError("w")).stream() as stream:
        with pytest.raises(LookupError, match="r"):
            await stream.read(1)
        with pytest.raises(LookupError, match="w"):
            await stream.close_write()


async def test_a_failing_write_is_as_far_as_the_script_waits() -> None:
    async with script("peer").expect(b"ok").fail_write(BrokenPipeError()).provide(b"why").stream() as stream:
        with pytest.raises(BrokenResource):
            await stream.write_all(b"ok, and more")
        assert stream.bytes_written == 2
        assert await stream.read(10) == b"why"


async def test_lanes_go_on_independently_and_the_script_behind_them(clock: VirtualClock) -> None:
    peer = (
        script("peer")
        .lanes(
            read=lane().provide(b"push 1").pause(1).provide(b"push 2"), write=lane().expect(b"a").pause(3).expect(b"b")
        )
        .provide(b"both")
        .expect(b"end")
    )
    async with peer.stream() as stream, conc.open_nursery() as nursery:
        writing = nursery.start_soon(stream.write_all, b"ab")
        assert (await stream.read(100), clock.now()) == (b"push 1", 0)
        assert (await stream.read(100), clock.now()) == (b"push 2", 1)
        reading = nursery.start_soon(stream.read, 100)
        await settle()
        play: Any = stream._source
        play._check()
        lane_words = "waits for script 'peer': step 1, lane for write: step 2, pause(3.0), to pass"
        assert (reading.state, writing.state) == (lane_words, lane_words)
        assert (await reading.join(), clock.now()) == (b"both", 3)
        await stream.write_all(b"end")


async def test_who_writes_what_comes_after_lanes_waits_for_the_other_lane(clock: VirtualClock) -> None:
    peer = script("peer").lanes(read=lane().pause(2).provide(b"x"), write=lane().expect(b"a")).expect(b"b")
    async with peer.stream() as stream:
        await stream.write_all(b"ab")
        assert clock.now() == 2
        assert await stream.read(1) == b"x"


async def test_a_lane_may_end_its_direction() -> None:
    peer = script("peer").lanes(read=lane().provide(b"x").end(), write=lane().expect(b"y").expect_end())
    async with peer.stream() as stream:
        assert [await stream.read(9), await stream.read(9)] == [b"x", b""]
        await stream.write_all(b"y")
        await stream.close_write()


async def test_a_script_may_be_played_again() -> None:
    peer = script("peer").provide(b"abc")
    for _ in range(2):
        async with peer.stream() as stream:
            assert await stream.read(9) == b"abc"


@pytest.mark.conc(clock="real")
async def test_a_script_runs_on_real_time_as_well() -> None:
    async with script("peer").expect(b"x").pause(0.001).provide(b"y").stream() as stream:
        before = conc.current_time()
        await stream.write_all(b"x")
        assert await stream.read(1) == b"y"
        assert conc.current_time() - before >= 0.001


async def test_the_protocol_of_streams_holds_for_scripts_too(nursery: conc.Nursery) -> None:
    stream, control = script("peer").build()
    with pytest.raises(ValueError, match="max_bytes must be at least 1, not 0"):
        await stream.read(0)
    reading = nursery.start_soon(stream.read, 10)
    await settle()
    with pytest.raises(BusyResource, match=r"is reading <MemoryStream: script 'peer'>"):
        await stream.read(10)
    control.pause(1).expect(b"x")
    writing = nursery.start_soon(stream.write_all, b"x")
    await settle()
    with pytest.raises(BusyResource, match="is writing to"):
        await stream.write_all(b"y")
    with pytest.raises(BusyResource, match="is writing to"):
        await stream.close_write()
    await writing.join()
    control.provide(b"a")
    assert await reading.join() == b"a"
    await stream.close_write()
    with pytest.raises(ClosedResource, match="close_write was called"):
        await stream.write_all(b"x")
    await stream.aclose()
    await stream.aclose()
    for operation in (lambda: stream.read(1), lambda: stream.write_all(b"x"), stream.close_write):
        with pytest.raises(ClosedResource, match="closed on this side"):
            await operation()


async def test_every_operation_of_a_scripted_stream_is_a_cancel_point_and_takes_nothing_then() -> None:
    async with script("peer").provide(b"abc").expect(b"x").stream() as stream:
        for operation in (lambda: stream.read(1), lambda: stream.write_all(b"x"), stream.close_write, stream.write_all):
            with conc.CancelScope() as scope:
                scope.cancel()
                await operation()
            assert scope.cancelled_caught
        assert stream.bytes_written == 0
        with assert_checkpoints():
            assert await stream.read(10) == b"abc"
        with assert_checkpoints():
            await stream.write_all(b"x")
        with assert_checkpoints():
            await stream.aclose()


async def test_a_cancelled_write_goes_on_where_it_was(clock: VirtualClock) -> None:
    async with script("peer").expect(b"abc").pause(5).expect(b"def").stream() as stream:
        with conc.move_on_after(1) as scope:
            await stream.write_all(b"abcdef")
        assert (scope.cancelled_caught, stream.bytes_written) == (True, 3)
        await stream.write_all(b"def")
        assert clock.now() == 5


# ---- writing a script down ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: script(7), TypeError, "name must be a string, not 7"),  # type: ignore[arg-type]
        (lambda: script("s").expect(b""), ValueError, r"expect: at least one byte is due; the end is expect_end\(\)"),
        (lambda: script("s").expect("x"), TypeError, "expect: bytes are due, not 'x'"),  # type: ignore[arg-type]
        (lambda: script("s").expect(re.compile("x")), TypeError, "expect: the pattern must be one for bytes"),  # type: ignore[arg-type]
        (lambda: script("s").expect_n(0), ValueError, "expect_n: n must be at least 1, not 0"),
        (lambda: script("s").expect_n(True), TypeError, "expect_n: n must be a number of bytes, not True"),
        (lambda: script("s").provide(b""), ValueError, r"provide: at least one byte is due; the end is end\(\)"),
        (lambda: script("s").provide(b"x", chunks=0), ValueError, "chunks must be at least 1, not 0"),
        (lambda: script("s").provide(b"x", chunks="all"), TypeError, "chunks must be None, a number of bytes"),  # type: ignore[arg-type]
        (lambda: script("s").pause(0), ValueError, "pause: seconds must be finite and above 0, not 0"),
        (lambda: script("s").pause(float("inf")), ValueError, "pause: seconds must be finite"),
        (lambda: script("s").pause("1"), TypeError, "pause: seconds must be a number, not '1'"),  # type: ignore[arg-type]
        (lambda: script("s").fail_read(OSError), TypeError, "fail_read: an exception is due"),  # type: ignore[arg-type]
        (lambda: script("s").fail_write(KeyboardInterrupt()), TypeError, "fail_write: an exception is due"),  # type: ignore[arg-type]
        (lambda: script("s").end().provide(b"x"), ValueError, r"provide\(b'x'\) cannot come after end\(\)"),
        (lambda: script("s").fail_read(OSError()).end(), ValueError, r"end\(\) cannot come after fail_read"),
        (lambda: script("s").expect_end().expect(b"x"), ValueError, r"cannot come after expect_end\(\)"),
        (lambda: script("s").fail_write(OSError()).expect_n(1), ValueError, "cannot come after fail_write"),
        (
            lambda: script("s").lanes(read=lane().expect(b"x"), write=lane()),
            ValueError,
            "no place in the lane for rea",
        ),
        (lambda: script("s").lanes(read=lane(), write=lane().end()), ValueError, "no place in the lane for write"),
        (lambda: script("s").lanes(read=script("t"), write=lane()), TypeError, r"read must be made with lane\(\)"),
        (lambda: script("s").end().lanes(read=lane().provide(b"x"), write=lane()), ValueError, "cannot come after"),
        (
            lambda: script("s").lanes(read=lane(), write=lane().expect_end()).expect(b"x"),
            ValueError,
            r"cannot come after expect_end\(\)",
        ),
    ],
)
def test_a_script_that_makes_no_sense_is_refused_where_it_is_written(
    build: Callable[[], Script], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        build()


def test_a_script_shows_itself_as_it_is_written() -> None:
    peer = (
        script("peer")
        .expect(b"a")
        .expect_n(2)
        .provide(b"b", chunks=1)
        .pause(1)
        .lanes(read=lane().provide(b"c"), write=lane())
    )
    peer.fail_read(ConnectionResetError("r")).expect_end()
    assert repr(peer) == (
        "script('peer').expect(b'a').expect_n(2).provide(b'b', chunks=1).pause(1.0)"
        ".lanes(read=lane().provide(b'c'), write=lane()).fail_read(ConnectionResetError('r')).expect_end()"
    )
    assert repr(lane().end()) == "lane().end()"


async def test_a_block_of_a_script_is_entered_once() -> None:
    block = script("peer").stream()
    async with block as stream:
        assert isinstance(stream, MemoryStream)
    with pytest.raises(RuntimeError, match=r"this block was entered before; call stream\(\) for each"):
        async with block:
            pytest.fail("entered")
