"""What has gone wrong where others combine tasks, and may not here. Each test says in its name what must hold."""

from __future__ import annotations

import pytest

import conc
from conc.channels import mpsc
from conc.sync import Event, Mutex, Semaphore
from conc_testing import settle
from tests.kernel.support import run
from tests.task.support import COMBINATIONS, Call
from tests.threads.support import Stranger

# ---- fairness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", COMBINATIONS)
def test_one_that_never_has_to_wait_does_not_keep_the_others_from_their_turn(combine: Call) -> None:
    async def main() -> None:
        semaphore, stop = Semaphore(1), Event()

        async def always_ready() -> str:
            while not stop.is_set():
                async with semaphore:
                    pass
            return "stopped"

        async def take_turns() -> str:
            for _ in range(10):
                await conc.checkpoint()
            stop.set()
            return "had its turns"

        for coros in ([always_ready(), take_turns()], [take_turns(), always_ready()]):
            stop = Event()
            values = await combine(*coros)
            assert "had its turns" in (values if combine is conc.join else (values,))

    run(main)


def test_a_loop_of_selects_and_joins_inside_a_deadline_ends_at_the_deadline() -> None:
    """Operations that are always ready eat the budget, and the deadline is noticed all the same."""
    rounds = 0

    async def main() -> None:
        nonlocal rounds
        semaphore = Semaphore(2)
        with conc.move_on_after(0.005) as scope:
            while True:
                await conc.select(semaphore.acquiring(), semaphore.acquiring())
                semaphore.release()
                rounds += 1
        assert scope.cancelled_caught
        assert semaphore.value == 2

    conc.run(main)
    assert rounds > 0


# ---- select: after the decision --------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["decided at once", "decided after waiting"])
def test_what_lost_a_select_holds_nothing_when_the_select_returns(moment: str) -> None:
    """No futurelock: who waits for the loser of his own select, in the code behind it, has it when it is free."""

    async def main() -> None:
        mutex, event = Mutex(), Event()
        order: list[str] = []

        async def other() -> None:
            async with mutex:
                order.append("the other")

        async def choose() -> None:
            if moment == "decided at once":
                event.set()
            index, _ = await conc.select(event.waiting(), mutex.acquiring(), biased=True)
            assert index == 0
            assert mutex.statistics().tasks_waiting == (0 if moment == "decided at once" else 1)
            async with mutex:  # its own branch does not stand in line before it
                order.append("the chooser")

        await mutex.acquire()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(choose)
            await settle()
            if moment != "decided at once":
                nursery.start_soon(other)
                await settle()
                event.set()
                await settle()
            with conc.CancelScope(shield=True):
                mutex.release()
        assert order == (["the chooser"] if moment == "decided at once" else ["the other", "the chooser"])
        mutex._check()

    run(main)


@pytest.mark.parametrize("granted", [False, True])
def test_the_code_behind_a_select_that_is_cancelled_finds_all_losers_as_they_were(granted: bool) -> None:
    """Cancelled while it waits, nothing happened; cancelled after the grant it returns, and the code behind it runs
    to its first cancel point with nothing taken from the others."""
    seen: list[object] = []

    async def main() -> None:
        sender, receiver = mpsc[int](1)
        semaphore = Semaphore(0)

        async def choose() -> None:
            seen.append(await conc.select(semaphore.acquiring(), receiver.receiving()))
            seen.append(semaphore.statistics().tasks_waiting)
            await conc.checkpoint()
            seen.append("not reached")

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(choose)
            await settle()
            if granted:
                semaphore.release()
            task.cancel()
            sender.send_nowait(7)
            if not granted:
                semaphore.release()
            await settle()
        assert receiver.receive_nowait() == 7
        assert semaphore.value == (0 if granted else 1)
        assert receiver.statistics().tasks_waiting_receive == 0
        semaphore._check()
        sender._check()
        for end in (sender, receiver):
            end.close()

    run(main)
    assert seen == ([(0, None), 0] if granted else [])


# ---- running until something ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("granted", [False, True])
def test_what_runs_beside_a_stop_signal_loses_nothing_when_it_is_stopped(granted: bool) -> None:
    """`race` of a receive and an event, cancelled from outside: as safe as the receive alone."""
    got: list[object] = []

    async def main() -> None:
        sender, receiver = mpsc[int](1)
        stop = Event()
        async with conc.open_nursery() as nursery:

            async def loop() -> None:
                got.append(await conc.race(receiver.receive(), stop.wait()))

            task = nursery.start_soon(loop)
            await settle()
            if granted:
                sender.send_nowait(1)
            task.cancel()
            await settle()
        if not granted:
            sender.send_nowait(1)
            got.append(receiver.receive_nowait())
        assert stop.statistics().tasks_waiting == 0
        sender._check()
        for end in (sender, receiver):
            end.close()

    run(main)
    assert got == [1]


# ---- what came out of a task -----------------------------------------------------------------------------------------


def test_a_value_whose_finaliser_fails_harms_nobody_when_its_task_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: unraisable.append(what.exc_type))

    class Explosive:
        def __del__(self) -> None:
            raise ValueError("in a finaliser")

    async def make() -> Explosive:
        return Explosive()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(make)  # nobody joins it
            task = nursery.start_soon(make)
            await task.join()
            await conc.join(make(), make())
            await conc.race(make(), conc.sleep_forever())
            async with conc.open_join_set() as tasks:
                tasks.start_soon(make)
        del task
        await conc.checkpoint()

    run(main)
    assert unraisable == [ValueError] * 6


# ---- the end of the program ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [False, True])
def test_what_is_started_while_all_is_cancelled_runs_to_its_first_cancel_point_and_no_further(parallel: bool) -> None:
    steps: list[str] = []

    async def late() -> None:
        steps.append("began")
        await conc.checkpoint()
        steps.append("went on")

    async def spawn_when_cancelled(nursery: conc.Nursery) -> None:
        try:
            await conc.sleep_forever()
        finally:
            nursery.start_soon(late)

    async def main() -> None:
        async with conc.open_nursery(parallel=parallel) as nursery:
            nursery.start_soon(spawn_when_cancelled, nursery)
            await settle()
            nursery.cancel_scope.cancel()

    run(main)
    assert steps == ["began"]


@pytest.mark.parametrize("moment", ["waits", "was granted", "has ended"])
def test_a_thread_may_cancel_a_task_at_any_moment_and_a_permit_is_kept_or_left(moment: str) -> None:
    seen: list[str] = []

    async def take(semaphore: Semaphore) -> None:
        async with semaphore:
            seen.append("took it")
            await conc.checkpoint()
            seen.append("went on")

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(take, semaphore)
            await settle()
            if moment != "waits":
                semaphore.release()
            if moment == "has ended":
                await task.join()
            Stranger(task.cancel).result()
            await settle()  # what crosses threads takes until the next turn
            if moment == "waits":
                semaphore.release()
        assert semaphore.value == 1

    run(main)
    assert len(seen) in {"waits": [0], "was granted": [1, 2], "has ended": [2]}[moment]
