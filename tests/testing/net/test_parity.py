"""What a simulated socket answers is what a real one answers, call by call."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any

import pytest

from tests.testing.net.parity import Bench, Script, answers

LINGER_RESETS: Any = struct.pack("ii", 1, 0)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the simulation does what Linux does")


SCRIPTS: list[Script] = []


def script(function: Script) -> Script:
    SCRIPTS.append(function)
    return function


@script
async def a_fresh_socket(bench: Bench) -> None:
    sock = bench.socket()
    bench.note(sock.recv, 10)
    bench.note(sock.send, b"x")
    bench.note(sock.accept)
    bench.note(sock.getpeername)
    bench.note(sock.shutdown, socket.SHUT_WR)
    bench.notes.append(sock.getsockname())
    await bench.flags(sock)


@script
async def a_closed_socket(bench: Bench) -> None:
    sock = bench.socket()
    sock.close()
    sock.close()
    bench.notes.append(sock.fileno())
    for call in (lambda: sock.recv(1), lambda: sock.send(b"x"), sock.accept, sock.getsockname, sock.getpeername):
        bench.note(call)
    bench.note(sock.connect_ex, ("127.0.0.1", 9))
    bench.note(sock.listen, 1)


@script
async def binding_twice_and_to_what_is_taken(bench: Bench) -> None:
    first, second, third = (bench.socket() for _ in range(3))
    bench.note(first.bind, ("127.0.0.1", 0))
    bench.note(first.bind, ("127.0.0.1", 0))
    bench.note(second.bind, first.getsockname())
    bench.note(second.bind, ("0.0.0.0", first.getsockname()[1]))
    bench.note(second.bind, ("127.0.0.2", first.getsockname()[1]))
    bench.note(third.bind, ("192.0.2.77", 0))
    bench.note(third.bind, ("::1", 0))


@script
async def sharing_an_address_until_one_listens(bench: Bench) -> None:
    first, second, third = (bench.socket() for _ in range(3))
    for sock in (first, second, third):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bench.note(first.bind, ("127.0.0.1", 0))
    bench.note(second.bind, first.getsockname())
    bench.note(first.listen, 1)
    bench.note(second.listen, 1)
    bench.note(third.bind, first.getsockname())


@script
async def connecting_and_accepting(bench: Bench) -> None:
    listener = bench.listener()
    bench.note(listener.accept)
    await bench.flags(listener)
    client = bench.socket()
    bench.note(client.connect_ex, listener.getsockname())
    await bench.flags(client)
    await bench.flags(listener)
    bench.note(client.connect_ex, listener.getsockname())
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    server, address = listener.accept()
    bench.sockets.append(server)
    bench.notes.append(address == client.getsockname())
    bench.notes.append(client.getpeername() == server.getsockname() == listener.getsockname())
    await bench.flags(server)
    bench.note(listener.connect_ex, ("127.0.0.1", 9))
    bench.note(listener.recv, 10)
    bench.note(listener.getpeername)


@script
async def nobody_listens(bench: Bench) -> None:
    listener = bench.listener()
    address = listener.getsockname()
    listener.close()
    client = bench.socket()
    bench.note(client.connect_ex, address)
    await bench.flags(client)
    bench.note(client.getpeername)
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    bench.note(client.recv, 10)
    bench.note(client.send, b"x")


@script
async def the_end_after_the_last_bytes(bench: Bench) -> None:
    client, server = await bench.pair()
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
    bench.note(client.getpeername)
    bench.note(server.getpeername)
    bench.note(server.shutdown, socket.SHUT_WR)


@script
async def closing_with_bytes_that_nobody_read_resets(bench: Bench) -> None:
    client, server = await bench.pair()
    bench.note(client.send, b"unread")
    bench.note(server.send, b"in time")
    await bench.rest()
    server.close()
    await bench.flags(client)
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)
    bench.note(client.send, b"x")
    bench.note(client.shutdown, socket.SHUT_WR)
    bench.note(client.getpeername)


@script
async def closing_without_time_to_linger_resets(bench: Bench) -> None:
    client, server = await bench.pair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESETS)
    server.close()
    await bench.flags(client)
    bench.note(client.send, b"x")
    bench.note(client.send, b"x")
    bench.note(client.recv, 10)


@script
async def writing_to_who_has_closed(bench: Bench) -> None:
    client, server = await bench.pair()
    server.close()
    await bench.flags(client)
    bench.note(client.send, b"into the void")
    await bench.flags(client)
    bench.note(client.send, b"x")
    bench.note(client.send, b"x")
    bench.note(client.recv, 10)
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)


@script
async def a_reset_after_the_end_was_read(bench: Bench) -> None:
    client, server = await bench.pair()
    server.shutdown(socket.SHUT_WR)
    await bench.rest()
    bench.note(client.recv, 10)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESETS)
    server.close()
    await bench.flags(client)
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)
    bench.note(client.send, b"x")


@script
async def bytes_that_come_after_closing_reset(bench: Bench) -> None:
    client, server = await bench.pair()
    server.shutdown(socket.SHUT_WR)
    server.close()
    await bench.rest()
    bench.note(client.send, b"late")
    await bench.rest()
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)


@script
async def a_full_connection(bench: Bench) -> None:
    client, server = await bench.pair()
    while True:
        try:
            client.send(b"x" * 65_536)
        except BlockingIOError:
            await bench.rest()
            try:
                client.send(b"x" * 65_536)
            except BlockingIOError:
                break
    await bench.flags(client)
    bench.note(client.send, b"x")
    read = 0
    while True:
        try:
            read += len(server.recv(65_536))
        except BlockingIOError:
            await bench.rest()
            try:
                read += len(server.recv(65_536))
            except BlockingIOError:
                break
    await bench.flags(client)
    bench.note(client.send, b"x")


@script
async def a_connection_that_is_reset_before_it_is_accepted(bench: Bench) -> None:
    listener = bench.listener()
    client = bench.socket()
    client.connect_ex(listener.getsockname())
    await bench.rest()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESETS)
    client.close()
    await bench.flags(listener)
    server, _ = listener.accept()
    bench.sockets.append(server)
    bench.note(server.getpeername)
    bench.note(server.recv, 10)
    bench.note(server.recv, 10)


@script
async def closing_a_listener_with_connections_in_its_queue(bench: Bench) -> None:
    listener = bench.listener()
    client = bench.socket()
    client.connect_ex(listener.getsockname())
    await bench.rest()
    listener.close()
    await bench.flags(client)
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)


@script
async def options_are_inherited_by_what_is_accepted(bench: Bench) -> None:
    listener = bench.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bench.note(listener.listen, 5)
    address = ("127.0.0.1", listener.getsockname()[1])
    client = bench.socket()
    client.connect_ex(address)
    await bench.rest()
    server, _ = listener.accept()
    bench.sockets.append(server)
    bench.notes.append(bool(server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    bench.notes.append(bool(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))


@script
async def sending_nothing_and_several_buffers(bench: Bench) -> None:
    client, server = await bench.pair()
    bench.note(client.send, b"")
    bench.note(client.sendmsg, [memoryview(b"one, "), memoryview(b""), memoryview(b"two")])
    await bench.rest()
    bench.note(server.recv, 100)
    bench.note(server.recv, 100)


@script
async def two_connections_between_the_same_two_ends(bench: Bench) -> None:
    listener = bench.listener()
    first, second = bench.socket(), bench.socket()
    for sock in (first, second):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    first.bind(("127.0.0.1", 0))
    second.bind(first.getsockname())
    bench.note(first.connect_ex, listener.getsockname())
    bench.note(second.connect_ex, listener.getsockname())


@script
async def asking_how_connecting_has_ended_by_connecting_again(bench: Bench) -> None:
    listener = bench.listener()
    address = listener.getsockname()
    listener.close()
    client = bench.socket()
    bench.note(client.connect_ex, address)
    await bench.rest()
    bench.note(client.connect_ex, address)


@script
async def connecting_to_no_address_in_particular(bench: Bench) -> None:
    listener = bench.listener()
    client = bench.socket()
    bench.note(client.connect_ex, ("0.0.0.0", listener.getsockname()[1]))
    await bench.rest()
    bench.notes.append(client.getpeername()[0])


@script
async def listening_twice_and_on_a_connection(bench: Bench) -> None:
    listener = bench.listener()
    client, _ = await bench.pair()
    bench.note(client.listen, 1)
    bench.note(listener.listen, 1)


@script
async def addresses_that_are_none(bench: Bench) -> None:
    sock = bench.socket()
    for address in ((b"x",), ("127.0.0.1", "80")):
        with pytest.raises(TypeError):
            sock.bind(address)
    with pytest.raises(OverflowError):
        sock.bind(("127.0.0.1", 70_000))


@script
async def connecting_from_loopback_to_elsewhere(bench: Bench) -> None:
    sock = bench.socket()
    bench.note(sock.bind, ("127.0.0.1", 0))
    bench.note(sock.connect_ex, ("10.0.0.9", 80))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_simulated_socket_answers_as_a_real_one(script: Script) -> None:
    simulated, real = answers(script)

    assert simulated == real
