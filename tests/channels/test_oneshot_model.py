"""A oneshot against what it would be if there were no tasks: an item that is there or not, and who got it."""

from __future__ import annotations

from typing import Any

import outcome
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.channels import oneshot
from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, ClosedResource, EndOfChannel
from tests.kernel.support import Driven

NOTHING = "nothing"


class Model:
    """A oneshot, sequentially. Waits are named by number; `ends` tells what each was granted, or how it ended."""

    def __init__(self) -> None:
        self.item: Any = NOTHING
        self.sent = self.received = self.sender_closed = self.receiver_closed = False
        self.waits: int | None = None
        self.ends: dict[int, Any] = {}

    def send(self, item: int) -> Any:
        if self.sent or self.sender_closed:
            return RuntimeError if self.sent else ClosedResource
        if self.receiver_closed:
            return ChannelClosed
        self.sent, self.item = True, item
        if self.waits is not None:
            self.end_wait(self.receive())
        return None

    def receive(self) -> Any:
        """What there is to be had now; None if one would have to wait."""
        if self.received:
            return RuntimeError
        if self.sent:
            self.received = True
            return self.item
        if self.sender_closed or self.receiver_closed:
            return EndOfChannel
        return None if self.waits is None else BusyResource

    def end_wait(self, end: Any) -> None:
        if self.waits is not None:
            self.ends[self.waits], self.waits = end, None

    def close(self, sender: bool) -> None:
        self.sender_closed |= sender
        self.receiver_closed |= not sender
        self.end_wait(EndOfChannel)


def attempt(operation: Any, *args: Any) -> Any:
    """What it gives, or the type of its error; None for an item that would have to be waited for."""
    try:
        return operation(*args)
    except ChannelEmpty:
        return None
    except (RuntimeError, BusyResource, ChannelClosed, ClosedResource, EndOfChannel) as error:
        return type(error)


class OneshotMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.sender, self.receiver = oneshot[int]()
        self.model = Model()
        self.tasks: list[conc.Task[Any]] = []

    async def _receive(self, select: bool) -> Any:
        try:
            return (await conc.select(self.receiver.receiving()))[1] if select else await self.receiver.receive()
        except (RuntimeError, BusyResource, EndOfChannel) as error:
            return type(error)

    @rule(item=st.integers(0, 9))
    def send(self, item: int) -> None:
        assert attempt(self.sender.send_nowait, item) == self.model.send(item)

    @rule(select=st.booleans())
    def receive(self, select: bool) -> None:
        name = len(self.tasks)
        end = self.model.receive()
        if end is None:
            self.model.waits = name
        else:
            self.model.ends[name] = end
        self.tasks.append(self.driven.start(self._receive, select))

    @rule()
    def receive_nowait(self) -> None:
        assert attempt(self.receiver.receive_nowait) == self.model.receive()

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        if name == self.model.waits:
            self.model.end_wait("cancelled")

    @rule(sender=st.booleans(), whether=st.integers(0, 4))
    def close(self, sender: bool, whether: int) -> None:
        if whether == 0:
            (self.sender if sender else self.receiver).close()
            if not (sender and self.model.sent):
                self.model.close(sender)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for name, task in enumerate(self.tasks):
            ended = task.outcome
            end = ended.unwrap() if isinstance(ended, outcome.Value) else "cancelled" if ended else None
            assert end == self.model.ends.get(name), f"wait {name}"

    @invariant()
    def the_ends_agree(self) -> None:
        self.sender._check()
        model = self.model
        assert self.sender.is_closed() == (model.receiver_closed or model.received)
        assert self.receiver.is_closed() == (model.receiver_closed or model.sender_closed or model.sent)

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestOneshot = OneshotMachine.TestCase
TestOneshot.settings = settings(stateful_step_count=20)
