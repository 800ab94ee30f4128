"""Programs with a planted bug each, which calm runs do not show."""

from __future__ import annotations

import conc
from conc import sync
from conc.lowlevel import call_at
from conc_testing import choose, fault


async def pass_by() -> None:
    """An operation that need not wait: in a calm run nobody else runs meanwhile."""
    async with sync.Semaphore(1):
        pass


async def calm() -> None:
    """Tasks that do not mind in which order they run."""
    async with conc.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(pass_by, name="passer")


async def alone() -> None:
    """Nothing is ever to be decided."""
    await pass_by()
    await conc.sleep(1)


async def lost_update() -> None:
    """Two tasks read, wait, and write what they have read plus one."""
    box = [0]

    async def add() -> None:
        value = box[0]
        await pass_by()
        box[0] = value + 1

    async with conc.open_nursery() as nursery:
        nursery.start_soon(add)
        nursery.start_soon(add)
    assert box == [2], "an update was lost"


async def two_lost_updates() -> None:
    """As `lost_update`, and it fails only if two independent updates get lost."""
    boxes = [[0], [0]]

    async def add(box: list[int]) -> None:
        value = box[0]
        await pass_by()
        box[0] = value + 1

    async with conc.open_nursery() as nursery:
        for box in boxes:
            for _ in range(2):
                nursery.start_soon(add, box)
    assert boxes != [[1], [1]], "two updates were lost"


async def permit_of_a_cancelled() -> None:
    """Between taking a permit and the block that gives it back there is a cancel point."""
    semaphore = sync.Semaphore(1)

    async def use() -> None:
        await semaphore.acquire()
        await pass_by()
        semaphore.release()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(use)
        nursery.start_soon(conc.sleep, 1)
    assert semaphore.value == 1, "a permit is gone"


async def order_of_timers() -> None:
    """Two calls at the same moment, of which the second builds on the first."""
    seen: list[str] = []
    call_at(1, lambda: seen.append("first"))
    call_at(1, lambda: seen.append("second"))
    await conc.sleep(2)
    assert seen == ["first", "second"]


async def deadline_while_working() -> None:
    """Work that takes no virtual time, under a deadline."""
    with conc.move_on_after(1) as scope:
        for _ in range(5):
            await pass_by()
    assert not scope.cancelled_caught, "too slow"


async def fault_in_the_second_call() -> None:
    """Of three calls that may fail, the second is not expected to."""
    for number in range(3):
        try:
            if fault("fault.io"):
                raise OSError(f"call {number} failed")
        except OSError:
            if number == 1:
                raise


async def branch_of_a_select() -> None:
    """Two branches are ready, and only the first is expected."""
    first, second = sync.Event(), sync.Event()
    first.set()
    second.set()
    index, _ = await conc.select(first.waiting(), second.waiting())
    assert index == 0, "the other branch"


async def late_packet() -> None:
    """The outside world may take its time."""
    latencies = [choose("net.latency", 3) for _ in range(4)]
    assert latencies[2] != 2, "much too late"


async def waits_for_ever() -> None:
    """Two tasks take two locks in opposite order."""
    first, second = sync.Mutex(), sync.Mutex()

    async def take(one: sync.Mutex, other: sync.Mutex) -> None:
        async with one, other:
            pass

    async with conc.open_nursery() as nursery:
        nursery.start_soon(take, first, second)
        nursery.start_soon(take, second, first)
