"""tls: what `tcp_echo` and `tcp_bulk` measure, over TLS 1.3."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.peers import anyio, conc, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.scenarios.tcp_bulk import anyio_take, asyncio_take, conc_take, trio_take
from benchmarks.scenarios.tcp_echo import anyio_echo, asyncio_echo, conc_echo, trio_echo
from benchmarks.served import Announce, Load, measure_server

CONNECTIONS = 20
BULK_BYTES = 1024 * 1024


def context() -> Any:
    """The certificate; asked for when a server starts, so that nobody else needs the library for it."""
    from benchmarks.certificates import server_context  # noqa: PLC0415

    return server_context()


async def conc_server(handle: Callable[..., Any], announce: Announce) -> None:
    listener = await conc.net.listen_tls("127.0.0.1", 0, context(), require_close_notify=False)
    announce(listener.port)
    await listener.serve(handle)


async def asyncio_server(handle: Callable[..., Any], announce: Announce) -> None:
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context())
    announce(server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().create_future()  # not serve_forever: rloop's stops a server that serves already


async def trio_server(handle: Callable[..., Any], announce: Announce) -> None:
    listeners: list[Any] = await trio.open_ssl_over_tcp_listeners(0, context(), host="127.0.0.1")
    announce(listeners[0].transport_listener.socket.getsockname()[1])
    await trio.serve_listeners(handle, listeners)


async def anyio_server(handle: Callable[..., Any], announce: Announce) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    announce(listener.extra(anyio.abc.SocketAttribute.local_port))
    await anyio.streams.tls.TLSListener(listener, context(), standard_compatible=False).serve(handle)


def _contestants(*handlers: Callable[..., Any]) -> tuple[Contestant, ...]:
    """One for each library, in the order of the handlers: conc, asyncio, trio, anyio."""
    on_conc, on_asyncio, on_trio, on_anyio = handlers
    return (
        Contestant("conc", "conc", partial(conc_server, on_conc)),
        *on_every_asyncio_loop("streams", partial(asyncio_server, on_asyncio)),
        Contestant("trio", "trio", partial(trio_server, on_trio)),
        Contestant("anyio (asyncio)", "anyio", partial(anyio_server, on_anyio)),
    )


def _scenario(name: str, title: str, unit: str, load: Load, *handlers: Callable[..., Any]) -> Scenario:
    return Scenario(
        name=name,
        family="tls",
        title=title,
        unit=unit,
        size=2_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=load),
        contestants=_contestants(*handlers),
        excused={"tinyio": "it has no sockets", "tonio": "not measured here"},
        notes="Ranked by CPU time of the server. Every server reads up to 64 KiB at a time. The load comes from Python,"
        " which speaks TLS by the same library. Encrypting is a part of the time that no loop can save.",
    )


SCENARIOS = (
    *(
        _scenario(
            f"tls_echo_{kib}k",
            f"TLS echo, {kib} KiB, {CONNECTIONS} connections",
            "message",
            Load("echo", CONNECTIONS, kib * 1024, transport="tls"),
            *(conc_echo, asyncio_echo, trio_echo, anyio_echo),
        )
        for kib in (1, 64)
    ),
    _scenario(
        "tls_bulk_in",
        f"TLS, 1 MiB one way, to the server, {CONNECTIONS} connections",
        "transfer",
        Load("exchange", CONNECTIONS, BULK_BYTES, 1, transport="tls"),
        *(partial(handler, BULK_BYTES) for handler in (conc_take, asyncio_take, trio_take, anyio_take)),
    ),
)
