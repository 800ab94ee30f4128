"""What a history records: who, what, from when to when, and what became of it."""

from __future__ import annotations

import threading

import pytest

import conc
from conc.errors import ChannelFull, WouldBlock
from conc.sync import Event, Semaphore
from conc_testing import History, Raised, assert_linearizable, models, settle


async def test_an_operation_is_recorded_with_its_result_and_its_moments() -> None:
    history = History()

    await conc.sleep(2.5)
    async with history.op("cas", "x", 1, 2) as op:
        assert op.returns(await answer(True)) is True
        await conc.sleep(1)

    (one,) = history
    assert (one.name, one.args, one.call) == ("cas", ("x", 1, 2), ("cas", "x", 1, 2))
    assert (one.fate, one.result, one.time) == ("returned", True, 2.5)
    assert (one.ticket, one.called, one.ended, one.suspended) == (0, 1, 2, None)
    assert str(one) == "cas('x', 1, 2) -> True"


async def answer(value: object) -> object:
    await conc.checkpoint()
    return value


def test_a_plain_block_that_says_nothing_has_returned_none() -> None:
    history = History()

    with history.op("write", 1):
        pass

    assert str(history) == f"{threading.current_thread().name}  write(1) -> None  |-|"
    assert_linearizable(history, models.Register())


def test_moments_tell_which_operations_overlap() -> None:
    history = History()

    with history.op("outer", by="A"):
        with history.op("inner", by="B") as op:
            op.returns(1)
    with history.op("later", by="A"):
        pass

    assert [(one.called, one.ended) for one in history] == [(1, 4), (2, 3), (5, 6)]


async def test_tasks_are_told_apart_by_name(nursery: conc.Nursery) -> None:
    history = History()

    async def client() -> None:
        for _ in range(2):
            async with history.op("get"):
                await conc.checkpoint()

    for name in ("client", "client", "other"):
        nursery.start_soon(client, name=name)
    await settle()

    assert [one.process for one in history] == ["client", "client#2", "other"] * 2


@pytest.mark.parametrize("error", [ChannelFull("full"), WouldBlock("busy")])
def test_an_expected_error_is_the_result_and_goes_no_further(error: WouldBlock) -> None:
    history = History()

    with history.op("put", errors=(WouldBlock,)):
        raise error

    (one,) = history
    assert one.fate == "returned"
    assert one.result == Raised(WouldBlock) == Raised(ChannelFull)
    assert one.result != Raised(ValueError)
    assert str(one) == f"put() raised {type(error).__name__}"


def test_an_error_can_be_recorded_by_hand() -> None:
    history = History()

    with history.op("put") as op:
        try:
            raise WouldBlock("full")
        except WouldBlock as error:
            op.raises(error)

    assert history.operations[0].result == Raised(WouldBlock)
    assert history.operations[0].result.error.args == ("full",)


@pytest.mark.parametrize("error", [TimeoutError, ConnectionResetError])
def test_an_unexpected_error_leaves_the_operation_open(error: type[Exception]) -> None:
    history = History()

    with pytest.raises(error):
        with history.op("put", 1, errors=(WouldBlock,)):
            raise error

    (one,) = history
    assert one.fate == "open"
    assert str(one) == "put(1) -> ?"
    assert one.result == "anything"


@pytest.mark.parametrize(("exact", "fate"), [(False, "open"), (True, "cancelled")])
async def test_a_cancelled_operation_is_open_unless_cancellation_is_exact(exact: bool, fate: str) -> None:
    history = History(exact_cancel=exact)

    with conc.move_on_after(1):
        async with history.op("acquire"):
            await Event().wait()

    assert history.operations[0].fate == fate


def test_that_an_operation_never_happened_can_be_said_by_hand() -> None:
    history = History()

    with history.op("put", 1) as op:
        op.cancelled()

    assert str(history.operations[0]) == "put(1) was cancelled"


def test_what_follows_the_result_in_the_block_does_not_change_it() -> None:
    history = History()

    with pytest.raises(ZeroDivisionError):
        with history.op("get") as op:
            op.returns(7)
            op.suspended()
            raise ZeroDivisionError

    (one,) = history
    assert (one.fate, one.result, one.suspended) == ("returned", 7, None)


async def test_at_rest_those_that_are_under_way_wait(nursery: conc.Nursery) -> None:
    history = History(exact_cancel=True)
    semaphore = Semaphore(1)

    async def take(name: str) -> None:
        async with history.op("acquire", by=name) as op:
            await semaphore.acquire()
            op.returns(None)

    nursery.start_soon(take, "A")
    nursery.start_soon(take, "B")
    await settle()
    history.at_rest()
    nursery.cancel_scope.cancel()
    await settle_shielded()

    assert [one.fate for one in history] == ["returned", "waiting"]
    assert str(history) == "A  acquire() -> None      |-|\nB  acquire() still waits      |->"
    assert_linearizable(history, models.Semaphore(1))


async def settle_shielded() -> None:
    """Let those end who were cancelled."""
    with conc.CancelScope(shield=True):
        await settle()


async def test_a_history_in_which_time_passes_shows_it() -> None:
    history = History()
    for _ in range(2):
        async with history.op("write", 1, by="A"):
            await conc.sleep(1.5)

    assert str(history) == "0.000  A  write(1) -> None  |-|\n1.500  A  write(1) -> None      |-|"


def test_one_that_was_seen_to_wait_says_so_once() -> None:
    history = History()

    with history.op("acquire") as op:
        op.suspended()
        op.suspended()

    assert (history.operations[0].suspended, history.operations[0].ended) == (2, 3)


def test_threads_record_into_one_history() -> None:
    history = History()

    def client() -> None:
        for number in range(50):
            with history.op("write", number):
                pass

    threads = [threading.Thread(target=client, name=f"client {number}") for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    moments = [moment for one in history for moment in (one.called, one.ended)]
    assert sorted(m for m in moments if m) == list(range(1, 401))
    assert {one.process for one in history} == {thread.name for thread in threads}
    assert_linearizable(history, models.Register())


def test_a_recording_is_for_one_operation() -> None:
    history = History()
    recording = history.op("get")

    with pytest.raises(RuntimeError, match="has not begun"):
        recording.returns(1)
    with recording:
        pass
    with pytest.raises(RuntimeError, match="recorded already"):
        recording.__enter__()
    assert len(history) == 1
    assert repr(history) == "<History of 1 operation(s)>"


def test_a_long_history_shows_its_end() -> None:
    history = History()
    for number in range(40):
        with history.op("write", number, by="A"):
            pass

    lines = str(history).splitlines()

    assert lines[0] == "(16 earlier ones left out)"
    assert len(lines) == 25
    assert lines[-1].startswith("A  write(39) -> None")
