from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import pytest

from conc._os.sync import Deque, is_empty, is_empty_by_copying, is_empty_by_looking, locked_count, new_count
from conc._os.threads import gil_enabled

WAYS = [is_empty_by_looking, is_empty_by_copying]


@pytest.mark.parametrize("is_empty", [is_empty, *WAYS])
def test_a_deque_is_empty_when_nothing_is_in_it(is_empty: Callable[[deque[int]], bool]) -> None:
    items: Deque[int] = Deque()
    assert is_empty(items)

    items.append(1)
    assert not is_empty(items)

    items.pop()
    assert is_empty(items)


@pytest.mark.parametrize("is_empty", WAYS)
def test_the_question_leaves_the_items_as_they_were(is_empty: Callable[[deque[int]], bool]) -> None:
    items = deque([1, 2, 3])

    is_empty(items)

    assert list(items) == [1, 2, 3]


@pytest.mark.parametrize("make", [locked_count, new_count])
def test_threads_that_count_together_get_each_number_once(make: Callable[[], Callable[[], int]]) -> None:
    next_number = make()
    numbers: list[list[int]] = [[], [], []]
    together = threading.Barrier(len(numbers))

    def count(mine: list[int]) -> None:
        together.wait()
        mine.extend(next_number() for _ in range(5000))

    threads = [threading.Thread(target=count, args=(mine,)) for mine in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(number for mine in numbers for number in mine) == list(range(15_000))


def test_a_build_without_the_lock_for_all_asks_under_the_lock_of_the_deque() -> None:
    assert is_empty is (is_empty_by_looking if gil_enabled() else is_empty_by_copying)
