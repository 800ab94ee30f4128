"""The tools of the stress tests find what they are there to find."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial

import pytest

import conc
from conc import CancelScope, Nursery
from conc._kernel.suspend import GRANTED
from conc.lowlevel import current_task, unpark
from conc.sync import Event
from tests.stress.churn import Run
from tests.stress.leftovers import nothing_left
from tests.stress.ownership import ownership
from tests.stress.watchdog import Hung, Watchdog, in_threads


async def in_another_thread(function: Callable[[], object]) -> None:
    """Call a function where it does not belong."""
    await conc.to_thread(function)


async def write_to_a_task() -> None:
    task = current_task()
    await in_another_thread(lambda: setattr(task, "scope", task.scope))


async def write_to_a_scope() -> None:
    with CancelScope() as scope:
        await in_another_thread(lambda: setattr(scope, "cancelled", False))


async def write_to_a_nursery() -> None:
    async with conc.open_nursery() as nursery:
        await in_another_thread(lambda: setattr(nursery, "_waiting", False))


async def adopt_into_a_nursery_of_others() -> None:
    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(conc.sleep, 0)
        await in_another_thread(partial(nursery.children.__setitem__, task, None))


async def decide_a_wait_twice() -> None:
    event = Event()
    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(event.wait)
        await conc.checkpoint()
        event.set()
        task.wait = GRANTED


async def move_a_strand() -> None:
    strand = current_task().strand
    strand.worker = strand.worker


async def send_mail_to_a_closed_nursery() -> None:
    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(conc.sleep, 0)
    nursery.children[task] = None
    del nursery.children[task]


@pytest.mark.parametrize(
    ("crime", "words"),
    [
        (write_to_a_task, "written to by a stranger"),
        (write_to_a_scope, "written to by a stranger"),
        (write_to_a_nursery, "written to by a stranger"),
        (adopt_into_a_nursery_of_others, "changed by a stranger"),
        (decide_a_wait_twice, "went from GRANTED to GRANTED"),
        (move_a_strand, "moved from"),
        (send_mail_to_a_closed_nursery, "there was mail for"),
    ],
)
def test_the_debug_mode_finds_what_is_against_the_rules(run: Run, crime: Callable[[], object], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        with ownership():
            run(crime)


def test_the_debug_mode_leaves_no_trace_when_it_is_off() -> None:
    before = [dict(vars(kind)) for kind in (CancelScope, Nursery, conc.Task)]

    with ownership():
        assert [dict(vars(kind)) for kind in (CancelScope, Nursery, conc.Task)] != before

    assert [dict(vars(kind)) for kind in (CancelScope, Nursery, conc.Task)] == before


def test_the_watchdog_ends_a_run_that_hangs_and_shows_who_waits_for_what(
    last_words: int, watchdog: Watchdog, capsys: pytest.CaptureFixture[str]
) -> None:
    impatient = Watchdog(0.2, last_words)
    runtime = conc.Runtime(workers=2)
    impatient.runtimes.append(runtime)

    async def hang() -> None:
        with conc.lowlevel.expect_wakeup():
            async with conc.open_nursery(parallel=True) as nursery:
                nursery.start_soon(Event().wait)

    with pytest.raises(Hung) as caught, impatient.watch():
        runtime.run(hang)

    said = str(caught.value)
    assert "Event.wait" in said
    assert "most recent call first" in said
    assert "in _bark" in said
    assert capsys.readouterr().err == said
    del caught


@pytest.mark.parametrize("kind", ["threads", "descriptors", "tasks"])
def test_what_is_left_over_is_found(kind: str) -> None:
    over = threading.Event()
    threads: list[threading.Thread] = []
    opened: list[int] = []
    held: list[conc.Task[None]] = []

    async def main() -> None:
        held.append(current_task())

    with pytest.raises(AssertionError, match=f"{kind} are left"), nothing_left():
        if kind == "threads":
            threads += in_threads(over.wait)
        elif kind == "descriptors":
            opened += os.pipe()
        else:
            conc.run(main)

    over.set()
    for thread in threads:
        thread.join()
    for descriptor in opened:
        os.close(descriptor)
    held.clear()


def test_a_task_that_is_woken_by_a_stranger_is_found(run: Run) -> None:
    async def wait() -> None:
        with conc.move_on_after(0.01):
            await conc.sleep(60)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(wait)
            await conc.sleep(0.02)
            unpark(task)  # it has ended long ago

    with pytest.raises(AssertionError, match="the wait of"):
        with ownership():
            run(main, workers=1)
