"""What failed is freed by reference counting, although the frames of its traceback know what they used."""

from __future__ import annotations

import pytest

import conc
from conc.lowlevel import current_runtime, current_task
from conc.sync import Event, Semaphore
from conc_testing import settle
from tests.kernel.support import Failure, Thing, Watch, run

pytestmark = pytest.mark.usefixtures("without_the_collector")


class Failing:
    """Ways to fail, through frames that know the nursery, scope, task or semaphore that they used."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    async def _fail(self, thing: Thing) -> None:
        await conc.checkpoint()
        raise self.watch.on("error", Failure())

    async def _fail_in_the_end(self, thing: Thing) -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise self.watch.on("error", Failure())

    async def in_a_nursery(self, thing: Thing) -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(self._fail, thing)
            await conc.sleep_forever()

    async def behind_a_scope(self, thing: Thing) -> None:
        with conc.CancelScope() as scope:
            assert not scope.cancel_called
        await self._fail(thing)

    async def by_a_timeout(self, thing: Thing) -> None:
        with conc.fail_after(1) as limit:
            await conc.sleep_forever()
        raise AssertionError(limit)

    async def beside_a_cancellation(self, thing: Thing) -> None:
        with conc.move_on_after(1) as limit:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(self._fail_in_the_end, thing)
                await conc.sleep_forever()
        raise AssertionError(limit)

    async def beside_a_timeout(self, thing: Thing) -> None:
        with conc.fail_after(1) as limit:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(self._fail_in_the_end, thing)
                await conc.sleep_forever()
        raise AssertionError(limit)

    async def at_a_closed_semaphore(self, thing: Thing) -> None:
        semaphore = Semaphore(0)
        semaphore.close()
        await semaphore.acquire()

    async def at_a_semaphore_that_is_closed_meanwhile(self, thing: Thing) -> None:
        async def close() -> None:
            semaphore.close()

        semaphore = Semaphore(0)
        current_runtime().root_nursery.start_soon(close)
        await semaphore.acquire()

    async def by_joining_a_failure(self, thing: Thing) -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(self._fail, thing)
            with conc.CancelScope(shield=True):
                await task.join()

    async def at_a_select_with_a_closed_branch(self, thing: Thing) -> None:
        semaphore = Semaphore(0)
        semaphore.close()
        await conc.select(semaphore.acquiring(), conc.after(1), Event().waiting())

    async def at_a_select_with_a_branch_that_is_closed_meanwhile(self, thing: Thing) -> None:
        async def close() -> None:
            semaphore.close()

        semaphore, other = Semaphore(0), Semaphore(0)
        current_runtime().root_nursery.start_soon(close)
        await conc.select(other.acquiring(), semaphore.acquiring(), conc.after(1))

    async def behind_a_select(self, thing: Thing) -> None:
        semaphore = Semaphore(0)
        choice = await conc.select(semaphore.acquiring(), conc.after(1))
        await self._fail(thing)
        raise AssertionError(choice)

    async def beside_a_select_that_is_cancelled(self, thing: Thing) -> None:
        semaphore = Semaphore(0)
        with conc.move_on_after(1):
            try:
                await conc.select(semaphore.acquiring(), Event().waiting(), conc.after(2))
            finally:
                raise self.watch.on("error", Failure())

    async def by_joining_a_failure_in_a_select(self, thing: Thing) -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(self._fail, thing)
            with conc.CancelScope(shield=True):
                await conc.select(task.joining(), conc.after(1))

    async def after_a_start(self, thing: Thing) -> None:
        async def ready_then_fail(*, task_status: conc.TaskStatus) -> None:
            task_status.started()
            await self._fail(thing)

        async with conc.open_nursery() as nursery:
            await nursery.start(ready_then_fail)
            await conc.sleep_forever()

    async def in_clean_up(self, thing: Thing) -> None:
        try:
            with conc.move_on_after(1):
                await conc.sleep_forever()
        finally:
            await self._fail(thing)

    async def in_clean_up_of_a_cancelled_task(self, thing: Thing) -> None:
        try:
            current_task().cancel()
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await self._fail(thing)


@pytest.mark.parametrize("way", [name for name in vars(Failing) if not name.startswith("_")])
def test_a_failure_is_freed_although_the_frames_that_it_passed_know_what_they_used(way: str) -> None:
    watch = Watch()

    async def main() -> None:
        try:
            async with conc.open_nursery() as nursery:
                child = getattr(Failing(watch), way)
                watch.on("task", nursery.start_soon(child, watch.on("argument", Thing())))
                await conc.sleep_forever()
        except* Exception:
            pass
        await settle()
        assert watch.left() == []

    run(main)
