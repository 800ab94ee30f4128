"""Every task of a few small programs is cancelled before every step of the program: whatever the moment, each program
ends, and nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.lowlevel import current_task
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock

Tasks = dict[str, conc.Task[Any]]


class Program:
    """A program whose tasks have names, and what must hold after it, whoever was cancelled."""

    def __init__(self) -> None:
        self.tasks: Tasks = {}

    def start(self, nursery: conc.Nursery, name: str, async_fn: Callable[..., Awaitable[object]], *args: Any) -> None:
        self.tasks[name] = nursery.start_soon(async_fn, *args, name=name)

    async def main(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        """What must hold between two steps, and at the end."""

    def check_end(self) -> None:
        """What must hold at the end."""


class Permits(Program):
    """Tasks that take one, two or three of three permits, some with a deadline."""

    def __init__(self) -> None:
        super().__init__()
        self.semaphore = Semaphore(3)
        self.held = 0

    async def use(self, n: int) -> None:
        for _ in range(2):
            async with self.semaphore.permits(n):
                self.held += n
                assert self.held <= 3
                try:
                    await conc.checkpoint()
                finally:
                    self.held -= n

    async def try_to_use(self) -> None:
        with conc.move_on_after(0.5):
            await self.semaphore.acquire(3)
            try:
                await conc.sleep(1)
            finally:
                self.semaphore.release(3)

    async def main(self) -> None:
        async with conc.open_nursery() as nursery:
            for number, n in enumerate([1, 3, 1, 2, 3]):
                self.start(nursery, f"use {number}", self.use, n)
            self.start(nursery, "try", self.try_to_use)

    def check(self) -> None:
        self.semaphore._check()

    def check_end(self) -> None:
        assert (self.semaphore.value, self.held) == (3, 0)


class Handshake(Program):
    """Servers that say that they are ready, and callers that wait for that."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0
        self.ready = 0
        self.closed = 0

    async def serve(self, *, task_status: conc.TaskStatus) -> None:
        self.started += 1
        self.tasks[f"serve {self.started}"] = current_task()
        try:
            await conc.checkpoint()
            async with conc.open_nursery() as inner:
                inner.start_soon(self.helper, task_status)
                await conc.checkpoint()
        finally:
            self.closed += 1

    async def helper(self, task_status: conc.TaskStatus) -> None:
        await conc.checkpoint()
        task_status.started("ready")
        await conc.sleep(1)

    async def call(self, nursery: conc.Nursery) -> None:
        try:
            assert await nursery.start(self.serve, name="serve") == "ready"
        except RuntimeError as error:
            assert "started" in str(error)  # it was cancelled alone
            return
        self.ready += 1
        await conc.checkpoint()

    async def main(self) -> None:
        async with conc.open_nursery() as callers:
            async with conc.open_nursery() as nursery:
                for number in range(3):
                    self.start(callers, f"call {number}", self.call, nursery)
                await conc.checkpoint()

    def check_end(self) -> None:
        assert self.started == self.closed
        assert self.ready <= self.started


class Family(Program):
    """Children and grandchildren that wait for events, for each other and for time."""

    def __init__(self) -> None:
        super().__init__()
        self.event = Event()
        self.begun: list[str] = []
        self.ended: list[str] = []

    async def note(self, name: str, async_fn: Callable[[], Awaitable[object]]) -> None:
        self.begun.append(name)
        try:
            await async_fn()
        finally:
            self.ended.append(name)

    async def join(self, name: str) -> None:
        try:
            await self.tasks[name].join()
        except conc.TaskCancelled:
            await conc.checkpoint()

    async def parent(self) -> None:
        async with conc.open_nursery() as nursery:
            self.start(nursery, "waiter", self.note, "waiter", self.event.wait)
            self.start(nursery, "sleeper", self.note, "sleeper", lambda: conc.sleep(1))
            with conc.CancelScope(shield=True):
                await conc.checkpoint()

    async def main(self) -> None:
        async with conc.open_nursery() as nursery:
            self.start(nursery, "parent", self.note, "parent", self.parent)
            self.start(nursery, "joiner", self.note, "joiner", lambda: self.join("parent"))
            await conc.checkpoint()
            await conc.checkpoint()
            self.event.set()

    def check(self) -> None:
        self.event._check()

    def check_end(self) -> None:
        assert sorted(self.begun) == sorted(self.ended)
        assert set(self.begun) == set(self.tasks)


def run_with_cancel(make: Callable[[], Program], step: int, victim: str) -> bool:
    """Run a program and cancel one task before a certain step. False if it had ended by then."""
    program = make()
    with conc.Runtime(clock=VirtualClock()) as runtime:
        main = runtime.start(program.main)
        for _ in range(step):
            if not runtime.step():
                return False
        if victim in program.tasks:
            program.tasks[victim].cancel()
        while runtime.step():
            program.check()
    assert main.join_nowait() is None, "cancelling one task ends no other"
    for name, task in program.tasks.items():
        assert task.outcome is not None
        if name == victim:
            assert isinstance(getattr(task.outcome, "error", None), conc.Cancelled | None)
    program.check()
    program.check_end()
    return True


@pytest.mark.parametrize("make", [Permits, Handshake, Family])
def test_whoever_is_cancelled_and_whenever_nothing_is_lost(make: Callable[[], Program]) -> None:
    whole = make()
    conc.run(whole.main, clock=VirtualClock())
    whole.check_end()
    assert whole.tasks

    steps = 0
    while sum(run_with_cancel(make, steps, victim) for victim in whole.tasks) == len(whole.tasks):
        steps += 1
    assert steps > 10
