"""A port scanner: which TCP ports of a host answer, many at a time.

`python -m examples.port_scanner 127.0.0.1 1-1024` scans those. Only scan machines that you may scan.
Without arguments it opens three ports of this machine and finds them.

Prints:

    3 of 3 ports found
"""

import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack

import conc
from conc.net import connect_tcp, listen_tcp

AT_A_TIME = 200
TIMEOUT_S = 1.0


async def answers(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    with conc.move_on_after(TIMEOUT_S):
        try:
            stream = await connect_tcp(host, port)
        except OSError:
            return False
        await stream.aclose()
        return True
    return False


async def scan(host: str, ports: Iterable[int]) -> AsyncIterator[int]:
    """The ports that answer, in order, each as soon as those before it are known."""

    async def look(port: int) -> tuple[int, bool]:
        return port, await answers(host, port)

    async with conc.open_map(look, ports, limit=AT_A_TIME) as found:
        async for port, is_open in found:
            if is_open:
                yield port


def ports_of(text: str) -> range:
    """``"22"`` or ``"1-1024"``.

    Raises:
        ValueError: it is neither.
    """
    first, dash, last = text.partition("-")
    ports = range(int(first), int(last if dash else first) + 1)
    if not ports or ports[0] < 1 or ports[-1] > 65535:
        raise ValueError(f"ports must be like 22 or 1-1024, from 1 to 65535, not {text!r}")
    return ports


async def main(host: str, ports: Iterable[int]) -> None:
    """Print what is open."""
    async for port in scan(host, ports):
        print(f"{port} is open", flush=True)


async def try_it() -> None:
    """Open some ports, and find them."""
    async with AsyncExitStack() as listeners:
        opened = []
        for _ in range(3):
            listener = await listeners.enter_async_context(await listen_tcp("127.0.0.1", 0))
            opened.append(listener.port)
        found = [port async for port in scan("127.0.0.1", sorted(opened))]
    print(f"{len(found)} of {len(opened)} ports found")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        conc.run(main, sys.argv[1], ports_of(sys.argv[2]))
    else:
        conc.run(try_it)
