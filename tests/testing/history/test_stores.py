"""Histories of a store that many clients use at a time: a right one passes, quickly, and a planted mistake is found."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

import conc
from conc_testing import History, NotLinearizable, VirtualClock, assert_linearizable, models
from conc_testing.history.search import Search

CLIENTS = 10
CALLS = 100


class Store:
    """Values by key, far away: a request takes its time to get there, and so does the answer."""

    def __init__(self, seed: int) -> None:
        self.values: dict[int, int] = {}
        self._random = Random(seed)

    async def ask(self, name: str, key: int, *args: int) -> Any:
        await conc.sleep(self._random.random())
        answer = getattr(self, name)(key, *args)
        await conc.sleep(self._random.random())
        return answer

    def get(self, key: int) -> int | None:
        return self.values.get(key)

    def put(self, key: int, value: int) -> None:
        self.values[key] = value

    def cas(self, key: int, old: int, new: int) -> bool:
        found = self.values.get(key) == old
        if found:
            self.values[key] = new
        return found


class CachedStore(Store):
    """Answers the fiftieth read, and those after it, with what it knew at the one before."""

    reads = 0
    known: dict[int, int]

    def get(self, key: int) -> int | None:
        self.reads += 1
        if self.reads < 50:
            self.known = dict(self.values)
        return self.known.get(key)


class ForgetfulStore(Store):
    """Says that it has written, and has not, now and then."""

    writes = 0

    def put(self, key: int, value: int) -> None:
        self.writes += 1
        if self.writes % 40:
            super().put(key, value)


def play(store: Store, keys: int, patience: float = 10.0) -> History:
    """What clients saw who used a store at random, and gave up a request that took longer than their patience."""
    history = History()

    async def client(number: int) -> None:
        random = Random(number)
        for _ in range(CALLS):
            key, value = random.randrange(keys), random.randrange(5)
            calls: list[tuple[str, tuple[int, ...]]] = [
                ("get", ()),
                ("put", (value,)),
                ("cas", (random.randrange(5), value)),
            ]
            name, args = random.choice(calls)
            with conc.move_on_after(patience):
                async with history.op(name, key, *args) as op:
                    op.returns(await store.ask(name, key, *args))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(CLIENTS):
                nursery.start_soon(client, number, name=f"client {number}")

    conc.run(main, clock=VirtualClock())
    assert len(history) == CLIENTS * CALLS
    return history


def test_a_long_history_of_many_keys_is_checked_in_a_step_for_each_operation() -> None:
    history = play(Store(1), keys=50)

    for key in range(50):
        search = Search([operation for operation in history if operation.args[0] == key], models.KV())
        assert search.run(1_000_000)
        assert search.steps <= 2 * CLIENTS * CALLS / 50
    assert_linearizable(history, models.KV())


def test_a_history_of_one_key_takes_few_steps_too() -> None:
    search = Search(play(Store(2), keys=1).operations, models.KV())

    assert search.run(1_000_000)
    assert search.steps < 100 * CLIENTS * CALLS


def test_requests_that_were_given_up_are_open_and_may_have_happened() -> None:
    history = play(Store(3), keys=20, patience=1.5)

    assert 50 < sum(operation.fate == "open" for operation in history) < 300
    assert_linearizable(history, models.KV())


@pytest.mark.parametrize("make", [CachedStore, ForgetfulStore])
def test_a_planted_mistake_is_found(make: Callable[[int], Store]) -> None:
    history = play(make(4), keys=20)

    with pytest.raises(
        NotLinearizable, match=r"\w+\(.*\) .* by client \d has no place in any order that KV allows, as to"
    ):
        assert_linearizable(history, models.KV())
