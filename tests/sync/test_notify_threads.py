"""Notify among threads and selects: no notification is lost, and none counts twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import conc
from conc.sync import Event, Notify, Semaphore
from conc_testing import settle
from tests.kernel.support import run
from tests.sync.outside import interrupt_after_grants, until_waiting
from tests.threads.support import Stranger, hasty_switching


async def listen(notify: Notify, order: list[str], name: str) -> None:
    await notify.notified()
    order.append(name)


# ---- several at a time -----------------------------------------------------------------------------------------------


def test_a_select_that_was_granted_elsewhere_takes_no_notification() -> None:
    order: list[str] = []

    async def main() -> None:
        notify, event = Notify(), Event()

        async def choose() -> None:
            index, _ = await conc.select(notify.waiting(), event.waiting())
            order.append(f"branch {index}")

        async with conc.open_nursery() as nursery:
            nursery.start_soon(choose)
            await settle()
            nursery.start_soon(listen, notify, order, "behind")
            await settle()
            event.set()
            notify.notify_one()
        assert not notify.statistics().permit_stored
        notify._check()

    run(main)
    assert sorted(order) == ["behind", "branch 1"]


def test_a_select_takes_a_stored_permit_or_is_woken() -> None:
    async def main() -> None:
        notify = Notify()
        epoch = notify.epoch
        notify.notify_one()
        assert await conc.select(Event().waiting(), notify.waiting()) == (1, None)
        assert not notify.statistics().permit_stored
        async with conc.open_nursery() as nursery:
            choosing = nursery.start_soon(conc.select, notify.waiting(), Event().waiting())
            await settle()
            notify.notify_last()
            assert await choosing.join() == (0, None)
            notify.notify_waiters()
            assert await conc.select(notify.waiting(since=epoch)) == (0, None)

    run(main)


# ---- threads ---------------------------------------------------------------------------------------------------------


def test_a_thread_waits_in_line_with_tasks() -> None:
    notify = Notify()
    stranger = Stranger(notify.notified_blocking)
    until_waiting(notify)

    notify.notify_one()

    assert stranger.result() is None
    assert not notify.statistics().permit_stored


def test_a_thread_gives_up_after_its_timeout_and_takes_nothing() -> None:
    notify = Notify()

    with pytest.raises(TimeoutError, match=r"Notify\.notified_blocking"):
        notify.notified_blocking(timeout=0)
    notify.notify_one()
    notify.notified_blocking(timeout=0)
    assert not notify.statistics().permit_stored


def test_a_thread_that_runs_tasks_may_not_block() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"await \.\.\.notified\(\)"):
            Notify().notified_blocking()

    run(main)


@pytest.mark.parametrize("wake", [Notify.notify_one, Notify.notify_last])
def test_an_interrupted_thread_passes_the_notification_on(
    wake: Callable[[Notify], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after_grants(monkeypatch)
    notify = Notify()
    stranger = Stranger(notify.notified_blocking)
    until_waiting(notify)

    wake(notify)

    with pytest.raises(KeyboardInterrupt):
        stranger.result()
    assert notify.statistics().permit_stored


def test_an_interrupted_thread_passes_on_nothing_that_all_were_told(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after_grants(monkeypatch)
    notify = Notify()
    stranger = Stranger(notify.notified_blocking)
    until_waiting(notify)

    notify.notify_waiters()

    with pytest.raises(KeyboardInterrupt):
        stranger.result()
    assert not notify.statistics().permit_stored


@pytest.mark.parametrize("workers", [1, 3])
def test_each_notification_of_many_threads_wakes_one(workers: int) -> None:
    rounds = 100
    passed: list[None] = []

    async def main() -> None:
        notify, room = Notify(), Semaphore(1)  # one at a time, for a second permit would not be stored

        async def waiter() -> None:
            for _ in range(rounds):
                await notify.notified()
                passed.append(None)
                room.release()

        def tell() -> None:
            for _ in range(rounds):
                room.acquire_blocking()
                notify.notify_one()

        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(waiter)
            strangers = [Stranger(tell) for _ in range(4)]
        for stranger in strangers:
            stranger.result()
        notify._check()
        assert not notify.statistics().permit_stored

    with hasty_switching():
        conc.run(main, workers=workers)
    assert len(passed) == 4 * rounds


def test_whoever_reads_the_epoch_first_misses_no_change_of_many_threads() -> None:
    async def main() -> None:
        notify = Notify()
        value = 0

        def change() -> None:
            nonlocal value
            for _ in range(200):
                value += 1
                notify.notify_waiters()

        async def follow() -> None:
            while True:
                epoch = notify.epoch
                if value == 200:
                    return
                await notify.notified(since=epoch)

        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(follow)
            stranger = Stranger(change)
        stranger.result()
        notify._check()

    with hasty_switching():
        conc.run(main, workers=3)
