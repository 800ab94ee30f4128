"""http_plaintext: small answers over HTTP/1.1, on connections that are kept alive, with h11 on all sides."""

import asyncio
import socket
from functools import partial
from typing import Any

from benchmarks.peers import conc
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.served import Announce
from benchmarks.web import measure_web

HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"14")]
BODY = b"Hello, world!\n"
BACKLOG = 1024


async def conc_server(announce: Announce) -> None:
    from examples.http.server import hello, serve  # noqa: PLC0415  # it imports conc

    listener = await conc.net.listen_tcp("127.0.0.1", 0)
    announce(listener.port)
    await serve(hello, listener)


async def asgi_hello(scope: Any, receive: Any, send: Any) -> None:
    """What `examples.http.server` answers, for servers of ASGI."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def listening() -> socket.socket:
    """A socket that the server is given, so that its port is known before it serves."""
    return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)


async def uvicorn_server(announce: Announce) -> None:
    import uvicorn  # noqa: PLC0415  # only this one needs it

    options: dict[str, Any] = {"http": "h11", "lifespan": "off", "access_log": False, "log_level": "error"}
    sock = listening()
    announce(sock.getsockname()[1])
    await uvicorn.Server(uvicorn.Config(asgi_hello, **options)).serve(sockets=[sock])


async def hypercorn_server(announce: Announce) -> None:
    import hypercorn.asyncio  # noqa: PLC0415  # only this one needs it
    import hypercorn.config  # noqa: PLC0415

    sock = listening()
    config = hypercorn.config.Config()
    config.bind = [f"fd://{sock.fileno()}"]
    config.loglevel = "ERROR"
    announce(sock.getsockname()[1])
    await hypercorn.asyncio.serve(asgi_hello, config, shutdown_trigger=asyncio.Event().wait)


SCENARIOS = (
    Scenario(
        name="http_plaintext",
        family="http_plaintext",
        title="HTTP/1.1 with h11, 14 bytes, 50 connections kept alive",
        unit="request",
        size=4_000,
        quick_size=2_000,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_web, path="/hello"),
        contestants=(
            Contestant("conc", "conc", conc_server),
            *on_every_asyncio_loop("uvicorn", uvicorn_server),
            *on_every_asyncio_loop("hypercorn", hypercorn_server),
        ),
        excused={
            **dict.fromkeys(("trio", "anyio", "tonio"), "no server of its own is measured"),
            "tinyio": "it has no sockets",
        },
        notes="Ranked by CPU time of the server for each request, driven by wrk. All of them leave the protocol to h11,"
        " which takes most of the time. conc: `examples/http/server.py`. uvicorn and hypercorn: a bare ASGI function.",
    ),
)
