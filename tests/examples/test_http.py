"""The HTTP server as curl sees it, and the HTTP client on somebody else's server."""

from __future__ import annotations

import functools
import http.server
import shutil
import socket
import sys
import threading
from pathlib import Path

import pytest

from tests.examples.programs import running, said_by

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def port_of(line: str) -> int:
    return int(line.split(":")[2].split("/", maxsplit=1)[0])


def raw(port: int, request: bytes) -> bytes:
    """What the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(request)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


@needs_curl
def test_curl_gets_and_posts_on_one_connection() -> None:
    with running("examples.http.server", "0") as (_, url):
        base = url.removesuffix("/hello")
        got = said_by("curl", "-sv", "--stderr", "-", url, "--next", "-sv", "-d", "ping", f"{base}/echo")

    assert "Hello, world!" in got
    assert "\nping" in got
    assert got.count("< HTTP/1.1 200 OK") == 2
    assert got.count("Connected to") == 1


@needs_curl
def test_a_head_request_is_answered_without_a_body() -> None:
    with running("examples.http.server", "0") as (_, url):
        assert "content-length: 14" in said_by("curl", "-sI", url).lower()


@needs_curl
@pytest.mark.parametrize(("path", "method", "status"), [("/nothing", "GET", "404"), ("/hello", "DELETE", "405")])
def test_what_there_is_not_is_refused(path: str, method: str, status: str) -> None:
    with running("examples.http.server", "0") as (_, url):
        address = url.replace("/hello", path)
        assert said_by("curl", "-so", "/dev/null", "-w", "%{http_code}", "-X", method, address) == status


@needs_curl
def test_a_body_over_the_limit_is_refused() -> None:
    with running("examples.http.server", "0") as (_, url):
        address = url.replace("/hello", "/echo")
        got = said_by("curl", "-sD-", "--data-binary", "@-", address, given="x" * 1_100_000)

    assert "413 Request Entity Too Large" in got


def test_what_is_not_http_is_told_so_and_the_connection_closed() -> None:
    with running("examples.http.server", "0") as (_, url):
        assert raw(port_of(url), b"how do you do\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request")


def test_requests_sent_in_one_go_are_answered_in_order() -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n"
    with running("examples.http.server", "0") as (_, url):
        answers = raw(port_of(url), request + b"\r\n1" + request + b"\r\n2" + request + b"Connection: close\r\n\r\n3")

    assert [answer.rpartition(b"\r\n")[2][:1] for answer in answers.split(b"HTTP/1.1 200 OK")[1:]] == [b"1", b"2", b"3"]


def test_a_client_that_vanishes_in_the_middle_of_a_request_harms_nobody() -> None:
    with running("examples.http.server", "0") as (_, url):
        with socket.create_connection(("127.0.0.1", port_of(url))) as sock:
            sock.sendall(b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n123")
        assert raw(port_of(url), b"GET /hello HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").endswith(
            b"world!\n"
        )


def test_the_client_fetches_from_a_server_of_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("as it was written\n" * 10_000)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_address[1]}/page.txt"
            got = said_by(sys.executable, "-W", "error", "-m", "examples.http.client", address)
        finally:
            server.shutdown()
            thread.join()

    assert got == "200\n" + "as it was written\n" * 10_000
