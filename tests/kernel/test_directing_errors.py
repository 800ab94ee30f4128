"""What a director raises ends the run, cleanly; what it says that makes no sense is an error that says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import conc
from conc.lowlevel import Director, Task, call_at
from conc_testing import VirtualClock
from tests.kernel.directed import Recorder, direct, run_by_steps, run_whole
from tests.kernel.support import nothing

WAYS = pytest.mark.parametrize("way", [run_whole, run_by_steps])


class Failing(Director):
    """Raises at the third question of one kind."""

    def __init__(self, method: str) -> None:
        self.racing = method == "lets_time_pass"
        self.shelving = method == "shelve"
        self._left = 2 if method != "order" else 0
        self._method = method

    def _asked(self, method: str) -> Any:
        if method == self._method:
            self._left -= 1
            if self._left < 0:
                self._method = ""
                raise ArithmeticError(f"in {method}")
        return 0

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        return int(self._asked("pick"))

    def order(self, due: Sequence[Any]) -> int:
        return int(self._asked("order"))

    def lets_time_pass(self, deadlines: Sequence[float]) -> bool:
        return bool(self._asked("lets_time_pass"))

    def shelve(self, task: Task[Any]) -> bool:
        return bool(self._asked("shelve"))


@WAYS
@pytest.mark.parametrize("method", ["pick", "order", "lets_time_pass", "shelve"])
def test_an_error_of_a_director_ends_the_run_and_clean_up_has_run(method: str, way: Callable[..., None]) -> None:
    cleaned: list[str] = []

    async def sleep(name: str) -> None:
        try:
            await conc.sleep(1)
        finally:
            cleaned.append(name)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(sleep, "a")
            nursery.start_soon(sleep, "b")
            await sleep("main")

    threads = threading.active_count()
    runtime = conc.Runtime(clock=VirtualClock(), policy=Failing(method))
    with pytest.raises(ArithmeticError, match=f"in {method}"):
        way(runtime, main)

    assert "main" in cleaned
    assert runtime.idle
    assert threading.active_count() == threads
    way(runtime, nothing)  # it can be used again


@pytest.mark.parametrize("index", [-1, 1, 7])
def test_an_index_out_of_range_is_an_error_that_says_so(index: int) -> None:
    with pytest.raises(ValueError, match=f"picked {index} of 1 ready tasks"):
        direct(nothing, Recorder(index))


@pytest.mark.parametrize("index", [-1, 2, 7])
def test_a_timer_out_of_range_is_an_error_that_says_so(index: int) -> None:
    class Wrong(Director):
        def order(self, due: Sequence[Any]) -> int:
            return index

    async def main() -> None:
        call_at(1, lambda: None)
        await conc.sleep(1)

    with pytest.raises(ValueError, match=f"ordered timer {index} of 2"):
        direct(main, Wrong())


def test_an_index_error_of_the_director_is_not_taken_for_an_empty_queue() -> None:
    class Wrong(Director):
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            raise IndexError("pop from empty list")

    with pytest.raises(RuntimeError, match="pop from empty list"):
        direct(nothing, Wrong())


def test_a_director_is_refused_beside_a_second_worker() -> None:
    with pytest.raises(ValueError, match="policy needs workers=1, not 2"):
        conc.Runtime(policy=Director(), workers=2)
