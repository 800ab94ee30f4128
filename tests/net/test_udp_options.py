"""UDP on loopback: groups, broadcast, hops, buffers."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from conc.net import UdpSocket, bind_udp
from conc.net.multicast import interface_option, membership_option
from tests.net.datagram_support import received_now, udp_pair

GROUP = "239.192.7.7"
HERE = "127.0.0.1"


async def member(port: int = 0) -> UdpSocket:
    """A socket in the group, at a port that several may share."""
    sock = await bind_udp("0.0.0.0", port, reuse_address=True)
    sock.join(GROUP, HERE)
    return sock


async def test_all_members_of_a_group_receive_what_is_sent_to_it_until_they_leave() -> None:
    async with await member() as one:
        port = one.local_address[1]
        async with await member(port) as other, await bind_udp(HERE, 0) as sender:
            sender.set_multicast_interface(HERE)
            await sender.send_to(b"to all", (GROUP, port))
            assert await one.receive_from() == (b"to all", sender.local_address)
            assert await other.receive() == b"to all"

            one.leave(GROUP, HERE)
            await sender.send_to(b"to those who are left", (GROUP, port))
            assert await other.receive() == b"to those who are left"
            with pytest.raises(OSError, match=f"cannot leave {GROUP}") as found:
                one.leave(GROUP, HERE)
            assert found.value.errno == errno.EADDRNOTAVAIL
            with pytest.raises(OSError, match=f"cannot join {GROUP} at interface {HERE}") as found:
                other.join(GROUP, HERE)
            assert found.value.errno == errno.EADDRINUSE


async def test_an_interface_may_be_named_by_its_number() -> None:
    loopback = next(number for number, name in socket.if_nameindex() if name.startswith("lo"))
    async with await bind_udp("0.0.0.0", 0) as four, await bind_udp("::", 0) as six:
        four.join(GROUP, loopback)
        four.set_multicast_interface(loopback)
        await four.send_to(b"x", (GROUP, four.local_address[1]))
        assert await four.receive() == b"x"

        six.join("ff01::7:7", loopback)
        six.set_multicast_interface(loopback)
        assert six.get_option(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF) == loopback
        six.leave("ff01::7:7", loopback)
        with pytest.raises(OSError, match="cannot leave ff01::7:7"):
            six.leave("ff01::7:7", loopback)


async def test_who_broadcasts_has_to_say_so() -> None:
    async with await bind_udp("0.0.0.0", 0) as receiver, await bind_udp(HERE, 0) as sender:
        address = ("127.255.255.255", receiver.local_address[1])
        assert not sender.broadcast
        with pytest.raises(PermissionError, match="only with broadcast=True"):
            await sender.send_to(b"x", address)
        sender.broadcast = True
        await sender.send_to(b"to all", address)
        assert await receiver.receive() == b"to all"
        async with await bind_udp(HERE, 0, broadcast=True) as other:
            assert other.broadcast
            await other.send_to(b"too", address)
            assert await receiver.receive() == b"too"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_hops_are_counted_for_both_families(host: str) -> None:
    async with await bind_udp(host, 0) as sock:
        assert (sock.ttl, sock.multicast_ttl, sock.multicast_loop) == (64, 1, True)
        sock.ttl, sock.multicast_ttl, sock.multicast_loop = 7, 0, False
        assert (sock.ttl, sock.multicast_ttl, sock.multicast_loop) == (7, 0, False)
        for name, hops in (("ttl", 0), ("ttl", 256), ("multicast_ttl", -1), ("multicast_ttl", 256)):
            with pytest.raises(ValueError, match=f"{name} must be"):
                setattr(sock, name, hops)
        for value in ("7", True, None):
            with pytest.raises(TypeError, match="ttl must be a whole number"):
                sock.ttl = value  # type: ignore[assignment]


async def test_the_buffers_can_be_set_and_what_does_not_fit_is_lost() -> None:
    async with udp_pair() as (one, other):
        other.receive_buffer = 16_384
        one.send_buffer = 65_536
        assert other.receive_buffer >= 16_384
        for number in range(1_000):
            await one.send_to(b"%4d" % number + bytes(1_000), other.local_address)
        got = received_now(other)

        assert 1 <= len(got) < 1_000
        assert [int(data[:4]) for data in got] == list(range(len(got)))


@pytest.mark.parametrize(
    ("group", "interface", "error"),
    [
        ("127.0.0.1", None, ValueError),
        ("localhost", None, ValueError),
        (5, None, TypeError),
        (GROUP, "lo", ValueError),
        (GROUP, -1, ValueError),
        (GROUP, 1.5, TypeError),
        ("ff01::7:7", HERE, TypeError),
        ("ff01::7:7", True, TypeError),
    ],
)
async def test_what_is_no_group_and_no_interface_is_refused(group: Any, interface: Any, error: type[Exception]) -> None:
    async with await bind_udp(HERE, 0) as sock:
        with pytest.raises(error, match=r"group|interface"):
            sock.join(group, interface)


def test_options_are_written_as_the_system_reads_them() -> None:
    assert membership_option("224.0.0.9", "10.0.0.1", joins=True)[2] == bytes([224, 0, 0, 9, 10, 0, 0, 1])
    assert membership_option("224.0.0.9", None, joins=False)[1:] == (
        socket.IP_DROP_MEMBERSHIP,
        bytes([224, 0, 0, 9, 0, 0, 0, 0]),
    )
    assert interface_option(socket.AF_INET, "10.0.0.1")[2] == bytes([10, 0, 0, 1])
    assert len(interface_option(socket.AF_INET, 3)[2]) == 12  # type: ignore[arg-type]
    assert interface_option(socket.AF_INET6, 3)[2] == 3
