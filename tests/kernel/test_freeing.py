"""What is over is gone: tasks, errors, scopes and values are freed by reference counting, without the collector."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.sync import Event, Semaphore
from conc_testing import settle
from tests.kernel.support import Failure, Thing, Watch, run

pytestmark = pytest.mark.usefixtures("without_the_collector")


def test_a_task_that_returned_is_freed_with_its_arguments_and_value() -> None:
    watch = Watch()

    async def child(thing: Thing) -> Thing:
        await conc.checkpoint()
        return watch.on("value", Thing())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            watch.on("task", nursery.start_soon(child, watch.on("argument", Thing())))
        await conc.checkpoint()
        assert watch.left() == []

    run(main)


def test_the_arguments_of_a_task_are_freed_when_it_ends_although_the_task_is_kept() -> None:
    watch = Watch()

    async def child(thing: Thing) -> None:
        await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child, watch.on("argument", Thing()))
        await conc.checkpoint()
        assert watch.left() == []
        assert task.join_nowait() is None

    run(main)


def test_a_task_that_failed_is_freed_with_its_error() -> None:
    watch = Watch()

    async def child(thing: Thing) -> None:
        await conc.checkpoint()
        raise watch.on("error", Failure())

    async def main() -> None:
        try:
            async with conc.open_nursery() as nursery:
                watch.on("task", nursery.start_soon(child, watch.on("argument", Thing())))
        except* Failure:
            pass
        await settle()
        assert watch.left() == []

    run(main)


def test_errors_that_leave_run_are_freed_with_all_they_refer_to() -> None:
    watch = Watch()

    async def child(thing: Thing) -> None:
        await conc.checkpoint()
        raise watch.on("error", Failure())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            watch.on("task", nursery.start_soon(child, watch.on("argument", Thing())))
            await conc.sleep_forever()

    try:
        run(main)
    except* Failure:
        pass
    assert watch.left() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, Failure])
def test_an_error_of_main_is_freed_when_its_handler_is_through(error: type[BaseException]) -> None:
    watch = Watch()

    class Own(error):  # type: ignore[misc, valid-type]
        """Can be watched dying."""

    async def main(thing: Thing) -> None:
        await conc.checkpoint()
        raise watch.on("error", Own())

    try:
        run(main, watch.on("argument", Thing()))
    except Own:
        pass
    assert watch.left() == []


def test_a_joined_failure_is_freed() -> None:
    watch = Watch()

    async def child() -> None:
        raise watch.on("error", Failure())

    async def join(task: conc.Task[None]) -> None:
        with pytest.raises(conc.TaskFailed):
            await task.join()

    async def main() -> None:
        async with conc.open_nursery() as outer:
            try:
                async with conc.open_nursery() as nursery:
                    outer.start_soon(join, watch.on("task", nursery.start_soon(child)))
                    await conc.sleep_forever()
            except* Failure:
                pass
        await settle()
        assert watch.left() == []

    run(main)


async def _sleep(thing: Thing) -> None:
    await conc.sleep(1000)


async def _sleep_forever(thing: Thing) -> None:
    await conc.sleep_forever()


async def _wait(thing: Thing) -> None:
    await Event().wait()


NEVER = Semaphore(0)


async def _acquire(thing: Thing) -> None:
    async with NEVER:
        raise AssertionError("entered")


async def _nest(thing: Thing) -> None:
    async with conc.open_nursery() as nursery:
        nursery.start_soon(_sleep, thing)


async def _time_out(thing: Thing) -> None:
    with conc.fail_after(1000):
        await conc.checkpoint()
        await Event().wait()


async def _swallow(thing: Thing) -> None:
    try:
        await conc.sleep_forever()
    except conc.Cancelled:
        await conc.checkpoint()


async def _select(thing: Thing) -> None:
    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(_sleep, thing)
        await conc.select(NEVER.acquiring(), Event().waiting(), task.joining(), conc.after(1000))


WAITS: list[Callable[[Thing], Awaitable[None]]] = [
    _sleep, _sleep_forever, _wait, _acquire, _nest, _time_out, _swallow, _select
]  # fmt: skip


@pytest.mark.parametrize("wait", WAITS)
def test_a_cancelled_task_is_freed_with_its_cancellation(wait: Callable[[Thing], Awaitable[None]]) -> None:
    watch = Watch()

    async def child(thing: Thing) -> None:
        try:
            await wait(thing)
        except BaseException as error:
            watch.on("error", error)
            raise

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = watch.on("task", nursery.start_soon(child, watch.on("argument", Thing())))
            await settle()
            task.cancel()
            del task
        await settle()
        assert watch.left() == []

    run(main)


@pytest.mark.parametrize("wait", WAITS)
def test_a_scope_that_caught_a_cancellation_is_freed(wait: Callable[[Thing], Awaitable[None]]) -> None:
    watch = Watch()

    async def limited() -> None:
        with conc.move_on_after(1):
            try:
                await wait(watch.on("argument", Thing()))
            except BaseException as error:
                watch.on("error", error)
                raise

    async def main() -> None:
        await limited()
        await settle()
        assert watch.left() == []

    run(main)


def test_the_error_of_a_timeout_is_freed() -> None:
    watch = Watch()

    async def limited(thing: Thing) -> None:
        with conc.fail_after(1):
            await conc.sleep_forever()

    async def main() -> None:
        try:
            await limited(watch.on("argument", Thing()))
        except TimeoutError:
            pass
        await settle()
        assert watch.left() == []

    run(main)


def test_what_started_hands_over_is_not_kept() -> None:
    watch = Watch()

    async def child(*, task_status: conc.TaskStatus) -> None:
        task_status.started(watch.on("value", Thing()))
        await conc.sleep_forever()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            await nursery.start(child)
            await settle()
            assert watch.left() == []
            nursery.cancel_scope.cancel()

    run(main)


def test_an_error_of_start_is_freed() -> None:
    watch = Watch()

    async def child(thing: Thing, *, task_status: conc.TaskStatus) -> None:
        raise watch.on("error", Failure())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            try:
                await nursery.start(child, watch.on("argument", Thing()))
            except Failure:
                pass
            await settle()
            assert watch.left() == []

    run(main)


def test_a_runtime_is_freed_after_its_run() -> None:
    watch = Watch()

    async def main(thing: Thing) -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.sleep, 0.001)

    watch.on("runtime", conc.Runtime()).run(main, watch.on("argument", Thing()))
    assert "argument" not in watch.left()
    gc.collect()
    assert watch.left() == []


def test_many_rounds_leave_no_garbage_for_the_collector() -> None:
    async def fail() -> None:
        await conc.checkpoint()
        raise Failure

    async def one_round() -> None:
        with conc.move_on_after(1):
            async with conc.open_nursery() as nursery:
                for wait in WAITS:
                    nursery.start_soon(wait, Thing())
                await conc.sleep_forever()
        try:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(fail)
                nursery.start_soon(conc.sleep_forever)
        except* Failure:
            pass

    async def main() -> None:
        for _ in range(3):
            await one_round()
        gc.collect()
        for _ in range(10):
            await one_round()
        assert gc.collect() < 20

    run(main)


@pytest.mark.parametrize("is_ready", [False, True])
def test_a_select_leaves_no_garbage_for_the_collector(is_ready: bool) -> None:
    async def main() -> None:
        one, other = Semaphore(0), Semaphore(0)
        for _ in range(50):
            if is_ready:
                other.release()
            index, _ = await conc.select(one.acquiring(), other.acquiring(), conc.after(1))
            assert index == (1 if is_ready else 2)
            with conc.move_on_after(1):
                await conc.select(one.acquiring(), other.acquiring())
        gc.collect()
        for _ in range(50):
            if is_ready:
                other.release()
            await conc.select(one.acquiring(), other.acquiring(), conc.after(1))
            with conc.move_on_after(1):
                await conc.select(one.acquiring(), other.acquiring())
        assert gc.collect() == 0

    run(main)
