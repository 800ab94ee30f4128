"""One end of a connection over a Unix socket, as the kernel of its host has it."""

from __future__ import annotations

import errno
from typing import Protocol

from conc_testing.net.addresses import system_error
from conc_testing.net.descriptors import BUFFER, HUP, READ, WRITE
from conc_testing.sim.choices import choose


class Owner(Protocol):
    """Who is told when an end may have become ready for something: a socket."""

    def edge(self) -> None:
        """Look what it is ready for."""


class UnixEnd:
    """One end of a connection. What is written is there at once: nothing travels within a host.

    Attributes:
        name: of the socket that this end belongs to; ``""`` if it has none.
        other: the other end.
        owner: the socket; None before the program has accepted the connection, and after it has closed it.
        capacity: how many bytes it may have written that nobody has read.
        failure: the error that the next call tells, once; 0 if there is none.

    Invariant: `_inbox` holds what `other` wrote and this end has not read.
    """

    other: UnixEnd

    def __init__(self, name: str) -> None:
        self.name = name
        self.owner: Owner | None = None
        self.capacity = BUFFER
        self.failure = 0
        self._inbox = bytearray()
        self._ended = False  # this end writes no more
        self._closed = False

    @property
    def unread(self) -> int:
        """How many bytes wait for the program."""
        return len(self._inbox)

    def write(self, data: bytes) -> int:
        """Take bytes, as many as there is room for; raises what ``send`` raises."""
        if self._ended or self.other._closed:
            raise system_error(errno.EPIPE)
        room = self.capacity - self.other.unread
        if data and room <= 0:
            raise system_error(errno.EAGAIN)
        taken = data[: max(room, 0)]
        if taken:
            self.other._inbox += taken
            self.other.edge()
        return len(taken)

    def read(self, max_bytes: int, *, peek: bool = False) -> bytes:
        """Take bytes that are there, or look at them; raises what ``recv`` raises."""
        if not self._inbox:
            failure = self.take_failure()
            if failure:
                raise system_error(failure)
            if self.other._ended:
                return b""
            raise system_error(errno.EAGAIN)
        size = min(max_bytes, len(self._inbox))
        piece = choose("net.chunk", 3) if size > 1 and not peek else 0
        if piece:
            size = 1 if piece == 1 else size // 2
            self.edge()  # who got less than he asked for takes that to be all, so the rest has to be told
        data = bytes(self._inbox[:size])
        if not peek:
            del self._inbox[:size]
            if self.other.has_room:
                self.other.edge()
        return data

    def take_failure(self) -> int:
        """The error that nobody has been told, which is told by that; 0 if there is none."""
        failure, self.failure = self.failure, 0
        return failure

    def end(self) -> None:
        """Write no more."""
        self._ended = True
        self.other.edge()

    def close(self) -> None:
        """The program is done with it. If bytes came that nobody read, the other end hears of a reset."""
        self.owner = None
        self._closed = self._ended = True
        if self._inbox:
            self.reset_other()
        self.other.edge()

    def reset_other(self) -> None:
        """Let the other end hear of a reset."""
        self.other.failure = errno.ECONNRESET

    def break_down(self) -> None:
        """Something breaks the connection: both ends are told, and what has arrived is lost."""
        for end in (self, self.other):
            end._inbox.clear()
            end._ended = True
            end.failure = errno.ECONNRESET
            end.edge()

    @property
    def has_room(self) -> bool:
        """Whether a poller calls it writable: with a quarter in use at most, as on Linux."""
        return self.other.unread * 4 <= self.capacity

    def flags(self) -> int:
        """What it is ready for, as a poller says it."""
        hung_up = self.other._ended
        flags = READ if self._inbox or hung_up or self.failure else 0
        flags |= WRITE if self.has_room or self.other._closed else 0
        return flags | (HUP if hung_up or self.failure else 0)

    def edge(self) -> None:
        """Tell the socket to look."""
        if self.owner is not None:
            self.owner.edge()


def connected_ends(name: str = "", other_name: str = "") -> tuple[UnixEnd, UnixEnd]:
    """Two ends of one connection."""
    one, other = UnixEnd(name), UnixEnd(other_name)
    one.other, other.other = other, one
    return one, other
