"""Portals: calls from threads of others, from signal handlers and finalisers, and what becomes of them at the end."""

from __future__ import annotations

import concurrent.futures
import functools
import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar

import pytest

import conc
from conc.errors import RunFinished
from conc.lowlevel import Instrument, current_task
from conc.sync import Event
from conc.threads import Portal
from conc_testing import VirtualClock
from tests.threads.support import PATIENCE, Gate, Stranger, hasty_switching

colour: ContextVar[str] = ContextVar("colour", default="none")


async def double(value: int) -> int:
    await conc.checkpoint()
    return 2 * value


async def fail_async() -> None:
    await conc.checkpoint()
    raise LookupError("async")


def fail() -> None:
    raise LookupError("sync")


# ---- calls that are answered -----------------------------------------------------------------------------------------


def test_a_strange_thread_gets_values_through_a_portal() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            assert await Stranger(portal.run, double, 4).has_ended() == 8
            assert await Stranger(portal.run_sync, divmod, 17, 5).has_ended() == (3, 2)
            assert await Stranger(lambda: portal.start_soon(double, 5).result(PATIENCE)).has_ended() == 10

    conc.run(main)


def test_a_strange_thread_gets_errors_and_the_portal_goes_on() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            with pytest.raises(LookupError, match="async"):
                await Stranger(portal.run, fail_async).has_ended()
            with pytest.raises(LookupError, match="sync"):
                await Stranger(portal.run_sync, fail).has_ended()
            future = portal.start_soon(fail_async)
            assert isinstance(await conc.to_thread(future.exception, PATIENCE), LookupError)
            assert await Stranger(portal.run, double, 1).has_ended() == 2

    conc.run(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_calls_run_in_the_strand_that_opened_the_portal(workers: int) -> None:
    async def where() -> object:
        await conc.checkpoint()
        return threading.get_ident(), current_task().strand

    async def strand() -> None:
        here = threading.get_ident(), current_task().strand
        async with conc.open_portal() as portal:
            for _ in range(20):
                assert await Stranger(portal.run, where).has_ended() == here
                assert await Stranger(portal.run_sync, threading.get_ident).has_ended() == here[0]

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(strand)

    conc.run(main, workers=workers)


def test_calls_see_the_context_variables_of_the_caller() -> None:
    async def get() -> str:
        await conc.checkpoint()
        return colour.get()

    def call(portal: Portal) -> list[str]:
        colour.set("blue")
        soon: list[str] = []
        portal.call_soon(lambda: soon.append(colour.get()))
        return [portal.run(get), portal.run_sync(colour.get), *soon]

    async def main() -> None:
        colour.set("red")
        async with conc.open_portal() as portal:
            assert await Stranger(call, portal).has_ended() == ["blue"] * 3
            assert colour.get() == "red"

    conc.run(main)


def test_a_task_started_through_a_portal_has_the_name_it_was_given() -> None:
    async def name() -> str:
        return current_task().name

    async def main() -> None:
        async with conc.open_portal() as portal:
            futures = [portal.start_soon(name), portal.start_soon(name, name="given")]
            own, given = [await conc.to_thread(future.result, PATIENCE) for future in futures]
            assert (own.rpartition(".")[2], given) == ("name", "given")

    conc.run(main)


def test_plain_calls_may_do_what_a_strand_does_between_two_steps() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_portal() as portal, conc.open_nursery() as nursery:
            task = await Stranger(portal.run_sync, nursery.start_soon, double, 4).has_ended()
            assert await task.join() == 8
            Stranger(portal.call_soon, event.set)
            await event.wait()
            Stranger(portal.call_soon, nursery.cancel_scope.cancel)
            await conc.sleep(PATIENCE)

    conc.run(main)


def test_a_thread_of_the_pool_may_use_a_portal() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            assert await conc.to_thread(portal.run, double, 4) == 8

    conc.run(main)


def test_calls_of_one_thread_are_made_in_order() -> None:
    made: list[int] = []

    async def main() -> None:
        async with conc.open_portal() as portal:

            def call() -> None:
                for number in range(1000):
                    portal.call_soon(made.append, number)

            await Stranger(call).has_ended()

    conc.run(main)
    assert made == list(range(1000))


# ---- calls that nobody waits for -------------------------------------------------------------------------------------


def test_the_error_of_a_call_that_nobody_waits_for_ends_the_block() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            Stranger(portal.call_soon, fail)
            await conc.sleep(PATIENCE)

    with pytest.raises(ExceptionGroup) as caught:
        conc.run(main)
    assert [str(error) for error in caught.value.exceptions] == ["sync"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_raised_in_a_call_ends_the_run_and_reaches_the_caller(kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind("enough")

    async def leave_async() -> None:
        raise kind("enough")

    async def main(call: Callable[[Portal], object]) -> None:
        async with conc.open_portal() as portal:
            strangers.append(Stranger(call, portal))
            await conc.sleep(PATIENCE)

    calls: list[Callable[[Portal], object]] = [
        lambda portal: portal.run(leave_async),
        lambda portal: portal.run_sync(leave),
    ]
    for call in calls:
        strangers: list[Stranger] = []
        with pytest.raises(kind, match="enough"):
            conc.run(main, call)
        with pytest.raises(kind, match="enough"):
            strangers[0].result()
    with pytest.raises(kind, match="enough"):
        conc.run(main, lambda portal: portal.call_soon(leave))


def test_a_flood_of_calls_keeps_nobody_out() -> None:
    steps: list[int] = []

    async def main() -> None:
        async with conc.open_portal() as portal:
            flooding = True

            def again() -> None:
                if flooding:
                    portal.call_soon(again)

            def flood() -> None:
                while flooding:
                    portal.call_soon(int)

            portal.call_soon(again)
            stranger = Stranger(flood)
            for step in range(200):
                await conc.checkpoint()
                steps.append(step)
            await conc.sleep(0.001)
            flooding = False
            await stranger.has_ended()

    conc.run(main)
    assert len(steps) == 200


def test_many_calls_that_wait_are_made_a_few_at_a_time() -> None:
    made: list[int] = []

    async def main() -> None:
        async with conc.open_portal() as portal:
            for number in range(10_000):
                portal.call_soon(made.append, number)
            before = most = 0
            while len(made) < 10_000:
                await conc.checkpoint()
                most = max(most, len(made) - before)
                before = len(made)
            assert most < 1000

    conc.run(main)


def test_a_signal_handler_may_call_soon() -> None:
    handled: list[int] = []

    async def main() -> None:
        async with conc.open_portal() as portal:
            event = Event()

            def handle(number: int, _: object) -> None:
                portal.call_soon(handled.append, number)
                portal.call_soon(event.set)

            before = signal.signal(signal.SIGUSR1, handle)
            try:
                for count in range(20):
                    event = Event()
                    os.kill(os.getpid(), signal.SIGUSR1)
                    with conc.fail_after(PATIENCE):
                        await event.wait()
                    assert len(handled) == count + 1
            finally:
                signal.signal(signal.SIGUSR1, before)

    conc.run(main)


def test_a_signal_handler_that_strikes_inside_of_a_call_loses_none() -> None:
    """call_soon interrupted by a handler that calls call_soon: nothing there may wait for a lock of its own."""
    made: list[int] = []
    handled: list[int] = []

    async def main() -> None:
        async with conc.open_portal() as portal:

            def handle(*_: object) -> None:
                handled.append(0)
                portal.call_soon(made.append, -1)

            before = signal.signal(signal.SIGALRM, handle)
            signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
            try:
                for number in range(3000):
                    portal.call_soon(made.append, number)
                    if not number % 50:
                        await conc.checkpoint()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)

    conc.run(main)
    assert [number for number in made if number >= 0] == list(range(3000))
    assert made.count(-1) == len(handled) > 0


def test_a_finaliser_may_call_soon() -> None:
    class Dropped:
        """Its death is told to the strand."""

    async def main() -> None:
        async with conc.open_portal() as portal:
            for drop in (lambda call: call(), Stranger):  # here, and in another thread
                event = Event()
                drop(lambda event=event: weakref.finalize(Dropped(), portal.call_soon, event.set))
                with conc.fail_after(PATIENCE):
                    await event.wait()

    conc.run(main)


# ---- futures ---------------------------------------------------------------------------------------------------------


def test_cancelling_the_future_cancels_the_task() -> None:
    gone: list[str] = []
    began = threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await conc.sleep_forever()
        except conc.Cancelled as error:
            gone.append(str(error))
            raise

    def call(portal: Portal) -> None:
        future = portal.start_soon(wait)
        assert began.wait(PATIENCE)
        assert future.cancel()
        assert future.cancelled()
        assert concurrent.futures.wait([future], PATIENCE).done == {future}

    async def main() -> None:
        async with conc.open_portal() as portal:
            await Stranger(call, portal).has_ended()

    conc.run(main)
    assert gone == ["cancelled (task): the future of the portal's call was cancelled"]


def test_a_future_cancelled_before_the_task_began_keeps_it_from_beginning() -> None:
    began: list[int] = []

    async def begin() -> None:
        began.append(1)

    async def main() -> None:
        async with conc.open_portal() as portal:
            future = portal.start_soon(begin)
            assert future.cancel()
            waited = conc.to_thread(concurrent.futures.wait, [future], PATIENCE)
            assert (await waited).done == {future}

    conc.run(main)
    assert began == []


def test_a_future_cancelled_as_the_task_is_made_cancels_it() -> None:
    class Canceller(Instrument):
        def task_spawned(self, task: conc.Task[object]) -> None:
            if futures:
                futures.pop().cancel()

    async def main() -> None:
        async with conc.open_portal() as portal:
            future = portal.start_soon(conc.sleep, PATIENCE)
            futures.append(future)
        assert future.cancelled()

    futures: list[concurrent.futures.Future[None]] = []
    began = time.monotonic()
    conc.run(main, instruments=[Canceller()])
    assert time.monotonic() - began < PATIENCE


def test_a_future_of_a_task_that_was_cancelled_otherwise_says_so() -> None:
    async def main() -> None:
        futures = []
        with conc.CancelScope() as scope:
            async with conc.open_portal() as portal:
                futures.append(portal.start_soon(conc.sleep_forever))
                await conc.sleep(0.001)
                scope.cancel("enough")
        with pytest.raises(conc.TaskCancelled, match=r"sleep_forever.* was cancelled .*: enough"):
            futures[0].result(0)

    conc.run(main)


def test_a_task_that_does_not_let_itself_be_cancelled_leaves_the_future_cancelled() -> None:
    async def stubborn() -> int:
        try:
            await conc.sleep_forever()
        except conc.Cancelled:
            return 1

    async def main() -> None:
        async with conc.open_portal() as portal:
            future = portal.start_soon(stubborn)
            await conc.sleep(0.001)
            future.cancel()
        assert future.cancelled()

    conc.run(main)


def test_a_future_is_answered_once_when_it_is_cancelled_as_its_task_ends() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            for number in range(300):
                future = portal.start_soon(double, number)
                canceller = Stranger(future.cancel)
                cancelled = await canceller.has_ended()
                assert (await conc.to_thread(concurrent.futures.wait, [future], PATIENCE)).done == {future}
                assert future.cancelled() is cancelled
                assert cancelled or future.result(0) == 2 * number

    with hasty_switching():
        conc.run(main)


def test_a_thread_interrupted_while_it_waits_cancels_its_call() -> None:
    """Ctrl-C in a main thread that has its program in another one."""
    began = threading.Event()
    ended: list[str] = []
    portals: list[Portal] = []

    async def wait() -> None:
        began.set()
        try:
            await conc.sleep_forever()
        finally:
            ended.append("cancelled")

    async def main() -> None:
        async with conc.open_portal() as portal:
            portals.append(portal)
            while not ended:
                await conc.sleep(0.001)

    def interrupt() -> None:
        assert began.wait(PATIENCE)
        time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    program = Stranger(conc.run, main)
    while not portals:
        time.sleep(0.001)
    interrupter = Stranger(interrupt)
    with pytest.raises(KeyboardInterrupt):
        portals[0].run(wait)
    program.result()
    interrupter.result()
    assert ended == ["cancelled"]


# ---- the end of the block --------------------------------------------------------------------------------------------


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
def test_calls_of_threads_that_looked_just_before_the_portal_closed_are_refused(has_children: bool) -> None:
    made: list[int] = []

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:

            async def hold_portal() -> None:
                async with conc.open_portal() as portal:
                    portals.append(portal)
                    if has_children:
                        portal.start_soon(event.wait)

            nursery.start_soon(hold_portal)
            await conc.sleep(0.002)
            [portal] = portals
            portal._closing = False  # what such a thread has seen
            portal.call_soon(made.append, 1)
            future = portal.start_soon(double, 1)
            with pytest.raises(RunFinished):
                await Stranger(portal.run_sync, made.append, 2).has_ended()
            assert isinstance(await conc.to_thread(future.exception, PATIENCE), RunFinished)
            event.set()

    portals: list[Portal] = []
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
        with pytest.raises(TypeError, match="coroutine object was given"):
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
            assert gone[0]() is None

    gc.disable()
    try:
        conc.run(main)
    finally:
        gc.enable()
