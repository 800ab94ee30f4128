"""UDP, on loopback and in memory: sending, receiving, looking."""

from __future__ import annotations

import errno
import socket

import pytest

import conc
from conc.errors import LimitExceeded, WouldBlock
from conc.net import bind_udp, connect_udp
from conc.net.network import current_network
from tests.net.datagram_support import LONG, received_now, udp_pair
from tests.net.support import on_every_network


@on_every_network
async def test_a_datagram_arrives_whole_with_the_address_of_its_sender() -> None:
    async with udp_pair() as (one, other):
        for data in (b"hello", b"", bytes(range(256)), LONG):
            await one.send_to(data, other.local_address)
            assert await other.receive_from() == (data, one.local_address)

        await other.send_to(bytearray(b"back"), one.local_address)
        assert await one.receive() == b"back"


@on_every_network
async def test_datagrams_that_wait_come_one_by_one_and_in_order() -> None:
    async with udp_pair() as (one, other):
        for number in range(5):
            one.send_to_nowait(b"%d" % number, other.local_address)
        await conc.sleep(0.01)

        assert [await other.receive() for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
        with pytest.raises(WouldBlock, match="no datagram is there"):
            other.receive_nowait()


@on_every_network
async def test_a_receiver_that_was_woken_for_one_datagram_finds_the_others_behind_it() -> None:
    async with udp_pair() as (one, other):
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(other.receive)
            await conc.sleep(0.01)
            for data in (b"a", b"bb", b"ccc"):
                one.send_to_nowait(data, other.local_address)

        with conc.fail_after(1):
            assert [await first.join(), await other.receive(), await other.receive()] == [b"a", b"bb", b"ccc"]


@on_every_network
async def test_a_loop_over_a_socket_gives_what_comes() -> None:
    async with udp_pair() as (one, other):
        await one.send_to(b"a", other.local_address)
        await one.send_to(b"end", other.local_address)
        got = []
        async for data, sender in other:
            got.append((data, sender))
            if data == b"end":
                break

        assert got == [(b"a", one.local_address), (b"end", one.local_address)]


@on_every_network
async def test_a_datagram_longer_than_asked_for_is_refused_and_never_cut() -> None:
    async with udp_pair() as (one, other):
        for data in (b"12345", b"1234", b"123456", b"ok"):
            await one.send_to(data, other.local_address)

        with pytest.raises(LimitExceeded, match="more than 4 bytes") as found:
            await other.receive_from(4)
        assert found.value.limit == 4
        assert await other.receive(4) == b"1234"
        await other.peek_from()
        with pytest.raises(LimitExceeded, match="more than 4 bytes, and was dropped"):
            other.receive_nowait(4)
        assert other.receive_from_nowait(4) == (b"ok", one.local_address)


@on_every_network
async def test_a_waiting_receiver_is_told_of_a_datagram_that_is_too_long() -> None:
    async with udp_pair() as (one, other), conc.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(LimitExceeded):
                await other.receive_from(4)
            assert await other.receive_from(4) == (b"next", one.local_address)

        nursery.start_soon(receive)
        await conc.sleep(0.01)
        await one.send_to(b"12345", other.local_address)
        await one.send_to(b"next", other.local_address)


@on_every_network
async def test_a_look_leaves_the_datagram_where_it_is() -> None:
    async with udp_pair() as (one, other):
        async with conc.open_nursery() as nursery:
            looking = nursery.start_soon(other.peek_from, 3)
            await conc.sleep(0.01)
            await one.send_to(b"12345", other.local_address)

        assert await looking.join() == (b"123", one.local_address)
        assert await other.peek_from() == (b"12345", one.local_address)
        assert await other.receive() == b"12345"


@on_every_network
async def test_a_connected_socket_sends_and_receives_without_addresses() -> None:
    async with await bind_udp("127.0.0.1", 0) as server:
        async with await connect_udp("127.0.0.1", server.local_address[1]) as client:
            assert client.peer_address == server.local_address
            await client.send(b"question")
            question, sender = await server.receive_from()
            assert (question, sender) == (b"question", client.local_address)
            server.send_to_nowait(b"answer", sender)
            assert await client.receive() == b"answer"
            client.send_nowait(b"")
            assert await server.receive() == b""


@on_every_network
async def test_a_connected_socket_hears_nobody_else() -> None:
    async with udp_pair() as (server, stranger):
        async with await connect_udp("127.0.0.1", server.local_address[1]) as client:
            await stranger.send_to(b"from a stranger", client.local_address)
            await server.send_to(b"from the server", client.local_address)

            assert await client.receive() == b"from the server"


@on_every_network
async def test_a_socket_may_be_connected_later_and_anew() -> None:
    async with udp_pair() as (one, other), await bind_udp("127.0.0.1", 0) as client:
        assert client.peer_address is None
        for server in (one, other):
            await client.connect("127.0.0.1", server.local_address[1])
            assert client.peer_address == server.local_address
            await client.send(b"hello")
            assert await server.receive_from() == (b"hello", client.local_address)


@on_every_network
async def test_a_connected_socket_has_the_local_address_it_was_given() -> None:
    async with await bind_udp("127.0.0.1", 0) as server:
        async with await bind_udp("127.0.0.1", 0) as placeholder:
            port = placeholder.local_address[1]
        async with await connect_udp(
            "127.0.0.1", server.local_address[1], local_host="127.0.0.1", local_port=port
        ) as client:
            assert client.local_address == ("127.0.0.1", port)
        async with await connect_udp("127.0.0.1", server.local_address[1], local_port=port) as client:
            await client.send(b"x")
            assert await server.receive_from() == (b"x", ("127.0.0.1", port))


@on_every_network
async def test_sending_without_an_address_takes_a_connected_socket() -> None:
    async with await bind_udp("127.0.0.1", 0) as unconnected:
        for send in (unconnected.send, unconnected.send_nowait):
            with pytest.raises(OSError, match="not connected, so use send_to") as found:
                await (send(b"x") or conc.checkpoint())
            assert found.value.errno == errno.EDESTADDRREQ


@on_every_network
async def test_a_datagram_has_a_greatest_length() -> None:
    async with udp_pair() as (one, other):
        too_long = LONG + b"x"
        with pytest.raises(OSError, match=r"cannot send 65508 bytes to 127\.0\.0\.1:\d+.*send it in parts") as found:
            await one.send_to(too_long, other.local_address)
        assert found.value.errno == errno.EMSGSIZE
        with pytest.raises(OSError, match="greatest length"):
            one.send_to_nowait(too_long, other.local_address)
        await one.connect(*other.local_address)
        with pytest.raises(OSError, match="greatest length"):
            await one.send(too_long)
        await one.send(b"fits")
        assert await other.receive() == b"fits"


@on_every_network
async def test_a_connected_socket_is_told_once_that_nobody_was_there() -> None:
    gone = await bind_udp("127.0.0.1", 0)
    address = gone.local_address
    await gone.aclose()
    async with await connect_udp("127.0.0.1", address[1]) as client:
        await client.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError, match=r"cannot receive: .*the socket is still good"):
            await client.receive()
        with pytest.raises(WouldBlock):
            client.receive_nowait()

        await client.send(b"still nobody?")
        await conc.sleep(0.01)
        with pytest.raises(ConnectionRefusedError, match=r"cannot send 5 bytes to 127\.0\.0\.1"):
            await client.send(b"hello")

        async with await bind_udp("127.0.0.1", address[1]) as newcomer:
            await client.send(b"you?")
            assert await newcomer.receive() == b"you?"


@on_every_network
async def test_a_receiver_that_waits_is_told_that_nobody_was_there() -> None:
    async with await connect_udp("127.0.0.1", port_of_nobody()) as client, conc.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(ConnectionRefusedError):
                await client.receive()

        nursery.start_soon(receive)
        await conc.sleep(0.01)
        client.send_nowait(b"anybody?")


@on_every_network
async def test_a_socket_that_is_not_connected_is_not_told() -> None:
    async with udp_pair() as (one, gone):
        address = gone.local_address
        await gone.aclose()
        await one.send_to(b"anybody?", address)
        await conc.sleep(0.01)
        await one.send_to(b"anybody?", address)
        with pytest.raises(WouldBlock):
            one.receive_nowait()


@on_every_network
async def test_an_address_is_taken_by_one_socket_only() -> None:
    async with await bind_udp("127.0.0.1", 0) as first:
        with pytest.raises(OSError, match=r"cannot bind a UDP socket to 127\.0\.0\.1:\d+") as found:
            await bind_udp("127.0.0.1", first.local_address[1])
        assert found.value.errno == errno.EADDRINUSE


@on_every_network
async def test_sockets_that_agree_share_a_port() -> None:
    async with await bind_udp("127.0.0.1", 0, reuse_port=True) as first:
        port = first.local_address[1]
        async with await bind_udp("127.0.0.1", port, reuse_port=True) as second:
            async with await bind_udp("127.0.0.1", 0) as sender:
                for _ in range(4):
                    await sender.send_to(b"x", ("127.0.0.1", port))
                await conc.sleep(0.01)
                got = [len(received_now(first)), len(received_now(second))]
                assert sorted(got) == [0, 4]  # a sender stays with one of them


@on_every_network
async def test_both_families_work_and_so_does_one_socket_for_both() -> None:
    async with await bind_udp("::1", 0) as six, await bind_udp("127.0.0.1", 0) as four, await bind_udp(None, 0) as both:
        port = both.local_address[1]
        await six.send_to(b"6", ("::1", port))
        await four.send_to(b"4", ("127.0.0.1", port))
        got = dict([await both.receive_from(), await both.receive_from()])
        assert got[b"6"][:2] == six.local_address[:2]
        assert got[b"4"][:2] == (f"::ffff:{four.local_address[0]}", four.local_address[1])

        await both.send_to(b"to 4", four.local_address)
        both.send_to_nowait(b"to 4 again", four.local_address)
        await both.send_to(b"to 4 in its own words", got[b"4"])
        assert [await four.receive() for _ in range(3)] == [b"to 4", b"to 4 again", b"to 4 in its own words"]


@on_every_network
async def test_an_address_of_the_wrong_family_is_refused_in_words() -> None:
    async with await bind_udp("::1", 0) as six, await bind_udp("127.0.0.1", 0) as four:
        with pytest.raises(OSError, match=r"IPv6 only, and cannot send to 127\.0\.0\.1:9"):
            await six.send_to(b"x", ("127.0.0.1", 9))
        with pytest.raises(OSError, match=r"a socket for IPv4, and cannot send to \[::1\]:9"):
            four.send_to_nowait(b"x", ("::1", 9))


@on_every_network
async def test_a_name_is_looked_up_before_it_is_sent_to() -> None:
    async with udp_pair() as (one, other), await bind_udp(None, 0) as both:
        await one.send_to(b"by name", ("localhost", other.local_address[1]))
        assert await other.receive_from() == (b"by name", one.local_address)
        await both.send_to(b"to itself", ("localhost", both.local_address[1]))
        assert await both.receive() == b"to itself"
        with pytest.raises(ValueError, match="send_to looks names up"):
            one.send_to_nowait(b"x", ("localhost", 9))
        with pytest.raises(socket.gaierror, match=r"nowhere\.invalid"):
            await one.send_to(b"x", ("nowhere.invalid", 9))


@on_every_network
async def test_the_family_of_a_name_can_be_chosen() -> None:
    async with await bind_udp("localhost", 0, family=socket.AF_INET) as sock:
        assert sock.local_address[0] == "127.0.0.1"
    with pytest.raises(socket.gaierror, match=r"127\.0\.0\.1"):
        await bind_udp("127.0.0.1", 0, family=socket.AF_INET6)


@on_every_network
async def test_a_wrong_argument_is_named_before_anything_happens() -> None:
    async with udp_pair() as (one, other):
        host, port = other.local_address
        await one.send_to(b"known", (host, port))
        for address in (host, (host,), (host, port, 0, 0, 0), None, 5):
            with pytest.raises(TypeError, match="address"):
                await one.send_to(b"x", address)  # type: ignore[arg-type]
        for address in ((host, 70_000), (host, -1), ("", port), ("a\0b", port)):
            with pytest.raises(ValueError, match="address"):
                await one.send_to(b"x", address)
            with pytest.raises(ValueError, match="address"):
                one.send_to_nowait(b"x", address)
        for data in ("text", None, 5):
            with pytest.raises(TypeError):
                await one.send_to(data, (host, port))  # type: ignore[arg-type]
        for receive in (one.receive_from, one.receive, one.peek_from, one.receive_nowait, one.receive_from_nowait):
            with pytest.raises(ValueError, match="max_bytes must be at least 1, not 0"):
                await receive(0)  # type: ignore[misc]
        assert await other.receive() == b"known"
        assert received_now(other) == []


async def test_a_wrong_argument_of_opening_is_named() -> None:
    for host, port, family, error in (
        *((5, 1, 0, TypeError), ("", 1, 0, ValueError), ("127.0.0.1", 70_000, 0, ValueError)),
        *(("127.0.0.1", "1", 0, TypeError), ("127.0.0.1", 1, 12345, ValueError)),
    ):
        with pytest.raises(error, match=r"host|port|family"):
            await bind_udp(host, port, family=family)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="port must be 1 to 65535, not 0"):
        await connect_udp("127.0.0.1", 0)
    with pytest.raises(ValueError, match="local_port must be 0 to 65535, not -1"):
        await connect_udp("127.0.0.1", 9, local_port=-1)
    with pytest.raises(OSError, match="no address family in common"):
        await connect_udp("127.0.0.1", 9, local_host="::1")


@on_every_network
async def test_a_socket_shows_its_addresses() -> None:
    async with await bind_udp("127.0.0.1", 0) as server:
        port = server.local_address[1]
        assert repr(server) == f"<UdpSocket at 127.0.0.1:{port}>"
        async with await connect_udp("127.0.0.1", port) as client:
            assert repr(client) == f"<UdpSocket at 127.0.0.1:{client.local_address[1]} to 127.0.0.1:{port}>"
    assert repr(server) == "<UdpSocket, closed>"


def port_of_nobody() -> int:
    """A port that nobody has any more."""
    fresh = current_network().socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        fresh.bind(("127.0.0.1", 0))
        port: int = fresh.getsockname()[1]
        return port
    finally:
        fresh.close()
