"""udp_echo: datagrams of 1 KiB go there and back between 50 clients and one socket."""

import asyncio
from functools import partial
from typing import cast

from benchmarks.peers import anyio, conc, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.served import Announce, Load, measure_server

CLIENTS = 50
MESSAGE_BYTES = 1024


async def conc_server(announce: Announce) -> None:
    async with await conc.net.bind_udp("127.0.0.1", 0) as socket:
        announce(socket.local_address[1])
        while True:
            data, address = await socket.receive_from()
            await socket.send_to(data, address)


class AsyncioEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.send_to = cast(asyncio.DatagramTransport, transport).sendto

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.send_to(data, address)


async def asyncio_server(announce: Announce) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(AsyncioEcho, local_addr=("127.0.0.1", 0))
    announce(transport.get_extra_info("sockname")[1])
    await loop.create_future()


async def asyncio_sock_server(announce: Announce) -> None:
    import socket  # noqa: PLC0415  # only this one needs it

    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        announce(sock.getsockname()[1])
        while True:
            data, address = await loop.sock_recvfrom(sock, 65_536)
            await loop.sock_sendto(sock, data, address)


async def trio_server(announce: Announce) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        announce(sock.getsockname()[1])
        while True:
            data, address = await sock.recvfrom(65_536)
            await sock.sendto(data, address)


async def anyio_server(announce: Announce) -> None:
    async with await anyio.create_udp_socket(local_host="127.0.0.1") as udp:
        announce(udp.extra(anyio.abc.SocketAttribute.local_port))
        async for data, (host, port) in udp:
            await udp.sendto(data, host, port)


SCENARIOS = (
    Scenario(
        name="udp_echo",
        family="udp_echo",
        title=f"UDP echo, 1 KiB, {CLIENTS} clients",
        unit="datagram",
        size=2_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=Load("echo", CLIENTS, MESSAGE_BYTES, transport="udp")),
        contestants=(
            Contestant("conc", "conc", conc_server),
            *on_every_asyncio_loop("Protocol", asyncio_server),
            Contestant("asyncio sock_recvfrom", "asyncio", asyncio_sock_server),
            Contestant("trio", "trio", trio_server),
            Contestant("anyio (asyncio)", "anyio", anyio_server),
        ),
        excused={"tinyio": "it has no sockets", "tonio": "not measured here"},
        notes="Ranked by CPU time of the server for each datagram. conc: `receive_from`, `send_to`. asyncio: a"
        " DatagramProtocol, or the calls of the loop.",
    ),
)
