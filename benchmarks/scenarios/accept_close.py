"""accept_close: connections are accepted and closed at once, as fast as they come."""

import asyncio
import socket
from functools import partial
from typing import Any

from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.served import Announce, Load, c_server, measure_server

AT_A_TIME = 16
BACKLOG = 128


async def conc_server(announce: Announce) -> None:
    listener = await conc.net.listen_tcp("127.0.0.1", 0, backlog=BACKLOG)
    announce(listener.port)
    while True:
        stream = await listener.accept()
        await stream.aclose()


class AsyncioGoodbye(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def asyncio_protocol_server(announce: Announce) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(AsyncioGoodbye, "127.0.0.1", 0, backlog=BACKLOG)
    announce(server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().create_future()  # not serve_forever: rloop's stops a server that serves already


async def asyncio_sock_server(announce: Announce) -> None:
    accept = asyncio.get_running_loop().sock_accept
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        announce(listener.getsockname()[1])
        while True:
            connection, _ = await accept(listener)
            connection.close()


async def trio_server(announce: Announce) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=BACKLOG)
    announce(listener.socket.getsockname()[1])
    while True:
        stream = await listener.accept()
        await stream.aclose()


async def anyio_server(announce: Announce) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0, backlog=BACKLOG)
    announce(listener.extra(anyio.abc.SocketAttribute.local_port))
    await listener.serve(anyio_goodbye)


async def anyio_goodbye(stream: Any) -> None:
    await stream.aclose()


async def tonio_server(announce: Announce) -> None:
    with tonio.colored.net.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen(BACKLOG)
        announce(listener.getsockname()[1])
        while True:
            connection, _ = await listener.accept()
            connection.close()


SCENARIOS = (
    Scenario(
        name="accept_close",
        family="accept_close",
        title=f"Connections accepted and closed, {AT_A_TIME} at a time",
        unit="connection",
        size=2_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=Load("connect", AT_A_TIME)),
        contestants=(
            Contestant("conc", "conc", conc_server),
            *on_every_asyncio_loop("Protocol", asyncio_protocol_server),
            *on_every_asyncio_loop("sock_accept", asyncio_sock_server),
            Contestant("trio", "trio", trio_server),
            Contestant("anyio (asyncio)", "anyio", anyio_server),
            Contestant("tonio", "tonio", tonio_server),
            Contestant("tonio+context", "tonio+context", tonio_server),
            Contestant("C epoll", "C", c_server),
        ),
        excused={"tinyio": "it has no sockets"},
        notes="Ranked by CPU time of the server for each connection. conc, trio: `accept`, `aclose` in one loop."
        " anyio: `serve`. The client's side costs more than the C server's, so the rate of that one is the client's.",
    ),
)
