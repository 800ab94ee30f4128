"""How the kernels of a simulated network are set up."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TcpSettings:
    """How the kernels of a simulated network are set up; the defaults are those of Linux, but for smaller buffers.

    Raises:
        ValueError: a bad argument, which is named.
    """

    mss: int = 1_460
    """Most bytes in a segment; on loopback they are larger."""
    send_buffer: int = 65_536
    """How many bytes a program may write before the other side has acknowledged them."""
    receive_buffer: int = 65_536
    """How many bytes the other side may send before the program reads them."""
    connect_retries: int = 6
    """How often an unanswered attempt to connect is repeated, after 1, 2, 4 s and so on, before ETIMEDOUT."""
    retries: int = 15
    """How often a lost segment is sent again, after 0.2, 0.4, 0.8 s and so on up to 120, before ETIMEDOUT."""
    time_wait: float = 60.0
    """For how many seconds the side that closed first keeps the addresses of a connection."""

    def __post_init__(self) -> None:
        for name in ("mss", "send_buffer", "receive_buffer"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        for name in ("connect_retries", "retries", "time_wait"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, not {getattr(self, name)!r}")
