"""What may come from outside holds virtual time: the clock can name it, and warns when that lasts."""

import logging
import re
import threading
from collections.abc import Callable, Iterator

import pytest

import conc
from conc import from_thread
from conc.lowlevel import expect_wakeup
from conc.sync import Event
from conc_testing import VirtualClock

PATIENCE = 10.0  # seconds until something that does not happen is a failure


class WatchedClock(VirtualClock):
    """A virtual clock that keeps what it is told, and lets a job end when it has heard enough.

    Args:
        enough: how many times in a row it wants to hear that it stands still.

    Attributes:
        named: what held the time, each time when a job was let go.
        told: how many times in a row it had been told so far, each time it was.
    """

    def __init__(self, enough: int = 0) -> None:
        super().__init__()
        self.named: list[tuple[str, ...]] = []
        self.told: list[int] = []
        self._enough = enough
        self._waiting: list[threading.Event] = []

    def stands_still(self, outsiders: Callable[[], tuple[str, ...]], times: int) -> None:
        super().stands_still(outsiders, times)
        self.told.append(times)
        if times >= self._enough and self._waiting:
            self.named.append(self.held_by)
            self._waiting.pop(0).set()

    def load_page(self) -> None:
        """A blocking function."""
        goes_on = threading.Event()
        self._waiting.append(goes_on)
        assert goes_on.wait(PATIENCE)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel looks again after a moment."""
    monkeypatch.setattr("conc._kernel.crew.RELOOK", 0.001)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """What the clock warns of."""
    with caplog.at_level(logging.WARNING, "conc_testing"):
        yield lambda: [record.getMessage() for record in caplog.records if record.name == "conc_testing"]


# ---- who holds the time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_a_thread_job_that_holds_the_time_is_named_by_its_function(workers: int) -> None:
    clock = WatchedClock()

    conc.run(conc.to_thread, clock.load_page, clock=clock, workers=workers)

    assert clock.named == [("to_thread(WatchedClock.load_page)",)]
    assert clock.held_by == ()


def test_all_that_holds_the_time_is_named_in_the_order_in_which_it_came() -> None:
    clock = WatchedClock()

    async def main() -> None:
        with clock.hold("backup"), expect_wakeup("the database"), expect_wakeup():
            async with conc.open_portal(), conc.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(conc.to_thread, clock.load_page)

    conc.run(main, clock=clock, max_blocking_threads=1)

    job = "to_thread(WatchedClock.load_page)"
    promises = ('hold("backup")', "the database", "expect_wakeup", "an open portal")
    assert clock.named[0] == (*promises, job, f"{job}, in line for a thread")


def test_a_thread_that_waits_for_a_task_is_not_named() -> None:
    clock = WatchedClock()

    async def main() -> None:
        served = Event()

        async def serve() -> None:
            served.set()
            await conc.sleep(5.0)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, from_thread.run, serve)
            await served.wait()
            nursery.start_soon(conc.to_thread, clock.load_page)

    conc.run(main, clock=clock)

    assert clock.now() == 5.0
    assert clock.named == [("to_thread(WatchedClock.load_page)",)]


def test_nothing_is_said_of_real_time(warnings: Callable[[], list[str]]) -> None:
    async def main() -> None:
        with conc.move_on_after(0.01), expect_wakeup():
            await Event().wait()

    conc.run(main)

    assert warnings() == []


# ---- the warning ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_time_that_stands_still_for_long_is_warned_of_once_with_all_tasks(
    warnings: Callable[[], list[str]], workers: int
) -> None:
    clock = WatchedClock(enough=10)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, clock.load_page, name="reader")
            nursery.start_soon(conc.sleep, 60.0, name="limit")

    conc.run(main, clock=clock, workers=workers)

    [text] = warnings()
    assert text.startswith("virtual time stands still at 0 s")
    assert "may come from outside, to_thread(WatchedClock.load_page). Who waits" in text
    assert re.search(r"reader #\d+: waits for to_thread\(WatchedClock\.load_page\)", text)
    assert re.search(r"limit #\d+: waits for a moment in time", text)
    assert clock.now() == 60.0


def test_each_time_that_it_stands_still_for_long_is_warned_of(warnings: Callable[[], list[str]]) -> None:
    clock = WatchedClock(enough=5)

    async def main() -> None:
        await conc.to_thread(clock.load_page)
        await conc.sleep(1.0)
        await conc.to_thread(clock.load_page)

    conc.run(main, clock=clock)

    assert [text.partition(":")[0] for text in warnings()] == [
        "virtual time stands still at 0 s",
        "virtual time stands still at 1 s",
    ]


def test_many_short_waits_are_not_taken_for_a_long_one(
    warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conc._kernel.crew.RELOOK", PATIENCE)
    clock = VirtualClock()

    async def main() -> None:
        for _ in range(50):
            await conc.to_thread(int)

    conc.run(main, clock=clock)

    assert warnings() == []
