"""A model of `conc.channels.conduit` and its ends: sending and receiving without a lock, and waiting with one.

To send is to take a place, to append an item, and to look then whether somebody waits to receive, or was told that all
is over; to receive is to take an item, to put back the place, and to look then whether somebody waits for one. Who has
to wait gets in line, under the lock, and looks then whether there is what he wants. Who finds it closed says that it
has ended and looks then for an item; if there is one after all, it has not. Who finds somebody settles under the lock:
items to those who wait for items, places to those who wait for places. Who finds that it has ended takes his item out
again. So of two that come at the same time one sees the other, if it looks after it has said its own.

Not here: a rendezvous, where all is under the lock; a channel without a limit; places that are not made yet; several
senders or receivers that close one by one; `receive_many`; how entries that have left stay in a line for a while
(`test_waitqueue.py`), and how a select leaves its other lines (`test_choosing.py`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.model.explorer import Model, Steps, Wait, require
from tests.model.memory import Memory
from tests.model.state import Shared


class Broken(Enum):
    """A rule broken on purpose."""

    NO_LOOK_WHEN_IN_LINE_TO_RECEIVE = auto()
    NO_LOOK_WHEN_IN_LINE_TO_SEND = auto()
    ONLY_A_LOOK_FOR_ITEMS_WHEN_IN_LINE = auto()
    BARE_LOOK_WHEN_IN_LINE_TO_RECEIVE = auto()
    BARE_LOOK_WHEN_IN_LINE_TO_SEND = auto()
    LOOK_BEFORE_APPENDING = auto()
    LOOK_BEFORE_PUTTING_BACK = auto()
    OVERTAKE_WHO_WAITS = auto()
    NO_SETTLING_OF_WHAT_WAS_SENT = auto()
    NO_SETTLING_WHEN_A_SENDER_LEAVES = auto()
    A_LINE_IS_EMPTY_FOR_A_MOMENT = auto()
    NO_LOOK_FOR_THE_END = auto()
    LOOK_BEFORE_SAYING_THAT_IT_HAS_ENDED = auto()
    BARE_LOOK_FOR_WHAT_IS_LEFT = auto()
    NO_TELLING_OF_THE_END = auto()
    END_BESIDE_PERMITS = auto()
    REFUSE_AND_KEEP_THE_PLACE = auto()
    REFUSE_WITHOUT_TAKING_IT_OUT = auto()
    LOSE_WHAT_OTHERS_SENT_LATE = auto()
    CANCEL_WHO_WAS_GRANTED = auto()
    TAKE_THE_ITEM_BEFORE_THE_SELECT = auto()
    LEAVE_A_SELECT_WITHOUT_AN_ITEM = auto()
    KEEP_THE_PLACE_OF_A_LOST_SELECT = auto()
    KEEP_WHAT_AN_INTERRUPTED_ONE_WAS_GRANTED = auto()
    TAKE_BACK_WITHOUT_A_PLACE = auto()
    OWE_WHAT_WAS_PAID = auto()
    TAKE_BACK_BEHIND_THE_OTHERS = auto()
    TAKE_BACK_AFTER_THE_END = auto()


class Kind(Enum):
    """How somebody sends or receives."""

    TASK = auto()  # without the lock, if that can be; gives up when it is cancelled
    THREAD = auto()  # as a thread outside: always with the lock; interrupted, it gives back what it was granted
    SELECT = auto()  # as one branch of a select: whoever takes its token decides
    PERMIT = auto()  # reserves all its places at once, sends one item, and gives the other places back


@dataclass(slots=True, eq=False, repr=False)
class Party(Shared):
    """A task or a thread."""

    count: int = 0  # of items that it sends, or wants
    kind: Kind = Kind.TASK
    item: str = ""  # that it waits to send
    needs: int = 1  # places
    granted: str = ""
    ready: bool = False
    told: bool = False  # to give up
    decided: bool = False  # the token of its select is taken
    done: tuple[str, ...] = ()  # items sent, or received; "END"


@dataclass(slots=True, eq=False, repr=False)
class Channel(Model):
    """What the ends share, and who uses them."""

    senders: tuple[Party, ...]
    receivers: tuple[Party, ...]
    others: tuple[Shared, ...]  # what they do is their name
    memory: Memory
    capacity: int
    broken: Broken | None
    places: int = 0
    items: deque[str] = field(default_factory=deque)
    receiving: deque[Party] = field(default_factory=deque)
    sending: deque[Party] = field(default_factory=deque)
    reserved: int = 0
    debt: int = 0
    sent_before: tuple[str, ...] = ()
    came_back: bool = False
    locked: bool = False

    # ---- steps that no other thread divides -----------------------------------------------------------------------

    def lock(self, me: Shared) -> Steps[None]:
        yield Wait("lock", lambda: not self.locked)
        self.locked = True
        self.memory.take_over(me.name, "lock")

    def unlock(self, me: Shared, woken: tuple[Party, ...] = ()) -> Steps[None]:
        """And resume those whose wait was decided."""
        yield "unlock"
        self.memory.hand_on(me.name, "lock")
        self.locked = False
        while woken:
            yield f"resume {woken[0]}"
            require(not woken[0].ready, f"{woken[0]} is resumed twice")
            woken[0].ready = True
            woken = woken[1:]

    def put_item(self, me: Shared, item: str, *, first: bool = False) -> None:
        self.items.insert(0 if first else len(self.items), item)
        self.memory.change(me.name, "items", True)

    def take_item(self, me: Shared, *, last: bool = False) -> str:
        item = "" if not self.items else self.items.pop() if last else self.items.popleft()
        self.memory.change(me.name, "items", self.items)
        return item

    def put_places(self, me: Shared, number: int) -> None:
        self.places += number
        self.memory.change(me.name, "places", self.places)

    def take_place(self, me: Shared) -> bool:
        taken = self.places > 0
        self.places -= taken
        self.memory.change(me.name, "places", self.places)
        return taken

    def say_who_waits(self, me: Shared) -> None:
        self.memory.write(me.name, "receiving", self.receiving)
        self.memory.write(me.name, "sending", self.sending)

    def is_empty(self, me: Shared, name: str, bare: Broken) -> Steps[bool]:
        if self.broken is bare:
            full = yield from self.memory.look(me.name, name)
            return not full
        yield f"look for {name}"
        return not self.memory.ask(me.name, name)

    # ---- a line, under the lock -----------------------------------------------------------------------------------

    def line_of(self, party: Party) -> deque[Party]:
        return self.sending if party in self.senders else self.receiving

    def get_in_line(self, me: Party) -> Steps[None]:
        yield "get in line"
        me.decided = False
        me.granted = ""
        self.line_of(me).append(me)
        self.say_who_waits(me)

    def head(self, me: Shared, line: str) -> Steps[Party | None]:
        """Who is first, after those were dropped whose select was decided elsewhere."""
        while getattr(self, line):
            first: Party = getattr(self, line)[0]
            if first.kind is not Kind.SELECT:
                return first
            yield f"look whether {first} is decided"
            if not first.decided:
                return first
            getattr(self, line).popleft()
            self.say_who_waits(me)
        return None

    def take(self, me: Shared, head: Party, granted: str) -> Steps[bool]:
        """Take it off its line, and decide its wait; False if that was decided elsewhere."""
        yield f"take {head} off the line"
        self.line_of(head).popleft()
        self.say_who_waits(me)
        if head.kind is Kind.SELECT:
            yield f"take the token of {head}"
            if head.decided:
                return False
            head.decided = True
        require(not head.granted, f"{head} is granted twice")
        head.granted = granted
        return True

    def grant(self, me: Shared, line: str, granted: str) -> Steps[Party | None]:
        """Grant it to the first who can be had."""
        while True:
            head = yield from self.head(me, line)
            if head is None:
                return None
            taken = yield from self.take(me, head, granted)
            if taken:
                return head

    def grant_all(self, me: Shared, line: str, granted: str) -> Steps[tuple[Party, ...]]:
        woken: tuple[Party, ...] = ()
        while True:
            head = yield from self.grant(me, line, granted)
            if head is None:
                return woken
            woken = (*woken, head)

    # ---- both sides, under the lock -------------------------------------------------------------------------------

    def is_closed(self) -> bool:
        return self.memory.is_now("shut") or self.memory.is_now("gone")

    def settle(self, me: Shared) -> Steps[tuple[Party, ...]]:
        woken: tuple[Party, ...] = ()
        while True:
            if self.receiving:
                served = yield from self.serve_receivers(me)
                woken = (*woken, *served)
            if not self.sending:
                break
            served = yield from self.serve_senders(me)
            if not served:
                break
            woken = (*woken, *served)
            if not self.receiving:
                return woken
        if self.receiving and self.broken is not Broken.NO_TELLING_OF_THE_END:
            ended = yield from self.has_ended(me)
            if ended:
                served = yield from self.grant_all(me, "receiving", "END")
                woken = (*woken, *served)
        return woken

    def serve_receivers(self, me: Shared) -> Steps[tuple[Party, ...]]:
        woken: tuple[Party, ...] = ()
        item_first = self.broken is Broken.TAKE_THE_ITEM_BEFORE_THE_SELECT
        while True:
            empty = yield from self.is_empty(me, "items", Broken.BARE_LOOK_WHEN_IN_LINE_TO_RECEIVE)
            if empty:
                return woken
            head = yield from self.head(me, "receiving")
            if head is None:
                return woken
            select_first = head.kind is Kind.SELECT and not item_first
            if select_first:
                taken = yield from self.take(me, head, "AGAIN")
                if not taken:
                    continue
            yield "take an item"
            item = self.take_item(me)
            if item and select_first:
                head.granted = item
            elif item:
                taken = yield from self.take(me, head, item)
                if not taken:
                    yield "put the item back"
                    self.put_item(me, item, first=True)
                    continue
            elif not select_first or self.broken is Broken.LEAVE_A_SELECT_WITHOUT_AN_ITEM:
                continue
            woken = (*woken, head)
            if item:
                yield "put back the place"
                self.put_places(me, 1)

    def serve_senders(self, me: Shared) -> Steps[tuple[Party, ...]]:
        served: tuple[Party, ...] = ()
        while True:
            head = yield from self.head(me, "sending")
            if head is None:
                return served
            places = yield from self.memory.look(me.name, "places")
            if places:
                places = yield from self.take_places(me, head.needs)
            if not places:
                return served
            taken = yield from self.take(me, head, "SENT")
            if taken:
                served = (*served, head)
                yield "append what it sends"
                self.fill(me, head)
            elif self.broken is not Broken.KEEP_THE_PLACE_OF_A_LOST_SELECT:
                yield "put the places back"
                self.put_places(me, head.needs)

    def fill(self, me: Shared, sender: Party) -> None:
        """The places that were taken for it."""
        if sender.kind is Kind.PERMIT:
            self.reserved += sender.needs
        else:
            self.put_item(me, sender.item)

    def take_places(self, me: Shared, needed: int) -> Steps[bool]:
        while self.debt and self.places:
            yield "pay a place that is owed"
            self.debt -= self.take_place(me)
        taken = 0
        while taken < needed:
            yield "take a place"
            if not self.take_place(me):
                break
            taken += 1
        if 0 < taken < needed:
            yield "put the places back"
            self.put_places(me, taken)
        return taken == needed

    def has_ended(self, me: Shared) -> Steps[bool]:
        beside_permits = self.broken is Broken.END_BESIDE_PERMITS
        if self.is_closed() and (beside_permits or not self.reserved):
            said_late = self.broken is Broken.LOOK_BEFORE_SAYING_THAT_IT_HAS_ENDED
            if not said_late:
                yield "say that it has ended"
                self.memory.write(me.name, "ended", True)
            empty = yield from self.is_empty(me, "items", Broken.BARE_LOOK_FOR_WHAT_IS_LEFT)
            if said_late or not empty:
                yield "say whether it has ended"
                self.memory.write(me.name, "ended", empty)
        return self.memory.is_now("ended")

    # ---- what must hold -------------------------------------------------------------------------------------------

    def at_rest(self, waiting: dict[str, str]) -> None:
        stuck = {name: step for name, step in waiting.items() if step not in ("wait", "news")}
        require(not stuck, f"deadlock: {stuck}")
        in_line = {one.name for one in (*self.receiving, *self.sending) if not one.decided}
        lost = [name for name, step in waiting.items() if step == "wait" and name not in in_line]
        require(not lost, f"{lost} wait in no line")
        used = self.places + len(self.items) + self.reserved
        require(used == self.capacity + self.debt, f"places were lost or made: {used}, and {self.debt} are owed")
        self.require_that_each_item_is_somewhere()
        ended = self.memory.is_now("ended") or any("END" in one.done for one in self.receivers)
        require(not (self.items and ended and not self.came_back), f"it has ended, but {list(self.items)} came")
        require(not (self.items and self.memory.is_now("ended")), f"it has ended beside {list(self.items)}")
        receivers = [one for one in self.receiving if not one.decided]
        senders = [one for one in self.sending if not one.decided]
        require(not (receivers and self.items), f"{receivers} waits beside {list(self.items)}")
        over = self.is_closed() and not self.reserved
        require(not (receivers and over), f"nobody tells {receivers} that nothing will come")
        require(not (senders and self.is_closed()), f"nobody tells {senders} that nobody receives")
        enough = senders and self.places >= senders[0].needs + self.debt
        require(not enough, f"{senders} waits beside {self.places} places")

    def require_that_each_item_is_somewhere(self) -> None:
        sent = sorted((*self.sent_before, *(item for sender in self.senders for item in sender.done)))
        got = sorted(item for receiver in self.receivers for item in receiver.done if item != "END")
        kept = list(self.items)
        require(sent == sorted(got + kept), f"sent {sent}, but got {got}, and left {kept}")
        left = () if self.came_back else tuple(kept)
        for receiver in self.receivers:
            for sender in self.senders:
                mine = [item for item in receiver.done + left if item[0] == sender.name]
                require(mine == sorted(mine), f"{receiver} got {mine}: not in the order of {sender}")
