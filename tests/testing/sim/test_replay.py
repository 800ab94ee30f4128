"""replay: the same run again, exactly; or an error that says why there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc_testing import Deviation, DivergedRun, Failure, TokenMismatch, explore, replay
from conc_testing.sim.tape import CANCEL, RUN, TIME, Tape
from tests.testing.sim import planted
from tests.testing.sim.test_search import PLANTED

Scenario = Callable[[], Awaitable[object]]


def failure_of(scenario: Scenario, **options: Any) -> Failure:
    failure = explore(scenario, **options).failure
    assert failure is not None
    return failure


@pytest.mark.parametrize(("scenario", "options", "site"), PLANTED.values(), ids=PLANTED)
def test_a_token_brings_back_the_same_error_by_the_same_steps(
    scenario: Scenario, options: dict[str, Any], site: str
) -> None:
    found = failure_of(scenario, **options)
    for _ in range(2):
        report = replay(scenario, found.token)
        assert report.verdict == "failed"
        assert report.runs == 1
        again = report.failure
        assert again is not None
        assert type(again.error) is type(found.error)
        assert again.steps == found.steps
        assert again.table == found.table
        assert again.token == found.token


def test_once_the_bug_is_mended_the_same_run_passes() -> None:
    broken = True

    async def scenario() -> None:
        order: list[str] = []

        async def note(name: str) -> None:
            await planted.pass_by()
            order.append(name)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(note, "a")
            nursery.start_soon(note, "b")
        assert order == ["a", "b"] or not broken

    token = failure_of(scenario).token
    broken = False
    report = replay(scenario, token)
    assert report.ok
    assert report.failure is None


def test_where_the_program_has_changed_so_that_the_run_cannot_come_there_it_is_said() -> None:
    token = failure_of(planted.lost_update).token
    with pytest.raises(DivergedRun, match="did not come to where its token leads: main/1:add") as caught:
        replay(planted.alone, token)
    assert "the program has changed" in str(caught.value)


@pytest.mark.parametrize(
    "deviation",
    [
        Deviation(RUN, "main/0:passer", 0, "main/7:nobody"),
        Deviation(RUN, "main/0:passer", 99, "main/1:passer"),
        Deviation(CANCEL, "main/0:passer", 99, 1),
        Deviation(CANCEL, "main/9:nobody", 0, 2),
        Deviation(TIME, "main", 0, 1),
        Deviation("net.latency", "main", 0, 1),
    ],
    ids=str,
)
def test_a_deviation_that_does_not_come_up_is_not_passed_over(deviation: Deviation) -> None:
    token = Tape((deviation,), "calm").token
    with pytest.raises(DivergedRun, match="did not come to where its token leads"):
        replay(planted.calm, token)


def test_what_was_added_without_a_decision_of_its_own_does_not_matter() -> None:
    talkative = False

    async def scenario() -> None:
        box = [0]

        async def add() -> None:
            value = box[0]
            if talkative:
                await conc.lowlevel.checkpoint_if_cancelled()
            await planted.pass_by()
            box[0] = value + 1

        async with conc.open_nursery() as nursery:
            nursery.start_soon(add)
            nursery.start_soon(add)
        assert box == [2]

    token = failure_of(scenario).token
    talkative = True
    assert replay(scenario, token).verdict == "failed"


def test_a_token_of_another_version_is_refused_before_anything_runs() -> None:
    ran: list[str] = []

    async def scenario() -> None:
        ran.append("ran")

    with pytest.raises(TokenMismatch, match="is of version 2"):
        replay(scenario, "conc2:" + Tape().token.partition(":")[2])
    assert ran == []


def test_the_circumstances_are_those_of_the_token() -> None:
    found = failure_of(planted.deadline_while_working, time="racing", seed=12)
    tape = Tape.from_token(found.token)
    assert (tape.time, tape.seed, tape.faults) == ("racing", 12, False)
    assert tape.scenario == "deadline_while_working"
    assert replay(planted.deadline_while_working, found.token).seed == 12
