"""Keys of a delay queue: each means its item as long as that is there, and nothing afterwards."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest

from conc.time import DelayKey, DelayQueue

# Keys.


async def test_a_key_tells_the_deadline_as_long_as_its_item_is_there() -> None:
    queue = DelayQueue[str]()
    first, second = queue.insert("first", 2), queue.insert_at("second", 1)

    assert queue.peek() is second
    assert (queue.deadline(first), queue.deadline(second)) == (2, 1)
    queue.reset(second, 3)
    assert queue.deadline(second) == 3
    assert queue.peek() is first
    assert first in queue
    assert "DelayKey of an item due at 2 s" in repr(first)


def operations(queue: DelayQueue[str], key: DelayKey) -> list[Callable[[], object]]:
    return [
        lambda: queue.remove(key),
        lambda: queue.reset(key, 1),
        lambda: queue.reset_at(key, 1),
        lambda: queue.deadline(key),
    ]


async def test_a_key_whose_item_is_gone_is_refused_and_means_no_other_item() -> None:
    queue = DelayQueue[str]()
    received, removed, cleared = (queue.insert(name, 0) for name in "abc")
    assert await queue.receive() == "a"
    queue.remove(removed)
    queue.clear()
    for name in "def":
        queue.insert(name, 1)

    for key in (received, removed, cleared):
        assert key not in queue
        for operation in operations(queue, key):
            with pytest.raises(KeyError, match="not in the queue any more"):
                operation()
    assert len(queue) == 3


async def test_a_key_of_another_queue_is_refused() -> None:
    queue, other = DelayQueue[str](), DelayQueue[str]()
    queue.insert("a", 1)

    for operation in operations(queue, other.insert("b", 1)):
        with pytest.raises(KeyError):
            operation()


async def test_what_is_no_key_is_refused_by_name() -> None:
    queue = DelayQueue[str]()

    for operation in operations(queue, "a"):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="key must be the DelayKey that insert has returned, not 'a'"):
            operation()


async def test_a_key_keeps_no_item_alive() -> None:
    class Item:
        pass

    queue = DelayQueue[Item]()
    item = Item()
    gone = weakref.ref(item)
    key = queue.insert(item, 0)
    del item

    assert isinstance(await queue.receive(), Item)
    gc.collect()
    assert gone() is None
    assert key not in queue


async def test_items_of_a_cleared_queue_may_use_it_when_they_go() -> None:
    class Item:
        def __del__(self) -> None:
            lengths.append(len(queue))
            queue.insert(None, 1)

    lengths: list[int] = []
    queue = DelayQueue[object]()
    queue.insert(Item(), 1)

    queue.clear()

    assert lengths == [0]
    assert len(queue) == 1


async def test_many_items_that_come_and_go_leave_nothing_behind() -> None:
    queue = DelayQueue[int]()
    for _ in range(20):
        keys = [queue.insert(number, 1000 - number) for number in range(200)]
        queue._check()
        for key in keys[::2]:
            queue.remove(key)
            queue._check()
        for key in keys[1::2]:
            queue.reset(key, 0)
        for number in range(1, 200, 2):
            assert queue.receive_nowait() == number
            queue._check()
        for key in reversed([queue.insert(number, number) for number in range(200)]):
            queue.remove(key)
            queue._check()

    assert len(queue) == 0
    assert len(queue._heap._heap) <= 64
