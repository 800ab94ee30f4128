"""Programs that speak UDP."""

from __future__ import annotations

from conc.net import bind_udp

PORT = 5353


async def echo(host: str | None = None) -> None:
    """A program that sends back what comes."""
    async with await bind_udp(host, PORT) as sock:
        async for data, address in sock:
            await sock.send_to(data, address)


async def collect(got: list[bytes], group: str | None = None) -> None:
    """A program that keeps what comes."""
    async with await bind_udp("0.0.0.0", PORT) as sock:
        if group is not None:
            sock.join(group)
        async for data, _ in sock:
            got.append(data)
