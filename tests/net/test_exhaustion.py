"""A server without descriptors left keeps serving, and says so; nothing is left open."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

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
