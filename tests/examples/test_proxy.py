"""The proxy passes on what comes, within its limits, and ends as a service should."""

from __future__ import annotations

import http.server
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.examples.programs import PATIENCE_S, said_by
from tests.repo.sources import ROOT


@contextmanager
def target() -> Iterator[socket.socket]:
    """A listening socket that the proxy connects to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        yield server


@contextmanager
def proxy_to(port: int, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The proxy in front of a port, and its own port."""
    command = [sys.executable, "-W", "error", "-m", "examples.proxy", *options, "0", "127.0.0.1", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().split()[1])
    finally:
        process.kill()
        process.communicate()


def ended_by(process: subprocess.Popen[str], *signals: signal.Signals) -> str:
    """Send signals, wait for the end, and return what was printed."""
    for number in signals:
        process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return output


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_through_the_proxy_what_the_server_has() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with proxy_to(server.server_address[1]) as (process, port):
                got = said_by("curl", "-s", f"http://127.0.0.1:{port}/examples/proxy.py")
                assert got == (ROOT / "examples" / "proxy.py").read_text()
                assert ended_by(process, signal.SIGTERM) == "stopped\n"
        finally:
            server.shutdown()
            thread.join()


def test_the_end_of_one_direction_leaves_the_other_open() -> None:
    with target() as server, proxy_to(server.getsockname()[1]) as (_, port), connected(port) as client:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        with server.accept()[0] as there:
            assert there.makefile("rb").read() == b"question"
            there.sendall(b"answer")
        assert client.makefile("rb").read() == b"answer"


def test_a_connection_on_which_nothing_happens_is_ended() -> None:
    with target() as server, proxy_to(server.getsockname()[1], "--idle", "0.2") as (_, port), connected(port) as client:
        with server.accept()[0] as there:
            assert client.recv(1) == b""
            assert there.recv(1) == b""


def test_more_connections_than_allowed_have_to_wait() -> None:
    with target() as server, proxy_to(server.getsockname()[1], "--connections", "1") as (_, port):
        with connected(port) as first, server.accept()[0] as held, connected(port) as second:
            server.settimeout(0.3)
            with pytest.raises(TimeoutError):
                server.accept()
            server.settimeout(PATIENCE_S)
            first.close()
            held.close()
            with server.accept()[0] as there:
                second.sendall(b"at last")
                assert there.recv(100) == b"at last"


def test_after_a_signal_open_connections_may_end_and_no_new_one_is_taken() -> None:
    with target() as server, proxy_to(server.getsockname()[1]) as (process, port), connected(port) as client:
        with server.accept()[0] as there:
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            assert "no more connections" in process.stderr.readline()
            with pytest.raises(ConnectionRefusedError):
                connected(port)
            client.sendall(b"one more thing")
            assert there.recv(100) == b"one more thing"
        client.close()
        assert ended_by(process) == "stopped\n"


@pytest.mark.parametrize("how", ["their time is up", "a second signal"])
def test_connections_that_do_not_end_are_ended(how: str) -> None:
    options = ["--drain", "0.2"] if how == "their time is up" else []
    with target() as server, proxy_to(server.getsockname()[1], *options) as (process, port), connected(port) as client:
        with server.accept()[0]:
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            assert "no more connections" in process.stderr.readline()
            assert ended_by(process, *([signal.SIGINT] if not options else [])) == "stopped\n"
            assert client.recv(1) == b""


def test_a_target_that_does_not_answer_is_told_and_the_client_let_go() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with proxy_to(nobody.getsockname()[1]) as (process, port), connected(port) as client:
            assert client.recv(1) == b""
            assert process.stderr is not None
            assert "has nobody to talk to" in process.stderr.readline()
