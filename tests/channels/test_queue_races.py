"""What becomes of items, places and waits when threads are stopped in the middle of sending, receiving and closing."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

import conc
from conc.channels import Receiver, Sender, mpmc, mpsc, mpsc_unbounded
from conc.errors import ChannelClosed, ChannelEmpty, ChannelFull, ClosedResource, EndOfChannel
from tests.channels.staged import Cancelled, Player, Program, Schedule, Stage, one_switch, two_switches
from tests.stress.load import SOAKING

Item: TypeAlias = tuple[str, int]  # who sent it, and which of his


class Play:
    """Players at one channel or two, and the account of what they did."""

    def __init__(self, schedule: Schedule) -> None:
        self.stage = Stage(schedule)
        self.ends: list[Sender[Item] | Receiver[Item]] = []
        self.sent: list[Item] = []
        self.got: dict[str, list[Item]] = defaultdict(list)
        self.told_of_the_end = 0
        self.ends_for_all = False  # nobody may be left who waits

    def bring(self, pair: tuple[Sender[Item], Receiver[Item]]) -> tuple[Sender[Item], Receiver[Item]]:
        """A channel for the players."""
        self.stage.bring(pair[0])
        self.ends += pair
        return pair

    def send(self, name: str, sender: Sender[Item], count: int = 2, *, how: str = "await", close: bool = False) -> None:
        """A player who sends so many items."""

        def program(player: Player) -> None:
            for number in range(count):
                item = name, number
                try:
                    if how == "await":
                        player.do(sender.send(item))
                    elif how == "nowait":
                        sender.send_nowait(item)
                    elif how == "permit":
                        player.do(sender.reserve()).send_nowait(item)
                    else:
                        player.do(conc.select(sender.sending(item), biased=True))
                except (ChannelClosed, ChannelFull, ClosedResource, Cancelled):
                    continue
                self.sent.append(item)
            if close:
                sender.close()

        self.stage.add(name, program)

    def receive(
        self, name: str, receiver: Receiver[Item], count: int = 2, *, how: str = "await", close: bool = False
    ) -> None:
        """A player who receives so often."""
        got = self.got[name]

        def program(player: Player) -> None:
            for _ in range(count):
                try:
                    if how == "await":
                        got.append(player.do(receiver.receive()))
                    elif how == "nowait":
                        got.append(receiver.receive_nowait())
                    elif how == "many":
                        got.extend(player.do(receiver.receive_many(2)))
                    else:
                        got.append(player.do(conc.select(receiver.receiving(), biased=True))[1])
                except EndOfChannel:
                    self.told_of_the_end += 1
                    break
                except (ChannelEmpty, ClosedResource, Cancelled):
                    continue
            if close:
                receiver.close()

        self.stage.add(name, program)

    def add(self, name: str, program: Program) -> None:
        """Another player."""
        self.stage.add(name, program)

    def play(self) -> list[int]:
        """All of it, and the check; returns how many steps each player took."""
        self.stage.play()
        assert not (self.ends_for_all and self.stage.running), f"nobody told {self.stage.running} of the end"
        left: list[Item] = []
        for end in self.ends:
            end._check()
            if isinstance(end, Sender):
                left += end._conduit.items
        for name, items in self.got.items():
            for sender in {sender for sender, _ in items}:
                numbers = [number for one, number in items if one == sender]
                assert numbers == sorted(numbers), f"{name} got what {sender} sent in another order: {items}"
        received = [item for items in self.got.values() for item in items]
        assert Counter(received) + Counter(left) == Counter(self.sent), f"sent {self.sent}, got {received}, left {left}"
        for end in self.ends:
            end.close()
        return [player.taken for player in self.stage.players]


Scene: TypeAlias = Callable[[Play], None]
scenes: list[Scene] = []


def scene(make: Scene) -> Scene:
    scenes.append(make)
    return make


@scene
def a_sender_and_a_receiver(play: Play) -> None:
    sender, receiver = play.bring(mpsc(1))
    play.send("ada", sender, 3)
    play.receive("ben", receiver, 3)


@scene
def an_unbounded_channel_that_its_sender_closes(play: Play) -> None:
    sender, receiver = play.bring(mpsc_unbounded())
    play.send("ada", sender, close=True)
    play.receive("ben", receiver, 3)


@scene
def a_rendezvous(play: Play) -> None:
    sender, receiver = play.bring(mpmc(0))
    play.send("ada", sender)
    play.send("ann", sender, 1, how="select")
    play.receive("ben", receiver, 3)


@scene
def two_senders_for_one_place(play: Play) -> None:
    sender, receiver = play.bring(mpsc(1))
    play.send("ada", sender)
    play.send("ann", sender, how="select")
    play.receive("ben", receiver, 3)


@scene
def two_receivers(play: Play) -> None:
    sender, receiver = play.bring(mpmc(2))
    play.send("ada", sender, 3)
    play.receive("ben", receiver)
    play.receive("bob", receiver.clone(), how="many")


@scene
def a_select_that_receives_beside_another_receiver(play: Play) -> None:
    sender, receiver = play.bring(mpmc(2))
    play.send("ada", sender)
    play.receive("ben", receiver, 1, how="select")
    play.receive("bob", receiver.clone(), 1)


@scene
def a_sender_that_somebody_closes_while_it_sends(play: Play) -> None:
    sender, receiver = play.bring(mpsc(1))
    other = sender.clone()
    play.send("ada", other, 1)
    play.add("the closer", lambda _: other.close())
    play.receive("ben", receiver)


@scene
def the_last_sender_that_somebody_closes_while_it_sends(play: Play) -> None:
    sender, receiver = play.bring(mpmc(2))
    play.send("ada", sender, 1)
    play.receive("ben", receiver, how="select")
    play.receive("bob", receiver.clone())
    play.add("the closer", lambda _: sender.close())


@scene
def a_receiver_that_somebody_closes_while_it_receives(play: Play) -> None:
    sender, receiver = play.bring(mpsc(2))
    play.send("ada", sender)
    play.receive("ben", receiver, 3)
    play.add("the closer", lambda _: receiver.close())


@scene
def receivers_that_close_one_after_the_other(play: Play) -> None:
    sender, receiver = play.bring(mpmc(1))
    play.send("ada", sender, how="nowait")
    play.receive("ben", receiver, close=True)
    play.receive("bob", receiver.clone(), close=True)


@scene
def an_end_with_permits_out(play: Play) -> None:
    sender, receiver = play.bring(mpsc(2))
    play.send("ada", sender, how="permit", close=True)
    play.receive("ben", receiver, 3, how="many")
    play.add("the closer", lambda _: receiver.close())


@scene
def many_places_at_once(play: Play) -> None:
    sender, receiver = play.bring(mpsc(2))

    def reserve_two(player: Player) -> None:
        with player.do(sender.reserve_many(2)) as permit:
            permit.send_nowait(("ada", 0))
            play.sent.append(("ada", 0))

    play.add("ada", reserve_two)
    play.send("ann", sender)
    play.receive("ben", receiver, 3)


@scene
def senders_that_close_at_the_same_time(play: Play) -> None:
    sender, receiver = play.bring(mpmc(3))
    play.ends_for_all = True
    for name, end in (("ada", sender), ("ann", sender.clone()), ("eve", sender.clone())):
        play.send(name, end, 1, close=True)
    play.receive("ben", receiver, 4)


@scene
def a_sender_that_is_cloned_while_another_closes(play: Play) -> None:
    sender, receiver = play.bring(mpmc(3))
    play.ends_for_all = True

    def clone_and_send(player: Player) -> None:
        with sender, sender.clone() as clone:
            sender.close()
            player.do(clone.send(("ada", 0)))
            play.sent.append(("ada", 0))

    play.add("ada", clone_and_send)
    play.send("ann", sender.clone(), 1, close=True)
    play.receive("ben", receiver, 3)


@scene
def a_receiver_that_is_cancelled(play: Play) -> None:
    sender, receiver = play.bring(mpmc(1))
    play.send("ada", sender)
    play.receive("ben", receiver)
    play.add("the canceller", tell("ben"))


@scene
def a_sender_that_is_cancelled(play: Play) -> None:
    sender, receiver = play.bring(mpmc(1))
    play.send("ada", sender, 3)
    play.receive("ben", receiver)
    play.add("the canceller", tell("ada"))


@scene
def a_large_request_that_is_cancelled_before_a_small_one(play: Play) -> None:
    sender, _receiver = play.bring(mpsc(2))
    sender.send_nowait(("before", 0))
    play.sent.append(("before", 0))

    def reserve_two(player: Player) -> None:
        try:
            player.do(sender.reserve_many(2)).release()
        except Cancelled:
            pass

    play.add("ada", reserve_two)
    play.send("ann", sender, 1)
    play.add("the canceller", tell("ada"))


@scene
def a_select_between_two_channels(play: Play) -> None:
    sender, receiver = play.bring(mpmc(2))
    other_sender, other_receiver = play.bring(mpmc(0))

    def receive_either(player: Player) -> None:
        for _ in range(2):
            operations = receiver.receiving(), other_receiver.receiving()
            play.got["ben"].append(player.do(conc.select(*operations, biased=True))[1])

    play.send("ada", sender, 1)
    play.send("ann", other_sender, 1)
    play.add("ben", receive_either)


@scene
def a_select_that_loses_beside_a_receiver_that_is_faster(play: Play) -> None:
    sender, receiver = play.bring(mpmc(4))
    other_sender, other_receiver = play.bring(mpmc(4))

    def receive_either(player: Player) -> None:
        operations = receiver.receiving(), other_receiver.receiving()
        play.got["ben"].append(player.do(conc.select(*operations, biased=True))[1])

    play.send("ada", sender)
    play.receive("bob", receiver.clone())
    play.add("ben", receive_either)
    play.send("ann", other_sender, 1)


@scene
def selects_that_send_and_receive_at_one_rendezvous(play: Play) -> None:
    sender, receiver = play.bring(mpmc(0))

    def exchange(name: str) -> Program:
        def program(player: Player) -> None:
            branch, item = player.do(conc.select(sender.sending((name, 0)), receiver.receiving(), biased=True))
            if branch == 0:
                play.sent.append((name, 0))
            else:
                play.got[name].append(item)

        return program

    for name in ("ada", "ben", "eve"):
        play.add(name, exchange(name))


@scene
def a_weak_sender_that_comes_to_life(play: Play) -> None:
    sender, receiver = play.bring(mpsc(1))
    weak = sender.downgrade()

    def send_if_possible(player: Player) -> None:
        strong = weak.upgrade()
        if strong is not None:
            with strong:
                player.do(strong.send(("eve", 0)))
                play.sent.append(("eve", 0))

    play.send("ada", sender, 1, close=True)
    play.add("eve", send_if_possible)
    play.receive("ben", receiver, 3)


def tell(name: str) -> Program:
    """Tell a player to give up."""

    def program(player: Player) -> None:
        for one in player.stage.players:
            if one.name == name:
                one.told = True

    return program


def play(make: Scene, schedule: Schedule) -> list[int]:
    one = Play(schedule)
    make(one)
    try:
        return one.play()
    except AssertionError as error:
        error.add_note(f"in {make.__name__}, with the schedule {list(schedule)}")
        raise


def steps_of(make: Scene) -> list[int]:
    """How many steps the players take at most, if they are not stopped."""
    players = range(len(play(make, [])))
    runs = [play(make, [(first, 1_000_000)]) for first in players]
    return [max(counts) for counts in zip(*runs, strict=True)]


def some(schedules: Iterator[Schedule]) -> list[Schedule]:
    """All of them when soaking, else some, always the same."""
    every = list(schedules)
    return every if SOAKING else random.Random(1).sample(every, min(len(every), 150))


@pytest.mark.parametrize("make", scenes)
def test_nothing_is_lost_wherever_one_thread_is_stopped(make: Scene) -> None:
    for schedule in some(one_switch(steps_of(make))):
        play(make, schedule)


@pytest.mark.parametrize("make", scenes)
def test_nothing_is_lost_wherever_two_threads_are_stopped(make: Scene) -> None:
    for schedule in some(two_switches(steps_of(make))):
        play(make, schedule)
