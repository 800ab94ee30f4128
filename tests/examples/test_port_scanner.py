"""The port scanner finds what is open, and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from conc.net import listen_tcp
from conc_testing import VirtualClock, World
from examples.port_scanner import answers, ports_of, scan
from tests.repo.sources import ROOT


async def test_only_the_ports_that_answer_are_found_and_in_order() -> None:
    async with await listen_tcp("127.0.0.1", 0) as first, await listen_tcp("127.0.0.1", 0) as second:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # nobody listens there
            ports = sorted([first.port, second.port, closed.getsockname()[1]])
            found = [port async for port in scan("127.0.0.1", ports)]

    assert found == sorted([first.port, second.port])


async def test_a_port_that_says_nothing_is_given_up_after_a_second(world: World, clock: VirtualClock) -> None:
    world.host("silent")
    async with world.client("scanner"):
        begun = clock.now()
        with world.net.partition("scanner", "silent"):
            assert await answers("silent", 80) is False
        assert clock.now() - begun == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "ports"), [("22", range(22, 23)), ("1-3", range(1, 4)), ("65535", range(65535, 65536))]
)
def test_ports_are_a_number_or_a_range(text: str, ports: range) -> None:
    assert ports_of(text) == ports


@pytest.mark.parametrize("text", ["", "x", "3-1", "0", "1-65536", "-5"])
def test_what_is_no_range_of_ports_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # int() has its own words
        ports_of(text)


def test_a_listener_of_another_program_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = [sys.executable, "-W", "error", "-m", "examples.port_scanner", "127.0.0.1", port]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == f"{port} is open\n"
