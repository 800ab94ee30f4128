"""The race of Happy Eyeballs: many addresses of one name, of which some do not answer.

`socket.getaddrinfo` tells of all families at once, when the last of them has answered; it puts them into the order of
RFC 6724, which takes both. So it is asked for all. Only if that takes long, because nobody answers for IPv6 perhaps, it
is asked for IPv4 alone as well, and the race begins with what comes first.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Final

from conc._kernel.nursery import open_nursery
from conc.net.addresses import AddressInfo, show
from conc.net.tcp import TcpStream
from conc.sync import Notify
from conc.time import move_on_after

if TYPE_CHECKING:
    from conc._kernel.nursery import Nursery
    from conc._kernel.task import Task

RESOLUTION_DELAY_S: Final = 0.05  # RFC 8305, section 8


class Race:
    """Attempts to connect to the addresses of a name, one after another until one has succeeded.

    Args:
        resolve: looks the name up, for a family or for all (0).
        attempt: connects to one address.
        delay: how many seconds the latest attempt has before the next is started; none if it has failed.
        target: what is connected to, for people.

    Attributes:
        winners: connections that came about; several if that was in one turn.

    Invariant: an address is in `_pending` or was `_tried`, not both.
    """

    def __init__(
        self,
        resolve: Callable[[int], Awaitable[list[AddressInfo]]],
        attempt: Callable[[AddressInfo], Awaitable[TcpStream]],
        delay: float,
        target: str,
    ) -> None:
        self.winners: list[TcpStream] = []
        self._resolve = resolve
        self._attempt = attempt
        self._delay = delay
        self._target = target
        self._news = Notify()
        self._pending: list[AddressInfo] = []
        self._tried: list[AddressInfo] = []
        self._errors: dict[int, OSError] = {}  # by place in `_tried`
        self._answered = False
        self._no_addresses: Exception | None = None

    async def run(self, known: list[AddressInfo] | None = None, *, only_ipv4_too: bool = True) -> TcpStream:
        """The connection that came about first; the others, and all attempts, are called off.

        Args:
            known: the addresses, the best first, at least one; None: they are looked up.
            only_ipv4_too: whether to ask for the addresses of IPv4 alone if those of all families take long.

        Raises:
            OSError: nobody answers, or there is no such name.
        """
        if known is not None:
            if len(known) == 1:
                return await self._attempt(known[0])
            self._pending = interleave(known)
            self._answered = True
        try:
            async with open_nursery() as nursery:
                asking = [] if self._answered else await self._ask(nursery, only_ipv4_too)
                await self._try_all(nursery, asking)
        except BaseException:
            for stream in self.winners:
                stream._close()
            raise
        for stream in self.winners[1:]:
            stream._close()
        if self.winners:
            return self.winners[0]
        raise self._defeat()

    async def _ask(self, nursery: Nursery, only_ipv4_too: bool) -> list[Task[None]]:
        """Look the name up; return who does, when there is an answer or that has taken long."""
        asking = [nursery.start_soon(self._ask_for_all, name=f"look {self._target} up")]
        with move_on_after(RESOLUTION_DELAY_S):
            await self._news.notified()
        if only_ipv4_too and not self._answered:
            asking.append(nursery.start_soon(self._ask_for_ipv4, name=f"look {self._target} up for IPv4"))
        return asking

    async def _ask_for_all(self) -> None:
        try:
            infos = await self._resolve(0)
        except Exception as error:
            self._no_addresses = error
        else:
            self._pending = interleave([info for info in infos if info not in self._tried])
        self._answered = True
        self._news.notify_one()

    async def _ask_for_ipv4(self) -> None:
        try:
            infos = await self._resolve(socket.AF_INET)
        except Exception:  # the answer for all families tells what is wrong
            return
        if not self._answered:
            self._pending = list(dict.fromkeys(infos))
            self._news.notify_one()

    async def _try_all(self, nursery: Nursery, asking: list[Task[None]]) -> None:
        """Start an attempt for each address, in order; return when there will be no more of them."""
        while True:
            if self._pending:
                place = len(self._tried)
                info = self._pending.pop(0)
                self._tried.append(info)
                nursery.start_soon(self._try, place, info, nursery, name=f"connect to {show(info[4])}")
                with move_on_after(self._delay):
                    while place not in self._errors:
                        await self._news.notified()
            elif self._answered:
                break
            else:
                await self._news.notified()
        for task in asking:
            task.cancel("all addresses are known")

    async def _try(self, place: int, info: AddressInfo, nursery: Nursery) -> None:
        try:
            stream = await self._attempt(info)
        except OSError as error:
            self._errors[place] = error
            self._news.notify_one()
        else:
            self.winners.append(stream)
            nursery.cancel_scope.cancel(reason="another address has answered")

    def _defeat(self) -> Exception:
        """Why nobody has won."""
        in_order = [self._errors[place] for place in sorted(self._errors)]
        if not in_order:
            assert self._no_addresses is not None, "there were addresses, but no attempt"
            return self._no_addresses
        if len(in_order) == 1:
            return in_order[0]
        numbers = {error.errno for error in in_order}
        text = f"no address of {self._target} answers: " + "; ".join(str(one.strerror or one) for one in in_order)
        error = OSError(numbers.pop(), text) if len(numbers) == 1 else OSError(text)
        error.__cause__ = ExceptionGroup(f"attempts to connect to {self._target}", in_order)
        return error


def interleave(infos: Sequence[AddressInfo]) -> list[AddressInfo]:
    """The families in turn, beginning with that of the first address; within each in the given order."""
    families: dict[int, list[AddressInfo]] = {}
    for info in dict.fromkeys(infos):
        families.setdefault(info[0], []).append(info)
    return [info for info in chain.from_iterable(zip_longest(*families.values())) if info is not None]
