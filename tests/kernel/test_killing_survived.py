"""What the living see when others are killed: lines forget the dead, joiners are told, nurseries end without them."""

from __future__ import annotations

from typing import Any

import pytest

import conc
from conc import channels, sync
from conc.lowlevel import Task, current_runtime, current_task, expect_wakeup, kill
from conc.threads import open_portal
from conc_testing import settle
from tests.kernel.support import run


def test_those_in_line_behind_the_dead_are_served() -> None:
    async def main() -> list[str]:
        semaphore, served = sync.Semaphore(0), []

        async def take(name: str, permits: int) -> None:
            await semaphore.acquire(permits)
            served.append(name)

        async with conc.open_nursery() as nursery:
            big = nursery.start_soon(take, "big", 5)
            await settle()
            nursery.start_soon(take, "small", 1)
            semaphore.release(2)
            await settle()
            assert served == []
            kill(big)
            await settle()
            assert served == ["small"]
        return served

    assert run(main) == ["small"]


def test_the_other_lines_of_a_select_that_was_decided_forget_the_dead() -> None:
    async def main() -> list[str]:
        semaphore, event, served = sync.Semaphore(2), sync.Event(), []

        async def take() -> None:
            await semaphore.acquire()
            served.append("small")

        async with conc.open_nursery() as nursery:
            chooser = nursery.start_soon(conc.select, semaphore.acquiring(5), event.waiting())
            await settle()
            nursery.start_soon(take)
            await settle()
            event.set()  # decides the select; before it has left the other line, it dies
            kill(chooser)
            await settle()
            assert served == ["small"]
        return served

    assert run(main) == ["small"]


def test_what_the_dead_held_is_not_given_back() -> None:
    async def main() -> None:
        semaphore = sync.Semaphore(1)

        async def hold() -> None:
            async with semaphore:
                await conc.sleep_forever()

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(hold)
            await settle()
            kill(task)
        assert semaphore.value == 0

    run(main)


def test_joiners_are_told_that_it_was_cancelled() -> None:
    async def main() -> list[str]:
        said: list[str] = []

        async def join(task: Task[None]) -> None:
            with pytest.raises(conc.TaskCancelled) as caught:
                await task.join()
            said.append(str(caught.value))

        async def select(task: Task[None]) -> None:
            with pytest.raises(conc.TaskCancelled) as caught:
                await conc.select(task.joining(), conc.after(100))
            said.append(str(caught.value))

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.sleep_forever)
            nursery.start_soon(join, task)
            nursery.start_soon(select, task)
            await settle()
            kill(task, "burnt")
        return said

    said = run(main)
    assert len(said) == 2
    assert all("burnt" in words for words in said)


def test_joiners_in_other_strands_are_told_too() -> None:
    async def join(task: Task[None]) -> str:
        with pytest.raises(conc.TaskCancelled) as caught:
            await task.join()
        return str(caught.value)

    async def main() -> str:
        async with conc.open_nursery(parallel=True) as nursery:
            task = nursery.start_soon(conc.sleep_forever)
            joiner = nursery.start_soon(join, task)
            await settle()
            kill(task, "burnt")
        return joiner.join_nowait()

    assert "burnt" in run(main)


def test_the_nursery_around_the_dead_ends_without_an_error_and_its_other_children_go_on() -> None:
    async def main() -> float:
        async with conc.open_nursery() as nursery:
            other = nursery.start_soon(conc.sleep, 7)
            task = nursery.start_soon(conc.sleep_forever)
            await settle()
            kill(task)
        assert other.outcome is not None
        assert not nursery.cancel_scope.cancel_called
        return conc.current_time()

    assert run(main) == 7


def test_deadlines_of_the_dead_never_come() -> None:
    async def main() -> list[object]:
        async def wait() -> None:
            with conc.move_on_after(1), conc.move_on_after(2):
                async with conc.open_nursery() as nursery:
                    nursery.cancel_scope.deadline = 3
                    await conc.sleep(4)

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(wait)
            just_entered = nursery.start_soon(wait)
            await settle()
            kill(task)
            kill(just_entered)
        return current_runtime().timers

    assert run(main) == []


def test_a_nursery_in_which_the_dead_were_starting_a_child_does_not_wait_for_it() -> None:
    async def serve(task_status: Any) -> None:
        await conc.sleep_forever()

    async def main() -> float:
        async with conc.open_nursery() as nursery:
            starter = nursery.start_soon(lambda: nursery.start(serve), name="starter")
            await settle()
            assert len(kill(starter)) == 2
            await conc.sleep(1)
        return conc.current_time()

    assert run(main) == 1


def test_a_child_that_is_killed_before_it_said_that_it_is_ready_fails_its_start() -> None:
    tasks: list[Task[Any]] = []

    async def serve(task_status: Any) -> None:
        tasks.append(current_task())
        await conc.sleep_forever()

    async def start() -> None:
        async with conc.open_nursery() as nursery:
            with pytest.raises(RuntimeError, match="without calling task_status"):
                await nursery.start(serve)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(start)
            await settle()
            kill(tasks[0])

    run(main)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_who_waits_for_the_dead_on_a_channel_learns_nothing_as_when_a_process_dies() -> None:
    async def main() -> None:
        sender, receiver = channels.mpsc[int](1)

        async def hold() -> None:
            with sender:
                await conc.sleep_forever()

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(hold)
            await settle()
            kill(task)
            with conc.move_on_after(5) as scope:
                await receiver.receive()
        assert scope.cancelled_caught
        sender.close()
        receiver.close()

    run(main)


async def _expect() -> None:
    with expect_wakeup():
        await conc.sleep_forever()


async def _open_portal() -> None:
    async with open_portal():
        await conc.sleep_forever()


@pytest.mark.parametrize("declares", [_expect, _open_portal])
def test_what_the_dead_have_declared_keeps_no_time_from_passing(declares: Any) -> None:
    async def main() -> float:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(declares)
            await conc.checkpoint()
            await conc.checkpoint()
            kill(task)
        await conc.sleep(1)
        return conc.current_time()

    assert run(main) == 1
