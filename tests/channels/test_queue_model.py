"""mpsc and mpmc against what they would be if there were no tasks: a list, two lines, and one rule."""

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
    """A channel, sequentially; `settle` is the rule, and is followed until nothing more happens. Waits are named by
    number; `ends` tells what each was granted, if it was not to send: places or items; or how it ended."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.reserved = capacity, 0
        self.items, self.receiving = list[int](), list[int]()
        self.sending = list[tuple[int, int, int]]()  # name, item, places
        self.closed = self.deaf = False  # nobody sends any more; nobody receives
        self.ends: dict[int, Any] = {}

    def send(self, name: int, item: int, places: int) -> None:
        by_hand = bool(self.receiving) and not self.sending and not places  # needs no place
        self.sending.append((name, item, places))
        self.settle(more=by_hand)

    def receive(self, name: int, limit: int) -> None:
        for number in range(limit):
            if number == 0 or self.items or (self.sending and not self.capacity):
                self.receiving.append(name)
                self.settle()

    def leave(self, name: int) -> None:
        if name not in self.ends:
            self.ends[name] = "cancelled"
            self.sending = [one for one in self.sending if one[0] != name]
            self.receiving = [one for one in self.receiving if one != name]
            self.settle()

    def settle(self, more: int = 0) -> None:
        free = (self.capacity or len(self.receiving)) - len(self.items) - self.reserved + more
        if self.deaf and self.sending:
            self.ends[self.sending.pop(0)[0]] = ChannelClosed
        elif self.items and self.receiving:
            self.ends.setdefault(self.receiving.pop(0), []).append(self.items.pop(0))
        elif self.sending and free >= max(self.sending[0][2], 1):
            name, item, places = self.sending.pop(0)
            self.ends[name] = places or None
            self.reserved += places
            self.items += [] if places else [item]
        elif self.receiving and (self.closed or self.deaf) and not self.reserved:
            self.ends[self.receiving.pop(0)] = EndOfChannel
        else:
            return
        self.settle()


class ChannelMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.tasks: list[conc.Task[Any]] = []
        self.permits: list[Permit[int]] = []
        self.requested: dict[int, int] = {}
        self.for_one: set[int] = set()  # who receives one item, and not a list
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

    @precondition(lambda self: not self.model.closed)
    @rule(select=st.booleans())
    def send(self, select: bool) -> None:
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
        self.model.receive(len(self.tasks), limit or 1)
        if limit:
            self.start(select, self.receiver.receiving_many(limit), self.receiver.receive_many, limit)
        else:
            self.for_one.add(len(self.tasks))
            self.start(select, self.receiver.receiving(), self.receiver.receive)

    @precondition(lambda self: any(task.outcome is None for task in self.tasks))
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        """One that waits, or that was granted and has not run since."""
        waiting = [name for name, task in enumerate(self.tasks) if task.outcome is None]
        name = waiting[choice % len(waiting)]
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

    @precondition(lambda self: not self.model.closed)
    @rule()
    def send_nowait(self) -> None:
        name = -1
        self.number += 1
        self.model.ends.pop(name, None)
        self.model.send(name, self.number, 0)
        refusal = self.model.ends.get(name, WouldBlock)
        if refusal is None:
            self.sender.send_nowait(self.number)
        else:
            self.model.leave(name)
            with pytest.raises(refusal):
                self.sender.send_nowait(self.number)

    @rule()
    def receive_nowait(self) -> None:
        name = -1
        self.model.ends.pop(name, None)
        self.model.receive(name, 1)
        if name in self.model.ends:
            expected = self.model.ends[name]
            if expected is EndOfChannel:
                with pytest.raises(EndOfChannel):
                    self.receiver.receive_nowait()
            else:
                assert [self.receiver.receive_nowait()] == expected
        else:
            self.model.leave(name)
            with pytest.raises(WouldBlock):
                self.receiver.receive_nowait()

    @precondition(lambda self: len(self.tasks) > 8)
    @rule(who=st.integers(0, 5))
    def close(self, who: int) -> None:
        if who == 0 and not self.model.sending and not self.model.closed:
            self.model.closed = True
            self.sender.close()
        elif who == 1 and not self.model.deaf:
            self.model.deaf = True
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
        received = name in self.for_one and ended.value is not EndOfChannel
        return [ended.value] if received else ended.value

    @invariant()
    def the_numbers_agree(self) -> None:
        self.sender._check()
        statistics = self.sender.statistics()
        assert list(self.sender._conduit.items) == self.model.items
        assert statistics.reserved == self.model.reserved
        assert statistics.tasks_waiting_send == len(self.model.sending)
        assert statistics.tasks_waiting_receive == len(self.model.receiving)

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
