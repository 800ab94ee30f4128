"""Waiting in several queues at once: the first grant decides (DESIGN section 5).

Who comes with a select takes the locks of all its channels, in the order in which these were made, and either does
one of the operations or gets in line everywhere. Whoever finds it in one of the lines holds only that line's lock, so
two may find it at the same time: each waiter has one claim, taken in one atomic step. Who is cancelled takes its own
claim.

Here selects and plain operations meet on rendezvous channels: a send and a receive that both wait there must not be
left waiting side by side. ``first`` is in line already when the others come.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest

from tests.model.explorer import Model, Steps, Wait, assert_fails, assert_holds, require
from tests.model.state import Shared


class Broken(Enum):
    """A rule broken on purpose."""

    ONE_LOCK_AFTER_THE_OTHER = auto()
    LOCKS_IN_ORDER_OF_THE_BRANCHES = auto()
    CLAIM_IN_TWO_STEPS = auto()
    NO_CLAIM = auto()


@dataclass(slots=True, eq=False, repr=False)
class Channel(Shared):
    line: deque[Branch] = field(default_factory=deque)
    locked_by: Party | None = None


@dataclass(slots=True, eq=False, repr=False)
class Branch(Shared):
    """One operation of a select, or the only one of a plain send or receive."""

    party: Party
    channel: Channel
    sends: bool

    def fits(self, other: Branch) -> bool:
        return self.sends != other.sends and self.party is not other.party


@dataclass(slots=True, eq=False, repr=False)
class Party(Shared):
    branches: tuple[Branch, ...] = ()
    claimed: bool = False
    partner: Party | None = None
    cancelled: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Select(Model):
    channels: tuple[Channel, ...]  # in the order in which they were made
    in_line: Party | None
    coming: tuple[Party, ...]
    cancel: bool
    broken: Broken | None

    def programs(self) -> dict[str, Steps[None]]:
        parties = {party.name: self.select(party) for party in self.coming}
        owner = {f"owner of {self.in_line}": self.withdraw(self.in_line)} if self.cancel and self.in_line else {}
        return parties | owner

    def select(self, me: Party) -> Steps[None]:
        if self.broken is Broken.ONE_LOCK_AFTER_THE_OTHER:
            yield from self.select_line_by_line(me)
            return
        channels = self.channels_of(me)
        yield from self.lock(me, channels)
        branches = me.branches
        while branches and not me.claimed:
            yield from self.match(branches[0])
            branches = branches[1:]
        if not me.claimed:
            yield "get in line everywhere"  # one step: nobody can look before the locks are given back
            for branch in me.branches:
                branch.channel.line.append(branch)
        yield from self.unlock(channels)

    def channels_of(self, party: Party) -> tuple[Channel, ...]:
        mine = tuple(branch.channel for branch in party.branches)
        if self.broken is Broken.LOCKS_IN_ORDER_OF_THE_BRANCHES:
            return mine
        return tuple(channel for channel in self.channels if channel in mine)

    def lock(self, me: Party, channels: tuple[Channel, ...]) -> Steps[None]:
        while channels:
            yield from self.lock_one(me, channels[0])
            channels = channels[1:]

    def lock_one(self, me: Party, channel: Channel) -> Steps[None]:
        yield Wait(f"lock {channel}", lambda: channel.locked_by is None)
        channel.locked_by = me

    def unlock(self, channels: tuple[Channel, ...]) -> Steps[None]:
        while channels:
            yield f"unlock {channels[0]}"
            channels[0].locked_by = None
            channels = channels[1:]

    def match(self, branch: Branch) -> Steps[None]:
        """Under the lock of the branch's channel: do the operation with the first in line who can be had."""
        peers = tuple(other for other in branch.channel.line if branch.fits(other))
        while peers:
            claimed = yield from self.claim(peers[0].party)
            if claimed:
                branch.party.claimed = True
                self.pair(branch.party, peers[0].party)
                return
            peers = peers[1:]

    def claim(self, party: Party) -> Steps[bool]:
        """Try to be the one who decides the wait of `party`."""
        yield f"try to claim {party}"
        if party.claimed and self.broken is not Broken.NO_CLAIM:
            return False
        if self.broken is Broken.CLAIM_IN_TWO_STEPS:
            yield f"claim {party}"
        party.claimed = True
        return True

    def pair(self, one: Party, other: Party) -> None:
        require(not one.cancelled and not other.cancelled, f"{one} or {other} was cancelled, and granted all the same")
        require(one.partner is None and other.partner is None, f"{one} or {other} is served twice")
        one.partner, other.partner = other, one

    def withdraw(self, party: Party) -> Steps[None]:
        """Carry out a cancellation, as the owner of the task."""
        channels = self.channels_of(party)
        yield from self.lock(party, channels)
        claimed = yield from self.claim(party)
        if claimed:
            require(party.partner is None, f"{party} was granted, and cancelled all the same")
            party.cancelled = True
            for branch in party.branches:
                branch.channel.line.remove(branch)
        yield from self.unlock(channels)

    def select_line_by_line(self, me: Party) -> Steps[None]:
        """Broken: holds one lock at a time, and gives a peer back if it was itself claimed meanwhile."""
        branches = me.branches
        while branches and not me.claimed:
            branch, branches = branches[0], branches[1:]
            yield from self.lock_one(me, branch.channel)
            if not me.claimed:
                peers = tuple(other for other in branch.channel.line if branch.fits(other))
                claimed = False
                while peers and not claimed:
                    claimed = yield from self.claim(peers[0].party)
                    if claimed:
                        yield "claim itself, or give the peer back"
                        if me.claimed:
                            peers[0].party.claimed = False
                        else:
                            me.claimed = True
                            self.pair(me, peers[0].party)
                    peers = peers[1:]
                if not claimed:
                    branch.channel.line.append(branch)
            yield from self.unlock((branch.channel,))

    def at_rest(self, waiting: dict[str, str]) -> None:
        require(not waiting, f"deadlock: {waiting}")
        for channel in self.channels:
            left = [branch for branch in channel.line if not branch.party.claimed]
            for branch in left:
                for other in left:
                    require(not branch.fits(other), f"{branch} waits beside {other}")


def select(first: str, coming: tuple[str, ...], cancel: bool = False, broken: Broken | None = None) -> Select:
    """Parties as text: "X! Y?" is a select that sends on X or receives on Y."""
    channels = {name: Channel(name) for name in "XYZ"}

    def party(name: str, text: str) -> Party:
        made = Party(name)
        made.branches = tuple(
            Branch(f"{name} {branch}", made, channels[branch[0]], branch[1] == "!") for branch in text.split()
        )
        return made

    in_line = party("first", first) if first else None
    for branch in in_line.branches if in_line else ():
        branch.channel.line.append(branch)
    parties = tuple(party(f"worker {number}", text) for number, text in enumerate(coming, 1))
    return Select("select", tuple(channels.values()), in_line, parties, cancel, broken)


@pytest.mark.parametrize(
    ("first", "coming", "cancel"),
    [
        ("Y! Z?", ("X! Y?", "Z!"), False),
        ("Y! Z?", ("X! Y?", "Z!"), True),
        ("Y! Z?", ("X! Y?", "Z!", "X?"), False),
        ("Y! Z?", ("X! Y?", "Z!", "X?"), True),
        ("", ("X! Y?", "Y! X?"), False),
        ("", ("X! Y?", "Y! X?", "Y?"), False),
        ("", ("X! Y?", "Y! Z?", "Z! X?"), False),
    ],
)
def test_a_select_is_served_once_and_nobody_who_could_be_is_left(
    first: str, coming: tuple[str, ...], cancel: bool
) -> None:
    assert_holds(lambda: select(first, coming, cancel))


@pytest.mark.parametrize(
    ("broken", "first", "coming", "cancel", "message"),
    [
        (Broken.ONE_LOCK_AFTER_THE_OTHER, "Y! Z?", ("X! Y?", "Z!", "X?"), False, "waits beside"),
        (Broken.LOCKS_IN_ORDER_OF_THE_BRANCHES, "", ("X! Y?", "Y! X?"), False, "deadlock"),
        (Broken.LOCKS_IN_ORDER_OF_THE_BRANCHES, "", ("X! Y?", "Y! Z?", "Z! X?"), False, "deadlock"),
        (Broken.CLAIM_IN_TWO_STEPS, "Y! Z?", ("Y?", "Z!"), False, "is served twice"),
        (Broken.NO_CLAIM, "Y! Z?", ("Y?", "Z!"), False, "is served twice"),
        (Broken.NO_CLAIM, "Y! Z?", ("X! Y?",), True, "cancelled all the same"),
    ],
)
def test_each_broken_rule_of_select_is_found(
    broken: Broken, first: str, coming: tuple[str, ...], cancel: bool, message: str
) -> None:
    assert_fails(lambda: select(first, coming, cancel, broken), message)
