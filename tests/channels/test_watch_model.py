"""A watch against what it would be if there were no tasks: a value, its number, and what each receiver has seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import outcome
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import conc
from conc.channels import WatchReceiver, watch
from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, ClosedResource, EndOfChannel
from tests.kernel.support import Driven


class Model:
    """A watch, sequentially. Receivers and waits are named by number; `ends` tells what each wait came to."""

    def __init__(self) -> None:
        self.value, self.version, self.senders = 0, 0, 1
        self.seen: list[int | None] = [0]  # by receiver; None: it is closed
        self.waits: dict[int, tuple[int, int]] = {}  # by receiver: the wait, and the least value it waits for
        self.woken: list[tuple[int, int, int, int]] = []  # the receiver, the version, the wait, the least value
        self.cancelled, self.ends = set[int](), dict[int, Any]()

    def send(self, value: int) -> None:
        self.value, self.version = value, self.version + 1
        self.wake(*self.waits)

    def wake(self, *receivers: int) -> None:
        for receiver in receivers:
            self.seen[receiver] = self.version
            self.woken.append((receiver, self.version, *self.waits.pop(receiver)))

    def look(self, receiver: int) -> Any:
        if self.seen[receiver] is None:
            return ClosedResource
        if self.seen[receiver] != self.version:
            self.seen[receiver] = self.version
            return self.value
        return EndOfChannel if not self.senders else BusyResource if receiver in self.waits else None

    def wait(self, receiver: int, name: int, least: int) -> None:
        while isinstance(found := self.look(receiver), int) and found < least:
            pass
        if found is None:
            self.waits[receiver] = (name, least)
        else:
            self.ends[name] = found

    def run(self) -> None:  # let those who were woken run: they see the value that is there then
        while self.woken:
            receiver, version, name, least = self.woken.pop(0)
            if version != self.version and self.seen[receiver] is not None:
                self.seen[receiver] = self.version
            if self.value >= least or name in self.cancelled:
                self.ends[name] = self.value if self.value >= least else "cancelled"
            else:
                self.wait(receiver, name, least)


def attempt(operation: Any, *args: Any) -> Any:
    """What it gives, or the type of its error; None for a value that would have to be waited for."""
    try:
        return operation(*args)
    except ChannelEmpty:
        return None
    except (BusyResource, ChannelClosed, ClosedResource, EndOfChannel) as error:
        return type(error)


class WatchMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.driven = Driven()
        sender, receiver = watch(0)
        self.senders, self.receivers = [sender], [receiver]
        self.model = Model()
        self.tasks: list[conc.Task[Any]] = []

    async def _wait(self, receiver: WatchReceiver[int], least: int) -> Any:
        try:
            if least == 0:
                return await receiver.changed()
            if least == 1:
                return (await conc.select(receiver.changing()))[1]
            return await receiver.wait_for(lambda value: value >= least)
        except (BusyResource, ClosedResource, EndOfChannel) as error:
            return type(error)

    @rule(value=st.integers(0, 5), modify=st.booleans())
    def send(self, value: int, modify: bool) -> None:
        model, sender = self.model, self.senders[-1]
        if not model.senders:
            assert attempt(sender.send_nowait, value) is ClosedResource
        elif modify:
            assert sender.send_if_modified(lambda _: value) == (value != model.value)
            if value != model.value:
                model.send(value)
        elif any(seen is not None for seen in model.seen):
            sender.send_nowait(value)
            model.send(value)
        else:
            assert attempt(sender.send_nowait, value) is ChannelClosed
            assert sender.send_replace(value) == model.value
            model.send(value)

    @rule(choice=st.integers(0, 1000), least=st.integers(0, 5))
    def wait(self, choice: int, least: int) -> None:
        self.let_them_run()
        name, receiver, model = len(self.tasks), choice % len(self.receivers), self.model
        if least > 1 and model.seen[receiver] is not None:  # it looks at the present value first
            model.seen[receiver] = model.version
            if model.value >= least:
                model.ends[name] = model.value
        if name not in model.ends:
            model.wait(receiver, name, 0 if least < 2 else least)
        self.tasks.append(self.driven.start(self._wait, self.receivers[receiver], least))

    @rule(choice=st.integers(0, 1000))
    def changed_nowait(self, choice: int) -> None:
        receiver = choice % len(self.receivers)
        assert attempt(self.receivers[receiver].changed_nowait) == self.model.look(receiver)

    @rule(choice=st.integers(0, 1000), changed=st.booleans())
    def mark(self, choice: int, changed: bool) -> None:
        receiver, model = choice % len(self.receivers), self.model
        mark = self.receivers[receiver].mark_changed if changed else self.receivers[receiver].mark_unchanged
        assert attempt(mark) is (ClosedResource if model.seen[receiver] is None else None)
        if model.seen[receiver] is not None:
            if changed and receiver in model.waits:
                model.wake(receiver)
            else:
                model.seen[receiver] = -1 if changed else model.version

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        self.model.cancelled.add(name)
        self.end_waits("cancelled", lambda _, wait: wait == name)

    def end_waits(self, end: Any, which: Callable[[int, int], bool]) -> None:
        for receiver, (wait, _) in list(self.model.waits.items()):
            if which(receiver, wait):
                self.model.ends[wait] = end
                del self.model.waits[receiver]

    @rule(choice=st.integers(0, 1000))
    def another_receiver(self, choice: int) -> None:
        receiver, model = choice % (len(self.receivers) + 1), self.model
        if receiver == len(self.receivers):
            if model.senders:
                self.receivers.append(self.senders[-1].subscribe())
                model.seen.append(model.version)
        elif model.seen[receiver] is not None:
            self.receivers.append(self.receivers[receiver].clone())
            model.seen.append(model.seen[receiver])

    @rule(choice=st.integers(0, 1000))
    def close_a_receiver(self, choice: int) -> None:
        receiver = choice % len(self.receivers)
        self.receivers[receiver].close()
        self.model.seen[receiver] = None
        self.end_waits(ClosedResource, lambda one, _: one == receiver)

    @precondition(lambda self: self.model.senders)
    @rule(whether=st.integers(0, 3))
    def clone_or_close_a_sender(self, whether: int) -> None:
        if whether:
            self.senders.append(self.senders[-1].clone())
            self.model.senders += 1
            return
        self.senders[0].close()
        if self.model.senders > 1:
            del self.senders[0]
        self.model.senders -= 1
        if not self.model.senders:
            self.end_waits(EndOfChannel, lambda *_: True)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        self.model.run()
        for name, task in enumerate(self.tasks):
            ended = task.outcome
            end = ended.unwrap() if isinstance(ended, outcome.Value) else "cancelled" if ended else None
            assert end == self.model.ends.get(name), f"wait {name}"

    @invariant()
    def the_numbers_agree(self) -> None:
        model = self.model
        for receiver, seen in zip(self.receivers, model.seen, strict=True):
            receiver._check()
            assert attempt(receiver.has_changed) == (ClosedResource if seen is None else seen != model.version)
        open_receivers = sum(seen is not None for seen in model.seen)
        assert self.receivers[0].statistics() == (model.version, model.senders, open_receivers, len(model.waits))
        assert self.senders[0].borrow() == model.value

    def teardown(self) -> None:
        if hasattr(self, "driven"):
            self.let_them_run()
            self.driven.close()


TestWatch = WatchMachine.TestCase
TestWatch.settings = settings(stateful_step_count=40)
