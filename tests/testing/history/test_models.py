"""The models that come with conc_testing, each as one process would use it, and with those who wait."""

from __future__ import annotations

from typing import Any

import pytest

from conc_testing import Model, Operation, Raised, assert_linearizable, models
from tests.testing.history.written import Written

Said = tuple[str, tuple[Any, ...], Any]


def in_turn(model: Model, *said: Said) -> None:
    """Check that one process, which did one thing after the other, may have got these results."""
    history = Written()
    for number, (name, args, value) in enumerate(said):
        history.returned("A", 2 * number + 1, 2 * number + 2, name, *args, value=value)
    assert_linearizable(history.operations, model)


def test_a_register_holds_what_was_written_last() -> None:
    in_turn(
        models.Register(0),
        ("read", (), 0),
        ("write", (1,), None),
        ("cas", (0, 5), False),
        ("cas", (1, 5), True),
        ("read", (), 5),
    )


def test_keys_are_registers_of_their_own() -> None:
    in_turn(
        models.KV(missing=0),
        ("get", ("x",), 0),
        ("put", ("x", 1), None),
        ("put", ("y", 2), None),
        ("cas", ("x", 1, 3), True),
        ("cas", ("y", 1, 3), False),
        ("get", ("x",), 3),
        ("delete", ("x",), None),
        ("get", ("x",), 0),
        ("get", ("y",), 2),
    )


def test_a_set_says_what_was_in_it() -> None:
    in_turn(
        models.Set(),
        ("contains", (1,), False),
        ("add", (1,), True),
        ("add", (1,), False),
        ("contains", (1,), True),
        ("remove", (2,), False),
        ("remove", (1,), True),
        ("contains", (1,), False),
    )


def test_a_queue_gives_items_in_the_order_in_which_they_came() -> None:
    in_turn(
        models.Queue(2),
        ("try_get", (), None),
        ("put", (1,), None),
        ("try_put", (2,), True),
        ("try_put", (3,), False),
        ("get", (), 1),
        ("try_get", (), 2),
    )


def test_who_waits_at_a_full_queue_gets_the_place_and_at_an_empty_one_the_item() -> None:
    history = Written()
    history.returned("A", 1, 2, "put", 1)
    history.returned("B", 3, 7, "put", 2, waits=4)
    history.returned("C", 5, 6, "get", value=1)
    history.returned("C", 8, 9, "get", value=2)
    history.returned("C", 10, 14, "get", value=3, waits=11)
    history.returned("A", 12, 13, "put", 3)

    assert_linearizable(history.operations, models.Queue(1))


def test_an_item_goes_from_hand_to_hand_where_there_is_no_room() -> None:
    history = Written()
    history.returned("A", 1, 2, "try_put", 1, value=False)
    history.returned("A", 3, 6, "put", 1, waits=4)
    history.returned("B", 5, 7, "get", value=1)
    history.cancelled("A", 8, 10, "put", 2, waits=9)
    history.returned("B", 11, 12, "try_get", value=None)

    assert_linearizable(history.operations, models.Queue(0))


def test_a_lock_passes_to_who_waits_longest() -> None:
    history = Written()
    history.returned("A", 1, 2, "acquire")
    history.returned("B", 3, 11, "acquire", waits=4)
    history.cancelled("C", 5, 8, "acquire", waits=6)
    history.returned("A", 9, 10, "release")
    history.returned("A", 12, 13, "try_acquire", value=False)
    history.returned("A", 14, 15, "release", value=Raised(RuntimeError))
    history.returned("B", 16, 17, "release")
    history.returned("A", 18, 19, "try_acquire", value=True)

    assert_linearizable(history.operations, models.Lock())


def test_a_semaphore_serves_in_order_and_nobody_overtakes() -> None:
    history = Written()
    history.returned("A", 1, 2, "acquire")
    history.returned("B", 3, 10, "acquire", 2, waits=4)
    history.returned("A", 5, 6, "try_acquire", value=False)
    history.waiting("C", 7, "acquire", waits=8)
    history.returned("A", 9, 11, "release")

    assert_linearizable(history.operations, models.Semaphore(2))


@pytest.mark.parametrize(
    "model",
    [models.Register(), models.KV(), models.Set(), models.Queue(), models.Lock(), models.Semaphore(1)],
    ids=repr,
)
def test_an_operation_that_a_model_does_not_know_is_named(model: Model) -> None:
    with pytest.raises(ValueError, match=rf"fly\(1, 2\) is no operation of {model!r}"):
        model.request(model.init(), Operation(0, "fly", (1, 2), "A", 1))
