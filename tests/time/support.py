"""What came out of intervals and delay queues."""

from __future__ import annotations

import conc
from conc.time import DelayQueue, Interval

Received = list[tuple[str, float]]


async def take(ticks: Interval, number: int) -> list[float]:
    return [await ticks.tick() for _ in range(number)]


async def receive(queue: DelayQueue[str], received: Received) -> None:
    received.append((await queue.receive(), conc.current_time()))


async def receive_two(queue: DelayQueue[str]) -> list[str]:
    return [await queue.receive(), await queue.receive()]


async def drain(queue: DelayQueue[str]) -> Received:
    return [(item, conc.current_time()) async for item in queue]


def filled(**delays: float) -> DelayQueue[str]:
    """A closed queue, so that draining it ends."""
    queue = DelayQueue[str]()
    for name, delay in delays.items():
        queue.insert(name, delay)
    queue.close()
    return queue
