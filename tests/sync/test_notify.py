"""Notify: one permit at most, who is woken by what, and what a cancelled waiter leaves behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.errors import WouldBlock
from conc.lowlevel import current_runtime
from conc.sync import Event, Notify
from conc_testing import settle
from tests.kernel.support import run


async def listen(notify: Notify, order: list[str], name: str, since: int | None = None) -> None:
    await notify.notified(since=since)
    order.append(name)


# ---- one, last, all --------------------------------------------------------------------------------------------------


def test_who_has_waited_longest_is_woken_and_nobody_else() -> None:
    order: list[str] = []

    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(listen, notify, order, name)
            await settle()
            notify.notify_one()
            await settle()
            assert order == ["a"]
            notify.notify_one()
            notify.notify_one()
        assert not notify.statistics().permit_stored

    run(main)
    assert order == ["a", "b", "c"]


def test_notify_last_wakes_who_came_last() -> None:
    order: list[str] = []

    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(listen, notify, order, name)
            await settle()
            for wake in (notify.notify_last, notify.notify_one, notify.notify_last):
                wake()
                await settle()
                notify._check()

    run(main)
    assert order == ["c", "a", "b"]


@pytest.mark.parametrize("wake", [Notify.notify_one, Notify.notify_last])
def test_one_permit_at_most_is_stored_for_who_comes_next(wake: Callable[[Notify], None]) -> None:
    async def main() -> None:
        notify = Notify()
        for _ in range(3):
            wake(notify)
        await notify.notified()
        with conc.move_on_after(1) as scope:
            await notify.notified()
        assert scope.cancelled_caught

    run(main)


def test_taking_a_stored_permit_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def main() -> None:
        notify = Notify()
        notify.notify_one()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(listen, Notify(), trace, "never")
            await notify.notified()
            trace.append("main")
            nursery.cancel_scope.cancel()

    run(main)
    assert trace == ["main"]


def test_notify_waiters_wakes_all_in_order_and_stores_nothing() -> None:
    order: list[str] = []

    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(listen, notify, order, name)
            await settle()
            notify.notify_waiters()
            late = nursery.start_soon(listen, notify, order, "late")
            await settle()
            assert order == ["a", "b", "c"]
            assert late.outcome is None
            nursery.cancel_scope.cancel()

    run(main)


def test_notify_waiters_keeps_a_stored_permit() -> None:
    async def main() -> None:
        notify = Notify()
        notify.notify_one()
        notify.notify_waiters()
        await notify.notified()
        with pytest.raises(WouldBlock):
            notify.notified_nowait()

    run(main)


# ---- since an epoch --------------------------------------------------------------------------------------------------


def test_what_happened_since_an_epoch_is_not_missed() -> None:
    async def main() -> None:
        notify = Notify()
        epoch = notify.epoch
        notify.notify_waiters()
        await notify.notified(since=epoch)
        await notify.notified(since=epoch)
        with conc.move_on_after(1) as scope:
            await notify.notified(since=notify.epoch)
        assert scope.cancelled_caught

    run(main)


def test_who_was_told_with_all_others_leaves_the_permit_to_one_of_them() -> None:
    async def main() -> None:
        notify = Notify()
        epoch = notify.epoch
        notify.notify_one()
        notify.notify_waiters()
        await notify.notified(since=epoch)
        assert notify.statistics().permit_stored
        await notify.notified(since=notify.epoch)
        assert not notify.statistics().permit_stored

    run(main)


def test_who_waits_since_an_epoch_is_woken_as_everybody() -> None:
    order: list[str] = []

    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(listen, notify, order, "a", notify.epoch)
            nursery.start_soon(listen, notify, order, "b", notify.epoch)
            await settle()
            notify.notify_one()
            await settle()
            assert order == ["a"]
            notify.notify_waiters()

    run(main)
    assert order == ["a", "b"]


@pytest.mark.parametrize(
    ("since", "error"), [(1, ValueError), (-1, ValueError), (True, TypeError), (0.0, TypeError), ("0", TypeError)]
)
def test_what_is_no_epoch_of_it_is_refused(since: Any, error: type[Exception]) -> None:
    notify = Notify()

    for refused in (notify.notified_nowait, notify.notified_blocking, notify.waiting):
        with pytest.raises(error, match="since must be"):
            refused(since=since)
    with pytest.raises(error, match="since must be"):
        run(listen, notify, [], "a", since)


# ---- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancelled_waiter_gives_up_its_place_and_takes_nothing() -> None:
    order: list[str] = []

    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(listen, notify, order, "first")
            nursery.start_soon(listen, notify, order, "second")
            await settle()
            first.cancel()
            await settle()
            notify._check()
            notify.notify_one()

    run(main)
    assert order == ["second"]


def test_a_notification_just_after_the_cancellation_goes_to_the_next() -> None:
    order: list[str] = []

    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(listen, notify, order, "first")
            nursery.start_soon(listen, notify, order, "second")
            await settle()
            first.cancel()
            notify.notify_one()

    run(main)
    assert order == ["second"]


@pytest.mark.parametrize("wake", [Notify.notify_one, Notify.notify_last, Notify.notify_waiters])
def test_a_woken_waiter_returns_although_it_is_cancelled_before_it_runs(wake: Callable[[Notify], None]) -> None:
    trace: list[str] = []

    async def waiter(notify: Notify) -> None:
        await notify.notified()
        trace.append("returned")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, notify)
            await settle()
            wake(notify)
            nursery.cancel_scope.cancel()
        assert not notify.statistics().permit_stored

    run(main)
    assert trace == ["returned"]


@pytest.mark.parametrize("acts", list(itertools.permutations(["one", "all", "cancel"])), ids=", ".join)
def test_in_every_order_no_notification_is_lost_and_none_counts_twice(acts: tuple[str, ...]) -> None:
    order: list[str] = []

    async def main() -> bool:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(listen, notify, order, "first")
            nursery.start_soon(listen, notify, order, "second")
            await settle()
            does = {"one": notify.notify_one, "all": notify.notify_waiters, "cancel": first.cancel}
            for act in acts:
                does[act]()
                notify._check()
        return notify.statistics().permit_stored

    stored = run(main)

    assert order == (["second"] if acts[0] == "cancel" else ["first", "second"])
    assert stored == (acts.index("all") < acts.index("one"))


def test_a_pending_cancellation_is_raised_before_the_permit_is_taken() -> None:
    async def main() -> None:
        notify = Notify()
        notify.notify_one()
        with conc.CancelScope() as scope:
            scope.cancel()
            await notify.notified()
        assert scope.cancelled_caught
        assert notify.statistics().permit_stored

    run(main)


@pytest.mark.parametrize("wake", [Notify.notify_one, Notify.notify_last, Notify.notify_waiters])
@pytest.mark.parametrize("alone", [True, False])
def test_a_woken_waiter_whose_run_is_stopped_by_force_passes_on_what_was_for_one(
    wake: Callable[[Notify], None], alone: bool
) -> None:
    notify = Notify()

    async def wait() -> None:
        with conc.CancelScope(shield=True):
            await (notify.notified() if alone else conc.select(notify.waiting(), Event().waiting()))

    async def hold_up() -> None:
        try:
            with conc.CancelScope(shield=True):
                await conc.sleep_forever()
        finally:  # the run is being stopped: who waits is woken now, and closed before it runs
            wake(notify)

    async def main() -> None:
        root_nursery = current_runtime().root_nursery
        for act in (wait, hold_up):  # what was started last is closed first
            root_nursery.start_soon(act)
        await conc.checkpoint()

    with pytest.raises(RuntimeError, match="stopped because of shutdown_timeout"):
        conc.run(main, shutdown_timeout=0.01)
    assert notify.statistics() == (0, wake is not Notify.notify_waiters, wake is Notify.notify_waiters)


# ---- looking ---------------------------------------------------------------------------------------------------------


def test_without_a_permit_the_nowait_form_would_block() -> None:
    notify = Notify()

    with pytest.raises(WouldBlock, match="no permit stored"):
        notify.notified_nowait()
    notify.notify_one()
    notify.notified_nowait()
    epoch = notify.epoch
    notify.notify_waiters()
    notify.notified_nowait(since=epoch)


def test_it_says_how_it_stands() -> None:
    async def main() -> None:
        notify = Notify()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(notify.notified)
            await settle()
            assert repr(notify) == "<Notify 1 waiting>"
            assert "Notify.notified" in repr(task)
            assert notify.statistics() == (1, False, 0)
            notify.notify_waiters()
        notify.notify_one()
        assert repr(notify) == "<Notify permit stored>"
        assert notify.statistics() == (0, True, 1)
        with pytest.raises(TypeError, match="notified_nowait"):
            bool(notify)

    run(main)
