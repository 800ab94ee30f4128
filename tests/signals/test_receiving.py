"""Receiving signals on the main thread: what counts once, in what order, who gets what, and what a cancel takes."""

from __future__ import annotations

import gc
import os
import signal

import pytest

import conc
from conc.errors import ClosedResource, WouldBlock
from conc.signals import SignalReceiver, open_receiver
from conc_testing import Budget, assert_checkpoints, explore, settle
from tests.signals.support import HUP, USR1, USR2, WINCH, handlers_come_back, send

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


async def test_a_signal_that_comes_is_received_by_name() -> None:
    with handlers_come_back(), open_receiver(USR1) as received:
        send(USR1)
        signum = await received.receive()
        assert signum == USR1
        assert isinstance(signum, signal.Signals)
        assert signum.name == "SIGUSR1"


async def test_a_task_that_waits_is_woken_by_a_signal() -> None:
    with open_receiver(USR1) as received:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(received.receive)
            await settle()
            assert not task.ended
            send(USR1)
        assert task.join_nowait() == USR1


async def test_signals_of_one_kind_count_once_until_they_are_received() -> None:
    with open_receiver(USR1) as received:
        send(USR1, USR1, USR1)
        assert received.receive_nowait() == USR1
        with pytest.raises(WouldBlock, match="no signal has come to <SignalReceiver of SIGUSR1>"):
            received.receive_nowait()
        send(USR1)
        assert received.receive_nowait() == USR1


async def test_signals_of_different_kinds_come_in_the_order_of_the_first_of_each() -> None:
    with open_receiver(USR1, USR2, HUP) as received:
        send(HUP, USR2, HUP, USR1, USR2)
        assert [received.receive_nowait() for _ in range(3)] == [HUP, USR2, USR1]
        received._check()


async def test_all_receivers_of_a_signal_get_it_and_others_do_not() -> None:
    with open_receiver(USR1) as one, open_receiver(USR1, USR2) as two, open_receiver(HUP) as other:
        send(USR1)
        assert one.receive_nowait() == two.receive_nowait() == USR1
        with pytest.raises(WouldBlock):
            other.receive_nowait()


async def test_a_signal_goes_to_one_of_the_tasks_that_wait_first_come_first_served() -> None:
    with open_receiver(USR1, USR2) as received:
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(received.receive)
            second = nursery.start_soon(received.receive)
            await settle()
            send(USR2)
            await settle()
            assert first.ended and not second.ended
            send(USR1)
        assert (first.join_nowait(), second.join_nowait()) == (USR2, USR1)


async def test_the_loop_gives_one_signal_after_the_other() -> None:
    got = []
    with open_receiver(USR1, USR2) as received:
        send(USR1)
        async for signum in received:
            got.append(signum)
            if len(got) == 3:
                break
            send(USR2)
    assert got == [USR1, USR2, USR2]


async def test_a_cancelled_receive_takes_no_signal() -> None:
    with open_receiver(USR1) as received:
        with conc.move_on_after(1) as scope:
            await received.receive()
        assert scope.cancelled_caught
        send(USR1)
        assert await received.receive() == USR1


async def test_a_receive_that_was_granted_before_it_was_cancelled_returns_the_signal() -> None:
    got = []
    with open_receiver(USR1) as received, conc.CancelScope() as scope:

        async def receive() -> None:
            got.append(await received.receive())
            await conc.checkpoint()
            got.append(-1)  # not reached

        async with conc.open_nursery() as nursery:
            nursery.start_soon(receive)
            await settle()
            send(USR1)
            received._serve()
            scope.cancel()
    assert got == [USR1]


async def test_a_signal_after_the_cancellation_goes_to_the_next_who_asks() -> None:
    with open_receiver(USR1) as received:
        async with conc.open_nursery() as nursery:
            cancelled = nursery.start_soon(received.receive)
            next_one = nursery.start_soon(received.receive)
            await settle()
            cancelled.cancel()
            send(USR1)
        assert next_one.join_nowait() == USR1


async def test_receiving_is_a_branch_of_a_select_that_takes_nothing_if_it_loses() -> None:
    with open_receiver(USR1) as received:
        index, _ = await conc.select(received.receiving(), conc.after(1))
        assert index == 1
        send(USR1)
        assert await conc.select(conc.after(1), received.receiving()) == (1, USR1)
        assert (await conc.select(conc.after(0), received.receiving()))[0] == 0
        send(USR1)
        assert received.receive_nowait() == USR1


async def test_a_select_that_waits_is_woken_by_a_signal() -> None:
    with open_receiver(USR1) as received:
        async with conc.open_nursery() as nursery:

            async def later() -> None:
                await conc.sleep(0.5)
                send(USR1)

            nursery.start_soon(later)
            assert await conc.select(conc.after(1), received.receiving()) == (1, USR1)


async def test_receive_is_a_cancel_point_also_when_a_signal_is_there() -> None:
    with open_receiver(USR1) as received:
        send(USR1)
        with conc.CancelScope() as scope:
            scope.cancel()
            await received.receive()
        assert scope.cancelled_caught
        with assert_checkpoints():
            assert await received.receive() == USR1


async def test_who_waits_when_the_block_is_left_is_told() -> None:
    async def wait(received: SignalReceiver) -> None:
        with pytest.raises(ClosedResource, match="the block of <SignalReceiver of SIGUSR1"):
            await received.receive()

    async with conc.open_nursery() as nursery:
        with open_receiver(USR1) as received:
            nursery.start_soon(wait, received)
            await settle()
    with pytest.raises(ClosedResource):
        received.receive_nowait()
    with pytest.raises(ClosedResource):
        await received.receive()


async def test_a_storm_of_signals_loses_none_and_leaves_nothing_behind() -> None:
    kinds = (USR1, USR2, HUP, WINCH)
    seen: dict[int, int] = dict.fromkeys(kinds, 0)
    with handlers_come_back(), open_receiver(*kinds) as received:

        async def count() -> None:
            async for signum in received:
                seen[signum] += 1

        async with conc.open_nursery() as nursery:
            nursery.start_soon(count)
            for number in range(10_000):
                send(kinds[number % 4])
                assert len(received._arrived) <= 4
                if number % 50 == 0:
                    before = dict(seen)
                    await settle()
                    for kind in {kinds[earlier % 4] for earlier in range(max(0, number - 49), number + 1)}:
                        assert seen[kind] == before[kind] + 1
            await settle()
            received._check()
            assert not received._arrived
            assert len(received._strand.mail) == 0  # type: ignore[union-attr]
            nursery.cancel_scope.cancel()
    assert min(seen.values()) >= 200


async def test_a_real_time_signal_is_received_by_its_number() -> None:
    signum = signal.SIGRTMIN + 3
    with open_receiver(signum) as received:
        send(signum)
        assert await received.receive() == signum
        assert repr(received) == f"<SignalReceiver of signal {signum}>"


async def test_a_receiver_leaves_no_garbage_in_a_cycle() -> None:
    gc.collect()
    with open_receiver(USR1) as received:
        send(USR1)
        await received.receive()
    before = len(gc.get_objects())
    for _ in range(50):
        with open_receiver(USR1, HUP) as received:
            pass
    del received
    assert len(gc.get_objects()) - before < 50


def test_in_every_order_with_cancellations_no_signal_is_lost() -> None:
    async def scenario() -> None:
        got: list[int] = []
        with open_receiver(USR1, USR2) as received:

            async def receive() -> None:
                got.append(await received.receive())

            async with conc.open_nursery() as nursery:
                nursery.start_soon(receive, name="receiver")
                nursery.start_soon(receive, name="receiver")
                for signum in (USR1, USR2):
                    nursery.start_soon(_raise, signum)
                await conc.sleep(1)
                nursery.cancel_scope.cancel()
            received._check()
            with conc.move_on_after(1):
                while True:
                    got.append(await received.receive())
        assert sorted(got) == sorted([USR1, USR2])

    explore(scenario, budget=Budget(runs=400, seconds=15), cancel="sweep", sweep_tasks="receiver").assert_ok()


async def _raise(signum: int) -> None:
    await conc.checkpoint()
    signal.raise_signal(signum)


@pytest.mark.parametrize(
    ("signals", "error", "words"),
    [
        ((), ValueError, "open_receiver needs at least one signal"),
        ((signal.SIGKILL,), ValueError, "SIGKILL cannot be received"),
        ((signal.SIGSTOP,), ValueError, "SIGSTOP cannot be received"),
        ((signal.SIGSEGV,), ValueError, "SIGSEGV cannot be received"),
        ((USR1, signal.SIGFPE), ValueError, "SIGFPE cannot be received"),
        ((signal.SIGILL,), ValueError, "SIGILL cannot be received"),
        ((4711,), ValueError, "this system has no signal 4711"),
        ((0,), ValueError, "this system has no signal 0"),
        (("SIGTERM",), TypeError, "a signal must be a number, as signal.SIGTERM, not 'SIGTERM'"),
        ((True,), TypeError, "not True"),
    ],
)
def test_what_cannot_be_received_is_refused_at_the_call(
    signals: tuple[int, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        open_receiver(*signals)


def test_a_signal_given_twice_is_received_once() -> None:
    assert open_receiver(USR1, USR2, USR1).signals == (USR1, USR2)


async def test_a_receiver_is_entered_once_and_used_inside() -> None:
    received = open_receiver(USR1)
    with pytest.raises(RuntimeError, match="receive inside the block"):
        received.receive_nowait()
    with received:
        pass
    with pytest.raises(RuntimeError, match="was entered before; open another one"):
        received.__enter__()


def test_a_receiver_needs_a_running_task() -> None:
    with pytest.raises(RuntimeError, match="this needs a running conc program"):
        open_receiver(USR1).__enter__()
    assert signal.getsignal(USR1) is signal.SIG_DFL
