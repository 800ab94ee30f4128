"""A broadcast against what it would be if there were no tasks: all that was sent, and how far each receiver is."""

from __future__ import annotations

from typing import Any

import outcome
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import conc
from conc.channels import BroadcastReceiver, broadcast
from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, ClosedResource, EndOfChannel, Lagged
from tests.kernel.support import Driven


class Model:
    """A broadcast, sequentially. Receivers and waits are named by number; `ends` tells what each wait came to."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.sent, self.senders = capacity, list[int](), 1
        self.at: list[int | None] = [0]  # how many each receiver has got or lost; None: it is closed
        self.waits: dict[int, int] = {}  # by receiver
        self.ends: dict[int, Any] = {}

    def send(self, item: int) -> Any:
        if not self.senders or not self.open():
            return ChannelClosed if self.senders else ClosedResource
        self.sent.append(item)
        for receiver in list(self.waits):
            self.end_wait(receiver, self.receive(receiver))
        return len(self.open())

    def receive(self, receiver: int) -> Any:
        """What comes next for a receiver; None if it would have to wait."""
        at = self.at[receiver]
        if at is None:
            return ClosedResource
        lost = len(self.sent) - self.capacity - at
        if lost > 0:
            self.at[receiver] = at + lost
            return Lagged, lost
        if at < len(self.sent):
            self.at[receiver] = at + 1
            return self.sent[at]
        return EndOfChannel if not self.senders else BusyResource if receiver in self.waits else None

    def end_wait(self, receiver: int, end: Any) -> None:
        if receiver in self.waits:
            self.ends[self.waits.pop(receiver)] = end

    def open(self) -> list[int]:
        return [at for at in self.at if at is not None]

    def kept(self) -> int:
        return min(max((len(self.sent) - at for at in self.open()), default=0), self.capacity)


def attempt(operation: Any, *args: Any) -> Any:
    """What it gives, or the type of its error, with its number; None for an item that would have to be waited for."""
    try:
        return operation(*args)
    except ChannelEmpty:
        return None
    except Lagged as lagged:
        return Lagged, lagged.count
    except (BusyResource, ChannelClosed, ClosedResource, EndOfChannel) as error:
        return type(error)


class BroadcastMachine(RuleBasedStateMachine):
    @initialize(capacity=st.integers(1, 4))
    def begin(self, capacity: int) -> None:
        self.driven = Driven()
        sender, receiver = broadcast[int](capacity)
        self.senders, self.receivers = [sender], [receiver]
        self.model = Model(capacity)
        self.tasks: list[conc.Task[Any]] = []

    async def _receive(self, receiver: BroadcastReceiver[int], select: bool) -> Any:
        try:
            return (await conc.select(receiver.receiving()))[1] if select else await receiver.receive()
        except Lagged as lagged:
            return Lagged, lagged.count
        except (BusyResource, ClosedResource, EndOfChannel) as error:
            return type(error)

    @rule(items=st.lists(st.integers(0, 9), min_size=1, max_size=3))
    def send(self, items: list[int]) -> None:
        for item in items:
            assert attempt(self.senders[-1].send_nowait, item) == self.model.send(item)

    @rule(choice=st.integers(0, 1000), select=st.booleans())
    def receive(self, choice: int, select: bool) -> None:
        name, receiver = len(self.tasks), choice % len(self.receivers)
        end = self.model.receive(receiver)
        if end is None:
            self.model.waits[receiver] = name
        else:
            self.model.ends[name] = end
        self.tasks.append(self.driven.start(self._receive, self.receivers[receiver], select))

    @rule(choice=st.integers(0, 1000))
    def receive_nowait(self, choice: int) -> None:
        receiver = choice % len(self.receivers)
        assert attempt(self.receivers[receiver].receive_nowait) == self.model.receive(receiver)

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        for receiver, wait in list(self.model.waits.items()):
            if wait == name:
                self.model.end_wait(receiver, "cancelled")

    @precondition(lambda self: self.model.senders)
    @rule()
    def subscribe(self) -> None:
        self.receivers.append(self.senders[-1].subscribe())
        self.model.at.append(len(self.model.sent))

    @rule(choice=st.integers(0, 1000), from_now=st.booleans())
    def another_receiver(self, choice: int, from_now: bool) -> None:
        receiver = choice % len(self.receivers)
        at = self.model.at[receiver]
        if at is not None:
            original = self.receivers[receiver]
            self.receivers.append(original.resubscribe() if from_now else original.clone())
            self.model.at.append(len(self.model.sent) if from_now else at)

    @rule(choice=st.integers(0, 1000))
    def close_a_receiver(self, choice: int) -> None:
        receiver = choice % len(self.receivers)
        self.receivers[receiver].close()
        self.model.at[receiver] = None
        self.model.end_wait(receiver, ClosedResource)

    @precondition(lambda self: self.model.senders)
    @rule()
    def clone_the_sender(self) -> None:
        self.senders.append(self.senders[-1].clone())
        self.model.senders += 1

    @precondition(lambda self: self.model.senders)
    @rule(whether=st.integers(0, 2))
    def close_a_sender(self, whether: int) -> None:
        if whether == 0:
            self.senders[0].close()
            if self.model.senders > 1:
                del self.senders[0]
            self.model.senders -= 1
            if not self.model.senders:
                for receiver in list(self.model.waits):
                    self.model.end_wait(receiver, EndOfChannel)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for name, task in enumerate(self.tasks):
            ended = task.outcome
            end = ended.unwrap() if isinstance(ended, outcome.Value) else "cancelled" if ended else None
            assert end == self.model.ends.get(name), f"wait {name}"

    @invariant()
    def the_numbers_agree(self) -> None:
        model = self.model
        for receiver, at in zip(self.receivers, model.at, strict=True):
            receiver._check()
            assert at is None or receiver.unread == len(model.sent) - at
        statistics = self.receivers[0].statistics()
        assert statistics == (model.kept(), model.capacity, model.senders, len(model.open()), len(model.waits))

    def teardown(self) -> None:
        if hasattr(self, "driven"):
            self.let_them_run()
            self.driven.close()


TestBroadcast = BroadcastMachine.TestCase
TestBroadcast.settings = settings(stateful_step_count=40)
