"""A server without descriptors left keeps serving, and says so; nothing is left open."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import conc
from conc.net import bind_udp, bind_unix_datagram, connect_tcp, connect_udp, connect_unix, listen_tcp, listen_unix
from conc.net.network import Socket, SystemNetwork
from tests.repo.sources import ROOT

CLIENTS = 60
SERVER = textwrap.dedent("""
    import os, resource, sys
    import conc
    from conc.net import listen_tcp

    def count_open():
        return len(os.listdir("/proc/self/fd"))

    async def echo(stream):
        while data := await stream.read(100):
            await stream.write_all(data)
            await conc.sleep(0.02)

    async def main():
        before = count_open()
        listener = await listen_tcp("127.0.0.1", 0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before + 8, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        async with conc.open_nursery() as nursery:
            nursery.start_soon(listener.serve, echo)
            print(listener.port, flush=True)
            await conc.to_thread(sys.stdin.read)
            await listener.aclose()
        print("left open:", count_open() - before)

    conc.run(main)
""")


def ask(port: int, number: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(b"%03d" % number)
        return sock.recv(100) == b"%03d" % number


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_a_server_without_descriptors_serves_everybody_in_the_end_and_says_why_it_waits() -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SERVER],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as server,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        assert server.stdout is not None
        port = int(server.stdout.readline())
        answers = list(pool.map(ask, [port] * CLIENTS, range(CLIENTS)))
        output, errors = server.communicate(timeout=20)

    assert answers == [True] * CLIENTS
    assert server.returncode == 0, errors
    assert output == "left open: 0\n"
    assert "cannot accept, trying again every 0.1 s: [Errno 24] Too many open files" in errors
    assert "accepts again, after" in errors


class Exhausted(SystemNetwork):
    """A machine that has no socket left."""

    def socket(self, family: int, type: int, proto: int = 0) -> Socket:
        raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: connect_tcp("127.0.0.1", 80), "cannot connect to 127.0.0.1:80"),
        (lambda: listen_tcp("127.0.0.1", 80), "cannot listen on 127.0.0.1:80"),
        (lambda: bind_udp("127.0.0.1", 80), "cannot bind a UDP socket to 127.0.0.1:80"),
        (lambda: connect_udp("127.0.0.1", 80), "cannot connect a UDP socket to 127.0.0.1:80"),
        (lambda: connect_unix("/nowhere"), "cannot connect to /nowhere"),
        (lambda: listen_unix("/nowhere"), "cannot listen on /nowhere"),
        (lambda: bind_unix_datagram("/nowhere"), "cannot bind to /nowhere by Unix datagrams"),
    ],
)
def test_who_gets_no_socket_is_told_what_it_was_for(attempt: Callable[[], Awaitable[object]], words: str) -> None:
    async def main() -> None:
        await attempt()

    with pytest.raises(OSError, match=f"{words}.*: no socket is to be had: Too many open files") as caught:
        conc.run(main, network=Exhausted())
    assert caught.value.errno == errno.EMFILE
