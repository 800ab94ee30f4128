"""Making channels of which each item goes to one receiver: mpsc and mpmc."""

from __future__ import annotations

import math
from typing import TypeVar

from conc.channels.conduit import Conduit
from conc.channels.ends import calling_line
from conc.channels.receiver import Receiver
from conc.channels.sender import Sender
from conc.sync.semaphore import check_count

T = TypeVar("T")


class mpsc(tuple[Sender[T], Receiver[T]]):  # noqa: N801  # used like a function, and with a type: mpsc[int](16)
    """``sender, receiver = mpsc(16)``: many producers, one consumer, and backpressure: at most 16 items on their way.

    Args:
        capacity: how many items may wait to be received. 0 is a rendezvous: an item goes from hand to hand.

    Raises:
        ValueError, TypeError: a bad capacity.

    Checkpoint: never.
    """

    __slots__ = ()

    def __new__(cls, capacity: int) -> tuple[Sender[T], Receiver[T]]:  # type: ignore[misc]
        if capacity == math.inf:
            raise ValueError("capacity must be a whole number; a channel without a limit is mpsc_unbounded()")
        check_count(capacity, "capacity", 0)
        return _ends(Conduit(capacity, shared=False))


class mpsc_unbounded(tuple[Sender[T], Receiver[T]]):  # noqa: N801
    """``sender, receiver = mpsc_unbounded()``: as `mpsc`, without a limit. `send` never waits.

    What is not received fast enough fills the memory: use it where the producers are held back by something else.

    Checkpoint: never.
    """

    __slots__ = ()

    def __new__(cls) -> tuple[Sender[T], Receiver[T]]:  # type: ignore[misc]
        return _ends(Conduit(math.inf, shared=False))


class mpmc(tuple[Sender[T], Receiver[T]]):  # noqa: N801
    """``sender, receiver = mpmc(16)``: as `mpsc`, and ``receiver.clone()`` makes more consumers of the same queue.

    Args:
        capacity: how many items may wait to be received; 0 is a rendezvous, ``math.inf`` no limit.

    Raises:
        ValueError, TypeError: a bad capacity.

    Checkpoint: never.
    """

    __slots__ = ()

    def __new__(cls, capacity: float) -> tuple[Sender[T], Receiver[T]]:  # type: ignore[misc]
        if capacity != math.inf:
            check_count(capacity, "capacity", 0)  # type: ignore[arg-type]
        return _ends(Conduit(capacity, shared=True))


def _ends(conduit: Conduit) -> tuple[Sender[T], Receiver[T]]:
    made_at = calling_line()
    return Sender(conduit, made_at), Receiver(conduit, made_at)
