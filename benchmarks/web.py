"""HTTP servers under load from wrk, which has to be installed: the CPU time of the server for each request."""

import os
import re
import shutil
import subprocess

from benchmarks.libraries import Library
from benchmarks.pyload import process_cpu_ns
from benchmarks.scenario import Contestant, Figures, Scenario
from benchmarks.served import WARM_UP_SHARE, Load, started, two_cores

UNITS_NS = {"us": 1e3, "ms": 1e6, "s": 1e9}


def measure_web(scenario: Scenario, contestant: Contestant, library: Library, window_ms: int, *, path: str) -> Figures:
    """Start the server of `contestant`, ask it for `path` for `window_ms` after a warm-up, and end it.

    Raises: RuntimeError if wrk is not installed, or an answer is no good.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("wrk is not on the path: install it (most systems have a package of that name)")
    server_core, load_core = two_cores()
    if server_core is not None:
        os.sched_setaffinity(0, {server_core})  # the server inherits it; this process only waits
    connections = 50
    with started(scenario, contestant, Load("exchange", connections)) as (pid, port):
        command = [wrk, "-t1", f"-c{connections}", f"http://127.0.0.1:{port}{path}", "--latency"]
        if load_core is not None:
            command = ["taskset", "-c", str(load_core), *command]
        _run_wrk([*command, f"-d{max(1, window_ms // WARM_UP_SHARE // 1000)}"])
        before = process_cpu_ns(pid)
        report = _run_wrk([*command, f"-d{max(1, window_ms // 1000)}"])
        server_cpu_ns = process_cpu_ns(pid) - before
    requests, wall_ns = _found(r"(\d+) requests in", report), float(_found(r"requests in ([\d.]+)s", report)) * 1e9
    return {
        "cpu_ns": server_cpu_ns / int(requests),
        "wall_ns": wall_ns / int(requests),
        "operations_per_s": int(requests) / wall_ns * 1e9,
        "p50_ns": _time_ns("50%", report),
        "p99_ns": _time_ns("99%", report),
        "server_busy_share": server_cpu_ns / wall_ns,
    }


def _run_wrk(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"some answers were no good: {done.stdout.strip().splitlines()[-3:]}")
    return done.stdout


def _found(pattern: str, report: str) -> str:
    found = re.search(pattern, report)
    if found is None:
        raise RuntimeError(f"wrk did not report {pattern!r}: {report.strip()[:200]}")
    return found.group(1)


def _time_ns(label: str, report: str) -> float:
    value = _found(rf"{label}\s+([\d.]+(?:us|ms|s))", report)
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", value).groups()  # type: ignore[union-attr]
    return float(number) * UNITS_NS[unit]
