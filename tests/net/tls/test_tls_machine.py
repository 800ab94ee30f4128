"""TlsMachine: bytes in, bytes out, whatever pieces they come in."""

from __future__ import annotations

import ssl
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conc.net.tls_machine import RECORD, TlsMachine
from conc.net.tls_stream import PIECE, take_piece
from tests.net.tls.certificates import HOST, client_context, server_context
from tests.net.tls.support import VERSIONS


def machines(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> tuple[TlsMachine, TlsMachine]:
    """A client and a server that have shaken hands."""
    client = TlsMachine(client_context(version=version), False, HOST)
    server = TlsMachine(server_context(version=version), True)
    done = {client: False, server: False}
    while not all(done.values()):
        for one, other in ((client, server), (server, client)):
            done[one] = done[one] or one.shake_hands()
            if ciphertext := one.drain():
                other.feed(ciphertext)
    return client, server


def taken(machine: TlsMachine, sizes: list[int]) -> bytes:
    """What can be taken, asking for these sizes in turn; every other time into a buffer."""
    got = b""
    turn = 0
    while True:
        size = sizes[turn % len(sizes)]
        buffer = bytearray(size)
        part = machine.take(size)
        if not part:
            return got
        assert len(part) <= size
        got += part
        filled = machine.fill(memoryview(buffer)) or 0
        got += buffer[:filled]
        turn += 1


@given(
    lengths=st.lists(st.integers(0, 40_000), max_size=5),
    cuts=st.lists(st.integers(1, 20_000), min_size=1, max_size=10),
    sizes=st.lists(st.integers(1, 70_000), min_size=1, max_size=4),
)
def test_all_fragments_come_together_again(lengths: list[int], cuts: list[int], sizes: list[int]) -> None:
    client, server = SHARED
    pieces = [bytes((number,)) * length for number, length in enumerate(lengths)]
    before = client.sealed
    wire = b"".join(client.seal(memoryview(piece)) for piece in pieces)
    got = b""
    turn = 0
    while wire:
        cut = cuts[turn % len(cuts)]
        server.feed(wire[:cut])
        wire = wire[cut:]
        got += taken(server, sizes)
        turn += 1
    assert got == b"".join(pieces)
    assert client.sealed - before == len(got)
    assert not client.rest


SHARED = machines()


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_record_that_was_changed_anywhere_gives_no_byte(place: int, flip: int) -> None:
    client, server = machines()
    record = bytearray(client.seal(b"pay 1 to Eve" * 5))
    record[place % len(record)] ^= flip
    server.feed(bytes(record))
    assert server.take(1_000) is None  # broken; or it waits for the rest of a record that has become longer
    if server.failure is None:
        server.feed(bytes(70_000))
        assert server.take(1_000) is None
    assert isinstance(server.failure, ssl.SSLError)


def test_what_is_there_is_taken_record_by_record_as_far_as_it_goes() -> None:
    client, server = machines()
    server.feed(client.seal(memoryview(bytes(3 * RECORD))))
    assert [len(server.take(size) or b"") for size in (1, RECORD, 2 * RECORD - 1)] == [1, RECORD, 2 * RECORD - 1]
    assert server.take(1) is None
    assert server.failure is None


@pytest.mark.parametrize("version", VERSIONS, ids=["1.3", "1.2"])
def test_the_end_comes_behind_what_was_sealed_and_again_and_again(version: ssl.TLSVersion) -> None:
    client, server = machines(version)
    server.feed(client.seal(b"last"))
    client.farewell()
    server.feed(client.drain())
    server.farewell()  # though something is there to be taken
    assert [server.take(10), server.take(10), server.take(10), server.fill(memoryview(bytearray(1)))] == [
        b"last",
        b"",
        b"",
        0,
    ]
    client.feed(server.drain())
    assert client.take(1) == b""


class Contended(Exception):
    """A thread would wait here."""


class StrictLock:
    """Tells who would wait for it."""

    def __init__(self) -> None:
        self.is_held = False

    def __enter__(self) -> None:
        if self.is_held:
            raise Contended
        self.is_held = True

    def __exit__(self, *_: object) -> None:
        self.is_held = False


@pytest.mark.parametrize("read", ["take", "fill"])
def test_who_reads_while_another_strand_decrypts_ahead_is_never_told_of_nothing_or_the_end(read: str) -> None:
    """At each line of `farewell`, which decrypts what has come: it is there, or somebody has the lock."""
    client, server = machines()
    server.feed(client.seal(b"0123456789"))
    client.farewell()
    server.feed(client.drain())
    assert server.take(1) == b"0"  # and the rest is decrypted by who writes
    server.lock = StrictLock()  # type: ignore[assignment]
    got: list[object] = []

    def look(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            sys.settrace(None)
            try:
                got.append(server.take(1) if read == "take" else server.fill(memoryview(bytearray(1))))
            except Contended:
                pass
            sys.settrace(look)
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        server.farewell()
    finally:
        sys.settrace(before)
    assert 0 < len(got) < 9
    assert None not in got
    assert b"" not in got
    assert 0 not in got


class Moves(list[memoryview]):
    """Counts how often it is changed: each time moves all that is behind."""

    moves = 0

    def __delitem__(self, index: Any) -> None:
        self.moves += 1
        super().__delitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.moves += 1
        super().__setitem__(index, value)


def test_many_small_buffers_are_taken_together() -> None:
    views = Moves([memoryview(b"0123456789")] * 20_000)
    pieces = 0
    while take_piece(views):
        pieces += 1
    assert pieces == -(-200_000 // PIECE)
    assert views.moves <= 2 * pieces


def test_what_was_put_back_is_taken_first() -> None:
    client, server = machines()
    server.feed(client.seal(b"cd"))
    server.put_back(b"ab")
    assert [server.take(1), server.take(10), server.take(10)] == [b"a", b"b", b"cd"]


@given(st.lists(st.integers(0, 200) | st.integers(60_000, 200_000), max_size=6))
def test_pieces_are_small_buffers_joined_and_large_ones_cut(sizes: list[int]) -> None:
    buffers = [bytes((number,)) * size for number, size in enumerate(sizes)]
    views = [memoryview(buffer) for buffer in buffers if buffer]
    pieces = []
    while piece := take_piece(views):
        pieces.append(bytes(piece))
    assert b"".join(pieces) == b"".join(buffers)
    assert all(len(piece) <= PIECE for piece in pieces)
    assert len(pieces) <= 2 * (sum(map(len, buffers)) // PIECE) + 1


def test_a_head_and_a_body_go_out_in_one_record() -> None:
    client, _ = machines()
    views = [memoryview(b"head"), memoryview(b"body")]
    record = client.seal(take_piece(views))
    assert int.from_bytes(record[3:5]) == len(record) - 5
    assert client.sealed == 8
