"""Several coroutines at the same time, and the values of all."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from conc._kernel.nursery import open_nursery
from conc.task.owned import itself, own, owner

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")

if TYPE_CHECKING:

    @overload
    async def join() -> tuple[()]: ...
    @overload
    async def join(a: Awaitable[A], /) -> tuple[A]: ...
    @overload
    async def join(a: Awaitable[A], b: Awaitable[B], /) -> tuple[A, B]: ...
    @overload
    async def join(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> tuple[A, B, C]: ...
    @overload
    async def join(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /) -> tuple[A, B, C, D]: ...
    @overload
    async def join(*coros: Awaitable[T]) -> tuple[T, ...]: ...


@owner
async def join(*coros: Awaitable[Any]) -> tuple[Any, ...]:
    """Run coroutines at the same time; returns their values, in the order of the arguments.

    ::

        user, orders = await conc.join(fetch_user(name), fetch_orders(name))

    Each runs as a child task, in the strand of the caller. It owns them: each runs, or is closed unstarted.

    Raises:
        ExceptionGroup: one or more failed; the others were cancelled. Always a group, as that of a nursery.
        TaskCancelled: one of them cancelled its own task.
        TypeError, ValueError: something else than a coroutine, one that somebody awaits already, or one twice.

    Checkpoint: always a cancel point; it waits for all of them.
    If cancelled: all were cancelled and have ended, or none of them has begun. Values that were there are dropped.
    """
    await own("join", coros)
    if not coros:
        return ()
    async with open_nursery() as nursery:
        tasks = [nursery.start_soon(itself, coro) for coro in coros]
    return tuple([task.join_nowait() for task in tasks])
