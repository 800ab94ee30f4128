"""What travels over the links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from conc_testing.net.addresses import Endpoint

HEADER: Final = 40  # bytes of addresses, ports and numbers, which take time on a slow link


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
