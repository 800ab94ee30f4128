"""UDP, on loopback and in memory: who is cancelled, who waits, who closes, and what stays behind."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc._kernel.current import current_worker
from conc._os import sockets
from conc._os.poller import READ
from conc.errors import BusyResource, ClosedResource, WouldBlock
from conc.net import UdpSocket, bind_udp, connect_udp
from conc.net.network import SystemNetwork
from tests.net.datagram_support import udp_pair
from tests.net.support import on_every_network, run


@on_every_network
async def test_a_cancelled_receive_takes_no_datagram() -> None:
    async with udp_pair() as (one, other):
        numbers = [b"%03d" % number for number in range(100)]
        got: list[bytes] = []
        cancelled = 0

        async def send() -> None:
            for number in numbers:
                await one.send_to(number, other.local_address)
                await conc.sleep(0.0003)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(send)
            while len(got) < len(numbers):
                with conc.move_on_after(0.0002) as scope:
                    got.append(await other.receive())
                cancelled += scope.cancelled_caught

        assert got == numbers
        assert cancelled


@on_every_network
async def test_a_receive_that_was_granted_a_datagram_is_not_cancelled_any_more() -> None:
    async with udp_pair() as (one, other):
        got: list[bytes] = []
        with conc.CancelScope() as scope:

            async def receive() -> None:
                got.append(await other.receive())

            async with conc.open_nursery() as nursery:
                nursery.start_soon(receive)
                await conc.sleep(0.01)
                one.send_to_nowait(b"mine", other.local_address)
                take_in_events()
                scope.cancel()

        assert got == [b"mine"]


@on_every_network
async def test_a_receiver_that_was_woken_for_nothing_before_the_cancellation_does_not_wait_again() -> None:
    async with await bind_udp("127.0.0.1", 0) as sock:
        for receive in (sock.receive_from, sock.peek_from):
            with conc.fail_after(5), conc.CancelScope() as scope:
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(receive)
                    await conc.sleep(0.01)
                    current_worker().descriptors.notify([(sock._fd, READ)])
                    scope.cancel()

            assert scope.cancelled_caught


@on_every_network
async def test_a_cancellation_that_is_pending_is_raised_before_anything_is_sent_or_taken() -> None:
    async with udp_pair() as (one, other), await connect_udp("127.0.0.1", other.local_address[1]) as connected:
        await other.send_to(b"for one", one.local_address)
        await conc.sleep(0.01)
        operations: list[Callable[[], Awaitable[object]]] = [
            lambda: one.send_to(b"x", other.local_address),
            lambda: one.send_to(b"x", ("localhost", other.local_address[1])),
            lambda: connected.send(b"x"),
            lambda: one.connect("127.0.0.1", 9),
            one.receive,
            one.receive_from,
            one.peek_from,
        ]
        for operation in operations:
            with conc.CancelScope() as scope:
                scope.cancel()
                await operation()
            assert scope.cancelled_caught

        await conc.sleep(0.01)
        with pytest.raises(WouldBlock):
            other.receive_nowait()
        assert one.peer_address is None
        assert await one.receive() == b"for one"


@on_every_network
async def test_nothing_can_be_done_with_a_socket_after_closing_it() -> None:
    async with udp_pair() as (one, other):
        address = other.local_address
        await one.send_to(b"known", address)
        await one.aclose()

        for operation in (
            *(lambda: one.send_to(b"x", address), lambda: one.send_to(b"x", ("localhost", 9)), lambda: one.send(b"x")),
            *(lambda: one.connect("127.0.0.1", 9), one.receive, one.receive_from, one.peek_from),
        ):
            with pytest.raises(ClosedResource, match="closed on this side"):
                await operation()
        for at_once in (
            *(lambda: one.send_to_nowait(b"x", address), lambda: one.send_nowait(b"x"), one.receive_nowait),
            *(one.receive_from_nowait, lambda: one.local_address, lambda: one.ttl, one.detach),
        ):
            with pytest.raises(ClosedResource, match="closed on this side"):
                at_once()
        with pytest.raises(ClosedResource):
            async for _ in one:
                raise AssertionError("nothing can come")
        await one.aclose()


@on_every_network
async def test_closing_wakes_who_receives() -> None:
    async with await bind_udp("127.0.0.1", 0) as sock:

        async def expect_closed() -> None:
            with pytest.raises(ClosedResource):
                await sock.receive_from()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(expect_closed)
            await conc.sleep(0.01)
            await sock.aclose()


@on_every_network
async def test_a_receiver_that_was_given_a_datagram_a_moment_before_the_closing_has_it() -> None:
    async with udp_pair() as (one, other):
        async with conc.open_nursery() as nursery:
            receiving = nursery.start_soon(other.receive)
            await conc.sleep(0.01)
            one.send_to_nowait(b"in time", other.local_address)
            take_in_events()
            await other.aclose()

        assert await receiving.join() == b"in time"


@on_every_network
async def test_closing_is_done_before_it_is_cancelled() -> None:
    sock = await bind_udp("127.0.0.1", 0)
    port = sock.local_address[1]
    with conc.CancelScope() as scope:
        scope.cancel()
        await sock.aclose()

    assert scope.cancelled_caught
    async with await bind_udp("127.0.0.1", port):
        pass


@on_every_network
async def test_a_second_receiver_is_refused_and_disturbs_nobody() -> None:
    async with udp_pair() as (one, other):
        async with conc.open_nursery() as nursery:
            receiving = nursery.start_soon(other.receive)
            await conc.sleep(0.01)
            for receive in (other.receive_from, other.receive, other.peek_from):
                with pytest.raises(BusyResource, match="already waits for"):
                    await receive()
            for receive_nowait in (other.receive_nowait, other.receive_from_nowait):
                with pytest.raises(BusyResource, match="already waits for"):
                    receive_nowait()
            await one.send_to(b"for the first", other.local_address)

        assert await receiving.join() == b"for the first"


@on_every_network
async def test_many_tasks_may_send_through_one_socket_as_long_as_nobody_has_to_wait() -> None:
    async with udp_pair() as (one, other):
        async with conc.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(one.send_to, b"%d" % number, other.local_address)
        got = [await other.receive() for _ in range(5)]

        assert sorted(got) == [b"0", b"1", b"2", b"3", b"4"]


class StuffedSocket(sockets.Socket):
    """The system has no room for its first datagrams."""

    refusals = 0

    def sendto(self, *args: Any) -> int:
        self._refuse()
        return super().sendto(*args)

    def send(self, *args: Any) -> int:
        self._refuse()
        return super().send(*args)

    def _refuse(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError


class StuffedNetwork(SystemNetwork):
    """A network of such sockets."""

    def socket(self, family: int, type: int, proto: int = 0) -> StuffedSocket:
        sock = StuffedSocket(family, type, proto)
        sock.setblocking(False)
        return sock


def test_a_sender_waits_for_room() -> None:
    async def main() -> None:
        async with udp_pair() as (one, other):
            await one.connect(*other.local_address)
            sends: list[Callable[[], Awaitable[None]]] = [
                lambda: one.send_to(b"x", other.local_address),
                lambda: one.send(b"x"),
            ]
            for send in sends:
                one._socket.refusals = 1  # type: ignore[attr-defined]
                await send()
                assert await other.receive() == b"x"

    run(main, network=StuffedNetwork())


def test_a_sender_that_waits_is_alone_and_can_be_cancelled() -> None:
    async def main() -> None:
        async with udp_pair() as (one, other):
            one._socket.refusals = 1_000  # type: ignore[attr-defined]
            with pytest.raises(WouldBlock, match="no room for another datagram"):
                one.send_to_nowait(b"x", other.local_address)
            async with conc.open_nursery() as nursery:
                sending = nursery.start_soon(one.send_to, b"x", other.local_address)
                await conc.sleep(0.01)
                operations: list[Callable[[], Awaitable[None]]] = [
                    lambda: one.send_to(b"y", other.local_address),
                    lambda: one.send(b"y"),
                ]
                for operation in operations:
                    with pytest.raises(BusyResource, match="sending through"):
                        await operation()
                with pytest.raises(BusyResource, match="sending through"):
                    one.send_nowait(b"y")
                with pytest.raises(BusyResource, match="sending through"):
                    one.detach()
                sending.cancel()
            one._socket.refusals = 0  # type: ignore[attr-defined]
            await one.send_to(b"z", other.local_address)

            assert await other.receive() == b"z"

    run(main, network=StuffedNetwork())


def test_a_sender_that_waits_hears_of_the_closing() -> None:
    async def main() -> None:
        async with udp_pair() as (one, other):
            one._socket.refusals = 1_000  # type: ignore[attr-defined]

            async def send() -> None:
                with pytest.raises(ClosedResource):
                    await one.send_to(b"x", other.local_address)

            async with conc.open_nursery() as nursery:
                nursery.start_soon(send)
                await conc.sleep(0.01)
                await one.aclose()

    run(main, network=StuffedNetwork())


def test_a_look_up_holds_up_nobody_and_is_called_off_by_a_cancellation() -> None:
    class SlowNames(SystemNetwork):
        async def resolve(self, host: Any, port: int, **wishes: Any) -> Any:
            if host == "slow.example":
                await conc.sleep(3600)
            return await super().resolve(host, port, **wishes)

    async def main() -> None:
        async with udp_pair() as (one, other):
            with conc.move_on_after(0.05) as scope:
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(one.send_to, b"x", ("slow.example", 9))
                    await conc.sleep(0.01)
                    await one.send_to(b"meanwhile", other.local_address)
                    assert await other.receive() == b"meanwhile"
            assert scope.cancelled_caught
            await one.send_to(b"after", other.local_address)
            assert await other.receive() == b"after"

    run(main, network=SlowNames())


def test_a_socket_is_handed_from_strand_to_strand() -> None:
    async def echo(sock: UdpSocket, times: int) -> None:
        for _ in range(times):
            data, address = await sock.receive_from()
            await sock.send_to(data.upper(), address)

    async def main() -> None:
        async with udp_pair() as (client, server):
            for _ in range(4):
                async with conc.open_nursery(parallel=True) as nursery:
                    nursery.start_soon(echo, server, 5)
                    for number in range(5):
                        await client.send_to(b"hello %d" % number, server.local_address)
                        assert await client.receive() == b"HELLO %d" % number

    run(main, workers=3)


def test_each_direction_may_be_in_a_strand_of_its_own() -> None:
    async def send_all(sock: UdpSocket, address: tuple[Any, ...]) -> None:
        for number in range(50):
            await sock.send_to(b"%d" % number, address)
            await conc.checkpoint()

    async def receive_all(sock: UdpSocket) -> list[bytes]:
        return [await sock.receive() for _ in range(50)]

    async def main() -> None:
        async with await bind_udp("127.0.0.1", 0) as sock:
            async with conc.open_nursery(parallel=True) as nursery:
                receiving = nursery.start_soon(receive_all, sock)
                nursery.start_soon(send_all, sock, sock.local_address)
            assert await receiving.join() == [b"%d" % number for number in range(50)]

    run(main, workers=3)


def test_nothing_stays_open() -> None:
    async def main() -> None:
        async with udp_pair() as (one, other):
            await one.send_to(b"x", other.local_address)
            await other.receive()
            with conc.move_on_after(0.001):
                await other.receive()
        attempts: list[Callable[[], Awaitable[UdpSocket]]] = [
            lambda: bind_udp("192.0.2.1", 0),
            lambda: connect_udp("127.0.0.1", 9, local_host="192.0.2.1"),
            lambda: connect_udp("255.255.255.255", 9),
        ]
        for refused in attempts:
            with pytest.raises(OSError, match=r"cannot (bind|connect)"):
                await refused()
        assert not current_worker().descriptors

    before = os.listdir("/proc/self/fd")
    run(main)
    assert os.listdir("/proc/self/fd") == before


def test_a_socket_made_elsewhere_is_taken_over_and_given_away() -> None:
    async def main() -> None:
        raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        raw.bind(("127.0.0.1", 0))
        async with UdpSocket.from_socket(raw) as taken, await bind_udp("127.0.0.1", 0) as other:
            assert raw.fileno() == -1
            assert taken.peer_address is None
            await other.send_to(b"x", taken.local_address)
            assert await taken.receive() == b"x"
            await other.connect(*taken.local_address)

            with other.detach() as plain, UdpSocket.from_socket(plain)._socket as again:  # type: ignore[attr-defined]
                assert again.getpeername() == taken.local_address
            with pytest.raises(ClosedResource):
                await other.send(b"x")

    run(main)


def test_only_a_udp_socket_is_taken_over() -> None:
    for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_DGRAM)):
        with socket.socket(family, kind) as raw, pytest.raises(ValueError, match="sock must be"):
            UdpSocket.from_socket(raw)
    with pytest.raises(TypeError, match="plain"):
        UdpSocket.from_socket(5)  # type: ignore[arg-type]


def take_in_events() -> None:
    """Let the worker hear from its poller now: who waited is ready to run then, and does not run yet."""
    worker = current_worker()
    worker.descriptors.notify(worker.poller.poll(0.01))


@on_every_network
async def test_a_datagram_behind_one_that_was_received_for_a_waiting_task_is_there_for_the_next() -> None:
    async with udp_pair() as (one, other), conc.open_nursery() as nursery:
        first = nursery.start_soon(other.receive)
        await conc.sleep(0.01)
        for data in (b"first", b"second"):
            await one.send_to(data, other.local_address)
        second = nursery.start_soon(other.receive)  # begins before the first goes on
        current_worker().descriptors.notify(current_worker().poller.poll(1))
        with conc.fail_after(5):
            assert {await first.join(), await second.join()} == {b"first", b"second"}
