"""What the ends of channels have in common, for functions that do not care which channel it is.

An end is typed by its class where that is known, as ``Sender[int]``. What is written against a protocol takes the ends
of other channels as well, and whatever a test puts in their place; and it knows who may stand in for whom: what
receives dogs receives animals, and what sends animals sends dogs.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self, TypeVar

from conc._kernel.operation import Operation

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class SendChannel(Protocol[T_contra]):
    """An end to which items are sent, and which makes those wait who send too much: the `Sender` of mpsc and mpmc."""

    async def send(self, item: T_contra) -> None:
        """Send an item, waiting for a place.

        Raises:
            ChannelClosed, ClosedResource: nobody receives any more; this end is closed.

        Checkpoint: always a cancel point; it waits only if there is no place.
        If cancelled: the item was not sent.
        """

    def send_nowait(self, item: T_contra) -> None:
        """As `send`; raises `ChannelFull` where that would wait. Checkpoint: never."""

    def send_blocking(self, item: T_contra, timeout: float | None = None) -> None:
        """As `send`, for a thread outside; raises TimeoutError. Checkpoint: never; it blocks the thread."""

    def sending(self, item: T_contra) -> Operation[None]:
        """`send`, for `conc.select`."""

    def close(self) -> None:
        """Send nothing more through this end. Idempotent. Checkpoint: never."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class ReceiveChannel(Protocol[T_co]):
    """An end at which items are received: that of mpsc, mpmc, oneshot and broadcast. Those of a watch are looked at."""

    async def receive(self) -> T_co:
        """Take the next item, waiting for it.

        Raises:
            EndOfChannel: nothing more will come.
            ClosedResource, BusyResource: this end is closed; another task waits in it.
            Lagged: of a broadcast: items were lost.

        Checkpoint: always a cancel point; it waits only if there is no item.
        If cancelled: no item was taken.
        """

    def receive_nowait(self) -> T_co:
        """As `receive`; raises `ChannelEmpty` where that would wait. Checkpoint: never."""

    def receive_blocking(self, timeout: float | None = None) -> T_co:
        """As `receive`, for a thread outside; raises TimeoutError. Checkpoint: never; it blocks the thread."""

    def receiving(self) -> Operation[T_co]:
        """`receive`, for `conc.select`."""

    def close(self) -> None:
        """Receive nothing more through this end. Idempotent. Checkpoint: never."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> T_co: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
