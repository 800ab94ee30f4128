"""Holding virtual time: what stands still, what does not, and who is named when nothing can go on."""

import threading

import pytest

import conc
from conc.lowlevel import expect_wakeup
from conc.sync import Event
from conc_testing import VirtualClock, settle


async def test_time_does_not_move_by_itself_while_it_is_held(clock: VirtualClock, nursery: conc.Nursery) -> None:
    with clock.hold("a look around"):
        sleeper = nursery.start_soon(conc.sleep, 1.0)
        await settle()
        await settle()
        assert clock.now() == 0.0
        assert sleeper.outcome is None
    await sleeper.join()

    assert clock.now() == 1.0


@pytest.mark.conc(workers=3)
async def test_time_moves_again_when_the_last_of_several_holds_ends(clock: VirtualClock) -> None:
    log: list[tuple[str, float]] = []

    async def hold(name: str, event: Event) -> None:
        with clock.hold(name):
            await event.wait()
        log.append((name, clock.now()))

    async def release(*events: Event) -> None:
        for event in events:
            await settle()
            event.set()

    events = [Event() for _ in range(3)]
    async with conc.open_nursery(parallel=True) as nursery:
        for number, event in enumerate(events):
            nursery.start_soon(hold, f"hold {number}", event)
        await settle()
        nursery.start_soon(release, *events)
        await conc.sleep(5.0)
        log.append(("sleep", clock.now()))

    assert log == [("hold 0", 0.0), ("hold 1", 0.0), ("hold 2", 0.0), ("sleep", 5.0)]


@pytest.mark.parametrize("auto", [True, False])
async def test_advance_waits_until_nobody_holds_the_time(
    clock: VirtualClock, nursery: conc.Nursery, auto: bool
) -> None:
    clock.auto = auto
    sleeper = nursery.start_soon(conc.sleep, 1.0)
    with clock.hold():
        advance = nursery.start_soon(clock.advance, 2.0)
        await settle()
        assert (clock.now(), advance.outcome, sleeper.outcome) == (0.0, None, None)
    await advance.join()

    assert clock.now() == 2.0
    assert sleeper.outcome is not None


async def test_a_hold_begun_on_the_way_stops_an_advance_there(clock: VirtualClock, nursery: conc.Nursery) -> None:
    clock.auto = False
    held, free = Event(), Event()

    async def hold() -> None:
        await conc.sleep(1.0)
        with clock.hold():
            held.set()
            await free.wait()

    nursery.start_soon(hold)
    advance = nursery.start_soon(clock.advance, 3.0)
    await held.wait()
    await settle()
    assert (clock.now(), advance.outcome) == (1.0, None)

    free.set()
    await advance.join()
    assert clock.now() == 3.0


async def test_what_takes_no_time_goes_on_under_a_hold(clock: VirtualClock, nursery: conc.Nursery) -> None:
    sleeper = nursery.start_soon(conc.sleep, 1.0)
    with clock.hold():
        await settle()
        await clock.advance(0.0)
        await conc.sleep(0.0)
        clock.jump(1.5)
        await sleeper.join()

        assert clock.now() == 1.5


async def test_a_hold_that_ends_on_another_thread_lets_time_go_on(clock: VirtualClock) -> None:
    held, free = Event(), threading.Event()

    def hold() -> None:
        with clock.hold():
            held.set()
            assert free.wait(10.0)

    with expect_wakeup():
        thread = threading.Thread(target=hold)
        thread.start()
        await held.wait()
        free.set()
        await conc.to_thread(thread.join)
    await conc.sleep(1.0)

    assert clock.now() == 1.0


def test_a_deadlock_because_of_holds_names_them() -> None:
    clock = VirtualClock()

    async def main() -> None:
        with clock.hold("the first"), clock.hold():
            await conc.sleep(1.0)

    text = r'virtual time is held by hold\("the first"\), hold\(\), and no thread job[\s\S]*a moment in time'
    with pytest.raises(conc.Deadlock, match=text):
        conc.run(main, clock=clock)
    assert clock.now() == 0.0


def test_a_deadlock_of_an_advance_names_the_hold_that_it_waited_for() -> None:
    clock = VirtualClock(auto=False)

    async def main() -> None:
        with clock.hold("for ever"):
            await clock.advance(1.0)

    with pytest.raises(conc.Deadlock, match=r'held by hold\("for ever"\)[\s\S]*time to advance to 1 s'):
        conc.run(main, clock=clock)


def test_a_deadlock_that_is_not_for_a_hold_does_not_blame_it() -> None:
    clock = VirtualClock()

    async def main() -> None:
        with clock.hold("innocent"):
            await Event().wait()

    with pytest.raises(conc.Deadlock, match="virtual time does not move on by itself") as caught:
        conc.run(main, clock=clock)
    assert "innocent" not in str(caught.value)


async def test_a_hold_is_entered_once_and_its_reason_is_a_string(clock: VirtualClock) -> None:
    hold = clock.hold("once")
    with hold:
        with pytest.raises(RuntimeError, match=r'hold\("once"\) is entered already'):
            hold.__enter__()
    with hold:
        pass
    with pytest.raises(TypeError, match="reason must be a string, not 7"):
        clock.hold(7)  # type: ignore[arg-type]
