"""What simulated Unix sockets answer is what real ones answer, call by call."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from tests.testing.net.parity import Bench, Script, answers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the simulation does what Linux does")

STREAM = socket.SOCK_STREAM
DATAGRAM = socket.SOCK_DGRAM
SCRIPTS: list[Script] = []


def script(function: Script) -> Script:
    SCRIPTS.append(function)
    return function


def fresh(bench: Bench, type: int = STREAM) -> Any:
    return bench.socket(socket.AF_UNIX, type)


def bound(bench: Bench, name: str, type: int = DATAGRAM) -> Any:
    sock = fresh(bench, type)
    sock.bind(path(bench, name))
    return sock


def path(bench: Bench, name: str) -> str:
    """A path, in a folder of its own for each network."""
    return f"{bench.folder.name}/{name}"


def listener(bench: Bench, backlog: int = 5) -> Any:
    sock = bound(bench, "server", STREAM)
    sock.listen(backlog)
    return sock


async def connection(bench: Bench) -> tuple[Any, Any]:
    """The two ends of one."""
    waiting = listener(bench)
    client = fresh(bench)
    assert client.connect_ex(path(bench, "server")) == 0
    server, _ = waiting.accept()
    bench.sockets.append(server)
    return client, server


def full(sock: Any, data: bytes = b"x") -> int:
    """Send until there is no room; how often that went."""
    sent = 0
    while True:
        try:
            sock.send(data)
        except BlockingIOError:
            return sent
        sent += 1


def emptied(sock: Any) -> int:
    """Receive what is there; how often that went."""
    got = 0
    while True:
        try:
            sock.recv(65_536)
        except BlockingIOError:
            return got
        got += 1


# ---- streams --------------------------------------------------------------------------------------------------


@script
async def a_fresh_unix_socket(bench: Bench) -> None:
    sock = fresh(bench)
    for call in (lambda: sock.recv(10), lambda: sock.send(b"x"), sock.accept, sock.getpeername):
        bench.note(call)
    bench.note(sock.shutdown, socket.SHUT_WR)
    bench.note(sock.listen, 1)
    bench.note(sock.connect_ex, path(bench, "nobody"))
    bench.notes.append(sock.getsockname())
    await bench.flags(sock)
    bench.note(sock.bind, path(bench, "mine"))
    bench.note(sock.bind, path(bench, "another"))
    bench.notes.append(sock.getsockname() == path(bench, "mine"))
    await bench.flags(sock)


@script
async def a_closed_unix_socket(bench: Bench) -> None:
    for type in (STREAM, DATAGRAM):
        sock = fresh(bench, type)
        sock.close()
        sock.close()
        for call in (lambda: sock.recv(10), lambda: sock.send(b"x"), sock.accept, sock.getsockname):  # noqa: B023
            bench.note(call)
        bench.note(sock.connect_ex, path(bench, "nobody"))
        bench.note(sock.bind, path(bench, "nobody"))


@script
async def connecting_and_accepting(bench: Bench) -> None:
    waiting = listener(bench)
    bench.note(waiting.accept)
    await bench.flags(waiting)
    client = fresh(bench)
    bench.note(client.connect_ex, path(bench, "server"))
    await bench.flags(waiting)
    await bench.flags(client)
    bench.note(client.send, b"before anybody accepted")
    bench.note(client.connect_ex, path(bench, "server"))
    server, name = waiting.accept()
    bench.sockets.append(server)
    bench.notes.append(name)
    bench.notes.append(server.getsockname() == client.getpeername() == path(bench, "server"))
    bench.notes.append((client.getsockname(), server.getpeername()))
    bench.note(server.recv, 100)
    bench.note(waiting.recv, 10)
    bench.note(waiting.send, b"x")
    bench.note(waiting.connect_ex, path(bench, "server"))
    bench.note(waiting.listen, 3)
    bench.note(client.listen, 3)


@script
async def a_client_with_a_name(bench: Bench) -> None:
    waiting = listener(bench)
    client = bound(bench, "client", STREAM)
    bench.note(client.connect_ex, path(bench, "server"))
    server, name = waiting.accept()
    bench.sockets.append(server)
    bench.notes.append(name == server.getpeername() == path(bench, "client"))


@script
async def whom_one_cannot_connect_to(bench: Bench) -> None:
    bound(bench, "datagrams", DATAGRAM)
    bound(bench, "silent", STREAM)
    dead = bound(bench, "dead", STREAM)
    dead.listen(1)
    dead.close()
    for name in ("datagrams", "silent", "dead", "nobody"):
        bench.note(fresh(bench).connect_ex, path(bench, name))
        bench.note(fresh(bench, DATAGRAM).connect_ex, path(bench, name))
    bench.note(fresh(bench).bind, path(bench, "dead"))
    bench.note(fresh(bench).connect_ex, "\0nobody-is-called-that")


@script
async def a_queue_that_is_full(bench: Bench) -> None:
    waiting = listener(bench, backlog=1)
    clients = [fresh(bench) for _ in range(4)]
    for client in clients:
        bench.note(client.connect_ex, path(bench, "server"))
    server, _ = waiting.accept()
    bench.sockets.append(server)
    bench.note(clients[2].connect_ex, path(bench, "server"))


@script
async def bytes_both_ways(bench: Bench) -> None:
    client, server = await connection(bench)
    bench.note(client.send, b"")
    bench.note(client.sendmsg, [memoryview(b"one, "), memoryview(b"two")])
    await bench.flags(server)
    bench.note(server.recv, 4, socket.MSG_PEEK)
    bench.note(server.recv, 4)
    buffer = bytearray(10)
    bench.note(server.recv_into, memoryview(buffer))
    bench.note(server.recv, 4)
    bench.note(server.recv, 4, socket.MSG_PEEK)
    bench.note(server.send, b"back")
    bench.note(client.recv, 100)


@script
async def the_end_of_a_stream(bench: Bench) -> None:
    client, server = await connection(bench)
    bench.note(client.send, b"last")
    bench.note(client.shutdown, socket.SHUT_WR)
    bench.note(client.send, b"more")
    bench.note(client.shutdown, socket.SHUT_WR)
    await bench.flags(server)
    for _ in range(3):
        bench.note(server.recv, 3)
    bench.note(server.send, b"answer")
    await bench.flags(client)
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)
    bench.note(server.shutdown, socket.SHUT_WR)
    await bench.flags(client)
    await bench.flags(server)
    bench.note(client.recv, 10)


@script
async def writing_to_who_has_closed(bench: Bench) -> None:
    client, server = await connection(bench)
    server.send(b"in time")
    server.close()
    await bench.flags(client)
    for _ in range(2):
        bench.note(client.send, b"x")
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)
    bench.note(client.shutdown, socket.SHUT_WR)
    bench.notes.append(client.getpeername() == path(bench, "server"))
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)


@script
async def closing_with_bytes_that_nobody_read(bench: Bench) -> None:
    client, server = await connection(bench)
    client.send(b"unread")
    server.send(b"in time")
    server.close()
    await bench.flags(client)
    for _ in range(3):
        bench.note(client.recv, 10)
    bench.note(client.send, b"x")


@script
async def the_error_of_a_reset_is_told_once(bench: Bench) -> None:
    client, server = await connection(bench)
    client.send(b"unread")
    server.close()
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    bench.note(client.recv, 10)


@script
async def closing_a_listener_with_connections_in_its_queue(bench: Bench) -> None:
    waiting = listener(bench)
    client = fresh(bench)
    client.connect_ex(path(bench, "server"))
    waiting.close()
    await bench.flags(client)
    bench.note(client.send, b"x")
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)


@script
async def a_connection_that_ended_before_it_was_accepted(bench: Bench) -> None:
    waiting = listener(bench)
    client = fresh(bench)
    client.connect_ex(path(bench, "server"))
    client.send(b"bye")
    client.close()
    server, _ = waiting.accept()
    bench.sockets.append(server)
    await bench.flags(server)
    bench.note(server.recv, 10)
    bench.note(server.recv, 10)
    bench.note(server.send, b"x")


@script
async def a_full_stream(bench: Bench) -> None:
    client, server = await connection(bench)
    bench.notes.append(full(client, bytes(4_096)) > 10)
    await bench.flags(client)
    server.recv(1)
    await bench.flags(client)
    bench.notes.append(emptied(server) > 1)
    await bench.flags(client)
    bench.note(client.send, b"x")


@script
async def a_pair_of_streams(bench: Bench) -> None:
    one, other = bench.both(STREAM)
    bench.note(one.send, b"x")
    bench.note(other.recv, 10)
    bench.notes.append((one.getsockname(), one.getpeername()))
    other.close()
    bench.note(one.recv, 10)
    await bench.flags(one)


# ---- names ----------------------------------------------------------------------------------------------------


@script
async def names_and_files(bench: Bench) -> None:
    network = bench.network
    for type in (STREAM, DATAGRAM):
        where = path(bench, f"file {int(type)}")
        bench.notes.append(network.identify(where))
        sock = bound(bench, f"file {int(type)}", type)
        bench.note(fresh(bench, type).bind, where)
        identity = network.identify(where)
        bench.notes.append(identity is not None)
        bench.note(network.set_mode, where, 0o600)
        sock.close()
        bench.notes.append(network.identify(where) == identity)
        bench.note(network.unlink, where)
        bench.note(network.unlink, where)
        bench.note(network.set_mode, where, 0o600)
        bench.notes.append(network.identify(where))
        bench.note(fresh(bench, type).bind, where)


@script
async def abstract_names(bench: Bench) -> None:
    for name in ("\0conc-parity", b"\0conc-parity-\xff"):
        sock = fresh(bench, DATAGRAM)
        bench.note(sock.bind, name)
        bench.notes.append(sock.getsockname())
        bench.note(fresh(bench, DATAGRAM).bind, name)
        sock.close()
        bench.note(fresh(bench, DATAGRAM).connect_ex, name)
        again = fresh(bench, DATAGRAM)
        bench.note(again.bind, name)
        again.close()
    free = fresh(bench, DATAGRAM)
    bench.note(free.bind, "")
    bench.notes.append((type(free.getsockname()).__name__, len(free.getsockname())))
    bench.note(free.bind, "")
    for name in ("x" * 108, "\0" + "x" * 108):
        bench.note(fresh(bench).bind, name)
        bench.note(lambda name=name: fresh(bench, DATAGRAM).sendto(b"x", name))
    bench.note(fresh(bench).bind, "\0" + "x" * 107)


# ---- datagrams ------------------------------------------------------------------------------------------------


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
def test_a_simulated_unix_socket_answers_as_a_real_one(script: Script) -> None:
    simulated, real = answers(script)

    assert simulated == real
