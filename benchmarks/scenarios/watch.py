"""watch: a value changes, and 100 tasks that wait for that look at it; the next change comes when all have done so."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.scenario import Scenario, contestants
from benchmarks.tally import AnyioTally, AsyncioTally, ConcTally, Tally, TinyioTally, TonioTally, TrioTally

WATCHERS = 100


class Board:
    """A value and the event that tells of its next change; for libraries that have nothing of the kind."""

    __slots__ = ("changed", "value")

    def __init__(self, changed: Any) -> None:
        self.changed = changed
        self.value = 0

    def change(self, value: int, next_event: Any) -> None:
        """For events that stay set: the next change has an event of its own."""
        changed, self.changed = self.changed, next_event
        self.value = value
        changed.set()

    def change_and_clear(self, value: int) -> None:
        """For events that can be cleared at once: who waits has been woken already."""
        self.value = value
        self.changed.set()
        self.changed.clear()


async def conc_watcher(receiver: Any, tally: Tally, changes: int) -> None:
    changed, borrow = receiver.changed, receiver.borrow
    for _ in range(changes):
        tally.left -= 1
        if not tally.left:
            tally.complete()
        await changed()
        borrow()


async def conc_main(size: int) -> None:
    changes, tally = max(1, size // WATCHERS), ConcTally(WATCHERS)
    sender, first = conc.channels.watch(0)
    ends = [first, *[sender.subscribe() for _ in range(WATCHERS - 1)]]
    async with conc.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(conc_watcher, end, tally, changes)
        for value in range(changes):
            await tally.wait()
            sender.send_nowait(value)
    for each in (sender, *ends):
        each.close()


async def watcher(board: Board, tally: Tally, changes: int) -> None:
    """For libraries with events."""
    for _ in range(changes):
        tally.left -= 1
        if not tally.left:
            tally.complete()
        await board.changed.wait()
        board.value  # noqa: B018


async def asyncio_main(size: int) -> None:
    changes, tally, board = max(1, size // WATCHERS), AsyncioTally(WATCHERS), Board(asyncio.Event())
    tasks = [asyncio.create_task(watcher(board, tally, changes)) for _ in range(WATCHERS)]
    for value in range(changes):
        await tally.wait()
        board.change_and_clear(value)
    for task in tasks:
        await task


async def trio_main(size: int) -> None:
    changes, tally, board = max(1, size // WATCHERS), TrioTally(WATCHERS), Board(trio.Event())
    async with trio.open_nursery() as nursery:
        for _ in range(WATCHERS):
            nursery.start_soon(watcher, board, tally, changes)
        for value in range(changes):
            await tally.wait()
            board.change(value, trio.Event())


async def anyio_main(size: int) -> None:
    changes, tally, board = max(1, size // WATCHERS), AnyioTally(WATCHERS), Board(anyio.Event())
    async with anyio.create_task_group() as group:
        for _ in range(WATCHERS):
            group.start_soon(watcher, board, tally, changes)
        for value in range(changes):
            await tally.wait()
            board.change(value, anyio.Event())


def tinyio_watcher(board: Board, tally: Tally, changes: int) -> Generator[Any, Any, None]:
    for _ in range(changes):
        tally.left -= 1
        if not tally.left:
            tally.complete()
        yield from board.changed.wait()
        board.value  # noqa: B018


def tinyio_changer(board: Board, tally: TinyioTally, changes: int) -> Generator[Any, Any, None]:
    for value in range(changes):
        yield from tally.wait()
        board.change(value, tinyio.Event())


def tinyio_main(size: int) -> Generator[Any, Any, None]:
    changes, tally, board = max(1, size // WATCHERS), TinyioTally(WATCHERS), Board(tinyio.Event())
    watchers = [tinyio_watcher(board, tally, changes) for _ in range(WATCHERS)]
    yield [*watchers, tinyio_changer(board, tally, changes)]


async def tonio_main(size: int) -> None:
    changes, tally, board = max(1, size // WATCHERS), TonioTally(WATCHERS), Board(tonio.colored.Event())
    watched = tonio.colored.spawn.without_results(*[watcher(board, tally, changes) for _ in range(WATCHERS)])
    for value in range(changes):
        await tally.wait()
        board.change(value, tonio.colored.Event())
    await watched


SCENARIOS = (
    Scenario(
        name="watch_100",
        family="watch",
        title="A value changes, 100 tasks look at it",
        unit="look",
        size=100_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_main,
                "asyncio": asyncio_main,
                "trio": trio_main,
                "anyio": anyio_main,
                "tinyio": tinyio_main,
                "tonio": tonio_main,
            }
        ),
        notes="The next change follows when all have looked. conc: a watch channel. asyncio: an attribute and an Event,"
        " set and cleared. The others: an attribute and an Event, a new one for each change.",
    ),
)
