"""Servers under load: the server in a fresh process on one core, the load generator on another.

The CPU time of the server process for each operation is the main figure. It depends least on what else the machine
does, and it is what a server under load runs out of.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from benchmarks import child, native
from benchmarks.libraries import Library
from benchmarks.scenario import Contestant, Figures, Scenario

Announce = Callable[[int | str], None]
"""A server calls this with its port, or its path, once it listens."""

Mode = Literal["echo", "exchange", "connect"]
Transport = Literal["tcp", "unix", "udp", "tls"]

READ_BYTES = 64 * 1024
"""What every contestant asks for in one read."""

WARM_UP_SHARE = 4


@dataclass(frozen=True, slots=True)
class Load:
    """What clients do to a server.

    `mode` is "echo" (messages of `message_bytes` go there and back), "exchange" (they are answered by `reply_bytes`) or
    "connect" (connections are made, and closed by the server); `connections` are open, or being made, at a time.
    """

    mode: Mode
    connections: int
    message_bytes: int = 0
    reply_bytes: int = 0
    transport: Transport = "tcp"


def measure_server(
    scenario: Scenario, contestant: Contestant, library: Library, window_ms: int, *, load: Load
) -> Figures:
    """Start the server of `contestant`, load it for `window_ms` after a warm-up, and end it."""
    server_core, load_core = two_cores()
    if server_core is not None:
        os.sched_setaffinity(0, {server_core})  # the server inherits it; this process only waits
    with started(scenario, contestant, load) as (pid, where):
        times = (window_ms // WARM_UP_SHARE, window_ms, pid, -1 if load_core is None else load_core)
        job = (load.mode, f"{load.transport}:{where}", load.message_bytes, load.reply_bytes, load.connections, *times)
        done = _run_load([str(argument) for argument in job], speaks_tls=load.transport == "tls")
    operations, wall_ns = done["operations"], done["wall_ns"]
    return {
        "cpu_ns": done["server_cpu_ns"] / operations,
        "wall_ns": wall_ns / operations,
        "operations_per_s": operations / wall_ns * 1e9,
        "p50_ns": done["p50_ns"],
        "p99_ns": done["p99_ns"],
        "server_busy_share": done["server_cpu_ns"] / wall_ns,
        "load_busy_share": done["load_cpu_ns"] / wall_ns,
    }


def c_server(announce: Announce) -> None:
    """Stands for `native/echo.c`, which is started as it is."""
    raise RuntimeError("native/echo.c is a program of its own")


def two_cores() -> tuple[int | None, int | None]:
    """A core for the server and one for the load generator; None, None where there is no choice."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


def load_generator() -> str:
    """Which load generator runs here, in words, for the report."""
    try:
        native.build("load")
    except native.NoCompiler as error:
        return f"Python, two processes, because the C one could not be built: {error}"
    return "C, one thread, epoll"


@contextmanager
def started(scenario: Scenario, contestant: Contestant, load: Load) -> Iterator[tuple[int, str]]:
    """The server in a process of its own: gives its process id and its port, or path."""
    if contestant.library == "C":
        command = [str(native.build("echo")), "close" if load.mode == "connect" else "echo"]
    else:
        command = [sys.executable, "-m", "benchmarks.child", child.job("serve", scenario, contestant)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        where = server.stdout.readline().strip()
        if not where:
            raise RuntimeError(f"the server ended before it listened, with exit code {server.wait()}")
        yield server.pid, where
        if server.poll() is not None:
            raise RuntimeError(f"the server ended under load, with exit code {server.returncode}")
    finally:
        server.kill()
        server.wait()


def _run_load(arguments: list[str], *, speaks_tls: bool) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.pyload"]
    if not speaks_tls:
        try:
            command = [str(native.build("load"))]
        except native.NoCompiler:
            pass
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"the load generator gave up: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
        )
    report: dict[str, float] = json.loads(done.stdout)
    return report
