"""The two ends of the model in `channel.py`, and those who give up, close, and decide elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.channel import Broken, Channel, Kind, Party
from tests.model.explorer import Steps, Wait, require
from tests.model.state import Shared


@dataclass(slots=True, eq=False, repr=False)
class Conduit(Channel):
    """A channel, and what everybody does with it."""

    def programs(self) -> dict[str, Steps[None]]:
        programs = {sender.name: self.send_all(sender) for sender in self.senders}
        programs |= {receiver.name: self.receive_all(receiver) for receiver in self.receivers}
        for other in self.others:
            verb, name = other.name.split()
            programs[other.name] = getattr(self, verb)(other, name)
        if not self.memory.gil:
            programs |= {f"news for {name}": self.memory.news(name) for name in tuple(programs)}
        return programs

    # ---- sending --------------------------------------------------------------------------------------------------

    def send_all(self, me: Party) -> Steps[None]:
        number = 0
        sent = "SENT"
        while number < me.count and sent == "SENT":
            number += 1
            item = f"{me}{number}"
            if me in self.sending:  # from the start
                sent = yield from self.wait(me)
            else:
                sent = yield from self.send(me, item)
            if sent == "SENT" and me.kind is Kind.PERMIT:
                yield from self.use_permit(me, item)
                number = me.count
            if sent == "SENT":
                me.done += (item,)
        self.memory.end(me.name)

    def send(self, me: Party, item: str) -> Steps[str]:
        ahead = tuple(self.sending) if self.memory.gil else ()  # else there is no such moment
        sent = ""
        if me.kind is Kind.TASK:
            sent = yield from self.send_without_lock(me, item)
        if not sent:
            sent = yield from self.send_or_wait(me, item)
        overtaken = [one for one in ahead if one in self.sending]
        require(sent != "SENT" or not overtaken, f"{me} overtakes {overtaken}")
        return sent

    def send_without_lock(self, me: Party, item: str) -> Steps[str]:
        waiting = yield from self.memory.look(me.name, "receiving")
        if waiting:
            handed = yield from self.hand_over_first(me, item)
            if handed:
                return "SENT"
        usual = yield from self.is_as_usual(me)
        if not usual:
            return ""
        early = self.broken is Broken.LOOK_BEFORE_APPENDING
        waiting = early and self.memory.sees(me.name, "receiving")
        yield "take a place"
        if not self.take_place(me):
            return ""
        yield "append the item"
        self.put_item(me, item)
        if not early:
            waiting = yield from self.memory.look(me.name, "receiving")
        if not waiting and self.broken is not Broken.NO_LOOK_FOR_THE_END:
            waiting = yield from self.memory.look(me.name, "ended")
        sent = "SENT"
        if waiting:
            sent = yield from self.settle_item(me, item)
        return sent

    def is_as_usual(self, me: Party) -> Steps[bool]:
        no = yield from self.memory.look(me.name, "shut")
        if not no:
            no = yield from self.memory.look(me.name, "gone")
        if not no and self.broken is not Broken.OVERTAKE_WHO_WAITS:
            no = yield from self.memory.look(me.name, "sending")
        if no:
            return False
        places = yield from self.memory.look(me.name, "places")
        return places

    def hand_over_first(self, me: Party, item: str) -> Steps[bool]:
        yield from self.lock(me)
        head: Party | None = None
        if not self.is_closed() and not self.sending:
            head = yield from self.hand_over(me, item)
        yield from self.unlock(me, (head,) if head else ())
        return head is not None

    def hand_over(self, me: Party, item: str) -> Steps[Party | None]:
        items = yield from self.memory.look(me.name, "items")
        if items:
            return None
        head = yield from self.grant(me, "receiving", item)
        return head

    def settle_item(self, me: Party, item: str) -> Steps[str]:
        """Somebody waits for the item that was sent; or was told, at the same time, that none will come."""
        yield from self.lock(me)
        unsent = False
        if self.memory.is_now("ended"):
            unsent = yield from self.fetch_back(me, item)
        woken: tuple[Party, ...] = ()
        if self.broken is not Broken.NO_SETTLING_OF_WHAT_WAS_SENT:
            woken = yield from self.settle(me)
        yield from self.unlock(me, woken)
        return "OVER" if unsent else "SENT"

    def fetch_back(self, me: Party, item: str) -> Steps[bool]:
        if self.broken is Broken.REFUSE_WITHOUT_TAKING_IT_OUT:
            return True
        others: tuple[str, ...] = ()
        while True:
            yield "take out an item that came late"
            one = self.take_item(me, last=True)
            if not one or one == item:
                break
            others = (*others, one)
        if one and self.broken is not Broken.REFUSE_AND_KEEP_THE_PLACE:
            yield "put back its place"
            self.put_places(me, 1)
        while others and self.broken is not Broken.LOSE_WHAT_OTHERS_SENT_LATE:
            yield "put back what others sent late"
            self.put_item(me, others[0])
            others = others[1:]
        return one == item

    def send_or_wait(self, me: Party, item: str) -> Steps[str]:
        yield from self.lock(me)
        woken: tuple[Party, ...] = ()
        sent = ""
        possible = me.kind is not Kind.TASK or self.is_closed() or bool(self.receiving)
        if not possible:
            possible = yield from self.memory.look(me.name, "places")
        if possible:
            sent, woken = yield from self.attempt_to_send(me, item)
        if not sent:
            me.item = item
            yield from self.get_in_line(me)
            if self.broken is not Broken.NO_LOOK_WHEN_IN_LINE_TO_SEND:
                empty = yield from self.is_empty(me, "places", Broken.BARE_LOOK_WHEN_IN_LINE_TO_SEND)
                if not empty:
                    woken = yield from self.settle(me)
        yield from self.unlock(me, woken)
        if not sent:
            sent = yield from self.wait(me)
        return sent

    def attempt_to_send(self, me: Party, item: str) -> Steps[tuple[str, tuple[Party, ...]]]:
        if self.is_closed():
            return "OVER", ()
        ahead = yield from self.head(me, "sending")
        if ahead is not None:
            return "", ()
        if me.kind is not Kind.PERMIT:
            head = yield from self.hand_over(me, item)
            if head is not None:
                return "SENT", (head,)
        taken = yield from self.take_places(me, me.needs)
        if not taken:
            return "", ()
        if me.kind is Kind.PERMIT:
            self.reserved += me.needs
            return "SENT", ()
        yield "append the item"
        self.put_item(me, item)
        woken = yield from self.settle(me)
        return "SENT", woken

    def use_permit(self, me: Party, item: str) -> Steps[None]:
        yield from self.lock(me)
        self.reserved -= 1
        yield "append the item"
        self.put_item(me, item)
        woken = yield from self.settle(me)
        yield from self.unlock(me, woken)
        if me.needs > 1:
            yield from self.lock(me)
            self.reserved -= me.needs - 1
            yield "put the places back"
            self.put_places(me, me.needs - 1)
            woken = yield from self.settle(me)
            yield from self.unlock(me, woken)

    # ---- receiving ------------------------------------------------------------------------------------------------

    def receive_all(self, me: Party) -> Steps[None]:
        item = ""
        while len(me.done) < me.count and item != "END":
            if me in self.receiving:  # from the start
                item = yield from self.wait(me)
            else:
                item = yield from self.receive(me)
            if item == "ELSEWHERE" or (not item and me.kind is not Kind.THREAD):
                break
            if item and item != "AGAIN":  # else a thread that was interrupted tries once more
                me.done += (item,)
        self.memory.end(me.name)

    def receive(self, me: Party) -> Steps[str]:
        if me.kind is Kind.TASK:
            item = yield from self.receive_without_lock(me)
            if item:
                return item
        item = yield from self.receive_or_wait(me)
        return item

    def receive_without_lock(self, me: Party) -> Steps[str]:
        usual = yield from self.memory.look(me.name, "items")
        if usual:
            waiting = yield from self.memory.look(me.name, "receiving")
            usual = not waiting
        if usual:
            gone = yield from self.memory.look(me.name, "gone")
            usual = not gone
        if not usual:
            return ""
        yield "take an item"
        item = self.take_item(me)
        if not item:
            return ""
        early = self.broken is Broken.LOOK_BEFORE_PUTTING_BACK
        waiting = early and self.memory.sees(me.name, "sending")
        yield "put back the place"
        self.put_places(me, 1)
        if not early:
            waiting = yield from self.memory.look(me.name, "sending")
        if waiting:
            yield from self.lock(me)
            woken = yield from self.settle(me)
            yield from self.unlock(me, woken)
        return item

    def receive_or_wait(self, me: Party) -> Steps[str]:
        yield from self.lock(me)
        woken: tuple[Party, ...] = ()
        item = ""
        attempts = me.kind is not Kind.TASK or self.is_closed() or bool(self.receiving or self.sending)
        if not attempts:
            attempts = yield from self.memory.look(me.name, "items")
        if attempts:
            item, woken = yield from self.attempt_to_receive(me)
        if not item:
            yield from self.get_in_line(me)
            if self.broken is not Broken.NO_LOOK_WHEN_IN_LINE_TO_RECEIVE:
                empty = False
                if not attempts or self.broken is Broken.ONLY_A_LOOK_FOR_ITEMS_WHEN_IN_LINE:
                    empty = yield from self.is_empty(me, "items", Broken.BARE_LOOK_WHEN_IN_LINE_TO_RECEIVE)
                if not empty:
                    woken = yield from self.settle(me)
        yield from self.unlock(me, woken)
        if not item:
            item = yield from self.wait(me)
        return item

    def attempt_to_receive(self, me: Party) -> Steps[tuple[str, tuple[Party, ...]]]:
        woken: tuple[Party, ...] = ()
        if self.memory.is_now("ended"):
            return "END", woken
        ahead = yield from self.head(me, "receiving")
        if ahead is not None:
            return "", woken
        yield "take an item"
        item = self.take_item(me)
        if not item:
            ended = yield from self.has_ended(me)
            return "END" if ended else "", woken
        yield "put back the place"
        self.put_places(me, 1)
        if self.sending:
            woken = yield from self.settle(me)
        return item, woken

    def take_back(self, me: Party, item: str) -> Steps[None]:
        """A thread was interrupted before it learnt of it."""
        yield from self.lock(me)
        if self.broken is not Broken.TAKE_BACK_WITHOUT_A_PLACE:
            owed = self.debt
            taken = yield from self.take_places(me, 1)
            self.debt = (owed if self.broken is Broken.OWE_WHAT_WAS_PAID else self.debt) + (not taken)
        if self.broken is not Broken.TAKE_BACK_AFTER_THE_END:
            yield "say that it has not ended"
            self.memory.write(me.name, "ended", False)
        yield "put the item back"
        self.came_back = True
        self.put_item(me, item, first=self.broken is not Broken.TAKE_BACK_BEHIND_THE_OTHERS)
        woken = yield from self.settle(me)
        yield from self.unlock(me, woken)

    # ---- waiting --------------------------------------------------------------------------------------------------

    def wait(self, me: Party) -> Steps[str]:
        while True:
            yield Wait("wait", lambda: me.ready or me.told)
            if me.ready:
                granted, me.granted, me.ready = me.granted, "", False
                if granted == "ELSEWHERE":
                    yield from self.leave(me)
                return granted
            me.told = False
            left = yield from self.give_up(me)
            if left:
                return ""

    def give_up(self, me: Party) -> Steps[bool]:
        if me.kind is not Kind.SELECT:
            left = yield from self.leave(me)
        else:
            yield f"take the token of {me}"
            left, me.decided = not me.decided, True
            if left:
                yield from self.leave(me)
        if left or me.kind is not Kind.THREAD:
            return left
        granted, me.granted = me.granted, ""
        if granted == "SENT":
            me.done += (me.item,)
        elif granted not in ("OVER", "END") and self.broken is not Broken.KEEP_WHAT_AN_INTERRUPTED_ONE_WAS_GRANTED:
            yield from self.take_back(me, granted)
        yield Wait("let them resume it, too late", lambda: me.ready)
        me.ready = False
        return True

    def leave(self, me: Party) -> Steps[bool]:
        """Leave the line, unless it was granted; a select also if it was dropped there because another one decided."""
        yield from self.lock(me)
        in_line = me in self.line_of(me)
        left = in_line or (me.kind is Kind.SELECT and me.decided) or self.broken is Broken.CANCEL_WHO_WAS_GRANTED
        woken: tuple[Party, ...] = ()
        if in_line:
            self.line_of(me).remove(me)
            if self.broken is Broken.A_LINE_IS_EMPTY_FOR_A_MOMENT:
                yield "take the others off and put them back"
                self.memory.write(me.name, "receiving", False)
                yield "put them back"
            self.say_who_waits(me)
        if left and me in self.senders and self.broken is not Broken.NO_SETTLING_WHEN_A_SENDER_LEAVES:
            woken = yield from self.settle(me)
        yield from self.unlock(me, woken)
        return left

    # ---- the others -----------------------------------------------------------------------------------------------

    def close(self, me: Shared, end: str) -> Steps[None]:
        """The end for sending is "shut", or the end for receiving is "gone"."""
        yield from self.lock(me)
        self.memory.write(me.name, end, True)
        woken = yield from self.grant_all(me, "sending", "OVER")
        served = yield from self.settle(me)
        yield from self.unlock(me, (*woken, *served))
        self.memory.end(me.name)

    def decide(self, me: Shared, name: str) -> Steps[None]:
        """Another line, in which a select stands too, grants it something."""
        yield f"take the token of {name}"
        for select in (*self.senders, *self.receivers):
            if select.name == name and select in self.line_of(select) and not select.decided:
                select.decided = True
                select.granted = "ELSEWHERE"
                select.ready = True

    def tell(self, me: Shared, name: str) -> Steps[None]:
        """Tell somebody to give up."""
        yield f"tell {name}"
        for party in (*self.senders, *self.receivers):
            party.told = party.told or party.name == name
