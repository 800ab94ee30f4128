"""What travels over the links."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final

from conc_testing.net.addresses import Endpoint

HEADER: Final = 40  # bytes of addresses, ports and numbers, which take time on a slow link
DATAGRAM_HEADER: Final = 28


@dataclass(slots=True)
class Packet:
    """A piece of a TCP connection on its way.

    Attributes:
        number: which segment of its direction this is, counted from 0, the SYN; None for one that carries nothing and
            is not acknowledged.
        ack: which segment of the other direction is expected next; None before any came.
        window: how many bytes the sender takes beyond those that it has acknowledged.
        probe: whether it asks for an acknowledgement only.
    """

    source: Endpoint
    dest: Endpoint
    number: int | None = None
    data: bytes = b""
    syn: bool = False
    fin: bool = False
    rst: bool = False
    probe: bool = False
    ack: int | None = None
    window: int = 0

    @property
    def size(self) -> int:
        """In bytes, on the wire."""
        return HEADER + len(self.data)

    @property
    def flow(self) -> Hashable:
        """Packets of one flow arrive in the order in which they were sent."""
        return self.source, self.dest

    @property
    def matters(self) -> bool:
        """Whether a search decides when it arrives, and whether it does: of the others there are too many."""
        return self.number is not None


@dataclass(slots=True, eq=False)
class Datagram:
    """A datagram on its way, or the word that nobody is there for one.

    Attributes:
        host: which it goes to: a group has its members on several.
        refused: whether it says that an earlier one, from `dest` to `source`, found nobody.
    """

    source: Endpoint
    dest: Endpoint
    data: bytes = b""
    host: str = ""
    refused: bool = False

    @property
    def size(self) -> int:
        """In bytes, on the wire."""
        return DATAGRAM_HEADER + len(self.data)

    @property
    def flow(self) -> Hashable:
        """Each is a flow of its own, so they may overtake one another."""
        return self

    @property
    def matters(self) -> bool:
        """Whether a search decides when it arrives, and whether it does."""
        return not self.refused

    def to(self, host: str) -> Datagram:
        """The same one for a certain host."""
        return replace(self, host=host)
