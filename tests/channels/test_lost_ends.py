"""Ends that are dropped without close(): a warning if, and only if, somebody would wait for ever."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import conc
from conc.channels import mpmc, mpsc, mpsc_unbounded
from conc_testing import settle
from tests.kernel.support import run


@contextmanager
def silence() -> Iterator[None]:
    """Nothing in the block warns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def lost(side: str) -> str:
    return rf"the {side} made at {__file__}:\d+ was dropped without close\(\)"


def test_dropping_both_ends_in_any_order_is_no_mistake() -> None:
    with silence():
        sender, receiver = mpsc[int](1)
        del sender, receiver
        sender, receiver = mpsc[int](1)
        del receiver, sender
        mpsc_unbounded[int]()


def test_a_receiver_that_waits_for_a_dropped_sender_warns() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        sender.send_nowait(1)
        with receiver:
            with silence():
                del sender
                gc.collect()
                assert await receiver.receive() == 1  # there is no harm yet
            with pytest.warns(ResourceWarning, match=lost("sender")), conc.move_on_after(1):
                await receiver.receive()
            with silence(), conc.move_on_after(1):
                await receiver.receive()  # it was said

    run(main)


def test_a_sender_that_is_dropped_while_a_receiver_waits_for_it_warns() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with receiver:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(receiver.receive)
                await settle()
                with pytest.warns(ResourceWarning, match=lost("sender")):  # noqa: PT031
                    del sender
                    gc.collect()
                nursery.cancel_scope.cancel()

    run(main)


def test_an_async_for_over_a_channel_whose_sender_was_dropped_warns() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with receiver:
            del sender
            gc.collect()
            with pytest.warns(ResourceWarning, match=lost("sender")), conc.move_on_after(1):  # noqa: PT031
                async for _ in receiver:
                    raise AssertionError("an item")

    run(main)


def test_a_dropped_sender_is_no_mistake_while_there_is_another() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        other = sender.clone()
        with receiver:
            with silence(), conc.move_on_after(1):
                del sender
                gc.collect()
                await receiver.receive()
            other.send_nowait(1)
            assert await receiver.receive() == 1
            with pytest.warns(ResourceWarning) as caught, conc.move_on_after(1):  # noqa: PT031
                del other
                gc.collect()
                await receiver.receive()
            assert len(caught) == 2  # one for each of them

    run(main)


def test_a_sender_that_waits_for_a_dropped_receiver_to_make_room_warns() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender:
            del receiver
            gc.collect()
            with silence():
                await sender.send(1)
            with pytest.warns(ResourceWarning, match=lost("receiver")), conc.move_on_after(1):
                await sender.send(2)

    run(main)


def test_a_receiver_that_is_dropped_while_a_sender_waits_for_room_warns() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](1)
        with sender:
            sender.send_nowait(1)
            async with conc.open_nursery() as nursery:
                nursery.start_soon(sender.send, 2)
                await settle()
                with pytest.warns(ResourceWarning, match=lost("receiver")):  # noqa: PT031
                    del receiver
                    gc.collect()
                nursery.cancel_scope.cancel()

    run(main)


def test_an_end_that_is_closed_is_dropped_in_silence() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with silence(), receiver:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(collect, receiver)
                await settle()
                sender.close()

    async def collect(receiver: object) -> None:
        async for _ in receiver:  # type: ignore[attr-defined]
            raise AssertionError("an item")

    run(main)
