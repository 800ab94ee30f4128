"""Every exception that conc raises on purpose: who raises it, whose fault it is, what to do.

`Cancelled` is a BaseException, so that `except Exception` lets it pass. The others are `ConcError`s. Misuse of the
library (a nursery used after its end, a scope left out of order) is the builtin RuntimeError, a bad argument ValueError
or TypeError, a passed `fail_after` deadline the builtin TimeoutError.
"""

from __future__ import annotations

__all__ = [
    "BrokenResource",
    "BusyResource",
    "Cancelled",
    "ChannelClosed",
    "ChannelEmpty",
    "ChannelFull",
    "ClosedResource",
    "ConcError",
    "Deadlock",
    "EndOfChannel",
    "IncompleteRead",
    "InvalidFrame",
    "Lagged",
    "LimitExceeded",
    "RunFinished",
    "TaskCancelled",
    "TaskFailed",
    "WouldBlock",
]


class Cancelled(BaseException):
    """The surrounding cancel scope was cancelled; raised at every cancel point until the scope is left.

    Raised by the kernel, never by programs. Let it pass: catch it only to clean up, and raise it again. Its text says
    who cancelled and why.

    Attributes:
        source: what cancelled: ``"explicit"``, ``"deadline"``, ``"nursery"``, ``"task"``, ``"interrupt"``,
            ``"deadlock"`` or ``"shutdown"``.
        reason: the words given to ``cancel(reason=...)``, or None.
    """

    def __init__(self, source: str, reason: str | None = None) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"cancelled ({self.source})" if self.reason is None else f"cancelled ({self.source}): {self.reason}"


class ConcError(Exception):
    """The root of conc's ordinary errors.

    Attributes:
        branch: if `conc.select` raised it, the number of the branch that failed; else None.
    """

    branch: int | None = None


class WouldBlock(ConcError):
    """A `*_nowait` operation would have had to wait. Nobody's fault: wait, or try again later."""


class ChannelFull(WouldBlock):
    """`send_nowait` or `reserve_nowait` on a channel that has no place free. Nobody's fault: wait, or drop the item."""


class ChannelEmpty(WouldBlock):
    """`receive_nowait` on a channel with nothing in it, to which something may still be sent. Nobody's fault."""


class BrokenResource(ConcError):
    """The other side is gone: a peer reset the connection, or closed what was to be written to.

    The operating system's error, where there is one, is the ``__cause__``. Close the resource and open a new one.
    """


class ChannelClosed(BrokenResource):
    """A send to a channel that nobody receives from any more: all receivers are closed. The item was not sent."""


class ClosedResource(ConcError):
    """This side closed the resource before or during the operation. A mistake of this program, or its orderly end."""


class BusyResource(ConcError):
    """Another task is using this direction of the resource already. A mistake of this program: one task at a time."""


class EndOfChannel(ConcError):
    """Nothing more will come out of the channel: it is empty, and all senders are closed. The orderly end."""


class Lagged(ConcError):
    """A receiver of a broadcast was too slow: the oldest items were overwritten before it took them.

    The next `receive` gives the oldest item that is still there. Receive faster, or give the channel more capacity.

    Attributes:
        count: how many items it has missed.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"{self.count} item(s) were overwritten before this receiver took them"


class IncompleteRead(ConcError):
    """The stream ended before all that was asked for had come. The peer's fault, or the end of the data.

    Attributes:
        partial: the bytes that did come.
    """

    def __init__(self, message: str, partial: bytes) -> None:
        super().__init__(message)
        self.partial = partial

    def __reduce__(self) -> tuple[type[IncompleteRead], tuple[str, bytes]]:
        return type(self), (str(self), self.partial)


class InvalidFrame(ConcError):
    """What came is no frame of the codec, as a line that is no UTF-8. The peer's fault.

    Whether the frames behind it can still be received the codec says. Where another error tells more it is the
    ``__cause__``.
    """


class LimitExceeded(ConcError):
    """More bytes than the given limit came before the delimiter or the end, or were announced. The peer's fault.

    What a `BufReader` has read stays in its buffer; what a codec or a socket for datagrams refuses is dropped.

    Attributes:
        limit: the limit in bytes.
    """

    def __init__(self, message: str, limit: int) -> None:
        super().__init__(message)
        self.limit = limit

    def __reduce__(self) -> tuple[type[LimitExceeded], tuple[str, int]]:
        return type(self), (str(self), self.limit)


class TaskFailed(ConcError):
    """`join` of a task that ended with an error, which is the ``__cause__`` (and has reached its nursery)."""


class TaskCancelled(ConcError):
    """`join` of a task that was cancelled and so has no value."""


class RunFinished(ConcError):
    """A thread called into a runtime that has ended, or ends before the call could run. The call had no effect."""


class Deadlock(ConcError):
    """Nothing could wake any task any more. Raised from `run`, after clean-up, with the tree of who waits for what."""
