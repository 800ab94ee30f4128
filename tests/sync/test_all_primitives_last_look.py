"""What holds for primitives whose usual case takes no lock: who lets through between a look and the line is not missed.

Whoever finds that he has to wait gets in line, and looks once more. Here another run, in another thread, lets him
through just before he stands there: under the lock, when it sees nobody who waits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

import conc
from conc._kernel.operation import QueueOperation, perform_blocking
from conc._kernel.waitqueue import WaitQueue
from conc.channels import Permit, Receiver, Sender, mpmc, mpsc, mpsc_unbounded
from conc.sync import Mutex
from tests.threads.support import PATIENCE, Stranger

Act = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Meeting:
    """One waits in `line` for what another one lets through."""

    line: WaitQueue
    block: Act
    wait: Act
    operation: Callable[[], QueueOperation[Any]]
    let_through: Act
    check: Callable[[], None]
    leave: Callable[[Any], object] = lambda result: None


async def nothing() -> None:
    """What is necessary where one has to wait in any case."""


def mutex() -> Meeting:
    mutex = Mutex()

    async def release() -> None:
        mutex.release()

    line, check = mutex._waiters, mutex._check
    return Meeting(line, mutex.acquire, mutex.acquire, mutex.acquiring, release, check, lambda _: mutex.release())


def send() -> Meeting:
    sender, receiver = mpsc[int](1)
    line, check = sender._conduit.sending, sender._check
    return Meeting(
        line, lambda: sender.send(0), lambda: sender.send(1), lambda: sender.sending(1), receiver.receive, check
    )


def reserve() -> Meeting:
    sender, receiver = mpsc[int](1)
    line, check = sender._conduit.sending, sender._check
    return Meeting(
        line, lambda: sender.send(0), sender.reserve, sender.reserving, receiver.receive, check, Permit[int].release
    )


def with_places(ends: tuple[Sender[int], Receiver[int]]) -> tuple[Sender[int], Receiver[int]]:
    """The first places are made under the lock."""
    sender, receiver = ends
    sender.send_nowait(0)
    receiver.receive_nowait()
    return ends


def receive(make: Callable[[], tuple[Sender[int], Receiver[int]]]) -> Meeting:
    sender, receiver = with_places(make())
    line, check = sender._conduit.receiving, sender._check
    return Meeting(line, nothing, receiver.receive, receiver.receiving, lambda: sender.send(1), check)


def receive_many() -> Meeting:
    sender, receiver = with_places(mpsc[int](1))
    line, check = sender._conduit.receiving, sender._check
    return Meeting(
        line,
        nothing,
        lambda: receiver.receive_many(5),
        lambda: receiver.receiving_many(5),
        lambda: sender.send(1),
        check,
    )


MEETINGS: dict[str, Callable[[], Meeting]] = {
    "Mutex.acquire": mutex,
    "Sender.send": send,
    "Sender.reserve": reserve,
    "Receiver.receive, mpsc": lambda: receive(lambda: mpsc[int](1)),
    "Receiver.receive, unbounded": lambda: receive(mpsc_unbounded[int]),
    "Receiver.receive, mpmc": lambda: receive(lambda: mpmc[int](1)),
    "Receiver.receive_many": receive_many,
}


class Line(deque[Any]):
    """A line before which something happens when the first gets in."""

    def __init__(self, before: Callable[[], None]) -> None:
        super().__init__()
        self._before = before

    def append(self, waiter: Any) -> None:
        """As a deque."""
        before, self._before = self._before, lambda: None
        before()
        super().append(waiter)


@pytest.mark.parametrize("form", ["alone", "in a select", "in a thread"])
@pytest.mark.parametrize("label", MEETINGS)
def test_who_is_let_through_between_his_look_and_the_line_does_not_wait(label: str, form: str) -> None:
    meeting = MEETINGS[label]()
    blocked, looked, let_through = threading.Event(), threading.Event(), threading.Event()

    async def other() -> None:
        await meeting.block()
        blocked.set()
        while not looked.is_set():
            await conc.checkpoint()
        await meeting.let_through()
        let_through.set()

    def meet() -> None:
        looked.set()
        assert let_through.wait(PATIENCE), "who lets through takes the lock"

    async def main() -> None:
        with conc.fail_after(PATIENCE):
            meeting.leave(await meeting.wait() if form == "alone" else (await conc.select(meeting.operation()))[1])

    thread = Stranger(conc.run, other)
    assert blocked.wait(PATIENCE)
    meeting.line.line = Line(meet)  # nobody stands there
    if form == "in a thread":
        meeting.leave(perform_blocking(meeting.operation(), PATIENCE, label))
    else:
        conc.run(main)

    thread.result()
    assert looked.is_set()
    meeting.check()
