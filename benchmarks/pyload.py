"""The load generator in Python: command line and report of `native/load.c`, in two processes.

It speaks TLS too (``tls:PORT``), which the C one does not, and stands in for that where there is no C compiler. It is
slower than the C one, so requests per second and latencies say more about it than about the server; the CPU time of the
server for each operation is still the server's.
"""

import json
import multiprocessing
import os
import selectors
import socket
import ssl
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROCESSES = 2
CONNECTING_MS = 100
POLL_S = 0.1
RECEIVE_BYTES = 256 * 1024
ABORTIVE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Job:
    """What one process does: `mode` on `connections`, to be counted between two moments of the monotonic clock."""

    mode: str
    address: str
    message: bytes
    reply_bytes: int
    connections: int
    begin_ns: int
    end_ns: int
    core: int


def _connected(address: str) -> socket.socket:
    """A connection to a server, ready to send and to receive."""
    kind, _, where = address.partition(":")
    if kind == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(where)
        return sock
    if kind == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(("127.0.0.1", int(where)))
        return sock
    sock = socket.create_connection(("127.0.0.1", int(where)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _trusting().wrap_socket(sock) if kind == "tls" else sock


def _trusting() -> ssl.SSLContext:
    """What a client needs that does not care who the server is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Connection:
    """One connection, which always has one message, or the reply to it, under way."""

    def __init__(self, job: Job) -> None:
        self.message = job.message
        self.echoes = job.mode == "echo"
        self.expected = len(job.message) if self.echoes else job.reply_bytes
        self.sock = _connected(job.address)
        self.sock.setblocking(False)
        self.begin()

    def begin(self) -> None:
        self.started_ns = time.perf_counter_ns()
        self.received = 0
        self.unsent = memoryview(self.message)
        self.send()

    def send(self) -> None:
        while self.unsent:
            try:
                self.unsent = self.unsent[self.sock.send(self.unsent) :]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return

    def receive(self) -> int | None:
        """Take what came; the latency in ns when that completed a reply."""
        while True:
            try:
                data = self.sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self.send()
                return None
            if not data or (self.echoes and data != self.message[self.received : self.received + len(data)]):
                raise RuntimeError("not the reply: other bytes came back than were sent")
            self.received += len(data)
            if self.received >= self.expected:
                break
        took = time.perf_counter_ns() - self.started_ns
        self.begin()
        return took


class _Count:
    """The latencies of the operations that ended in the time that counts, and what CPU time was at its beginning."""

    def __init__(self, job: Job) -> None:
        self.begin_ns = job.begin_ns
        self.latencies: list[int] = []
        self.cpu_at_begin_ns = 0

    def add(self, latency_ns: int) -> None:
        if time.perf_counter_ns() >= self.begin_ns:
            self.cpu_at_begin_ns = self.cpu_at_begin_ns or time.process_time_ns()
            self.latencies.append(latency_ns)


_kept_open: list[_Connection] = []
"""Until this process ends: a server whose clients go may fail, and the other process is still measuring."""


def _exchange(job: Job, count: _Count) -> None:
    with selectors.DefaultSelector() as selector:
        for _ in range(job.connections):
            connection = _Connection(job)
            _kept_open.append(connection)
            selector.register(connection.sock, selectors.EVENT_READ, connection)
        while time.perf_counter_ns() < job.end_ns:
            for key, _events in selector.select(POLL_S):
                took = key.data.receive()
                if took is not None:
                    count.add(took)


def _connect(job: Job, count: _Count) -> None:
    while (started := time.perf_counter_ns()) < job.end_ns:
        with _connected(job.address) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTIVE)
            if sock.recv(1):
                raise RuntimeError("a connection did not end as it should")
        count.add(time.perf_counter_ns() - started)


def work(job: Job) -> tuple[list[int], int]:
    """Do one process's share: the latencies of the operations that count, and the CPU time that they took."""
    if job.core >= 0:
        os.sched_setaffinity(0, {job.core})
    count = _Count(job)
    (_connect if job.mode == "connect" else _exchange)(job, count)
    return count.latencies, time.process_time_ns() - count.cpu_at_begin_ns


def line_of(message_bytes: int) -> bytes:
    """A message of so many bytes that is one line."""
    pattern = bytes(range(0x20, 0x7F))
    return (pattern * (message_bytes // len(pattern) + 1))[: message_bytes - 1] + b"\n" if message_bytes else b""


def process_cpu_ns(pid: int) -> int:
    """The CPU time of all threads of another process, in ns.

    Raises: RuntimeError where this system has no clock for that.
    """
    if sys.platform != "linux":
        raise RuntimeError("the CPU time of another process can be read on Linux only")
    return time.clock_gettime_ns((~pid << 3) | 2)  # how Linux numbers the CPU clock of a process


def main(arguments: list[str]) -> None:
    """Run the load and print its report; the arguments are those of `native/load.c`."""
    mode, address, what, *numbers = arguments
    reply_bytes, connections, warm_up_ms, measure_ms, server, core = map(int, numbers)
    processes = min(PROCESSES, connections)
    message = Path(what[1:]).read_bytes() if what.startswith("@") else line_of(int(what))
    shares_of_connections = [len(range(i, connections, processes)) for i in range(processes)]
    context = multiprocessing.get_context("spawn")
    all_there = context.Barrier(processes + 1)
    with context.Pool(processes, initializer=all_there.wait) as pool:
        all_there.wait()  # a machine with much to do may need a second to start them
        begin_ns = time.perf_counter_ns() + (CONNECTING_MS + warm_up_ms) * 1_000_000
        end_ns = begin_ns + measure_ms * 1_000_000
        times = (begin_ns, end_ns, core)
        jobs = [Job(mode, address, message, reply_bytes, share, *times) for share in shares_of_connections]
        under_way = pool.map_async(work, jobs)
        time.sleep(max(0, begin_ns - time.perf_counter_ns()) / 1e9)
        cpu = process_cpu_ns(server)
        time.sleep(max(0, end_ns - time.perf_counter_ns()) / 1e9)
        cpu = process_cpu_ns(server) - cpu
        shares = under_way.get(timeout=10 + measure_ms / 1e3)
    latencies = sorted(took for share, _ in shares for took in share)
    if not latencies:
        sys.exit("nothing came back")
    report = {
        "operations": len(latencies),
        "wall_ns": end_ns - begin_ns,
        "server_cpu_ns": cpu,
        "load_cpu_ns": sum(own for _, own in shares),
        "p50_ns": latencies[(len(latencies) - 1) * 50 // 100],
        "p99_ns": latencies[(len(latencies) - 1) * 99 // 100],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1:])
