"""What does not fit a script is told at once, by name and with a difference; nothing hangs, nothing is forgotten."""

from __future__ import annotations

import pickle
import re
from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.errors import Deadlock
from conc_testing import MemoryStream, Script, ScriptMismatch, VirtualClock, duplex, lane, script, settle
from conc_testing.io.mismatch import difference
from tests.kernel.support import run

Act = Callable[[MemoryStream], Awaitable[object]]


async def told(peer: Script, *acts: Act) -> str:
    """Play a script; the mismatch that comes of it, which is the last act's or that of the end of the block."""
    with pytest.raises(ScriptMismatch) as raised:
        async with peer.stream() as stream:
            for act in acts:
                await act(stream)
    return str(raised.value)


def write(data: bytes) -> Act:
    return lambda stream: stream.write_all(data)


def read(stream: MemoryStream) -> Awaitable[bytes]:
    return stream.read(100)


def close_write(stream: MemoryStream) -> Awaitable[None]:
    return stream.close_write()


async def test_other_bytes_are_told_with_the_place_where_they_differ() -> None:
    peer = script("redis").provide(b"hello").expect(b"GET key\r\n").expect(b"never")
    assert await told(peer, write(b"GET "), write(b"kay\r\n")) == (
        "script 'redis': step 2, expect(b'GET key\\r\\n') (of which 4 bytes were written): other bytes were written\n"
        "  expected b'GET key\\r\\n'\n"
        "  written  b'GET kay\\r\\n'\n"
        "                  ^ byte 5"
    )


async def test_a_mismatch_knows_its_script_and_step() -> None:
    with pytest.raises(ScriptMismatch) as raised:
        async with script("redis").expect(b"a").expect(b"b").stream() as stream:
            await stream.write_all(b"ax")
    assert (raised.value.script, raised.value.step) == ("redis", 2)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.script, copy.step) == (str(raised.value), "redis", 2)
    assert isinstance(copy, AssertionError)


@pytest.mark.parametrize(
    ("expected", "written", "shown"),
    [
        (b"abc", b"abd", ["  expected b'abc'", "  written  b'abd'", "               ^ byte 2"]),
        (b"abc", b"ab", ["  expected b'abc'", "  written  b'ab'", "               ^ byte 2"]),
        (b"\0x", b"\0y", ["  expected b'\\x00x'", "  written  b'\\x00y'", "                 ^ byte 1"]),
        (
            b"0123456789" * 10,
            b"0123456789" * 5 + b"-",
            [
                "  expected ...b'6789012345678901234567890123456789012345678901234567890123456789'... (100 bytes)",
                "  written  ...b'678901234567890123456789-'",
                "                                        ^ byte 50",
            ],
        ),
    ],
)
def test_a_difference_points_to_the_first_byte(expected: bytes, written: bytes, shown: list[str]) -> None:
    assert difference(expected, written).splitlines() == shown


@pytest.mark.parametrize(
    ("peer", "acts", "words"),
    [
        (script("s"), [write(b"x")], "script 's': nothing more is to be written, but write_all() wrote b'x' (1 bytes)"),
        (
            script("s").expect(b"a").pause(1),
            [write(b"ab" * 50)],
            (
                "script 's': nothing more is to be written, but write_all() wrote "
                f"{(b'b' + b'ab' * 50)[:60]!r}... (99 bytes)"
            ),
        ),
        (
            script("s").expect_end(),
            [write(b"x")],
            "script 's': step 1, expect_end(): but write_all() wrote b'x' (1 bytes)",
        ),
        (
            script("s").expect(re.compile(rb"GET \w+\n")),
            [write(b"PUT x\n")],
            (
                "script 's': step 1, expect(re.compile(b'GET \\\\w+\\\\n')): has to match the beginning of one "
                "write_all(), but write_all() wrote b'PUT x\\n' (6 bytes)"
            ),
        ),
        (
            script("s").expect(b"a").expect(b"b"),
            [write(b"a"), close_write],
            "script 's': close_write() was called, but still to be written is step 2, expect(b'b')",
        ),
        (
            script("s").lanes(read=lane(), write=lane().pause(1).expect(b"b")),
            [close_write],
            (
                "script 's': close_write() was called, but still to be written is step 1, lane for write: step 2, "
                "expect(b'b')"
            ),
        ),
        (
            script("s").pause(1).fail_write(OSError()),
            [close_write],
            "script 's': close_write() was called, but still to be written is step 2, fail_write(OSError())",
        ),
        (
            script("s").expect(b"a").expect(b"b"),
            [write(b"a"), read],
            (
                "script 's': read() would wait for ever: nothing more is provided, and still to come is only step 2, "
                "expect(b'b'). Let the script go on with provide() or end(); or play it with build(), whose control "
                "may do so later"
            ),
        ),
        (script("s"), [read], "script 's': read() would wait for ever: nothing more is provided, and all steps are do"),
        (script("s").provide(b"x").pause(1), [read, read], "script 's': read() would wait for ever"),
    ],
)
async def test_what_does_not_fit_is_told_at_the_call(peer: Script, acts: list[Act], words: str) -> None:
    with pytest.raises(ScriptMismatch) as raised:
        async with peer.stream() as stream:
            for act in acts[:-1]:
                await act(stream)
            with pytest.raises(ScriptMismatch) as at_the_call:
                await acts[-1](stream)
    assert str(at_the_call.value).startswith(words)
    assert raised.value is at_the_call.value


async def test_what_was_left_undone_is_listed() -> None:
    left = script("s").provide(b"abcdef").expect(b"xyz").pause(1).lanes(read=lane().provide(b"m"), write=lane())
    assert await told(left, lambda stream: stream.read(2), write(b"x")) == (
        "script 's': not everything was done:\n"
        "  step 1, provide(b'abcdef'): 4 bytes of it were not read\n"
        "  step 2, expect(b'xyz') (of which 1 bytes were written)\n"
        "  step 4, lanes(read=lane().provide(b'm'), write=lane())"
    )


async def test_what_was_left_in_lanes_is_listed_too() -> None:
    left = script("s").lanes(read=lane().fail_read(OSError("e")), write=lane().expect(b"a").expect_end())
    assert await told(left, write(b"a")) == (
        "script 's': not everything was done:\n"
        "  fail_read(OSError('e')): nobody has read so far\n"
        "  step 1, lane for write: step 2, expect_end()"
    )


async def test_an_error_of_the_block_is_worth_more_than_what_it_left_undone() -> None:
    with pytest.raises(LookupError):
        async with script("s").expect(b"x").stream() as stream:
            raise LookupError
    assert stream._closed


async def test_a_cancellation_is_not_covered_by_what_was_left_undone() -> None:
    with conc.CancelScope() as scope:
        async with script("s").expect(b"x").stream():
            scope.cancel()
            await conc.checkpoint()
    assert scope.cancelled_caught


async def test_a_mismatch_that_the_code_under_test_swallows_is_raised_again() -> None:
    peer = script("s").expect(b"right").provide(b"x")

    async def careless(stream: MemoryStream) -> None:
        for _ in range(2):
            with pytest.raises(Exception, match="other bytes were written"):
                await stream.write_all(b"wrong")

    assert "other bytes were written" in await told(peer, careless)


async def test_who_waits_to_read_hears_of_the_mismatch_of_who_writes() -> None:
    async with conc.open_nursery() as nursery:
        stream, _ = script("s").expect(b"right").provide(b"x").build()

        async def wait() -> None:
            with pytest.raises(ScriptMismatch, match="other bytes were written"):
                await stream.read(1)

        nursery.start_soon(wait)
        await settle()
        with pytest.raises(ScriptMismatch):
            await stream.write_all(b"wrong")


async def test_a_long_step_is_shown_shortened() -> None:
    text = await told(script("s").expect(b"x" * 200))
    assert text.splitlines()[1] == f"  step 1, expect(b'{'x' * 46}...)"


def test_who_reads_before_a_step_that_nobody_writes_gets_a_deadlock_that_names_it() -> None:
    async def main() -> None:
        async with script("redis").expect(b"PING").provide(b"PONG").stream() as stream:
            await stream.write_all(b"PI")
            await stream.read(1)

    with pytest.raises(Deadlock, match=r"script 'redis': step 1, expect\(b'PING'\) \(of which 2 bytes were written\)"):
        run(main)


# ---- what the mock of another runtime did wrong ---------------------------------------------------------------------


async def test_an_unexpected_write_does_not_hang() -> None:
    """tokio#8329: a write that nothing in the script stood for waited for ever, with nobody to wake it."""
    for peer in (script("s"), script("s").provide(b"x"), script("s").pause(3).provide(b"x")):
        stream, _ = peer.build()
        with pytest.raises(ScriptMismatch, match="nothing more is to be written"):
            await stream.write_all(b"unexpected")


async def test_a_pause_lets_both_go_on_who_wait_for_it(clock: VirtualClock) -> None:
    """tokio#7468: the two halves shared one timer, which woke the one that had asked last."""
    async with script("s").pause(1).provide(b"x").expect(b"y").stream() as stream:
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(stream.read, 1)
            nursery.start_soon(stream.write_all, b"y")
        assert (await reading.join(), clock.now()) == (b"x", 1)


async def test_a_pause_ends_on_time_though_one_of_those_who_wait_for_it_gives_up(clock: VirtualClock) -> None:
    async with script("s").pause(2).provide(b"x").expect(b"y").stream() as stream:
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(stream.read, 1)
            writing = nursery.start_soon(stream.write_all, b"y")
            await conc.sleep(1)
            writing.cancel()
        assert (await reading.join(), clock.now()) == (b"x", 2)
        await stream.write_all(b"y")


async def test_steps_that_a_control_adds_are_seen_by_who_waits() -> None:
    """tokio#5813: what a handle added was ignored by a mock that was waiting already."""
    stream, control = script("s").build()
    async with conc.open_nursery() as nursery:
        reading = nursery.start_soon(stream.read, 10)
        await settle()
        assert reading.state == "waits for script 's': its control may still provide something"
        control.expect(b"a").provide(b"late")
        await stream.write_all(b"a")
        assert await reading.join() == b"late"
        reading = nursery.start_soon(stream.read, 10)
        await settle()
        control.end()
        assert await reading.join() == b""
    control.verify()


async def test_every_mismatch_names_its_script() -> None:
    """tokio#7212: with several mocks, nobody could say whose panic it was."""
    for acts in ([write(b"z")], [read], [close_write], []):
        assert (await told(script("the third").expect(b"x"), *acts)).startswith("script 'the third': ")


async def test_what_was_not_consumed_fails_the_test() -> None:
    """tokio#2693: what was left in the script went unnoticed."""
    assert "4 bytes of it were not read" in await told(script("s").provide(b"left"))
    assert "expect(b'left')" in await told(script("s").expect(b"left"))


# ---- the control ----------------------------------------------------------------------------------------------------


async def test_a_control_verifies_what_was_done_so_far() -> None:
    stream, control = script("s").expect(b"a").build()
    with pytest.raises(ScriptMismatch, match=r"not everything was done:\n  step 1, expect\(b'a'\)"):
        control.verify()
    await stream.aclose()
    assert repr(control) == "<ScriptControl of 's'>"


async def test_a_control_keeps_to_what_has_ended() -> None:
    _, control = script("s").end().build()
    with pytest.raises(ValueError, match=r"provide\(b'x'\) cannot come after end\(\)"):
        control.provide(b"x")
    control.expect_end()
    with pytest.raises(ValueError, match="cannot come after"):
        control.expect(b"x")


async def test_a_pause_that_a_control_adds_begins_then(clock: VirtualClock) -> None:
    stream, control = script("s").build()
    await conc.sleep(10)
    control.pause(2).provide(b"x")
    assert (await stream.read(1), clock.now()) == (b"x", 12)


def test_a_script_is_built_and_verified_outside_of_a_run() -> None:
    stream, control = script("s").expect(b"a").build()
    control.provide(b"b")

    async def main() -> bytes:
        await stream.write_all(b"a")
        return await stream.read(1)

    assert run(main) == b"b"
    control.verify()


# ---- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["script", "duplex"])
async def test_a_stream_that_the_search_breaks_stays_broken(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    failing = [False, True]

    def fault(site: str) -> bool:
        asked.append(site)
        return failing.pop(0) if failing else False

    monkeypatch.setattr("conc_testing.io.memory.fault", fault)
    peer = script("s").provide(b"abc").expect(b"x")
    block = peer.stream()
    stream = await block.__aenter__() if kind == "script" else duplex()[0]
    if kind == "duplex":
        await stream.write_all(b"x")
    else:
        assert await stream.read(1) == b"a"
    for operation in (lambda: stream.write_all(b"x"), lambda: stream.read(1), stream.close_write):
        with pytest.raises(conc.errors.BrokenResource, match="connection reset by peer") as raised:
            await operation()
        assert isinstance(raised.value.__cause__, ConnectionResetError)
    assert asked == ["fault.io"] * 3
    await block.__aexit__(None, None, None) if kind == "script" else await stream.aclose()
