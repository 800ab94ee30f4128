"""Select: exactly one operation happens, the others have not happened at all and keep nothing."""

from __future__ import annotations

import pytest

import conc
from conc.errors import ClosedResource, WouldBlock
from conc.lowlevel import Operation, current_runtime, task_tree
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock, settle
from tests.kernel.support import run


def test_what_is_ready_happens_and_nothing_else() -> None:
    async def main() -> None:
        empty, full, other = Semaphore(0), Semaphore(1), Semaphore(0)
        assert await conc.select(empty.acquiring(), full.acquiring(), other.acquiring()) == (1, None)
        assert (empty.value, full.value, other.value) == (0, 0, 0)
        assert [s.statistics().tasks_waiting for s in (empty, full, other)] == [0, 0, 0]

    run(main)


def test_of_two_that_are_ready_only_one_happens() -> None:
    async def main() -> None:
        one, other = Semaphore(1), Semaphore(1)
        for left in (1, 0):
            index, _ = await conc.select(one.acquiring(), other.acquiring())
            assert one.value + other.value == left
            assert (one, other)[index].value == 0

    run(main)


def test_a_ready_select_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            await conc.select(Semaphore(1).acquiring(), Event().waiting())
            trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_a_select_waits_until_the_first_operation_can_happen() -> None:
    async def main() -> None:
        semaphores = [Semaphore(0) for _ in range(4)]

        async def release(semaphore: Semaphore) -> None:
            await conc.sleep(3)
            semaphore.release()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(release, semaphores[2])
            assert await conc.select(*(semaphore.acquiring() for semaphore in semaphores)) == (2, None)
            assert conc.current_time() == 3
        for semaphore in semaphores:
            assert (semaphore.value, semaphore.statistics().tasks_waiting) == (0, 0)
            semaphore._check()

    run(main)


def test_an_event_may_be_what_ends_the_wait() -> None:
    async def main() -> None:
        semaphore, stopped = Semaphore(0), Event()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.select, semaphore.acquiring(), stopped.waiting())
            await settle()
            stopped.set()
            assert await task.join() == (1, None)
        semaphore._check()
        stopped._check()

    run(main)


@pytest.mark.parametrize("grants", ["ab", "ba"])
def test_of_two_grants_before_the_task_runs_the_first_decides_and_the_second_stays(grants: str) -> None:
    async def main() -> None:
        semaphores = {"a": Semaphore(0), "b": Semaphore(0)}
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.select, semaphores["a"].acquiring(), semaphores["b"].acquiring())
            await settle()
            for name in grants:
                semaphores[name].release()
            assert await task.join() == ("ab".index(grants[0]), None)
        assert semaphores[grants[0]].value == 0
        assert semaphores[grants[1]].value == 1

    run(main)


def test_a_permit_that_a_select_does_not_take_goes_to_the_next_in_line() -> None:
    async def main() -> None:
        one, other = Semaphore(0), Semaphore(0)
        async with conc.open_nursery() as nursery:
            select = nursery.start_soon(conc.select, one.acquiring(), other.acquiring())
            await settle()
            behind = nursery.start_soon(other.acquire)
            await settle()
            one.release()
            other.release()
            assert other.value == 0  # handed to the one behind at once, though the select has not run
            await behind.join()
            assert await select.join() == (0, None)

    run(main)


def test_none_is_a_branch_that_is_switched_off_and_the_others_keep_their_numbers() -> None:
    async def main() -> None:
        assert await conc.select(None, Semaphore(1).acquiring(), None) == (1, None)
        assert await conc.select(None, Semaphore(0).acquiring(), None, conc.after(1)) == (3, None)

    run(main)


@pytest.mark.parametrize("operations", [(), (None,), (None, None)])
def test_a_select_that_would_wait_for_ever_is_refused(operations: tuple[None, ...]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="no branch"):
            await conc.select(*operations)

    run(main)


def test_a_coroutine_is_refused_by_the_name_of_its_twin_and_closed() -> None:
    async def main() -> None:
        semaphore = Semaphore(1)
        for coroutine, twin in [
            (semaphore.acquire(), r"Semaphore\.acquiring\(\.\.\.\)"),
            (Event().wait(), r"Event\.waiting\(\.\.\.\)"),
            (conc.sleep(1), r"write after\(\.\.\.\)"),
            (conc.sleep_until(1), r"write at\(\.\.\.\)"),
            (run_nothing(), r"ends in -ing.*conc\.race"),
            (conc.join(conc.sleep(1), conc.sleep(2)), r"coroutines"),
        ]:
            with pytest.raises(TypeError, match=twin):
                await conc.select(semaphore.acquiring(), coroutine)  # type: ignore[arg-type]
        assert semaphore.value == 1

    run(main)


async def run_nothing() -> None:
    """Has no twin."""


@pytest.mark.parametrize("wrong", [7, "x", Semaphore(1), Semaphore(1).acquire])
def test_what_is_no_operation_is_refused(wrong: object) -> None:
    async def main() -> None:
        semaphore = Semaphore(1)
        with pytest.raises(TypeError, match="takes operations"):
            await conc.select(semaphore.acquiring(), wrong)  # type: ignore[arg-type]
        assert semaphore.value == 1

    run(main)


def test_an_operation_that_is_awaited_alone_says_what_to_write() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"Semaphore\.acquire.*select.*without -ing"):
            await Semaphore(1).acquiring()

    run(main)


def test_with_bias_the_first_that_is_ready_is_taken() -> None:
    async def main() -> None:
        for _ in range(50):
            ready = [Semaphore(0), Semaphore(1), Semaphore(1)]
            assert await conc.select(*(semaphore.acquiring() for semaphore in ready), biased=True) == (1, None)

    run(main)


@pytest.mark.parametrize("branches", [2, 3, 5])
def test_without_bias_each_that_is_ready_gets_its_share(branches: int) -> None:
    async def main() -> None:
        event = Event()
        event.set()
        taken = [0] * branches
        for _ in range(branches * 100):
            index, _ = await conc.select(*(event.waiting() for _ in range(branches)))
            taken[index] += 1
        assert min(taken) > 50, taken

    conc.run(main, seed=1)


def test_the_choice_among_ready_ones_follows_the_seed() -> None:
    async def main() -> list[int]:
        event = Event()
        event.set()
        return [(await conc.select(*[event.waiting()] * 3))[0] for _ in range(50)]

    first, again, other = (conc.run(main, seed=seed) for seed in (7, 7, 8))
    assert first == again != other


def test_an_error_of_an_operation_knows_its_branch() -> None:
    async def main() -> None:
        closed = Semaphore(1)
        closed.close()
        with pytest.raises(ClosedResource) as caught:
            await conc.select(Semaphore(0).acquiring(), None, closed.acquiring())
        assert caught.value.branch == 2

    run(main)


def test_an_error_that_ends_the_wait_knows_its_branch() -> None:
    async def main() -> None:
        closing, other = Semaphore(0), Semaphore(0)

        async def wait() -> None:
            with pytest.raises(ClosedResource) as caught:
                await conc.select(other.acquiring(), closing.acquiring())
            assert caught.value.branch == 1

        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait)
            await settle()
            closing.close()
        assert other.statistics().tasks_waiting == 0

    run(main)


def test_a_bad_argument_is_refused_where_the_operation_is_made() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        Semaphore(1).acquiring(0)
    with pytest.raises(ValueError, match="max_value"):
        Semaphore(1, max_value=1).acquiring(2)


def test_two_branches_on_one_primitive_take_once() -> None:
    async def main() -> None:
        semaphore = Semaphore(2)
        index, _ = await conc.select(semaphore.acquiring(), semaphore.acquiring())
        assert index in (0, 1)
        assert semaphore.value == 1

    run(main)


@pytest.mark.parametrize("seed", range(5))  # whatever order the branches are tried in
def test_two_branches_that_wait_in_one_line_take_once_and_the_next_is_served(seed: int) -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            select = nursery.start_soon(conc.select, semaphore.acquiring(3), semaphore.acquiring())
            await settle()
            behind = nursery.start_soon(semaphore.acquire)
            await settle()
            semaphore.release()
            await settle()
            assert select.outcome is None  # its first branch wants three, and nobody overtakes that
            semaphore.release(3)
            assert await select.join() == (0, None)
            await behind.join()
        assert semaphore.value == 0
        semaphore._check()

    conc.run(main, clock=VirtualClock(), seed=seed)


def test_the_same_operation_may_be_used_by_many_selects_at_a_time() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        take, soon = semaphore.acquiring(), conc.after(1)
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(conc.select, take, soon, soon, take) for _ in range(3)]
            await conc.sleep(0.5)
            tasks.append(nursery.start_soon(conc.select, take, soon))
            await settle()
            semaphore.release(2)
        ends = [index for index, _ in (task.join_nowait() for task in tasks)]
        assert [index in (0, 3) for index in ends] == [True, True, False, False]
        assert conc.current_time() == 1.5
        semaphore._check()

    run(main)


def test_a_large_request_that_leaves_lets_those_behind_it_be_served() -> None:
    async def main() -> None:
        semaphore, event = Semaphore(2), Event()
        async with conc.open_nursery() as nursery:
            select = nursery.start_soon(conc.select, semaphore.acquiring(5), event.waiting())
            await settle()
            behind = [nursery.start_soon(semaphore.acquire) for _ in range(2)]
            await settle()
            assert [task.outcome for task in behind] == [None, None]
            event.set()
            assert await select.join() == (1, None)
            for task in behind:
                await task.join()
        assert semaphore.value == 0

    run(main)


def test_those_behind_are_served_also_if_somebody_looked_in_before_the_select_ran() -> None:
    async def main() -> None:
        semaphore, event = Semaphore(2), Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.select, semaphore.acquiring(5), event.waiting())
            await settle()
            behind = nursery.start_soon(semaphore.acquire)
            await settle()
            event.set()  # decides the select, which still stands in the line of the semaphore
            with pytest.raises(WouldBlock):
                semaphore.acquire_nowait()
            await behind.join()
        assert semaphore.value == 1
        semaphore._check()

    run(main)


def test_an_endless_loop_of_ready_selects_keeps_nobody_out() -> None:
    async def main() -> None:
        event = Event()
        event.set()

        async def loop() -> None:
            while True:
                await conc.select(event.waiting(), Semaphore(1).acquiring())

        async with conc.open_nursery() as nursery:
            nursery.start_soon(loop)
            for _ in range(10):
                await conc.checkpoint()
            nursery.cancel_scope.cancel()

    run(main)


def test_a_task_that_waits_in_a_select_says_for_what() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(
                conc.select, Semaphore(0).acquiring(), Event().waiting(), conc.after(5), conc.at(7)
            )
            await settle()
            tree = str(task_tree(current_runtime()))
            assert "waits for select of " in repr(task)
            for reason in ("Semaphore.acquire", "Event.wait", "after(5.0)", "at(7.0)"):
                assert reason in repr(task)
                assert reason in tree
            nursery.cancel_scope.cancel()

    run(main)


def test_a_select_that_nobody_can_end_is_a_deadlock() -> None:
    async def main() -> None:
        await conc.select(Event().waiting(), Semaphore(0).acquiring())

    with pytest.raises(conc.Deadlock, match="select of"):
        run(main)


def test_an_operation_says_what_it_is() -> None:
    assert repr(Semaphore(1).acquiring()) == "<operation Semaphore.acquire>"
    assert isinstance(conc.after(1), Operation)
