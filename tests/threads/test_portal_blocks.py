"""The block of a portal: what its end waits for and what it refuses; and misuse, which is told."""

from __future__ import annotations

import functools
import gc
import os
import threading
import weakref
from collections.abc import Callable

import pytest

import conc
from conc.errors import RunFinished
from conc.sync import Event
from conc.threads import Portal
from conc_testing import VirtualClock
from tests.threads.support import PATIENCE, Gate, Stranger, goes, no_collector


async def double(value: int) -> int:
    await conc.checkpoint()
    return 2 * value


def test_the_end_of_the_block_waits_for_calls_that_run() -> None:
    gate = Gate()

    async def work() -> str:
        await conc.to_thread(gate)
        return "done"

    async def main() -> None:
        async with conc.open_portal() as portal:
            caller = Stranger(portal.run, work)
            await gate.arrives()
            threading.Timer(0.01, gate.open).start()
        assert gate.passed
        assert await caller.has_ended() == "done"

    conc.run(main)


def test_calls_made_before_the_end_of_the_block_are_carried_out() -> None:
    made: list[int] = []

    async def main() -> None:
        async with conc.open_portal() as portal:
            for number in range(500):
                portal.call_soon(made.append, number)
            future = portal.start_soon(double, 4)
        assert len(made) == 500
        assert future.result(0) == 8

    conc.run(main)


def test_a_portal_that_was_left_refuses_all_calls() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            pass
        calls: list[Callable[[], object]] = [
            functools.partial(portal.run, double, 1),
            functools.partial(portal.run_sync, int),
            functools.partial(portal.start_soon, double, 1),
            functools.partial(portal.call_soon, int),
        ]
        for call in calls:
            with pytest.raises(RunFinished, match="closed"):
                await Stranger(call).has_ended()

    conc.run(main)


def test_calls_that_arrive_while_the_block_waits_for_others_are_refused() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:

            async def hold_portal() -> None:
                async with conc.open_portal() as portal:
                    portals.append(portal)
                    portal.start_soon(event.wait)

            holder = nursery.start_soon(hold_portal)
            await conc.sleep(0.002)
            with pytest.raises(RunFinished):
                await Stranger(portals[0].run, double, 1).has_ended()
            assert holder.outcome is None
            event.set()

    portals: list[Portal] = []
    conc.run(main)


@pytest.mark.parametrize("has_children", [False, True])
def test_calls_of_threads_that_looked_just_before_the_portal_closed_are_refused(
    has_children: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()

    def post_late(portal: Portal, message: Callable[[], None]) -> None:
        gate()  # the portal was open; now it closes
        portal._nursery.strand.post(message)

    async def hold_portal(event: Event) -> None:
        async with conc.open_portal() as portal:
            if has_children:
                portal.start_soon(event.wait)
            monkeypatch.setattr(Portal, "_post", post_late)
            callers.append(Stranger(portal.call_soon, made.append, 1))
            callers.append(Stranger(portal.run_sync, made.append, 2))
            callers.append(Stranger(lambda: portal.start_soon(double, 3).result(PATIENCE)))
            await gate.arrives(3)

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(hold_portal, event)
            while len(callers) < 3:
                await conc.checkpoint()
            await conc.sleep(0.005)
            gate.open()
            for caller in callers:
                with pytest.raises(RunFinished):
                    await caller.has_ended()
            event.set()

    made: list[int] = []
    callers: list[Stranger] = []
    conc.run(main)
    assert made == []


def test_leaving_the_block_with_an_error_cancels_the_calls() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            callers.append(Stranger(portal.run, conc.sleep_forever))
            await conc.sleep(0.005)
            raise LookupError

    callers: list[Stranger] = []
    with pytest.raises(ExceptionGroup) as caught:
        conc.run(main)
    assert [type(error) for error in caught.value.exceptions] == [LookupError]
    with pytest.raises(conc.TaskCancelled):
        callers[0].result()


def test_an_open_portal_is_no_deadlock_and_a_closed_one_is() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_portal() as portal:
            threading.Timer(0.05, portal.call_soon, [event.set]).start()
            await event.wait()
        await Event().wait()

    with pytest.raises(conc.Deadlock):
        conc.run(main, clock=VirtualClock())


# ---- misuse ----------------------------------------------------------------------------------------------------------


def test_a_worker_does_not_wait_for_itself() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            with pytest.raises(RuntimeError, match=r"portal\.run waits, and would hold up the worker.*start_soon"):
                portal.run(double, 1)
            with pytest.raises(RuntimeError, match=r"portal\.run_sync waits, .*call_soon"):
                portal.run_sync(int)

    conc.run(main)


def test_a_portal_block_is_used_once_and_with_async_with() -> None:
    async def main() -> None:
        block = conc.open_portal()
        async with block:
            pass
        with pytest.raises(RuntimeError, match="opened before"):
            async with block:
                pass
        with pytest.raises(RuntimeError, match="async with"):
            with conc.open_portal():
                pass

    conc.run(main)


def test_what_is_no_function_of_the_right_kind_is_refused() -> None:
    def call(portal: Portal) -> None:
        with pytest.raises(TypeError, match="an async function is due, got 7"):
            portal.run(7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="is not an async function"):
            portal.run(int)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"write portal\.run\(double, arguments"):
            portal.run(double(1))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"write portal\.start_soon\(double, arguments"):
            portal.start_soon(double(1))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="fn must be a function, not 7"):
            portal.run_sync(7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="fn must be a function, not <coroutine"):
            portal.call_soon(double(1))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="double is async"):
            portal.run_sync(double, 1)  # type: ignore[unused-coroutine]

    async def main() -> None:
        async with conc.open_portal() as portal:
            await Stranger(call, portal).has_ended()

    conc.run(main)
    gc.collect()  # a coroutine left open would warn now


def test_an_async_function_given_to_call_soon_is_an_error_of_the_block() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            portal.call_soon(double, 1)

    with pytest.raises(ExceptionGroup) as caught:
        conc.run(main)
    assert caught.group_contains(TypeError, match="double is async")


def test_a_portal_inherited_over_a_fork_is_refused() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            pid = os.fork()
            if not pid:
                try:
                    portal.call_soon(int)
                except RuntimeError as error:
                    os._exit(7 if "fork" in str(error) else 8)
                os._exit(9)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    codes: list[int] = []
    conc.run(main)
    assert codes == [7]


def test_futures_and_errors_make_no_circles_of_references() -> None:
    class Trouble(Exception):
        pass

    gone: list[weakref.ref[Trouble]] = []

    async def trouble() -> None:
        error = Trouble()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async def main() -> None:
        async with conc.open_portal() as portal:

            def call() -> None:
                for _ in range(2):
                    try:
                        portal.run(trouble)
                    except Trouble:
                        pass

            await Stranger(call).has_ended()
            for reference in gone:
                await goes(reference)

    with no_collector():
        conc.run(main)
    assert len(gone) == 2
