"""Portals: calls from threads of others, from signal handlers and finalisers."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar

import pytest

import conc
from conc.lowlevel import current_task
from conc.sync import Event
from conc.threads import Portal
from tests.threads.support import PATIENCE, Stranger

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
