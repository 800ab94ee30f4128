"""listen_tcp and accept: on which addresses, and whose connections."""

from __future__ import annotations

import errno
import logging
import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc.net.network import SystemNetwork
from conc_testing import SimNetwork
from conc_testing.net.sockets import SimSocket
from tests.net.support import on_every_network, run


class Localhost(SystemNetwork):
    """The real network, where "both" stands for the two loopback addresses."""

    async def resolve(self, host: str | None, port: int, **options: Any) -> Any:
        if host == "both":
            return [
                *await super().resolve("127.0.0.1", port, **options),
                *await super().resolve("::1", port, **options),
            ]
        return await super().resolve(host, port, **options)


def simulated(*, ipv6: bool = True) -> SimNetwork:
    """A simulated network where "both" stands for the two loopback addresses."""
    network = SimNetwork(ipv6=ipv6)
    network.names.set("both", "127.0.0.1", "::1")
    return network


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def networks_with_two_addresses() -> list[Any]:
    real = pytest.param(Localhost, id="real", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here"))
    return [real, pytest.param(simulated, id="simulated")]


@pytest.mark.parametrize("network", networks_with_two_addresses())
def test_a_name_with_several_addresses_is_listened_on_at_one_port(network: Any) -> None:
    async def main() -> None:
        async with await listen_tcp("both", 0) as listener:
            assert [address[:2] for address in listener.addresses] == [
                ("127.0.0.1", listener.port),
                ("::1", listener.port),
            ]
            assert listener.address == listener.addresses[0]
            for host in ("127.0.0.1", "::1", "::1", "127.0.0.1"):
                async with await connect_tcp(host, listener.port) as client, await listener.accept() as server:
                    assert server.peer_address == client.local_address

    run(main, network=network())


@pytest.mark.parametrize("network", networks_with_two_addresses())
def test_accept_waits_for_all_addresses_at_once(network: Any) -> None:
    async def main() -> None:
        async with await listen_tcp("both", 0) as listener:
            for host in ("::1", "127.0.0.1"):
                async with conc.open_nursery() as nursery:
                    accepting = nursery.start_soon(listener.accept)
                    await conc.sleep(0.01)
                    await (await connect_tcp(host, listener.port)).aclose()
                await accepting.join_nowait().aclose()
            with conc.move_on_after(0.01) as scope:
                await listener.accept()
            assert scope.cancelled_caught

    run(main, network=network())


@pytest.mark.parametrize("network", networks_with_two_addresses())
def test_a_busy_address_does_not_keep_out_the_connections_of_another(network: Any) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            listener = await stack.enter_async_context(await listen_tcp("both", 0))
            for host in ("127.0.0.1",) * 3 + ("::1",) * 3:
                await stack.enter_async_context(await connect_tcp(host, listener.port))
            await conc.sleep(0.01)
            streams = [await stack.enter_async_context(await listener.accept()) for _ in range(6)]

            assert [stream.peer_address[0] for stream in streams] == ["127.0.0.1", "::1"] * 3

    run(main, network=network())


@pytest.mark.parametrize("network", networks_with_two_addresses())
def test_who_waits_for_several_addresses_hears_of_the_closing_and_of_the_other_task(network: Any) -> None:
    async def main() -> None:
        listener = await listen_tcp("both", 0)

        async def accept() -> None:
            with pytest.raises(ClosedResource, match="closed on this side"):
                await listener.accept()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(accept)
            await conc.sleep(0.01)
            with pytest.raises(BusyResource):
                await listener.accept()
            await listener.aclose()

    run(main, network=network())


@pytest.mark.parametrize("network", networks_with_two_addresses())
def test_all_addresses_are_served(network: Any) -> None:
    async def echo(stream: TcpStream) -> None:
        await stream.write_all(await stream.read(100))

    async def main() -> None:
        listener = await listen_tcp("both", 0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(listener.serve, echo)
            for host in ("127.0.0.1", "::1") * 3:
                async with await connect_tcp(host, listener.port) as stream:
                    await stream.write_all(host.encode())
                    assert await stream.read(100) == host.encode()
            await listener.aclose()

    run(main, network=network())


def test_no_host_means_all_addresses_of_this_machine() -> None:
    async def main() -> None:
        async with await listen_tcp(None, 0) as listener:
            hosts = [address[0] for address in listener.addresses]
            assert hosts == (["0.0.0.0", "::"] if has_ipv6() else ["0.0.0.0"])
            for host in ("127.0.0.1", "::1")[: len(hosts)]:
                async with await connect_tcp(host, listener.port), await listener.accept():
                    pass

    run(main)


def test_a_machine_without_ipv6_listens_on_what_it_has() -> None:
    network = simulated(ipv6=False)

    async def main() -> None:
        async with await listen_tcp("both", 0) as listener:
            assert [address[0] for address in listener.addresses] == ["127.0.0.1"]
        with pytest.raises(OSError, match="not supported"):
            await listen_tcp("::1", 0)

    run(main, network=network)


def test_a_free_port_that_is_taken_at_the_second_address_is_given_up_for_another() -> None:
    network = simulated()

    async def main() -> None:
        async with await listen_tcp("::1", 49_152), await listen_tcp("::1", 49_153):
            async with await listen_tcp("both", 0) as listener:
                assert listener.port == 49_154

    run(main, network=network)


@on_every_network
async def test_a_port_that_is_taken_is_named() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{listener.port}: Address") as caught:
            await listen_tcp("127.0.0.1", listener.port)

        assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        ({"host": 1}, TypeError, "host"),
        ({"host": ""}, ValueError, "host"),
        ({"port": None}, TypeError, "port"),
        ({"port": -1}, ValueError, "port"),
        ({"port": 65_536}, ValueError, "port"),
        ({"backlog": 0}, ValueError, "backlog"),
        ({"backlog": 1.5}, TypeError, "backlog"),
        ({"backlog": True}, TypeError, "backlog"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], kind: type[Exception], names: str) -> None:
    arguments: dict[str, Any] = {"host": "127.0.0.1", "port": 0, **change}

    async def main() -> None:
        with pytest.raises(kind, match=f"^{names} must"):
            await listen_tcp(**arguments)

    run(main)


@on_every_network
async def test_a_cancelled_accept_loses_no_connection() -> None:
    async with await listen_tcp("127.0.0.1", 0, backlog=200) as listener:
        accepted: list[TcpStream] = []
        clients: list[TcpStream] = []
        cancelled = 0

        async def connect() -> None:
            for number in range(100):
                clients.append(await connect_tcp("127.0.0.1", listener.port))
                await conc.sleep(0.0002 * (number % 3))

        async with conc.open_nursery() as nursery:
            nursery.start_soon(connect)
            while len(accepted) < 100:
                with conc.move_on_after(0.0003) as scope:
                    accepted.append(await listener.accept())
                cancelled += scope.cancelled_caught

        assert cancelled
        assert {stream.peer_address for stream in accepted} == {client.local_address for client in clients}
        for stream in accepted + clients:
            await stream.aclose()


@on_every_network
async def test_a_full_queue_keeps_clients_waiting_and_loses_none() -> None:
    async with await listen_tcp("127.0.0.1", 0, backlog=1) as listener:

        async def connect(number: int) -> None:
            async with await connect_tcp("127.0.0.1", listener.port) as stream:
                await stream.write_all(b"%d" % number)

        async with conc.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(connect, number)
            await conc.sleep(0.02)
            numbers = set()
            for _ in range(4):
                async with await listener.accept() as stream:
                    numbers.add(await stream.read(10))

        assert numbers == {b"0", b"1", b"2", b"3"}


@on_every_network
async def test_a_listener_that_is_closed_accepts_nobody() -> None:
    listener = await listen_tcp("127.0.0.1", 0)

    async def accept() -> None:
        with pytest.raises(ClosedResource, match="closed on this side"):
            await listener.accept()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(accept)
        await conc.sleep(0.01)
        await listener.aclose()

    await accept()
    await listener.aclose()
    assert repr(listener) == f"<TcpListener on 127.0.0.1:{listener.port}, closed>"
    with pytest.raises(ConnectionRefusedError):
        await connect_tcp("127.0.0.1", listener.port)


@on_every_network
async def test_a_second_task_that_accepts_is_refused() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener, conc.open_nursery() as nursery:
        nursery.start_soon(listener.accept)
        await conc.sleep(0.01)

        with pytest.raises(BusyResource, match="read"):
            await listener.accept()
        nursery.cancel_scope.cancel()


@on_every_network
async def test_closing_a_listener_is_done_before_it_is_cancelled() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    with conc.CancelScope() as scope:
        scope.cancel()
        await listener.aclose()

    assert scope.cancelled_caught
    with pytest.raises(ConnectionRefusedError):
        await connect_tcp("127.0.0.1", listener.port)


@on_every_network
async def test_connections_that_nobody_accepted_are_reset_by_closing() -> None:
    listener = await listen_tcp("127.0.0.1", 0)
    async with await connect_tcp("127.0.0.1", listener.port) as client:
        await listener.aclose()

        with pytest.raises(BrokenResource):
            await client.read(1)


def test_connections_that_broke_in_the_queue_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = SimSocket.accept
    failures = [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN]

    def flaky(self: SimSocket) -> Any:
        if failures and self._listener:
            raise OSError(failures.pop(), "broke")
        return accept(self)

    monkeypatch.setattr(SimSocket, "accept", flaky)

    async def main() -> None:
        async with await listen_tcp("127.0.0.1", 0) as listener:
            async with await connect_tcp("127.0.0.1", listener.port), await listener.accept():
                assert failures == []

    run(main, network=SimNetwork())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_an_exhausted_system_is_an_error_of_accept_and_holds_up_serve_for_a_tenth_of_a_second(
    number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = SimSocket.accept
    failures = [number] * 4

    def exhausted(self: SimSocket) -> Any:
        if failures and self._listener:
            raise OSError(failures.pop(), "nothing left")
        return accept(self)

    monkeypatch.setattr(SimSocket, "accept", exhausted)

    async def answer(stream: TcpStream) -> None:
        await stream.write_all(b"served")

    async def main() -> None:
        listener = await listen_tcp("127.0.0.1", 0)
        async with conc.open_nursery() as nursery, await connect_tcp("127.0.0.1", listener.port) as client:
            with pytest.raises(OSError, match="nothing left"):
                await listener.accept()
            nursery.start_soon(listener.serve, answer)
            assert await client.read(100) == b"served"
            assert conc.current_time() == pytest.approx(0.3)
            await listener.aclose()

    with caplog.at_level(logging.WARNING, "conc.net"):
        run(main, network=SimNetwork())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "cannot accept, trying again every 0.1 s" in said[0]
    assert "accepts again, after 0.3 s" in said[1]
