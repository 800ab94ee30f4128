"""What a poller is: it tells one thread which of its descriptors have become ready.

Rules for its users:

- *Unregister, then close.* A poller may be told of a descriptor that is closed already, but until then another file
  may have got the same number.
- *Answers may be stale.* One `poll` reports several descriptors, and what is done about the first may close the second.
  Ignore a number that is not known (any more), and try the system call before believing: ready means "worth a try".
- *A descriptor may come twice* in one answer, once for each direction.
- *Connect, then register.* A TCP socket that is neither connected nor listening counts as hung up: registered before
  `connect` was called it is reported as ``WRITE | HUP`` at once, which says nothing about the connection to come. Who
  registers it early forgets all its flags, the sticky one too, when `connect` has answered EINPROGRESS. Either way the
  readiness after it tells only that connecting has ended: SO_ERROR tells how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

READ: Final = 1
"""Worth a read: bytes, a connection to accept, the end of the stream, or an error are there."""
WRITE: Final = 2
"""Worth a write: there is room, or an error is waiting to be told."""
HUP: Final = 4
"""The peer has hung up, at least for one direction, or an error is there.

Sticky: an edge-triggered poller reports the last bytes and the end of a stream as one event and stays silent
afterwards, so a short read after HUP does not mean that the next one would wait.
"""

Events = list[tuple[int, int]]
"""Descriptors, each with the flags of what it has become ready for."""


class Poller(Protocol):
    """Readiness of descriptors, for one thread: it alone calls these methods, all but the making of the poller.

    Edge-triggered (`arm` is None): readiness is reported when it comes to be, and by `register` if it is there already;
    not again until the descriptor ran dry or full, and mostly not before more came in. Who is told remembers it.

    Level-triggered (`arm` is a method): readiness is reported as often as it is asked for and is there. Each ``arm``
    asks once.
    """

    @property
    def arm(self) -> Callable[[int, int], None] | None:
        """None on an edge-triggered poller; else call it each time somebody starts to wait.

        ``arm(fd, direction)``, with READ or WRITE, asks to be told when that direction of a registered descriptor is
        ready. One shot: the event that tells it disarms it. This goes for a `Bell` too.
        """

    def register(self, fd: int) -> None:
        """Watch a descriptor, in both directions.

        Raises:
            FileExistsError: it is registered already (kqueue cannot tell).
            PermissionError: the system cannot watch such a file; epoll says so of regular files, which are always
                ready, while select accepts them and reports just that.
            OSError: whatever else the system has against it, such as EBADF.
            ValueError: the number is negative, or more than ``select`` can count.
        """

    def unregister(self, fd: int) -> None:
        """Watch it no longer. Never raises, also if it was closed meanwhile or was never registered."""

    def poll(self, timeout: float | None) -> Events:
        """Wait until something is ready, and say what; an empty list if nothing was in time.

        Never returns empty-handed before the time, and seldom much after it: less than 2 ms are met to about 0.1 ms.
        At most a few dozen events come at a time on an edge-triggered poller; the next call has the others.

        Args:
            timeout: seconds. None waits for ever, as does ``math.inf``; 0 or less does not wait.
        """

    def close(self) -> None:
        """Give the poller back to the system. The descriptors stay open. A second time does nothing."""
