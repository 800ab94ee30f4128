"""An echo server in a process of its own, which says how much memory it takes whenever it is asked.

It prints its port; then, for each line that comes on its standard input, how many connections it has, and the bytes of
memory that it holds.
"""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import conc
from conc.net import TcpStream, listen_tcp

PAGE_BYTES = resource.getpagesize()


def resident_bytes() -> int:
    """The memory of this process that is in the machine's, after a look for garbage."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


class Server:
    """Sends back what comes, and counts who is there."""

    def __init__(self) -> None:
        self.connections = 0

    async def echo(self, stream: TcpStream) -> None:
        self.connections += 1
        try:
            while data := await stream.read(65_536):
                await stream.write_all(data)
        finally:
            self.connections -= 1

    async def main(self) -> None:
        listener = await listen_tcp("127.0.0.1", 0)
        print(listener.port, flush=True)
        async with listener, conc.open_nursery() as nursery:
            nursery.start_soon(listener.serve, self.echo)
            while await conc.to_thread(sys.stdin.readline):
                print(self.connections, resident_bytes(), flush=True)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    conc.run(Server().main)
