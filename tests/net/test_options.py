"""What can be set on a TCP connection and on what accepts it."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.errors import ClosedResource
from conc.net import TcpStream, connect_tcp, listen_tcp
from tests.net.support import connected
from tests.net.test_listening import has_ipv6

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux has it")


async def test_small_writes_go_at_once_unless_that_is_switched_off() -> None:
    async with connected() as (client, server):
        assert client.no_delay
        assert server.no_delay
        client.no_delay = False
        assert not client.no_delay


async def test_buffers_have_the_size_they_are_given() -> None:
    async with connected() as (client, _):
        client.send_buffer = 50_000
        client.receive_buffer = 60_000
        factor = 2 if sys.platform == "linux" else 1
        assert (client.send_buffer, client.receive_buffer) == (50_000 * factor, 60_000 * factor)
        with pytest.raises(ValueError, match=r"^send_buffer must"):
            client.send_buffer = 0
        with pytest.raises(TypeError, match=r"^receive_buffer must"):
            client.receive_buffer = 1.5  # type: ignore[assignment]


async def test_an_idle_connection_is_probed_as_told() -> None:
    async with connected() as (client, _):
        assert not client.keepalive
        client.set_keepalive(idle=30, interval=1.5, count=4)
        assert client.keepalive
        if sys.platform == "linux":
            assert client.get_option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert client.get_option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 2
        assert client.get_option(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4
        client.set_keepalive(False)
        assert not client.keepalive


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        ({"idle": 0}, ValueError, "idle"),
        ({"idle": 32_768}, ValueError, "idle"),
        ({"interval": -1}, ValueError, "interval"),
        ({"interval": "1"}, TypeError, "interval"),
        ({"count": 0}, ValueError, "count"),
    ],
)
async def test_a_bad_number_of_keepalive_is_named_and_nothing_is_set(
    change: dict[str, Any], kind: type[Exception], names: str
) -> None:
    async with connected() as (client, _):
        with pytest.raises(kind, match=f"^{names} must"):
            client.set_keepalive(**{"idle": 30, **change})
        assert not client.keepalive


@on_linux
async def test_what_is_not_acknowledged_breaks_the_connection_after_a_time_of_choice() -> None:
    async with connected() as (client, _):
        assert client.user_timeout == 0
        client.user_timeout = 1.5
        assert client.user_timeout == 1.5
        with pytest.raises(ValueError, match=r"^user_timeout must be 0 to"):
            client.user_timeout = -1
        client.set_quick_ack()
        assert client.get_option(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1


async def test_packets_have_a_life_and_a_class() -> None:
    async with connected() as (client, _):
        client.ttl = 7
        client.traffic_class = 0x10
        assert (client.ttl, client.traffic_class) == (7, 0x10)
        assert client.get_option(socket.IPPROTO_IP, socket.IP_TTL) == 7


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
async def test_packets_of_ipv6_have_a_life_and_a_class_too() -> None:
    async with await listen_tcp("::1", 0) as listener, await connect_tcp("::1", listener.port) as client:
        client.ttl = 7
        client.traffic_class = 0x20
        assert client.get_option(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) == 7
        assert client.get_option(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 0x20


async def test_any_option_can_be_set_and_asked_for() -> None:
    async with connected() as (client, _):
        client.set_option(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3))
        assert struct.unpack("ii", client.get_option(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 3)
        client.set_option(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        with pytest.raises(OSError, match="not available") as caught:
            client.set_option(socket.SOL_SOCKET, 9999, 1)
        assert caught.value.errno == errno.ENOPROTOOPT


async def test_a_closed_stream_has_no_options() -> None:
    async with connected() as (client, _):
        await client.aclose()
        uses: tuple[Callable[[], object], ...] = (
            lambda: client.no_delay,
            client.set_keepalive,
            lambda: client.ttl,
            lambda: client.set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            lambda: client.get_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            client.detach,
        )
        for use in uses:
            with pytest.raises(ClosedResource):
                use()


@on_linux
async def test_options_are_set_before_connecting_and_before_listening() -> None:
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_000)]
    async with await listen_tcp("127.0.0.1", 0, options=small) as listener:
        async with await connect_tcp("127.0.0.1", listener.port, options=small) as client:
            async with await listener.accept() as server:
                assert client.receive_buffer == server.receive_buffer == 16_000


async def test_an_option_that_is_refused_leaves_nothing_open() -> None:
    wrong = [(socket.SOL_SOCKET, 9999, 1)]
    with pytest.raises(OSError, match=r"cannot listen on 127.0.0.1:0: Protocol not available"):
        await listen_tcp("127.0.0.1", 0, options=wrong)
    async with await listen_tcp("127.0.0.1", 0) as listener:
        with pytest.raises(OSError, match=r"cannot connect to 127.0.0.1:\d+: Protocol not available"):
            await connect_tcp("127.0.0.1", listener.port, options=wrong)


@pytest.mark.parametrize("wrong", [[1], [(1, 2)], [(1, 2, "3")], [("1", 2, 3)]])
async def test_options_of_another_shape_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^options must be tuples \(level, option, value\)"):
        await listen_tcp("127.0.0.1", 0, options=wrong)
    with pytest.raises(TypeError, match=r"^options must be tuples \(level, option, value\)"):
        await connect_tcp("127.0.0.1", 1, options=wrong)


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="no SO_REUSEPORT here")
async def test_two_listeners_that_agree_share_a_port_and_its_connections() -> None:
    async with await listen_tcp("127.0.0.1", 0, reuse_port=True) as first:
        port = first.port
        with pytest.raises(OSError, match="in use"):
            await listen_tcp("127.0.0.1", port)
        served: dict[str, int] = {"first": 0, "second": 0}

        async def serve(name: str, listener: Any) -> None:
            async def note(stream: TcpStream) -> None:
                served[name] += 1

            await listener.serve(note)

        async with await listen_tcp("127.0.0.1", port, reuse_port=True) as second, conc.open_nursery() as nursery:
            nursery.start_soon(serve, "first", first)
            nursery.start_soon(serve, "second", second)
            for _ in range(100):
                async with await connect_tcp("127.0.0.1", port) as client:
                    assert await client.read(1) == b""
            nursery.cancel_scope.cancel()
    assert sum(served.values()) == 100
    if sys.platform == "linux":  # which deals by a hash: all on one side has a chance of 2 to the -99
        assert min(served.values()) > 0


async def test_the_port_to_connect_from_can_be_chosen() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        async with await listen_tcp("127.0.0.1", 0) as free:
            port = free.port
        async with await connect_tcp("127.0.0.1", listener.port, local_port=port) as client:
            assert client.local_address == ("127.0.0.1", port)
            with pytest.raises(OSError, match="cannot connect to"):
                await connect_tcp("127.0.0.1", listener.port, local_port=port)
            client.abort()
        async with await connect_tcp("127.0.0.1", listener.port, local_host="127.0.0.1", local_port=port) as client:
            assert client.local_address == ("127.0.0.1", port)
            client.abort()
        with pytest.raises(ValueError, match=r"^local_port must be 0 to 65535"):
            await connect_tcp("127.0.0.1", listener.port, local_port=70_000)
