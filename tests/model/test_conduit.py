"""Sending and receiving without a lock, and waiting with one, in every interleaving; `channel.py` tells how."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.channel import Broken, Kind, Party
from tests.model.conduit import Conduit
from tests.model.explorer import assert_fails, assert_holds
from tests.model.memory import memory
from tests.model.state import Shared
from tests.stress.load import SOAKING


def conduit(
    senders: str = "a1",
    receivers: str = "R1",
    others: str = "",
    *,
    capacity: int = 1,
    items: int = 0,
    standing: str = "",
    gil: bool = True,
    broken: Broken | None = None,
) -> Conduit:
    """Parties as text, with how many items each sends or wants, and how: "a2, b1 select". What the others do are their
    names. So many items are there at first, and those that are `standing` stand in line."""
    sending, receiving = parties(senders), parties(receivers)
    for sender in sending:
        sender.item = f"{sender}1" if sender.name in standing else ""
        sender.needs = sender.count if sender.kind is Kind.PERMIT else 1
    extra = tuple(Shared(name) for name in others.split(", ") if name)
    threads = [one.name for one in (*sending, *receiving, *extra)]
    constant = {"shut", "gone"} - {one.name.removeprefix("close ") for one in extra}
    constant |= {"ended"} if len(constant) == 2 else set()
    first = {"items": items > 0, "places": capacity > items, "shut": False, "gone": False, "ended": False}
    first["sending"] = any(one.name in standing for one in sending)
    first["receiving"] = any(one.name in standing for one in receiving)
    seen = memory(gil, first, frozenset(constant), threads, ("lock", "items", "places"))
    model = Conduit("conduit", sending, receiving, extra, seen, capacity, broken, capacity - items)
    model.sent_before = tuple(f"0{number}" for number in range(items))
    model.items.extend(model.sent_before)
    model.sending.extend(one for one in sending if one.name in standing)
    model.receiving.extend(one for one in receiving if one.name in standing)
    return model


def parties(text: str) -> tuple[Party, ...]:
    words = [one.split() for one in text.split(", ") if one]
    return tuple(Party(one[0], int(one[1:]), Kind[kind[0].upper()] if kind else Kind.TASK) for one, *kind in words)


SCENES: dict[str, dict[str, Any]] = {
    "one sends and one receives": {},
    "through one place": {"senders": "a2", "receivers": "R2"},
    "two send": {"senders": "a1, b1", "receivers": "R2"},
    "two receive": {"senders": "a2", "receivers": "R1, Q1"},
    "one is in line to send": {"senders": "a1, b1", "receivers": "R3", "items": 1, "standing": "a"},
    "one is in line to receive": {"senders": "a2", "receivers": "R1, Q1", "capacity": 2, "standing": "R"},
    "it is full": {"receivers": "R2", "items": 1},
    "it is full, and two receive": {"receivers": "R1, Q1", "items": 1},
    # It is closed.
    "the senders close": {"others": "close shut"},
    "the receivers close": {"others": "close gone"},
    "both close": {"others": "close gone, close shut"},
    "the senders close, and one is in line": {"others": "close shut", "standing": "R"},
    "the senders close, and it is full": {"receivers": "R3", "others": "close shut", "items": 1},
    "the receivers close, and it is full": {"receivers": "R3", "others": "close gone", "items": 1},
    "two receive what came late": {"receivers": "R1 thread, Q1", "others": "close shut"},
    "two send too late": {"senders": "a1, b1", "receivers": "R1 thread", "others": "close gone", "capacity": 2},
    # Some give up.
    "a receiver is cancelled": {"others": "tell R"},
    "a receiver in line is cancelled": {"receivers": "R1, Q1", "others": "tell R", "standing": "R"},
    "the first in line is cancelled": {"receivers": "R1, Q1", "others": "tell R", "standing": "RQ"},
    "a sender is cancelled": {"senders": "a2", "others": "tell a"},
    "the first sender is cancelled": {"senders": "a1, b1", "others": "tell a", "items": 1, "standing": "ab"},
    "a thread is interrupted": {"receivers": "R1 thread, Q1", "others": "tell R", "standing": "R"},
    "its place is taken": {"senders": "a2", "receivers": "R1 thread", "others": "tell R", "standing": "R"},
    "two are interrupted": {
        "senders": "a3 thread", "receivers": "R1 thread, Q1 thread", "others": "tell R, tell Q", "standing": "RQ"
    },
    "it tries again": {"senders": "a2", "receivers": "R2 thread", "others": "tell R", "capacity": 2, "standing": "R"},
    "it ends meanwhile": {"receivers": "R1 thread, Q1", "others": "tell R, close shut", "standing": "RQ"},
    "a sending thread is interrupted": {
        "senders": "a1 thread, b1", "others": "tell a", "items": 1, "standing": "a"
    },
    # Selects.
    "a select comes": {"receivers": "S1 select, Q1"},
    "a select is decided elsewhere": {
        "senders": "a2", "receivers": "S1 select, Q2", "others": "decide S", "capacity": 2, "standing": "S"
    },
    "a select that comes is decided elsewhere": {
        "senders": "a2", "receivers": "S1 select, Q1", "others": "decide S", "capacity": 2
    },
    "a select is cancelled": {"receivers": "S1 select, Q1", "others": "tell S", "standing": "S"},
    "a select is both": {"receivers": "S1 select", "others": "decide S, tell S"},
    "a select sends": {"senders": "a1 select, b1", "others": "decide a", "items": 1, "standing": "a"},
    "a select that sends is cancelled": {"senders": "a1 select", "others": "tell a", "items": 1},
    # Permits.
    "one wants two places": {"senders": "p2 permit", "receivers": "R2", "capacity": 2, "items": 1},
    "another one wants one": {"senders": "p2 permit, b1", "receivers": "R2", "capacity": 2, "items": 1},
    "who wants two is cancelled": {
        "senders": "p2 permit, b1", "receivers": "", "others": "tell p", "capacity": 2, "items": 1, "standing": "pb"
    },
    "the receivers close beside a permit": {"senders": "p1 permit", "receivers": "R2", "others": "close gone"},
    "the senders close beside a permit": {
        "senders": "p2 permit", "receivers": "R2", "others": "close shut", "capacity": 2
    },
}  # fmt: skip

# These take more than a second, and are looked through when soaking: there are some five times as many states where
# threads see late what others do.
LARGE = {"a select that comes is decided elsewhere"}
LARGE_WITHOUT_A_GIL = LARGE | {
    "two send",
    "two receive",
    "it is full, and two receive",
    "both close",
    "the senders close, and it is full",
    "the receivers close, and it is full",
    "two receive what came late",
    "two send too late",
    "one is in line to send",
    "a thread is interrupted",
    "it ends meanwhile",
    "a select comes",
    "a select is both",
    "a select is decided elsewhere",
    "another one wants one",
    "two are interrupted",
}


@pytest.mark.parametrize("scene", [scene for scene in SCENES if SOAKING or scene not in LARGE])
def test_nothing_is_lost_and_nobody_waits_in_vain(scene: str) -> None:
    assert_holds(lambda: conduit(**SCENES[scene]))


@pytest.mark.parametrize("scene", [scene for scene in SCENES if SOAKING or scene not in LARGE_WITHOUT_A_GIL])
def test_nothing_is_lost_where_threads_see_late_what_others_do(scene: str) -> None:
    assert_holds(lambda: conduit(**SCENES[scene], gil=False))


BROKEN = [
    (Broken.NO_LOOK_WHEN_IN_LINE_TO_RECEIVE, "one sends and one receives", "[R] waits beside"),
    (Broken.NO_LOOK_WHEN_IN_LINE_TO_SEND, "a sending thread is interrupted", "[b] waits beside 1 places"),
    (Broken.ONLY_A_LOOK_FOR_ITEMS_WHEN_IN_LINE, "two receive what came late", "nobody tells [R]"),
    (Broken.LOOK_BEFORE_APPENDING, "one sends and one receives", "[R] waits beside"),
    (Broken.LOOK_BEFORE_PUTTING_BACK, "a sending thread is interrupted", "[b] waits beside 1 places"),
    (Broken.OVERTAKE_WHO_WAITS, "one is in line to send", "b overtakes [a]"),
    (Broken.NO_SETTLING_OF_WHAT_WAS_SENT, "one sends and one receives", "[R] waits beside"),
    (Broken.NO_SETTLING_WHEN_A_SENDER_LEAVES, "who wants two is cancelled", "[b] waits beside 1 places"),
    (Broken.A_LINE_IS_EMPTY_FOR_A_MOMENT, "the first in line is cancelled", "[Q] waits beside"),
    (Broken.NO_LOOK_FOR_THE_END, "the senders close", "it has ended, but"),
    (Broken.NO_LOOK_FOR_THE_END, "the receivers close", "it has ended, but"),
    (Broken.LOOK_BEFORE_SAYING_THAT_IT_HAS_ENDED, "the receivers close", "it has ended, but"),
    (Broken.NO_TELLING_OF_THE_END, "the senders close, and one is in line", "nobody tells [R]"),
    (Broken.END_BESIDE_PERMITS, "the receivers close beside a permit", "it has ended, but"),
    (Broken.REFUSE_AND_KEEP_THE_PLACE, "the receivers close", "places were lost or made"),
    (Broken.REFUSE_WITHOUT_TAKING_IT_OUT, "the senders close", "and left ['a1']"),
    (Broken.LOSE_WHAT_OTHERS_SENT_LATE, "two send too late", "places were lost or made"),
    (Broken.CANCEL_WHO_WAS_GRANTED, "a receiver is cancelled", "sent ['a1'], but got []"),
    (Broken.CANCEL_WHO_WAS_GRANTED, "a sender is cancelled", "sent ['a1'], but got ['a1'], and left ['a2']"),
    (Broken.TAKE_THE_ITEM_BEFORE_THE_SELECT, "a select that comes is decided elsewhere", "not in the order of a"),
    (Broken.LEAVE_A_SELECT_WITHOUT_AN_ITEM, "a select comes", "['S'] wait in no line"),
    (Broken.KEEP_THE_PLACE_OF_A_LOST_SELECT, "a select sends", "places were lost or made"),
    (Broken.KEEP_WHAT_AN_INTERRUPTED_ONE_WAS_GRANTED, "a thread is interrupted", "sent ['a1'], but got []"),
    (Broken.TAKE_BACK_WITHOUT_A_PLACE, "its place is taken", "places were lost or made"),
    (Broken.OWE_WHAT_WAS_PAID, "two are interrupted", "and 2 are owed"),
    (Broken.TAKE_BACK_BEHIND_THE_OTHERS, "it tries again", "R got ['a2', 'a1']: not in the order of a"),
    (Broken.TAKE_BACK_AFTER_THE_END, "it ends meanwhile", "it has ended beside ['a1']"),
]

BROKEN_WITHOUT_A_GIL = [
    (Broken.BARE_LOOK_WHEN_IN_LINE_TO_RECEIVE, "one sends and one receives", "[R] waits beside"),
    (Broken.BARE_LOOK_WHEN_IN_LINE_TO_SEND, "a sending thread is interrupted", "[b] waits beside 1 places"),
    (Broken.BARE_LOOK_FOR_WHAT_IS_LEFT, "the receivers close", "it has ended, but"),
]


def test_each_rule_is_broken_somewhere() -> None:
    assert {broken for broken, *_ in (*BROKEN, *BROKEN_WITHOUT_A_GIL)} == set(Broken)


@pytest.mark.parametrize(("broken", "scene", "message"), BROKEN)
def test_each_broken_rule_of_a_channel_is_found(broken: Broken, scene: str, message: str) -> None:
    assert_fails(lambda: conduit(**SCENES[scene], broken=broken), message)


@pytest.mark.parametrize(("broken", "scene", "message"), BROKEN_WITHOUT_A_GIL)
def test_a_bare_look_is_found_where_threads_see_late_what_others_do(broken: Broken, scene: str, message: str) -> None:
    assert_fails(lambda: conduit(**SCENES[scene], gil=False, broken=broken), message)


@pytest.mark.parametrize(("broken", "scene", "message"), BROKEN_WITHOUT_A_GIL)
def test_a_bare_look_is_enough_where_there_is_a_gil(broken: Broken, scene: str, message: str) -> None:
    assert_holds(lambda: conduit(**SCENES[scene], broken=broken))
