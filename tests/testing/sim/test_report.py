"""What people read of a search: short, complete, and the way back to the failure in it."""

from __future__ import annotations

import re

import pytest

import conc
from conc_testing import Budget, ExplorationFailed, explore, replay
from conc_testing.sim.standing import standing
from conc_testing.sim.table import ROWS_AT_MOST, table_of
from conc_testing.sim.trace import Step
from tests.testing.sim import planted


def test_the_text_of_a_failure_has_the_error_the_deviations_the_table_and_the_token() -> None:
    report = explore(planted.lost_update)
    failure = report.failure
    assert failure is not None
    with pytest.raises(ExplorationFailed) as caught:
        report.assert_ok()
    text = str(caught.value)

    assert text.startswith("lost_update fails: AssertionError: an update was lost")
    assert "planted.py" in text
    assert f"(found in run {failure.found_at}" in text
    assert "The calm course, except that" in text
    assert f"  [1] {failure.deviations[0]}" in text
    assert failure.table in text
    assert f"token:  {failure.token}" in text
    assert "replay: " in text
    assert len(text.splitlines()) < 40


def test_the_command_in_the_text_replays_the_failure() -> None:
    failure = explore(planted.lost_update).failure
    assert failure is not None
    match = re.search(r"replay: conc_testing\.replay\(lost_update, '(conc1:[\w-]+)'\)", str(failure))
    assert match is not None
    assert replay(planted.lost_update, match[1]).verdict == "failed"


def test_a_failure_on_the_calm_course_says_that_nothing_was_searched() -> None:
    async def fail() -> None:
        await planted.calm()
        raise ArithmeticError("always")

    failure = explore(fail).failure
    assert failure is not None
    assert "On the calm course: no search is needed to see it." in str(failure)


def test_the_text_of_a_search_that_passed_says_what_was_covered_and_how_finely() -> None:
    text = str(explore(planted.calm, budget=Budget(runs=30), seed=7))
    assert "calm: passed, 30 runs" in text
    assert "seed 7" in text
    assert "delay<=2:" in text
    assert "contested decisions, 3 tasks" in text
    assert "interleaved: operations of conc, one worker" in text


def test_the_table_has_a_column_for_each_task_and_marks_the_deviations() -> None:
    failure = explore(planted.lost_update).failure
    assert failure is not None
    head, *rows = failure.table.splitlines()
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    assert columns[:2] == ["t", "main"]
    assert {column.partition(":")[2] for column in columns[2:]} == {"add"}
    assert len({len(row) for row in [head, *rows]}) == 1
    assert sum("▶" in row for row in rows) == 1


def test_every_line_of_a_table_is_as_wide_as_the_others() -> None:
    steps = [
        Step(number, number / 3, f"main/{number % 3}:worker", "Semaphore.acquire", "pool.py:71", end=end)
        for number, end in enumerate(
            ["goes on", "waits for a very long reason, which takes more than one line", "raised"]
        )
    ]
    table = table_of(steps)
    assert len({len(line) for line in table.splitlines()}) == 1


def test_of_a_long_run_the_end_is_shown() -> None:
    steps = [
        Step(number, float(number), f"main/{number % 2}:worker", f"op{number}", "pool.py:71", end="goes on")
        for number in range(500)
    ]
    table = table_of(steps)
    assert f"op{499}" in table
    assert f"of {len(steps)} steps" in table
    assert len(table.splitlines()) <= ROWS_AT_MOST * 3


def test_a_table_of_nothing_is_a_table() -> None:
    assert "t" in table_of([])


def test_the_steps_of_a_failure_say_where_each_task_stood_and_how_it_went_on() -> None:
    failure = explore(planted.waits_for_ever).failure
    assert failure is not None
    ends = [step.end for step in failure.steps]
    assert any(end.startswith("waits for Mutex") for end in ends)
    assert any("planted.py" in step.place for step in failure.steps)
    assert [step.number for step in failure.steps] == list(range(len(failure.steps)))
    times = [step.time for step in failure.steps]
    assert times == sorted(times)


def test_who_woke_whom_is_noted() -> None:
    async def scenario() -> None:
        event = conc.sync.Event()

        async def wait() -> None:
            await event.wait()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait)
            await conc.sleep(1)
            event.set()
            await planted.pass_by()
        raise ArithmeticError("to see the steps")

    failure = explore(scenario).failure
    assert failure is not None
    woke = [step.woke for step in failure.steps if step.path == "main" and step.woke]
    assert ("main/0:wait",) in woke


def test_a_page_holds_all_that_the_text_says() -> None:
    failure = explore(planted.lost_update).failure
    assert failure is not None
    page = failure.page()
    assert "<html" in page
    assert failure.token in page
    assert "an update was lost" in page


def test_where_a_task_stands_is_the_operation_that_the_program_called() -> None:
    seen: list[tuple[str, str]] = []

    async def wait() -> None:
        await conc.sync.Semaphore(0).acquire()

    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(wait)
            await conc.sleep(1)
            found = standing(task)
            seen.append((found.operation, found.place.partition(":")[0]))
            assert isinstance(found.subject, conc.sync.Semaphore)
            nursery.cancel_scope.cancel()

    conc.run(scenario)
    assert seen == [("Semaphore.acquire", "test_report.py")]
