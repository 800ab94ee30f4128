"""An HTTP/1.1 server: keep-alive, bodies, limits, deadlines, and a graceful end.

`python -m examples.http.server 8080`, then `curl http://127.0.0.1:8080/hello`. Ctrl-C ends it.
"""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from functools import lru_cache, partial
from http import HTTPStatus
from typing import NamedTuple

import h11

import conc
from conc.errors import BrokenResource
from conc.net import TcpListener, TcpStream, listen_tcp

CONNECTIONS = 1000  # at a time; more wait in the queue of the system
REQUEST_S = 30  # to send a request, and between two of them
BODY_BYTES = 1024 * 1024  # at most
READ_BYTES = 65_536
END = h11.EndOfMessage()


class Request(NamedTuple):
    """What a client asks for."""

    method: str
    path: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Response(NamedTuple):
    """What it is answered."""

    status: int
    body: bytes
    content_type: bytes = b"text/plain; charset=utf-8"


Handler = Callable[[Request], Awaitable[Response]]


class TooLarge(Exception):
    """The body of a request is longer than we want to have."""


async def serve(handler: Handler, listener: TcpListener) -> None:
    """Answer requests by ``handler(request)`` until the listener is closed."""
    await listener.serve(partial(serve_connection, handler), limit=CONNECTIONS)


async def serve_connection(handler: Handler, stream: TcpStream) -> None:
    """Answer the requests of one connection, one after another, until it ends or is not to be kept alive."""
    http = h11.Connection(h11.SERVER)
    try:
        while True:
            request = None
            try:
                with conc.fail_after(REQUEST_S):
                    request = await read_request(http, stream)
                if request is None:
                    return
                response = await handler(request)
            except h11.RemoteProtocolError as error:
                response = refusal(HTTPStatus(error.error_status_hint))
            except TooLarge:
                response = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            await write_response(http, stream, response, has_body=request is None or request.method != "HEAD")
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()
    except (BrokenResource, TimeoutError):
        return  # the client is gone, or as good as gone


async def read_request(http: h11.Connection, stream: TcpStream) -> Request | None:
    """The next request, with its body; None if the client has closed the connection in place of one."""
    if not http.trailing_data[0]:  # as a rule: then there is no need to ask h11 what it has
        http.receive_data(await stream.read(READ_BYTES))
    head = await next_event(http, stream)
    if not isinstance(head, h11.Request):
        return None
    if http.they_are_waiting_for_100_continue:
        await stream.write_all(http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
    body = bytearray()
    while isinstance(part := await next_event(http, stream), h11.Data):
        body += part.data
        if len(body) > BODY_BYTES:
            raise TooLarge
    return Request(head.method.decode(), head.target.decode(), head.headers, bytes(body))


async def next_event(http: h11.Connection, stream: TcpStream) -> object:
    """What the client says next, waiting for it."""
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await stream.read(READ_BYTES))
    return event


async def write_response(http: h11.Connection, stream: TcpStream, response: Response, *, has_body: bool) -> None:
    """Send a response, its head and its body together."""
    head = http.send(head_of(response.status, response.content_type, len(response.body), int(time.time())))
    body = http.send(h11.Data(data=response.body)) if has_body else None
    http.send(END)
    await stream.write_all(head or b"", body or b"")


@lru_cache(maxsize=256)  # h11 looks at every byte of a head, and most answers of one second have the same
def head_of(status: int, content_type: bytes, length: int, second: int) -> h11.Response:
    """The head of a response."""
    date = formatdate(second, usegmt=True).encode()
    headers = [(b"date", date), (b"content-type", content_type), (b"content-length", b"%d" % length)]
    return h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())


def refusal(status: HTTPStatus) -> Response:
    """A response that says what was wrong."""
    return Response(status, f"{status.phrase}\n".encode())


async def hello(request: Request) -> Response:
    """Greet on one path, give back what was posted on another."""
    match request.method, request.path:
        case "GET" | "HEAD", "/hello":
            return Response(HTTPStatus.OK, b"Hello, world!\n")
        case "POST", "/echo":
            return Response(HTTPStatus.OK, request.body)
        case _, "/hello" | "/echo":
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED)
    return refusal(HTTPStatus.NOT_FOUND)


async def main(port: int) -> None:
    """Serve on this machine only."""
    async with await listen_tcp("127.0.0.1", port) as listener:
        print(f"http://127.0.0.1:{listener.port}/hello", flush=True)
        await serve(hello, listener)


if __name__ == "__main__":
    try:
        conc.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
    except KeyboardInterrupt:
        print("stopped")
