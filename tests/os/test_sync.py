from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from conc._os.sync import Deque, is_empty, is_empty_by_copying, is_empty_by_looking
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


def test_a_build_without_the_lock_for_all_asks_under_the_lock_of_the_deque() -> None:
    assert is_empty is (is_empty_by_looking if gil_enabled() else is_empty_by_copying)
