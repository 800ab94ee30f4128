"""An HTTP/1.1 client: one GET, over TCP or TLS, with a limit and a deadline.

`python -m examples.http.client https://example.org/`
"""

import sys
from typing import NamedTuple
from urllib.parse import urlsplit

import h11

import conc
from conc.errors import LimitExceeded
from conc.io import Stream
from conc.net import TcpStream, TlsStream, connect_tcp, connect_tls

TIMEOUT_S = 30
BODY_BYTES = 16 * 1024 * 1024
READ_BYTES = 65_536


class Response(NamedTuple):
    """What the server answered."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def get(url: str) -> Response:
    """Fetch what is at an address. No redirects are followed.

    Raises:
        ValueError: it is no address of HTTP.
        OSError: nobody answers there.
        TimeoutError: the answer was not complete after 30 seconds.
        LimitExceeded: it is longer than 16 MiB.
        h11.RemoteProtocolError: it is not HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url must start with http:// or https:// and name a host, not {url!r}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    stream: TcpStream | TlsStream
    with conc.fail_after(TIMEOUT_S):
        if parts.scheme == "https":
            stream = await connect_tls(parts.hostname, parts.port or 443)
        else:
            stream = await connect_tcp(parts.hostname, parts.port or 80)
        async with stream:
            response = await exchange(stream, host, target)
    return response


async def exchange(stream: Stream, host: str, target: str) -> Response:
    """Ask, and read the answer."""
    http = h11.Connection(h11.CLIENT)
    headers = [("host", host), ("connection", "close"), ("user-agent", "conc")]
    request = http.send(h11.Request(method="GET", target=target, headers=headers)) or b""
    await stream.write_all(request, http.send(h11.EndOfMessage()) or b"")
    head: h11.Response | None = None
    parts: list[bytes] = []
    size = 0
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            http.receive_data(await stream.read(READ_BYTES))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            parts.append(event.data)
            size += len(event.data)
            if size > BODY_BYTES:
                raise LimitExceeded(f"the body has more than {BODY_BYTES} bytes", BODY_BYTES)
    assert head is not None, "h11 gives no end without a head"
    return Response(head.status_code, list(head.headers), b"".join(parts))


async def main(url: str) -> None:
    """Print what is there."""
    response = await get(url)
    print(response.status)
    sys.stdout.write(response.body.decode(errors="replace"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.http.client URL")
    conc.run(main, sys.argv[1])
