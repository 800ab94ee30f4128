"""A channel, and all who use it at once: tasks of many strands, threads, and who cancels, closes and looks."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import conc
from conc import CancelScope
from conc.channels import Permit, Receiver, Sender, mpmc, mpsc
from conc.channels.conduit import Conduit
from conc.errors import ChannelClosed, ClosedResource, EndOfChannel, WouldBlock
from conc.sync import AtomicInt
from tests.stress.churn import Run
from tests.stress.load import Dice
from tests.stress.watchdog import in_threads

Item: TypeAlias = tuple[str, int]  # who sent it, and which of his
Ends: TypeAlias = tuple[Sender[Item], Receiver[Item]]


def make(capacity: float, shared: bool = True) -> Ends:
    """A channel."""
    return mpmc[Item](capacity) if shared or capacity == math.inf else mpsc[Item](int(capacity))


class Hesitant(deque[Any]):
    """A deque with which a thread lets others go first, now and then, just before or after a step that they can see.

    Args:
        of: what is in it.
        dice: when.
    """

    def __init__(self, of: Iterable[Any] = (), dice: Dice | None = None) -> None:
        super().__init__(of)
        self._dice = dice

    def append(self, one: Any) -> None:
        """As a deque."""
        self._hesitate()
        super().append(one)
        self._hesitate()

    def popleft(self) -> Any:
        """As a deque."""
        self._hesitate()
        one = super().popleft()
        self._hesitate()
        return one

    def pop(self) -> Any:  # type: ignore[override]  # as a deque, whose index is for typing only
        """As a deque."""
        one = super().pop()
        self._hesitate()
        return one

    def copy(self) -> Any:
        """Of which is asked whether it is empty. One of a subclass would be iterated, while others change it."""
        self.rotate(0)  # its lock is taken, so that the length is of now
        return range(len(self))

    def _hesitate(self) -> None:
        if self._dice is not None and self._dice.chance() < 0.1:
            time.sleep(1e-6)


class Account:
    """A channel, who has sent what into it, and who has received it.

    Args:
        ends: those of the channel; all others are made from them.
        dice: with every other channel threads take turns where it matters, more often than they would by themselves.
    """

    def __init__(self, ends: Ends, dice: Dice) -> None:
        self.sender, self.receiver = ends
        self.conduit: Conduit = ends[0]._conduit
        if dice.chance() < 0.5:
            for owner, name in (
                (self.conduit, "items"),
                (self.conduit, "places"),
                (self.conduit.sending, "line"),
                (self.conduit.receiving, "line"),
            ):
                setattr(owner, name, Hesitant(getattr(owner, name), dice.another()))
        self.sent: deque[Item] = deque()
        self.got: list[list[Item]] = []
        self.errors: list[BaseException] = []

    def consumer(self) -> list[Item]:
        """A list for what one consumer receives, in order."""
        got: list[Item] = []
        self.got.append(got)
        return got

    def drain(self) -> None:
        """Receive what is left in a channel that was closed."""
        rest = self.consumer()
        try:
            while True:
                rest += self.receiver.receive_many_nowait(5)
        except EndOfChannel:
            return

    def check(self) -> None:
        """All that was sent was received, all places are there, and nobody waits. After the last end was closed."""
        assert not self.errors, self.errors
        for got in self.got:
            for name in {name for name, _ in got}:
                numbers = [number for one, number in got if one == name]
                assert numbers == sorted(numbers), f"what {name} sent came in another order: {numbers}"
        received = Counter(item for got in self.got for item in got)
        sent = Counter(self.sent)
        assert received == sent, f"lost: {sent - received}, from nothing: {received - sent}"
        conduit = self.conduit
        conduit._check()
        assert self.sender.statistics() == (0, conduit.capacity, 0, 0, 0, 0, 0)
        assert [line._passed for line in (conduit.sending, conduit.receiving, conduit.gone)] == [0, 0, 0]

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """What goes wrong in a thread."""
        try:
            yield
        except BaseException as error:
            self.errors.append(error)


class Storm:
    """A channel, and all who use it at once: tasks of several strands, threads, and who cancels, closes and looks.

    Args:
        dice: their choices.
        capacity: of the channel.
        threads: how many threads send; some more receive, cancel, close and look.
    """

    def __init__(self, dice: Dice, capacity: float, threads: int) -> None:
        self.account = account = Account(make(capacity, shared=dice.chance() < 0.6), dice)
        self.dice = dice
        self.told = AtomicInt(0)  # how many were told of the end, or of the closing of theirs
        self._shared = account.conduit.shared
        self._most = max(1, int(min(capacity, 3)))  # places at a time
        self._leaves = dice.chance() < 0.5  # whether the receivers go before all was sent
        self._over = False
        self._scopes: deque[CancelScope] = deque(maxlen=20)
        self._senders = [account.sender.clone() for _ in range(6 + threads)]
        self._receivers = [account.receiver.clone() for _ in range(dice.between(1, 4))] if self._shared else []
        self._outside = threads

    def run(self, run: Run, workers: int, items: int) -> Account:
        """The whole storm; returns the account."""
        account, dice = self.account, self.dice
        receivers = list(self._receivers) or [account.receiver]
        inside = receivers[: dice.between(0, len(receivers))] if self._outside else receivers
        acts = [
            *(self._sending_thread(f"thread {n}", self._senders[6 + n], items) for n in range(self._outside)),
            *(self._receiving_thread(receiver, items) for receiver in receivers[len(inside) :]),
        ]
        meddlers = in_threads(self._again_and_again(self._meddle), self._again_and_again(self._look))
        threads = in_threads(*acts)
        account.sender.close()
        if self._shared:
            account.receiver.close()
        run(self._main, inside, items, workers=workers)
        for thread in threads:
            thread.join()
        self._over = True
        for thread in meddlers:
            thread.join()
        for receiver in receivers:
            receiver.close()
        account.drain()
        assert self.told.load() == len(self._senders) + len(receivers)
        return account

    async def _main(self, receivers: list[Receiver[Item]], items: int) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for n in range(3):
                nursery.start_soon(self._strand, n, receivers[n::3], items)

    async def _strand(self, n: int, receivers: list[Receiver[Item]], items: int) -> None:
        async with conc.open_nursery() as nursery:
            for number in (n, n + 3):
                nursery.start_soon(self._produce, f"task {number}", self._senders[number], self.dice.another(), items)
            for receiver in receivers:
                nursery.start_soon(self._consume, receiver, self.dice.another(), items)

    @contextmanager
    def _hasty(self, dice: Dice) -> Iterator[None]:
        """A scope that ends soon, or that a thread cancels."""
        with conc.move_on_after(dice.seconds(0, 0.003) if dice.chance() < 0.5 else math.inf) as scope:
            self._scopes.append(scope)
            yield

    # ---- tasks ----------------------------------------------------------------------------------------------------

    async def _produce(self, name: str, sender: Sender[Item], dice: Dice, items: int) -> None:
        ways = [self._send, self._send, self._send_now, self._send_or_not]
        if self.account.conduit.capacity:
            ways += [self._send_several, self._reserve_or_not]
        with sender:
            for number in range(0, 10 * items, 10):
                try:
                    with self._hasty(dice):
                        await dice.pick(ways)(sender, (name, number), dice)
                except WouldBlock:
                    await conc.checkpoint()
                except (ChannelClosed, ClosedResource):
                    break
        self.told.fetch_add(1)

    async def _send(self, sender: Sender[Item], item: Item, dice: Dice) -> None:
        await sender.send(item)
        self.account.sent.append(item)

    async def _send_now(self, sender: Sender[Item], item: Item, dice: Dice) -> None:
        sender.send_nowait(item)
        self.account.sent.append(item)

    async def _send_or_not(self, sender: Sender[Item], item: Item, dice: Dice) -> None:
        index, _ = await conc.select(conc.after(dice.seconds(0, 0.001)), sender.sending(item), None, sender.closing())
        if index == 1:
            self.account.sent.append(item)

    async def _send_several(self, sender: Sender[Item], item: Item, dice: Dice) -> None:
        with await sender.reserve_many(dice.between(1, self._most)) as permit:
            await self._use(permit, item, dice)

    async def _reserve_or_not(self, sender: Sender[Item], item: Item, dice: Dice) -> None:
        places = dice.between(1, self._most)
        index, permit = await conc.select(sender.reserving(places), conc.after(dice.seconds(0, 0.001)))
        if index == 0:
            with permit:
                await self._use(permit, item, dice)

    async def _use(self, permit: Permit[Item], item: Item, dice: Dice) -> None:
        for more in range(dice.between(0, len(permit))):
            permit.send_nowait((item[0], item[1] + more))
            self.account.sent.append((item[0], item[1] + more))
            if dice.chance() < 0.3:
                await conc.checkpoint()

    async def _consume(self, receiver: Receiver[Item], dice: Dice, items: int) -> None:
        got = self.account.consumer()
        ways = [self._receive, self._receive, self._receive_many, self._receive_next, self._receive_or_not]
        with receiver:
            while not (self._leaves and len(got) > items):
                try:
                    with self._hasty(dice):
                        await dice.pick(ways)(receiver, got, dice)
                except (EndOfChannel, ClosedResource):
                    break
        self.told.fetch_add(1)

    async def _receive(self, receiver: Receiver[Item], got: list[Item], dice: Dice) -> None:
        got.append(await receiver.receive())

    async def _receive_many(self, receiver: Receiver[Item], got: list[Item], dice: Dice) -> None:
        got += await receiver.receive_many(dice.between(1, 5))

    async def _receive_next(self, receiver: Receiver[Item], got: list[Item], dice: Dice) -> None:
        async for item in receiver:
            got.append(item)
            if dice.chance() < 0.3:
                return
        raise EndOfChannel

    async def _receive_or_not(self, receiver: Receiver[Item], got: list[Item], dice: Dice) -> None:
        branches = receiver.receiving(), receiver.receiving_many(3), conc.after(dice.seconds(0, 0.001))
        index, items = await conc.select(*branches)
        if index < 2:
            got += items if index else [items]

    # ---- threads --------------------------------------------------------------------------------------------------

    def _sending_thread(self, name: str, sender: Sender[Item], items: int) -> Callable[[], None]:
        dice = self.dice.another()

        def run() -> None:
            with self.account.noting_errors(), sender:
                for number in range(items):
                    try:
                        self._send_blocking(sender, (name, number), dice)
                    except (WouldBlock, TimeoutError):
                        continue
                    except (ChannelClosed, ClosedResource):
                        break
                self.told.fetch_add(1)

        return run

    def _send_blocking(self, sender: Sender[Item], item: Item, dice: Dice) -> None:
        seconds = None if dice.chance() < 0.3 else dice.seconds(0, 0.002)
        if dice.chance() < 0.3:
            sender.send_nowait(item)
        elif self.account.conduit.capacity and dice.chance() < 0.4:
            with sender.reserve_blocking(1, seconds) as permit:
                if dice.chance() < 0.3:
                    return
                permit.send_nowait(item)
        else:
            sender.send_blocking(item, seconds)
        self.account.sent.append(item)

    def _receiving_thread(self, receiver: Receiver[Item], items: int) -> Callable[[], None]:
        dice, got = self.dice.another(), self.account.consumer()

        def run() -> None:
            with self.account.noting_errors(), receiver:
                while not (self._leaves and len(got) > items):
                    seconds = None if dice.chance() < 0.3 else dice.seconds(0, 0.002)
                    try:
                        if dice.chance() < 0.3:
                            got.append(receiver.receive_nowait())
                        elif dice.chance() < 0.4:
                            got.extend(receiver.receive_many_blocking(dice.between(1, 5), seconds))
                        else:
                            got.append(receiver.receive_blocking(seconds))
                    except (WouldBlock, TimeoutError):
                        continue
                    except (EndOfChannel, ClosedResource):
                        break
                self.told.fetch_add(1)

        return run

    def _again_and_again(self, act: Callable[[Dice], object]) -> Callable[[], None]:
        dice = self.dice.another()

        def run() -> None:
            with self.account.noting_errors():
                while not self._over:
                    act(dice)
                    time.sleep(dice.seconds(0, 0.0003))

        return run

    def _meddle(self, dice: Dice) -> None:
        if self._scopes:
            dice.pick(self._scopes.copy()).cancel("a thread")
        if dice.chance() < 0.01:
            dice.pick(self._senders).close()
        if self._receivers and dice.chance() < 0.01:
            dice.pick(self._receivers).close()

    def _look(self, dice: Dice) -> None:
        sender, receiver = self.account.sender, self.account.receiver
        repr(sender), repr(receiver)
        now = sender.statistics()
        assert 0 <= now.items + now.reserved <= (now.capacity or math.inf)
        assert now.items == 0 or now.capacity
        assert len(sender) <= now.capacity and len(receiver) <= now.capacity
