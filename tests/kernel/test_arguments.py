"""A bad argument is refused at the call, by name, and nothing has happened."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from tests.kernel.support import run

NO_TIMES = ["1", None, [], True, 1j, object()]

SECONDS: dict[str, Callable[[Any], Any]] = {
    "move_on_after": conc.move_on_after,
    "fail_after": conc.fail_after,
    "sleep": conc.sleep,
}
DEADLINES: dict[str, Callable[[Any], Any]] = {
    "CancelScope": conc.CancelScope,
    "move_on_at": conc.move_on_at,
    "fail_at": conc.fail_at,
    "sleep_until": conc.sleep_until,
}


async def call(function: Callable[[Any], Any], argument: Any) -> None:
    result = function(argument)
    if isinstance(result, Awaitable):
        await result


@pytest.mark.parametrize("function", SECONDS.values(), ids=SECONDS)
@pytest.mark.parametrize("seconds", [-1, -1e-9, -math.inf, math.nan])
def test_a_number_that_is_no_duration_is_refused_by_name(function: Callable[[Any], Any], seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        run(call, function, seconds)


@pytest.mark.parametrize("function", SECONDS.values(), ids=SECONDS)
@pytest.mark.parametrize("seconds", NO_TIMES)
def test_what_is_no_number_is_refused_as_a_duration(function: Callable[[Any], Any], seconds: Any) -> None:
    with pytest.raises(TypeError, match="seconds"):
        run(call, function, seconds)


@pytest.mark.parametrize("function", DEADLINES.values(), ids=DEADLINES)
def test_what_is_not_a_number_is_refused_as_a_deadline(function: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="deadline"):
        run(call, function, math.nan)


@pytest.mark.parametrize("function", DEADLINES.values(), ids=DEADLINES)
@pytest.mark.parametrize("deadline", NO_TIMES)
def test_what_is_no_number_is_refused_as_a_deadline(function: Callable[[Any], Any], deadline: Any) -> None:
    with pytest.raises(TypeError, match="deadline"):
        run(call, function, deadline)


@pytest.mark.parametrize("number", [0, 1, 2.5, 10**15])
def test_whole_numbers_are_times_too(number: float) -> None:
    async def main() -> None:
        with conc.move_on_after(number), conc.fail_at(number + 1), conc.CancelScope(deadline=number + 1) as scope:
            assert scope.deadline == number + 1
        with conc.move_on_after(1):
            await conc.sleep(number)

    run(main)


@pytest.mark.parametrize(("deadline", "error"), [(math.nan, ValueError), ("soon", TypeError), (None, TypeError)])
def test_a_bad_deadline_does_not_move_the_one_there_is(deadline: Any, error: type[Exception]) -> None:
    async def main() -> None:
        with conc.move_on_at(10) as scope:
            with pytest.raises(error, match="deadline"):
                scope.deadline = deadline
            assert scope.deadline == 10
            await conc.sleep_forever()
        assert conc.current_time() == 10

    run(main)


@pytest.mark.parametrize("shield", [1, 0, None, "yes"])
def test_a_shield_is_true_or_false(shield: Any) -> None:
    scope = conc.CancelScope()
    attempts: list[Callable[[], object]] = [
        lambda: conc.CancelScope(shield=shield),
        lambda: conc.move_on_after(1, shield=shield),
        lambda: conc.fail_at(1, shield=shield),
        lambda: setattr(scope, "shield", shield),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError, match="shield"):
            attempt()
    assert scope.shield is False


@pytest.mark.parametrize("reason", [7, b"bytes", ValueError("no"), object()])
def test_a_reason_is_words_and_without_them_nothing_is_cancelled(reason: Any) -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.sleep, 1)
            for cancel in (nursery.cancel_scope.cancel, task.cancel):
                with pytest.raises(TypeError, match="reason"):
                    cancel(reason)
        assert not nursery.cancel_scope.cancel_called
        assert task.join_nowait() is None

    run(main)


@pytest.mark.parametrize("parallel", [1, 0, None, "yes"])
def test_whether_a_nursery_is_parallel_is_true_or_false(parallel: Any) -> None:
    with pytest.raises(TypeError, match="parallel"):
        conc.open_nursery(parallel=parallel)


@pytest.mark.parametrize("name", [7, b"bytes", object()])
@pytest.mark.parametrize("parallel", [False, True])
def test_a_name_is_words_and_without_them_nothing_is_started(name: Any, parallel: bool) -> None:
    begun: list[str] = []

    async def child(**_: object) -> None:
        begun.append("child")

    async def main() -> None:
        async with conc.open_nursery(parallel=parallel) as nursery:
            with pytest.raises(TypeError, match="name"):
                nursery.start_soon(child, name=name)
            if not parallel:
                with pytest.raises(TypeError, match="name"):
                    await nursery.start(child, name=name)
            assert not nursery.children

    run(main)
    assert begun == []
