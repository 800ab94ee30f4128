"""What the kernel of a host tells about its connections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from conc_testing.net.descriptors import SimDescriptor
from conc_testing.net.hosts import Host


class Line(NamedTuple):
    """One connection, or one that listens, or a socket of UDP."""

    state: str
    """``"ESTABLISHED"``, ``"LISTEN"`` and so on; ``"UDP"``."""
    local: str
    """The address of this end."""
    remote: str
    """The address of the other end; ``"*"`` of one that has none."""
    unread: int
    """Bytes that have arrived and wait for the program; of one that listens, connections that wait to be accepted."""
    unsent: int
    """Bytes that the program has written and the other side has not acknowledged."""


@dataclass(frozen=True)
class Netstat:
    """All connections of a host at one moment, in the order in which they began; those that listen come first, and the
    sockets of UDP last."""

    host: str
    lines: tuple[Line, ...]

    def count(self, state: str) -> int:
        """How many are in this state."""
        return sum(line.state == state for line in self.lines)

    @property
    def established(self) -> int:
        """How many connections are open on both sides, as far as this one knows."""
        return self.count("ESTABLISHED")

    @property
    def listening(self) -> int:
        """How many listen."""
        return self.count("LISTEN")

    @property
    def time_wait(self) -> int:
        """How many are over and keep their addresses for a while."""
        return self.count("TIME_WAIT")

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __str__(self) -> str:
        rows = [("state", "local", "remote", "unread", "unsent"), *(tuple(map(str, line)) for line in self.lines)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


class OpenSocket(NamedTuple):
    """A socket that a program has not closed."""

    host: str
    state: str
    local: str
    remote: str
    place: str
    """The line that made it."""

    @classmethod
    def of(cls, sock: SimDescriptor) -> OpenSocket:
        """How a socket stands."""
        remote = "" if sock.remote is None else str(sock.remote)
        return cls(sock.process.host.name, sock.state, str(sock.local), remote, sock.place)

    def __str__(self) -> str:
        to = f" to {self.remote}" if self.remote else ""
        return f"of host {self.host!r} at {self.local}{to} ({self.state}) is open, made in {self.place}"


def netstat(host: Host) -> Netstat:
    """What stands in the tables of a host."""
    stack = host.stack
    lines = [Line("LISTEN", str(endpoint), "*", len(listener), 0) for endpoint, listener in stack.listening()]
    lines += [Line(one.state, str(one.local), str(one.remote), one.unread, one.unsent) for one in stack.connections()]
    lines += [Line("UDP", str(one.bound), str(one.peer or "*"), one.unread, 0) for one in host.udp.sockets()]
    return Netstat(host.name, tuple(lines))
