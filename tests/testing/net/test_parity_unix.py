"""What simulated Unix sockets answer is what real ones answer, call by call."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from tests.testing.net.parity import Bench, Script, answers
from tests.testing.net.unix_parity import DATAGRAM, STREAM, bound, emptied, fresh, full, listener, path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the simulation does what Linux does")

SCRIPTS: list[Script] = []


def script(function: Script) -> Script:
    SCRIPTS.append(function)
    return function


async def connection(bench: Bench) -> tuple[Any, Any]:
    """The two ends of one."""
    waiting = listener(bench)
    client = fresh(bench)
    assert client.connect_ex(path(bench, "server")) == 0
    server, _ = waiting.accept()
    bench.sockets.append(server)
    return client, server


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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_simulated_unix_socket_answers_as_a_real_one(script: Script) -> None:
    simulated, real = answers(script)

    assert simulated == real
