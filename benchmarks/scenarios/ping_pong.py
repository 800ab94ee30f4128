"""ping_pong: two tasks that wake each other by turns, through the lightest thing that each library has for it."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.scenario import Scenario, contestants


class Chair:
    """Where a conc player sits until the other one wakes him."""

    reason = "the other player's turn"

    def withdraw(self, task: object) -> bool:
        """A cancelled player may always get up: nobody has to be told."""
        return True


async def conc_player(players: list[Any], me: int, turns: int) -> None:
    park, unpark, chair, other = conc.lowlevel.park, conc.lowlevel.unpark, Chair(), 1 - me
    players[me] = conc.lowlevel.current_task()
    for turn in range(turns):
        await park(chair)
        if me == 0 or turn + 1 < turns:  # the last wake-up would go to one who has left
            unpark(players[other])


async def conc_main(size: int) -> None:
    players: list[Any] = [None, None]
    async with conc.open_nursery() as nursery:
        for me in range(2):
            nursery.start_soon(conc_player, players, me, size // 2)
        while None in players:
            await conc.checkpoint()
        conc.lowlevel.unpark(players[0])


async def asyncio_player(turn_of: list["asyncio.Future[None]"], me: int, turns: int) -> None:
    create_future, other = asyncio.get_running_loop().create_future, 1 - me
    for _ in range(turns):
        await turn_of[me]
        turn_of[me] = create_future()
        turn_of[other].set_result(None)


async def asyncio_main(size: int) -> None:
    loop = asyncio.get_running_loop()
    turn_of: list[asyncio.Future[None]] = [loop.create_future(), loop.create_future()]
    turn_of[0].set_result(None)
    await asyncio.gather(*[asyncio_player(turn_of, me, size // 2) for me in range(2)])


def trio_withdraw(raise_cancel: object) -> Any:
    return trio.lowlevel.Abort.SUCCEEDED


async def trio_player(players: list[Any], me: int, turns: int) -> None:
    park, unpark, other = trio.lowlevel.wait_task_rescheduled, trio.lowlevel.reschedule, 1 - me
    players[me] = trio.lowlevel.current_task()
    for turn in range(turns):
        await park(trio_withdraw)
        if me == 0 or turn + 1 < turns:
            unpark(players[other])


async def trio_main(size: int) -> None:
    players: list[Any] = [None, None]
    async with trio.open_nursery() as nursery:
        for me in range(2):
            nursery.start_soon(trio_player, players, me, size // 2)
        while None in players:
            await trio.lowlevel.checkpoint()
        trio.lowlevel.reschedule(players[0])


async def anyio_player(turn_of: list[Any], me: int, turns: int) -> None:
    event, other = anyio.Event, 1 - me
    for _ in range(turns):
        await turn_of[me].wait()
        turn_of[me] = event()
        turn_of[other].set()


async def anyio_main(size: int) -> None:
    turn_of = [anyio.Event(), anyio.Event()]
    turn_of[0].set()
    async with anyio.create_task_group() as group:
        for me in range(2):
            group.start_soon(anyio_player, turn_of, me, size // 2)


def tinyio_player(turn_of: list[Any], me: int, turns: int) -> Generator[Any, Any, None]:
    mine, other = turn_of[me], turn_of[1 - me]
    for _ in range(turns):
        yield from mine.wait()
        mine.clear()
        other.set()


def tinyio_main(size: int) -> Generator[Any, Any, None]:
    turn_of = [tinyio.Event(), tinyio.Event()]
    turn_of[0].set()
    yield [tinyio_player(turn_of, me, size // 2) for me in range(2)]


async def tonio_player(turn_of: list[Any], me: int, turns: int) -> None:
    mine, other = turn_of[me], turn_of[1 - me]
    for _ in range(turns):
        await mine.wait()
        mine.clear()
        other.set()


async def tonio_main(size: int) -> None:
    turn_of = [tonio.colored.Event(), tonio.colored.Event()]
    turn_of[0].set()
    await tonio.colored.spawn.without_results(*[tonio_player(turn_of, me, size // 2) for me in range(2)])


SCENARIOS = (
    Scenario(
        name="ping_pong",
        family="ping_pong",
        title="Two tasks wake each other by turns",
        unit="wake-up",
        size=200_000,
        quick_size=50_000,
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
        notes="asyncio: a new Future each turn. trio: `wait_task_rescheduled`, `reschedule`. conc: `lowlevel.park`,"
        " `unpark`. anyio: a new Event each turn (it has nothing lower). tinyio, tonio: an Event each, cleared.",
    ),
)
