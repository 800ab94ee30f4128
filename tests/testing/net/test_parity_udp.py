"""What a simulated UDP socket answers is what a real one answers, call by call."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from tests.testing.net.parity import Bench, Script, answers

V4 = socket.AF_INET
V6 = socket.AF_INET6
HERE = "127.0.0.1"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the simulation does what Linux does")

SCRIPTS: list[Script] = []


def script(function: Script) -> Script:
    SCRIPTS.append(function)
    return function


def fresh(bench: Bench, family: int = V4) -> Any:
    return bench.socket(family, socket.SOCK_DGRAM)


def bound(bench: Bench, host: str = HERE, port: int = 0, *options: int) -> Any:
    sock = fresh(bench, V6 if ":" in host else V4)
    for option in options:
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
    sock.bind((host, port))
    return sock


def port_of(sock: Any) -> int:
    port: int = sock.getsockname()[1]
    return port


@script
async def a_fresh_udp_socket(bench: Bench) -> None:
    sock = fresh(bench)
    bench.note(sock.recvfrom, 10)
    bench.note(sock.recv, 10)
    bench.notes.append(sock.getsockname())
    bench.note(sock.send, b"x")
    bench.note(sock.getpeername)
    bench.note(sock.listen, 1)
    bench.note(sock.accept)
    bench.note(sock.shutdown, socket.SHUT_WR)
    bench.note(sock.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    bench.notes.append((sock.getsockname()[0], port_of(sock) == 0))
    await bench.flags(sock)


@script
async def a_closed_udp_socket(bench: Bench) -> None:
    sock = fresh(bench)
    sock.close()
    sock.close()
    bench.notes.append(sock.fileno())
    for call in (lambda: sock.recvfrom(1), lambda: sock.sendto(b"x", (HERE, 9)), lambda: sock.send(b"x")):
        bench.note(call)
    bench.note(sock.getsockname)
    bench.note(sock.connect_ex, (HERE, 9))


@script
async def datagrams_that_wait(bench: Bench) -> None:
    receiver, sender = bound(bench), bound(bench)
    for data in (b"first", b"", b"third, which is longer"):
        bench.note(sender.sendto, data, receiver.getsockname())
    await bench.flags(receiver)
    bench.note(lambda: receiver.recvfrom(100, socket.MSG_PEEK)[0])
    for size in (100, 100, 5):
        data, address = receiver.recvfrom(size)
        bench.notes.append(data)
        bench.notes.append(address == sender.getsockname())
    bench.note(receiver.recvfrom, 100)
    await bench.flags(receiver)


@script
async def into_a_buffer_and_from_several(bench: Bench) -> None:
    receiver, sender = bound(bench), fresh(bench)
    bench.note(sender.connect_ex, receiver.getsockname())
    bench.note(sender.sendmsg, [memoryview(b"one, "), memoryview(b"two")])
    buffer = bytearray(6)
    bench.note(receiver.recv_into, memoryview(buffer))
    bench.notes.append(bytes(buffer))
    bench.note(receiver.recv, 6)


@script
async def binding_udp_to_what_is_taken(bench: Bench) -> None:
    first, second, third = bound(bench), fresh(bench), fresh(bench)
    bench.note(first.bind, (HERE, 0))
    bench.note(second.bind, first.getsockname())
    bench.note(second.bind, ("0.0.0.0", port_of(first)))
    bench.note(second.bind, ("127.0.0.2", port_of(first)))
    bench.note(third.bind, ("192.0.2.77", 0))
    bench.note(third.bind, ("::1", 0))
    stream = bench.socket()
    bench.note(stream.bind, first.getsockname())


@script
async def sharing_a_port(bench: Bench) -> None:
    for one, other in (
        (socket.SO_REUSEADDR, socket.SO_REUSEADDR),
        (socket.SO_REUSEPORT, socket.SO_REUSEPORT),
        (socket.SO_REUSEADDR, socket.SO_REUSEPORT),
        (socket.SO_REUSEPORT, socket.SO_REUSEADDR),
    ):
        first = bound(bench, HERE, 0, one)
        second = fresh(bench)
        bench.note(second.bind, first.getsockname())
        second.setsockopt(socket.SOL_SOCKET, other, 1)
        bench.note(second.bind, first.getsockname())


@script
async def both_families_at_one_port(bench: Bench) -> None:
    for only in (0, 1):
        six = fresh(bench, V6)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        six.bind(("::", 0))
        bench.notes.append(len(six.getsockname()))
        for host in ("0.0.0.0", HERE):
            four = fresh(bench)
            bench.note(four.bind, (host, port_of(six)))
            four.close()
        bench.note(fresh(bench, V6).bind, ("::1", port_of(six)))


@script
async def one_socket_for_both_families(bench: Bench) -> None:
    six, four = fresh(bench, V6), bound(bench)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    six.bind(("::", 0))
    bench.note(four.sendto, b"from 4", (HERE, port_of(six)))
    _, address = six.recvfrom(10)
    bench.notes.append(address == (f"::ffff:{HERE}", port_of(four), 0, 0))
    bench.note(six.sendto, b"to 4", address)
    bench.note(four.recv, 10)
    bench.note(six.connect_ex, address)
    bench.notes.append(six.getpeername() == address)
    bench.notes.append(six.getsockname()[0])
    bench.note(six.send, b"connected")
    bench.note(four.recv, 10)


@script
async def a_socket_for_ipv6_only(bench: Bench) -> None:
    six, other = bound(bench, "::1"), fresh(bench, V6)
    other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bench.note(other.sendto, b"x", (f"::ffff:{HERE}", 9))
    bench.note(other.connect_ex, (f"::ffff:{HERE}", 9))
    bench.note(six.sendto, b"x", (f"::ffff:{HERE}", 9))
    bench.note(other.sendto, b"x", six.getsockname())
    _, address = six.recvfrom(10)
    bench.notes.append(address[0])


@script
async def a_datagram_that_is_too_long(bench: Bench) -> None:
    receiver, sender = bound(bench), fresh(bench)
    bench.note(sender.sendto, bytes(65_508), receiver.getsockname())
    bench.note(sender.sendto, bytes(65_507), receiver.getsockname())
    bench.notes.append(len(receiver.recv(65_536)))
    six, other = bound(bench, "::1"), fresh(bench, V6)
    bench.note(other.sendto, bytes(65_528), six.getsockname())
    bench.note(other.sendto, bytes(65_527), six.getsockname())
    bench.notes.append(len(six.recv(65_536)))


@script
async def connecting_udp(bench: Bench) -> None:
    server, stranger, client = bound(bench), bound(bench), fresh(bench)
    bench.note(client.connect_ex, server.getsockname())
    bench.notes.append(client.getpeername() == server.getsockname())
    bench.notes.append(client.getsockname()[0])
    bench.note(stranger.sendto, b"not heard", client.getsockname())
    bench.note(client.recv, 10)
    bench.note(server.sendto, b"heard", client.getsockname())
    bench.note(client.recv, 10)
    bench.note(client.sendto, b"elsewhere", stranger.getsockname())
    bench.note(stranger.recv, 10)
    bench.note(client.connect_ex, stranger.getsockname())
    bench.note(client.send, b"anew")
    bench.note(stranger.recv, 10)
    bench.note(client.connect_ex, ("0.0.0.0", port_of(server)))
    bench.notes.append(client.getpeername()[0])


@script
async def what_came_before_connecting_stays(bench: Bench) -> None:
    server, stranger, client = bound(bench), bound(bench), bound(bench)
    stranger.sendto(b"early", client.getsockname())
    await bench.rest()
    bench.note(client.connect_ex, server.getsockname())
    bench.note(client.recv, 10)


@script
async def nobody_at_a_connected_port(bench: Bench) -> None:
    gone, client = bound(bench), fresh(bench)
    address = gone.getsockname()
    gone.close()
    bench.note(client.connect_ex, address)
    bench.note(client.send, b"x")
    await bench.flags(client)
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)
    await bench.flags(client)
    bench.note(client.send, b"x")
    bench.note(client.send, b"x")
    bench.note(client.send, b"x")
    await bench.rest()
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    bench.note(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    bench.note(client.recvfrom, 10)


@script
async def an_error_comes_before_what_waits(bench: Bench) -> None:
    server, client = bound(bench), fresh(bench)
    address = server.getsockname()
    client.connect_ex(address)
    server.sendto(b"waits", client.getsockname())
    server.close()
    client.send(b"x")
    await bench.rest()
    bench.note(client.recv, 10)
    bench.note(client.recv, 10)


@script
async def nobody_at_a_port_and_no_connection(bench: Bench) -> None:
    gone, client = bound(bench), fresh(bench)
    address = gone.getsockname()
    gone.close()
    for _ in range(2):
        bench.note(client.sendto, b"x", address)
        await bench.rest()
    bench.note(client.recv, 10)
    await bench.flags(client)
    bench.note(client.sendto, b"x", (HERE, 0))


@script
async def who_is_most_precise_gets_it(bench: Bench) -> None:
    everywhere = bound(bench, "0.0.0.0", 0, socket.SO_REUSEADDR)
    here = bound(bench, HERE, port_of(everywhere), socket.SO_REUSEADDR)
    connected = bound(bench, HERE, port_of(everywhere), socket.SO_REUSEADDR)
    youngest = bound(bench, HERE, port_of(everywhere), socket.SO_REUSEADDR)
    friend, stranger = bound(bench), bound(bench)
    connected.connect_ex(friend.getsockname())
    address = (HERE, port_of(everywhere))
    friend.sendto(b"from a friend", address)
    stranger.sendto(b"from a stranger", address)
    stranger.sendto(b"to another address", ("127.0.0.5", port_of(everywhere)))
    await bench.rest()
    for sock in (everywhere, here, connected, youngest):
        bench.note(sock.recv, 100)


@script
async def from_loopback_to_elsewhere(bench: Bench) -> None:
    sock = bound(bench)
    bench.note(sock.sendto, b"x", ("10.0.0.9", 80))
    bench.note(sock.connect_ex, ("10.0.0.9", 80))


@script
async def options_of_udp(bench: Bench) -> None:
    sock = fresh(bench)
    for level, option in (
        (socket.SOL_SOCKET, socket.SO_BROADCAST),
        (socket.SOL_SOCKET, socket.SO_SNDBUF),
        (socket.SOL_SOCKET, socket.SO_RCVBUF),
        (socket.IPPROTO_IP, socket.IP_TTL),
        (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
        (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP),
    ):
        bench.note(sock.getsockopt, level, option)
        sock.setsockopt(level, option, 1)
        if option != socket.SO_RCVBUF:  # it has another least size
            bench.note(sock.getsockopt, level, option)


@script
async def groups_and_broadcasts(bench: Bench) -> None:
    sock = fresh(bench)
    member = bytes([239, 192, 7, 9, 127, 0, 0, 1])
    for _ in range(2):
        bench.note(sock.setsockopt, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    for _ in range(2):
        bench.note(sock.setsockopt, socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, member)
    bench.note(sock.sendto, b"x", ("255.255.255.255", 9))
    bench.note(sock.connect_ex, ("255.255.255.255", 9))


@script
async def a_receiver_that_is_too_slow(bench: Bench) -> None:
    receiver, sender = bound(bench), fresh(bench)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    for number in range(100):
        sender.sendto(b"%2d" % number + bytes(1_000), receiver.getsockname())
    await bench.rest()
    got = []
    while True:
        try:
            got.append(int(receiver.recv(2)))
        except BlockingIOError:
            break
    bench.notes.append(got == list(range(len(got))) and 1 < len(got) < 50)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_simulated_udp_socket_answers_as_a_real_one(script: Script) -> None:
    simulated, real = answers(script)

    assert simulated == real
