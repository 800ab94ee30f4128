"""A nursery that is cancelled, from inside or outside, and exits that leave `run` bare."""

from __future__ import annotations

import pytest

import conc
from conc.lowlevel import cancel_shielded_checkpoint
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import all_told, fail, messages, run


def test_cancelling_a_nursery_ends_it_quietly() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(conc.sleep_forever)
            await settle()
            nursery.cancel_scope.cancel("that was all")
            await conc.sleep_forever()
        assert nursery.cancel_scope.cancelled_caught

    run(main)


def test_a_task_accepted_by_a_cancelled_nursery_runs_to_its_first_cancel_point() -> None:
    trace: list[str] = []

    class Connection:
        async def handle(self) -> None:
            try:
                trace.append("handed over")
                await conc.checkpoint()
                trace.append("not reached")
            finally:
                trace.append("closed")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.cancel_scope.cancel()
            nursery.start_soon(Connection().handle)

    run(main)
    assert trace == ["handed over", "closed"]


def test_a_child_that_refuses_to_die_is_waited_for() -> None:
    trace: list[str] = []

    async def stubborn() -> None:
        for attempt in range(100):
            try:
                await conc.sleep(1)
            except conc.Cancelled:
                trace.append(f"refused {attempt}")
            if len(trace) == 5:
                return

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(stubborn)
            await settle()
            nursery.cancel_scope.cancel()
        trace.append("end")

    run(main)
    assert trace == [*[f"refused {attempt}" for attempt in range(5)], "end"]


def test_a_child_that_yields_on_refusing_to_die_holds_up_nobody_else() -> None:
    async def stubborn(event: Event) -> None:
        while not event.is_set():
            await cancel_shielded_checkpoint()

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as outer:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(stubborn, event)
                nursery.cancel_scope.cancel()
                outer.start_soon(release, event)

    async def release(event: Event) -> None:
        for _ in range(10):
            await conc.checkpoint()
        event.set()

    run(main)


def test_a_cancellation_from_outside_passes_through_a_nursery_bare() -> None:
    seen: list[type[BaseException]] = []

    async def main() -> None:
        with conc.CancelScope() as scope:
            try:
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(conc.sleep_forever)
                    nursery.start_soon(conc.sleep_forever)
                    await settle()
                    scope.cancel()
                    await conc.sleep_forever()
            except BaseException as error:
                seen.append(type(error))
                raise
        assert scope.cancelled_caught

    run(main)
    assert seen == [conc.Cancelled]


def test_a_cancellation_and_errors_leave_as_a_group_of_errors_alone() -> None:
    async def clumsy() -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise ValueError("in clean-up")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            with conc.CancelScope() as scope:
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(clumsy)
                    nursery.start_soon(conc.sleep_forever)
                    await settle()
                    scope.cancel()
                    await conc.sleep_forever()
        assert messages(caught.value) == ["in clean-up"]

    run(main)


def test_children_of_a_cancelled_block_get_the_outer_reason() -> None:
    texts: list[str] = []

    async def child() -> None:
        try:
            await conc.sleep_forever()
        except conc.Cancelled as error:
            texts.append(str(error))
            raise

    async def main() -> None:
        with conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(child)
                await settle()
                scope.cancel("going home")

    run(main)
    assert texts == ["cancelled (explicit): going home"]


def test_a_host_that_waits_for_its_children_is_not_woken_by_a_cancellation_before_they_end() -> None:
    trace: list[str] = []

    async def slow_to_close() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(10)
            trace.append("child closed")

    async def main() -> None:
        with conc.move_on_after(1):
            async with conc.open_nursery() as nursery:
                nursery.start_soon(slow_to_close)
        trace.append("block left")
        assert conc.current_time() == pytest.approx(11)

    run(main)
    assert trace == ["child closed", "block left"]


@pytest.mark.parametrize("error_type", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("depth", [1, 3])
def test_an_exit_leaves_run_bare_after_clean_up(error_type: type[BaseException], depth: int) -> None:
    trace: list[str] = []
    error = error_type("leaving")

    async def sibling() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(1)
            trace.append("cleaned up")

    async def nest(left: int) -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(sibling)
            if left:
                nursery.start_soon(nest, left - 1)
            else:
                nursery.start_soon(fail, error)

    with pytest.raises(error_type) as caught:
        run(nest, depth - 1)
    assert caught.value is error
    assert trace == ["cleaned up"] * depth


def test_an_exit_beside_other_errors_hides_none_of_them() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("the other error"))
            nursery.start_soon(fail, SystemExit(3))

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 3
    assert "the other error" in all_told(caught.value)
