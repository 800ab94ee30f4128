"""tcp_bulk: 64 KiB and 1 MiB one way, to a server or from it; a single byte is the request, or the receipt."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.served import READ_BYTES, Announce, Load, measure_server

CONNECTIONS = 8
RECEIPT = b"."


# ---- to the server: it reads until all is there, then sends the receipt ---------------------------------------------


async def conc_take(size: int, stream: Any) -> None:
    left = size
    while data := await stream.read(READ_BYTES):
        left -= len(data)
        if not left:
            left = size
            await stream.write_all(RECEIPT)


async def asyncio_take(size: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    left = size
    while data := await reader.read(READ_BYTES):
        left -= len(data)
        if not left:
            left = size
            writer.write(RECEIPT)
            await writer.drain()
    writer.close()


async def trio_take(size: int, stream: Any) -> None:
    left = size
    while data := await stream.receive_some(READ_BYTES):
        left -= len(data)
        if not left:
            left = size
            await stream.send_all(RECEIPT)


async def anyio_take(size: int, stream: Any) -> None:
    left = size
    async with stream:
        while True:
            try:
                data = await stream.receive(READ_BYTES)
            except anyio.EndOfStream:
                return
            left -= len(data)
            if not left:
                left = size
                await stream.send(RECEIPT)


async def tonio_take(size: int, sock: Any) -> None:
    left = size
    with sock:
        while data := await sock.recv(READ_BYTES):
            left -= len(data)
            if not left:
                left = size
                await sock.send(RECEIPT)


# ---- from the server: each byte that comes asks for all of it -------------------------------------------------------


async def conc_give(size: int, stream: Any) -> None:
    payload = bytes(size)
    while await stream.read(READ_BYTES):
        await stream.write_all(payload)


async def asyncio_give(size: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    payload = bytes(size)
    while await reader.read(READ_BYTES):
        writer.write(payload)
        await writer.drain()
    writer.close()


async def trio_give(size: int, stream: Any) -> None:
    payload = bytes(size)
    while await stream.receive_some(READ_BYTES):
        await stream.send_all(payload)


async def anyio_give(size: int, stream: Any) -> None:
    payload = bytes(size)
    async with stream:
        while True:
            try:
                await stream.receive(READ_BYTES)
            except anyio.EndOfStream:
                return
            await stream.send(payload)


async def tonio_give(size: int, sock: Any) -> None:
    payload = bytes(size)
    with sock:
        while await sock.recv(READ_BYTES):
            left = payload
            while left:
                left = left[await sock.send(left) :]


# ---- servers --------------------------------------------------------------------------------------------------------


async def conc_server(handle: Callable[..., Any], announce: Announce) -> None:
    listener = await conc.net.listen_tcp("127.0.0.1", 0)
    announce(listener.port)
    await listener.serve(handle)


async def asyncio_server(handle: Callable[..., Any], announce: Announce) -> None:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().create_future()  # not serve_forever: rloop's stops a server that serves already


async def trio_server(handle: Callable[..., Any], announce: Announce) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    announce(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(handle, listeners)


async def anyio_server(handle: Callable[..., Any], announce: Announce) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    announce(listener.extra(anyio.abc.SocketAttribute.local_port))
    await listener.serve(handle)


async def tonio_server(handle: Callable[..., Any], announce: Announce) -> None:
    with tonio.colored.net.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen()
        announce(listener.getsockname()[1])
        while True:
            sock, _ = await listener.accept()
            tonio.colored.spawn.without_tracking(handle(sock))


def _contestants(size: int, *handlers: Callable[..., Any]) -> tuple[Contestant, ...]:
    """One for each library, in the order of the handlers: conc, asyncio, trio, anyio, tonio."""
    on_conc, on_asyncio, on_trio, on_anyio, on_tonio = (partial(handler, size) for handler in handlers)
    return (
        Contestant("conc", "conc", partial(conc_server, on_conc)),
        *on_every_asyncio_loop("streams", partial(asyncio_server, on_asyncio)),
        Contestant("trio", "trio", partial(trio_server, on_trio)),
        Contestant("anyio (asyncio)", "anyio", partial(anyio_server, on_anyio)),
        Contestant("tonio", "tonio", partial(tonio_server, on_tonio)),
        Contestant("tonio+context", "tonio+context", partial(tonio_server, on_tonio)),
    )


def _scenario(way: str, kib: int) -> Scenario:
    size = kib * 1024
    if way == "in":
        load = Load("exchange", CONNECTIONS, size, 1)
        handlers = (conc_take, asyncio_take, trio_take, anyio_take, tonio_take)
    else:
        load = Load("exchange", CONNECTIONS, 1, size)
        handlers = (conc_give, asyncio_give, trio_give, anyio_give, tonio_give)
    return Scenario(
        name=f"tcp_bulk_{way}_{kib}k",
        family="tcp_bulk",
        title=f"TCP, {kib} KiB one way, {'to' if way == 'in' else 'from'} the server, {CONNECTIONS} connections",
        unit="transfer",
        size=2_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=load),
        contestants=_contestants(size, *handlers),
        excused={"tinyio": "it has no sockets"},
        notes="Ranked by CPU time of the server for each transfer. Every server reads up to 64 KiB at a time, and"
        " writes all with one call.",
    )


SCENARIOS = tuple(_scenario(way, kib) for way in ("in", "out") for kib in (64, 1024))
