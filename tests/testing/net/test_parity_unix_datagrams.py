"""What simulated Unix sockets for datagrams answer is what real ones answer, call by call."""

from __future__ import annotations

import socket
import sys

import pytest

from tests.testing.net.parity import Bench, Script, answers
from tests.testing.net.unix_parity import DATAGRAM, bound, emptied, fresh, full, listener, path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the simulation does what Linux does")

SCRIPTS: list[Script] = []


def script(function: Script) -> Script:
    SCRIPTS.append(function)
    return function


@script
async def a_fresh_datagram_socket(bench: Bench) -> None:
    sock = fresh(bench, DATAGRAM)
    for call in (lambda: sock.recv(10), lambda: sock.send(b"x"), sock.getpeername, sock.accept):
        bench.note(call)
    bench.note(sock.listen, 1)
    bench.notes.append(sock.getsockname())
    await bench.flags(sock)


@script
async def datagrams_that_wait(bench: Bench) -> None:
    receiver, sender = bound(bench, "receiver"), bound(bench, "sender")
    nameless = fresh(bench, DATAGRAM)
    for data in (b"first", b"", b"third, which is longer"):
        bench.note(sender.sendto, data, path(bench, "receiver"))
    bench.note(nameless.sendto, b"guess who", path(bench, "receiver"))
    await bench.flags(receiver)
    bench.note(lambda: receiver.recvfrom(2, socket.MSG_PEEK)[0])
    for size in (100, 100, 5):
        data, address = receiver.recvfrom(size)
        bench.notes.append((data, address == path(bench, "sender")))
    bench.notes.append(receiver.recvfrom(100))
    bench.note(receiver.recvfrom, 100)
    await bench.flags(receiver)


@script
async def whom_one_cannot_send_to(bench: Bench) -> None:
    listener(bench)
    dead = bound(bench, "dead")
    dead.close()
    sender = fresh(bench, DATAGRAM)
    for name in ("server", "dead", "nobody"):
        bench.note(sender.sendto, b"x", path(bench, name))
        bench.note(sender.connect_ex, path(bench, name))
    bench.note(sender.sendto, b"x", "\0nobody-is-called-that")


@script
async def a_receiver_that_is_connected_to_another(bench: Bench) -> None:
    one, other, third = bound(bench, "one"), bound(bench, "other"), bound(bench, "third")
    bench.note(one.connect_ex, path(bench, "other"))
    bench.note(third.sendto, b"x", path(bench, "one"))
    bench.note(third.connect_ex, path(bench, "one"))
    bench.note(other.sendto, b"x", path(bench, "one"))
    bench.note(one.recv, 10)
    bench.note(other.connect_ex, path(bench, "one"))
    bench.note(one.sendto, b"elsewhere", path(bench, "third"))
    bench.note(third.recv, 10)
    bench.notes.append(one.getpeername() == path(bench, "other"))


@script
async def connecting_anew_drops_what_waits(bench: Bench) -> None:
    one, other = bound(bench, "one"), bound(bench, "other")
    bound(bench, "third")
    for sock, name in ((one, "other"), (other, "one")):
        sock.connect_ex(path(bench, name))
    bench.note(other.send, b"dropped")
    bench.note(one.connect_ex, path(bench, "third"))
    bench.note(one.recv, 10)
    await bench.flags(other)
    bench.note(other.recv, 10)
    bench.note(other.recv, 10)
    bench.note(other.send, b"x")


@script
async def the_first_connection_keeps_what_waits(bench: Bench) -> None:
    one, other = bound(bench, "one"), bound(bench, "other")
    bound(bench, "third")
    other.sendto(b"kept", path(bench, "one"))
    bench.note(one.connect_ex, path(bench, "third"))
    bench.note(one.recv, 10)


@script
async def the_other_side_of_a_connection_closes(bench: Bench) -> None:
    one, other = bench.both(DATAGRAM)
    other.send(b"in time")
    other.close()
    await bench.flags(one)
    bench.note(one.recv, 10)
    bench.note(one.recv, 10)
    bench.notes.append(one.getpeername())
    for _ in range(2):
        bench.note(one.send, b"x")
    bench.note(one.getpeername)
    bench.note(one.recv, 10)
    await bench.flags(one)


@script
async def a_send_that_finds_the_other_side_closed_drops_what_waits(bench: Bench) -> None:
    one, other = bench.both(DATAGRAM)
    other.send(b"dropped")
    other.close()
    bench.note(one.send, b"x")
    bench.note(one.recv, 10)


@script
async def a_full_receiver(bench: Bench) -> None:
    receiver, sender, other = bound(bench, "receiver"), fresh(bench, DATAGRAM), fresh(bench, DATAGRAM)
    for sock in (sender, other):
        sock.connect_ex(path(bench, "receiver"))
    bench.notes.append(full(sender))
    bench.note(other.send, b"x")
    await bench.flags(sender)
    await bench.flags(other)
    receiver.recv(10)
    await bench.flags(sender)
    await bench.flags(other)
    bench.note(other.send, b"x")
    await bench.flags(sender)
    unconnected = fresh(bench, DATAGRAM)
    bench.note(unconnected.sendto, b"x", path(bench, "receiver"))
    await bench.flags(unconnected)
    receiver.close()
    await bench.flags(sender)
    bench.note(sender.send, b"x")


@script
async def a_full_pair(bench: Bench) -> None:
    one, other = bench.both(DATAGRAM)
    sent = full(one)
    bench.notes.append(250 < sent < 300)
    await bench.flags(one)
    other.recv(10)
    await bench.flags(one)
    bench.note(one.send, b"x")
    bench.notes.append(emptied(other) == sent)
    await bench.flags(one)
    bench.notes.append(full(one) == sent)


@script
async def a_datagram_of_great_length(bench: Bench) -> None:
    one, other = bench.both(DATAGRAM)
    bench.note(one.send, bytes(212_992))
    bench.note(one.send, bytes(200_000))
    bench.notes.append(len(other.recv(300_000)))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
    bench.note(one.getsockopt, socket.SOL_SOCKET, socket.SO_SNDBUF)
    bench.note(one.send, bytes(20_000))
    bench.note(one.send, bytes(10_000))


@script
async def what_a_sender_takes_of_memory_is_told(bench: Bench) -> None:
    one, other = bench.both(DATAGRAM)

    def has_room() -> bool:
        numbers = memoryview(one.getsockopt(socket.SOL_SOCKET, 55, 36)).cast("I")
        return numbers[2] < numbers[3]

    bench.notes.append(has_room())
    full(one)
    bench.notes.append(has_room())
    emptied(other)
    bench.notes.append(has_room())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_simulated_unix_datagram_socket_answers_as_a_real_one(script: Script) -> None:
    simulated, real = answers(script)

    assert simulated == real
