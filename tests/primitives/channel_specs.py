"""What the channels should do, if only one thing happened at a time."""

from __future__ import annotations

from typing import Any, Final

from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, ChannelFull, ClosedResource, EndOfChannel, Lagged
from conc_testing import Done, Operation, Raised, Suspend
from conc_testing.history.model import Transition
from tests.primitives.lines import MISUSED, Spec, tickets, without

FULL: Final = Done(Raised(ChannelFull))
EMPTY: Final = Done(Raised(ChannelEmpty))
BUSY: Final = Done(Raised(BusyResource))
OVER: Final = Done(Raised(EndOfChannel))


class QueueSpec(Spec):
    """mpsc and mpmc: the items, who waits to send what, who waits to receive, and whether both ends are open."""

    def __init__(self, capacity: float, shared: bool) -> None:
        self._capacity, self._shared = capacity, shared

    def init(self) -> Any:
        return (), (), (), True, True

    def send(self, state: Any, op: Operation, item: Any, waits: bool = True) -> Transition:
        items, sending, receiving, *ends = state
        if not all(ends):
            return state, Done(Raised(ChannelClosed if ends[0] else ClosedResource))
        if receiving:
            return (items, sending, receiving[1:], *ends), Done().resumes(receiving[0][0], value=item)
        if len(items) < self._capacity:
            return ((*items, item), sending, receiving, *ends), Done()
        if not waits:
            return state, FULL
        return (items, (*sending, (op.ticket, item)), receiving, *ends), Suspend

    def send_nowait(self, state: Any, op: Operation, item: Any) -> Transition:
        return self.send(state, op, item, waits=False)

    def receive(self, state: Any, op: Operation, waits: bool = True) -> Transition:
        items, sending, receiving, *ends = state
        if receiving and not self._shared:
            return state, BUSY
        if sending:
            items = (*items, sending[0][1])
            return (items[1:], sending[1:], receiving, *ends), Done(items[0]).resumes(sending[0][0])
        if items:
            return (items[1:], sending, receiving, *ends), Done(items[0])
        if not all(ends):
            return state, OVER
        if not waits:
            return state, EMPTY
        return (items, sending, (*receiving, (op.ticket,)), *ends), Suspend

    def receive_nowait(self, state: Any, op: Operation) -> Transition:
        return self.receive(state, op, waits=False)

    def close_sender(self, state: Any, op: Operation) -> Transition:
        items, sending, receiving, _, receiver = state
        answer = Done().resumes(*tickets(sending), value=Raised(ClosedResource))
        return (items, (), (), False, receiver), answer.resumes(*tickets(receiving), value=Raised(EndOfChannel))

    def close_receiver(self, state: Any, op: Operation) -> Transition:
        items, sending, receiving, sender, _ = state
        answer = Done().resumes(*tickets(sending), value=Raised(ChannelClosed))
        return (items, (), (), sender, False), answer.resumes(*tickets(receiving), value=Raised(EndOfChannel))

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return (state[0], without(state[1], ticket), without(state[2], ticket), *state[3:]), Done()


class PermitSpec(Spec):
    """A channel in which items are sent to reserved places: the free ones, the items, who waits for how many to send
    what, and who has them and has not sent yet. Of several places one is used, and the others are given back."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity

    def init(self) -> Any:
        return self._capacity, (), (), ()

    def reserve(self, state: Any, op: Operation, n: int, item: Any) -> Transition:
        free, items, line, granted = state
        if line or n > free:
            return (free, items, (*line, (op.ticket, n, item)), granted), Suspend
        return (free - 1, (*items, item), line, granted), Done()

    def send_nowait(self, state: Any, op: Operation, item: Any) -> Transition:
        free, items, line, granted = state
        return ((free - 1, (*items, item), line, granted), Done()) if free and not line else (state, FULL)

    def receive_nowait(self, state: Any, op: Operation) -> Transition:
        free, items, line, granted = state
        return self._served(free + 1, items[1:], line, granted, items[0]) if items else (state, EMPTY)

    def followup(self, state: Any, ticket: int) -> Any:
        free, items, line, granted = state
        for _, n, item in (entry for entry in granted if entry[0] == ticket):
            return self._served(free + n - 1, (*items, item), line, without(granted, ticket))
        return []

    def cancelled(self, state: Any, ticket: int) -> Any:
        free, items, line, granted = state
        return self._served(free, items, without(line, ticket), granted) if ticket in tickets(line) else []

    def _served(self, free: int, items: Any, line: Any, granted: Any, value: Any = None) -> Transition:
        while line and line[0][1] <= free:
            free, granted, line = free - line[0][1], (*granted, line[0]), line[1:]
        return (free, items, line, granted), Done(value)


class OneshotSpec(Spec):
    """What became of the item, who waits for it, and whether the receiver is open."""

    def init(self) -> Any:
        return "nothing", None, (), True

    def send_nowait(self, state: Any, op: Operation, item: Any) -> Transition:
        what, _, line, is_open = state
        if what in {"sent", "received"}:
            return state, MISUSED
        if what == "closed":
            return state, Done(Raised(ClosedResource))
        if not is_open:
            return state, Done(Raised(ChannelClosed))
        if line:
            return ("received", None, (), False), Done().resumes(line[0][0], value=item)
        return ("sent", item, (), True), Done()

    def receive(self, state: Any, op: Operation, waits: bool = True) -> Transition:
        what, item, line, is_open = state
        if what == "received":
            return state, MISUSED
        if what == "sent":
            return ("received", None, (), False), Done(item)
        if what == "closed" or not is_open:
            return state, OVER
        if line:
            return state, BUSY
        return ((what, item, ((op.ticket,),), True), Suspend) if waits else (state, EMPTY)

    def receive_nowait(self, state: Any, op: Operation) -> Transition:
        return self.receive(state, op, waits=False)

    def close_sender(self, state: Any, op: Operation) -> Transition:
        what, item, line, is_open = state
        what = "closed" if what == "nothing" else what
        return (what, item, (), is_open), Done().resumes(*tickets(line), value=Raised(EndOfChannel))

    def close_receiver(self, state: Any, op: Operation) -> Transition:
        what, item, line, _ = state
        return (what, item, (), False), Done().resumes(*tickets(line), value=Raised(EndOfChannel))

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return (*state[:2], without(state[2], ticket), state[3]), Done()


class BroadcastSpec(Spec):
    """All items that were sent; how far each receiver is, None when it is closed, and who waits in it; and whether the
    sender is open."""

    def __init__(self, capacity: int, receivers: int) -> None:
        self._capacity, self._receivers = capacity, receivers

    def init(self) -> Any:
        return (), (0,) * self._receivers, (), True

    def send_nowait(self, state: Any, op: Operation, item: Any) -> Transition:
        items, at, line, is_open = state
        count = sum(place is not None for place in at)
        if not is_open or not count:
            return state, Done(Raised(ChannelClosed if is_open else ClosedResource))
        items = (*items, item)
        for _, number in line:
            at = _replaced(at, number, len(items))
        return (items, at, (), True), Done(count).resumes(*tickets(line), value=item)

    def receive(self, state: Any, op: Operation, number: int, waits: bool = True) -> Transition:
        items, at, line, is_open = state
        place = at[number]
        if place is None:
            return state, Done(Raised(ClosedResource))
        if place < len(items) - self._capacity:
            return (items, _replaced(at, number, len(items) - self._capacity), line, is_open), Done(Raised(Lagged))
        if place < len(items):
            return (items, _replaced(at, number, place + 1), line, is_open), Done(items[place])
        if not is_open:
            return state, OVER
        if any(number == other for _, other in line):
            return state, BUSY
        return ((items, at, (*line, (op.ticket, number)), True), Suspend) if waits else (state, EMPTY)

    def receive_nowait(self, state: Any, op: Operation, number: int) -> Transition:
        return self.receive(state, op, number, waits=False)

    def close_sender(self, state: Any, op: Operation) -> Transition:
        return (*state[:2], (), False), Done().resumes(*tickets(state[2]), value=Raised(EndOfChannel))

    def close_receiver(self, state: Any, op: Operation, number: int) -> Transition:
        items, at, line, is_open = state
        mine = [ticket for ticket, other in line if other == number]
        line = tuple(entry for entry in line if entry[1] != number)
        return (items, _replaced(at, number, None), line, is_open), Done().resumes(*mine, value=Raised(ClosedResource))

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return (*state[:2], without(state[2], ticket), state[3]), Done()


class WatchSpec(Spec):
    """The value with its number; which each receiver has seen; who waits in which receiver; who was told and has not
    looked yet; and whether the sender is open."""

    def __init__(self, receivers: int) -> None:
        self._receivers = receivers

    def init(self) -> Any:
        return (0, None), (0,) * self._receivers, (), (), True

    def send_nowait(self, state: Any, op: Operation, value: Any) -> Transition:
        (version, _), seen, line, told, is_open = state
        if not is_open:
            return state, Done(Raised(ClosedResource))
        version += 1
        for _, number in line:
            seen = _replaced(seen, number, version)
        return ((version, value), seen, (), (*told, *line), True), Done()

    def borrow(self, state: Any, op: Operation, number: int) -> Transition:
        return state, Done(state[0][1])

    def changed(self, state: Any, op: Operation, number: int, waits: bool = True) -> Transition:
        (version, value), seen, line, told, is_open = state
        if seen[number] != version:
            return (state[0], _replaced(seen, number, version), *state[2:]), Done(value)
        if not is_open:
            return state, OVER
        if any(number == other for _, other in line):
            return state, BUSY
        if not waits:
            return state, EMPTY
        return (*state[:2], (*line, (op.ticket, number)), told, True), Suspend

    def changed_nowait(self, state: Any, op: Operation, number: int) -> Transition:
        return self.changed(state, op, number, waits=False)

    def close_sender(self, state: Any, op: Operation) -> Transition:
        return (*state[:2], (), state[3], False), Done().resumes(*tickets(state[2]), value=Raised(EndOfChannel))

    def followup(self, state: Any, ticket: int) -> Any:
        """Who was told looks, and sees the latest value, which may be a later one."""
        (version, value), seen, line, told, is_open = state
        mine = [number for other, number in told if other == ticket]
        if not mine:
            return []
        return (state[0], _replaced(seen, mine[0], version), line, without(told, ticket), is_open), Done(value)

    def cancelled(self, state: Any, ticket: int) -> Any:
        if ticket in tickets(state[3]):
            return []
        return (*state[:2], without(state[2], ticket), *state[3:]), Done()


def _replaced(places: tuple[Any, ...], number: int, value: Any) -> tuple[Any, ...]:
    return (*places[:number], value, *places[number + 1 :])
