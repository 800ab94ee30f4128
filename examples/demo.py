"""The main job: a server and a thousand clients on real sockets, in one program, with a graceful end.

Run it with ``make demo``, or ``python -m examples.demo --clients 100``. Press Ctrl-C in the middle: everything is
closed in order, and the exit code is 130.
"""

import argparse
import random
import resource
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import conc
from conc.net import listen_tcp
from conc.sync import Event
from examples.service.load import Census, Log, run_clients
from examples.service.picture import draw
from examples.service.server import serve

TICK_SECONDS = 0.05
SPARE_DESCRIPTORS = 100


async def demo(clients: int, requests: int, seed: int, log: Log, census: Census, progress: Progress) -> None:
    """Server, clients and progress bar, each a task; the clients decide when it is over."""
    closing = Event()
    async with await listen_tcp("127.0.0.1", 0, backlog=clients) as listener, conc.open_nursery() as nursery:
        nursery.start_soon(serve, listener, closing, name="server")
        watcher = nursery.start_soon(watch, clients * requests, log, census, progress, name="watcher")
        await run_clients(listener.port, clients, requests, seed, log)
        watcher.cancel("there is nothing left to watch")
        closing.set()


async def watch(total: int, log: Log, census: Census, progress: Progress) -> None:
    """Keep the progress bar and the time line of tasks up to date."""
    bar = progress.add_task("requests", total=total)
    start = conc.current_time()
    try:
        while True:
            log.tasks.append((conc.current_time() - start, census.alive))
            progress.update(bar, completed=log.finished, refresh=True)
            await conc.sleep(TICK_SECONDS)
    finally:
        progress.update(bar, completed=log.finished, refresh=True)


def affordable(clients: int, console: Console) -> int:
    """How many clients there can be: each needs two descriptors, one at either end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * clients + SPARE_DESCRIPTORS
    if soft < wanted and (hard == resource.RLIM_INFINITY or soft < hard):
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    possible = max(1, (soft - SPARE_DESCRIPTORS) // 2)
    if possible < clients:
        console.print(f"ulimit -n allows {soft} open files: {possible} clients, not {clients}")
        return possible
    return clients


def report(log: Log, census: Census, seconds: float) -> Table:
    """What is worth knowing afterwards."""
    ordered = sorted(log.latencies)

    def percentile(percent: int) -> str:
        return f"{ordered[len(ordered) * percent // 100] * 1000:.2f} ms" if ordered else "-"

    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    table = Table(title="What happened", show_header=False)
    for name, value in (
        ("requests answered", f"{len(ordered):,}"),
        ("given up after their deadline", f"{log.late:,}"),
        ("requests per second", f"{len(ordered) / seconds:,.0f}"),
        ("latency, p50", percentile(50)),
        ("latency, p99", percentile(99)),
        ("tasks at the same time", f"{census.most:,}"),
        ("peak memory", f"{memory:,.0f} MiB"),
        ("seconds", f"{seconds:.1f}"),
    ):
        table.add_row(name, value)
    return table


def main(arguments: list[str]) -> int:
    """Parse, run, show. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description="a server and its clients, on conc")
    parser.add_argument("--clients", type=int, default=1000, help="connections at the same time")
    parser.add_argument("--requests", type=int, default=20, help="of each client")
    parser.add_argument("--seed", type=int, default=None, help="the same seed asks the same questions")
    parser.add_argument("--picture", type=Path, default=Path("out/demo.svg"), help="where to draw what happened")
    options = parser.parse_args(arguments)
    if options.clients < 1 or options.requests < 1:
        parser.error("--clients and --requests must be at least 1")
    seed = random.randrange(2**32) if options.seed is None else options.seed
    console = Console()
    clients = affordable(options.clients, console)
    console.print(f"{clients} clients, {options.requests} requests each, seed {seed}. Ctrl-C ends it.")
    log, census = Log(), Census()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    start = time.monotonic()
    try:
        with Progress(*columns, console=console, auto_refresh=False) as progress:
            conc.run(demo, clients, options.requests, seed, log, census, progress, instruments=[census])
    except KeyboardInterrupt:
        console.print(f"interrupted after {log.finished:,} requests; {census.alive} tasks are left")
        return 130
    console.print(report(log, census, time.monotonic() - start))
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    options.picture.write_text(draw(log.latencies, log.tasks))
    console.print(f"The picture is in {options.picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
