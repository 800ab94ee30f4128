"""mpsc and mpmc against what they would be if there were no tasks: a list, two lines, and who got what."""

from __future__ import annotations

from typing import Any

import outcome
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import conc
from conc.channels import Permit, mpmc
from conc.errors import ChannelClosed, EndOfChannel, WouldBlock
from tests.kernel.support import Driven


class Model:
    """A channel, sequentially. Waits are named by number; `ends` tells what each was granted, or how it ended."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.items, self.reserved = capacity, list[int](), 0
        self.senders = list[tuple[int, int, int]]()  # name, item, places
        self.receivers = list[tuple[int, int]]()  # name, limit
        self.closed = self.deaf = False
        self.ends: dict[int, Any] = {}

    def send(self, name: int, item: int, places: int) -> None:
        if self.deaf:
            self.ends[name] = ChannelClosed
        elif not places and self.receivers and not self.senders:
            receiver, limit = self.receivers.pop(0)
            self.ends.update({name: None, receiver: [item] if limit else item})
        else:
            self.senders.append((name, item, places))
            self.settle()

    def receive(self, name: int, limit: int) -> None:
        taken: list[int] = []
        while not self.receivers and len(taken) < max(limit, 1) and (self.items or self.has_giver()):
            taken.append(self.take())
        if taken:
            self.ends[name] = taken if limit else taken[0]
        else:
            self.receivers.append((name, limit))
        self.settle()

    def has_giver(self) -> bool:
        return self.capacity == 0 and bool(self.senders)

    def take(self) -> int:
        if not self.items:
            name, item, _ = self.senders.pop(0)
            self.ends[name] = None
            return item
        item = self.items.pop(0)
        self.let_in()
        return item

    def let_in(self) -> None:
        while self.senders and self.capacity - len(self.items) - self.reserved >= max(self.senders[0][2], 1):
            name, item, places = self.senders.pop(0)
            self.ends[name] = places or None
            self.reserved += places
            self.items += [] if places else [item]
            if not places and self.receivers:  # who waits gets the first that comes
                self.settle()

    def settle(self) -> None:
        while self.receivers and (self.items or self.has_giver()):
            name, limit = self.receivers.pop(0)
            self.ends[name] = [self.take()] if limit else self.take()
        self.let_in()
        if not self.items and not self.reserved and (self.closed or self.deaf):
            self.ends.update((name, EndOfChannel) for name, _ in self.receivers)
            self.receivers = []

    def leave(self, name: int) -> None:
        if name not in self.ends:
            self.ends[name] = "cancelled"
            self.senders = [one for one in self.senders if one[0] != name]
            self.receivers = [one for one in self.receivers if one[0] != name]
            self.settle()


class ChannelMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.tasks: list[conc.Task[Any]] = []
        self.permits: list[Permit[int]] = []
        self.requested: dict[int, int] = {}
        self.number = 0

    @initialize(capacity=st.integers(0, 4))
    def begin(self, capacity: int) -> None:
        self.sender, self.receiver = mpmc[int](capacity)
        self.model = Model(capacity)

    async def _do(self, operation: Any, plain: Any, *args: Any) -> Any:
        try:
            return await plain(*args) if operation is None else (await conc.select(operation))[1]
        except (ChannelClosed, EndOfChannel) as error:
            return type(error)

    def start(self, select: bool, operation: Any, plain: Any, *args: Any) -> None:
        task = self.driven.start(self._do, operation if select else None, plain, *args)
        self.tasks.append(task)
        if isinstance(task.outcome, outcome.Value) and isinstance(task.outcome.value, Permit):
            self.permits.append(task.outcome.value)

    @rule(select=st.booleans())
    def send(self, select: bool) -> None:
        if not self.model.closed:
            self.number += 1
            self.model.send(len(self.tasks), self.number, 0)
            self.start(select, self.sender.sending(self.number), self.sender.send, self.number)

    @precondition(lambda self: self.model.capacity and not self.model.closed)
    @rule(places=st.integers(1, 3), select=st.booleans())
    def reserve(self, places: int, select: bool) -> None:
        places = min(places, self.model.capacity)
        self.requested[len(self.tasks)] = places
        self.model.send(len(self.tasks), 0, places)
        self.start(select, self.sender.reserving(places), self.sender.reserve_many, places)

    @rule(limit=st.integers(0, 3), select=st.booleans())
    def receive(self, limit: int, select: bool) -> None:
        self.model.receive(len(self.tasks), limit)
        if limit:
            self.start(select, self.receiver.receiving_many(limit), self.receiver.receive_many, limit)
        else:
            self.start(select, self.receiver.receiving(), self.receiver.receive)

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        self.model.leave(name)

    @precondition(lambda self: any(map(len, self.permits)))
    @rule(choice=st.integers(0, 1000), use=st.booleans())
    def use_or_return_a_permit(self, choice: int, use: bool) -> None:
        permits = [permit for permit in self.permits if len(permit)]
        permit = permits[choice % len(permits)]
        if use:
            self.number += 1
            self.model.reserved -= 1
            self.model.items.append(self.number)
            permit.send_nowait(self.number)
        else:
            self.model.reserved -= len(permit)
            permit.release()
        self.model.settle()

    @rule()
    def receive_nowait(self) -> None:
        name = -1
        self.model.ends.pop(name, None)
        self.model.receive(name, 0)
        if name in self.model.ends:
            expected = self.model.ends[name]
            if expected is EndOfChannel:
                with pytest.raises(EndOfChannel):
                    self.receiver.receive_nowait()
            else:
                assert self.receiver.receive_nowait() == expected
        else:
            self.model.leave(name)
            with pytest.raises(WouldBlock):
                self.receiver.receive_nowait()

    @precondition(lambda self: len(self.tasks) > 8)
    @rule(who=st.integers(0, 5))
    def close(self, who: int) -> None:
        if who == 0 and not self.model.senders and not self.model.closed:
            self.model.closed = True
            self.sender.close()
        elif who == 1 and not self.model.deaf:
            self.model.deaf = True
            self.model.ends.update((name, ChannelClosed) for name, _, _ in self.model.senders)
            self.model.senders = []
            self.receiver.close()
        self.model.settle()

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for name, task in enumerate(self.tasks):
            assert self.end_of(name, task) == self.model.ends.get(name, "waits"), f"wait {name}"

    def end_of(self, name: int, task: conc.Task[Any]) -> Any:
        ended = task.outcome
        if ended is None:
            return "waits"
        if isinstance(ended, outcome.Error):
            assert isinstance(ended.error, conc.Cancelled)
            return "cancelled"
        assert isinstance(ended, outcome.Value)
        if isinstance(ended.value, Permit):
            if ended.value not in self.permits:
                self.permits.append(ended.value)
            return self.requested[name]
        return ended.value

    @invariant()
    def the_numbers_agree(self) -> None:
        self.sender._check()
        statistics = self.sender.statistics()
        assert list(self.sender._conduit.items) == self.model.items
        assert statistics.reserved == self.model.reserved
        assert statistics.tasks_waiting_send == len(self.model.senders)
        assert statistics.tasks_waiting_receive == len(self.model.receivers)

    def teardown(self) -> None:
        self.let_them_run()
        for name in range(len(self.tasks)):
            self.driven.do(self.tasks[name].cancel)
            self.model.leave(name)
        self.let_them_run()
        for permit in self.permits:
            permit.release()
        self.sender.close()
        self.receiver.close()
        self.driven.close()


TestChannel = ChannelMachine.TestCase
