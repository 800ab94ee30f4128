"""The poller of Linux: epoll, edge-triggered, each descriptor registered once for both directions.

Some facts about epoll:

- A registration reports what is ready already as its first edge, so nothing is lost between opening and registering.
- The last bytes and the FIN behind them come as one edge (EPOLLIN | EPOLLRDHUP), and none follows when the bytes have
  been read. Hence HUP, which its users keep.
- EPOLLERR and EPOLLHUP come without being asked for, and both directions have to hear of them.
- A file that is closed leaves by itself, but only with its last descriptor: a duplicate, or a child process, keeps it
  registered under the old number.
- Its time-out counts milliseconds and Python rounds it up. `select` counts microseconds, and an epoll is itself a
  descriptor that is readable when it has events: so short waits go through `select`.
"""

from __future__ import annotations

from select import EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, epoll, select
from time import monotonic
from typing import Final
from weakref import WeakSet

from conc._os.patience import FINE_S, LONGEST_S, wait_in_naps, wait_patiently
from conc._os.poller import HUP, READ, WRITE, Events
from conc._os.process import after_fork_in_child

BOTH_EDGES: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET

# So many epoll_events, of 12 bytes, are a piece of memory that Python hands out without asking malloc (512 bytes). More
# would not be worth it: those left over stand first in line at the next poll.
BATCH: Final = 42

# Python rounds up to whole milliseconds; half a one less keeps the noise of a division from adding another.
HALF_MILLISECOND_S: Final = 0.0005


def flags_of(mask: int) -> int:
    """What an epoll mask means in the words of `Poller`."""
    flags = 0
    if mask & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
        flags |= READ
    if mask & (EPOLLOUT | EPOLLHUP | EPOLLERR):
        flags |= WRITE
    if mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
        flags |= HUP
    return flags


# Every mask that can come, so that the hot path looks up instead of calling.
FLAGS: Final = {
    mask: flags_of(mask)
    for readable in (0, EPOLLIN)
    for writable in (0, EPOLLOUT)
    for half_closed in (0, EPOLLRDHUP)
    for hung_up in (0, EPOLLHUP)
    for failed in (0, EPOLLERR)
    for mask in (readable | writable | half_closed | hung_up | failed,)
}


class EpollPoller:
    """A `Poller` over one epoll instance."""

    __slots__ = ("__weakref__", "_epoll", "_myself", "_wait")

    arm = None

    def __init__(self) -> None:
        self._epoll = epoll()
        self._wait = self._epoll.poll
        self._myself = (self._epoll.fileno(),)
        _open.add(self)

    def fileno(self) -> int:
        """The descriptor of the epoll itself, readable while events are waiting in it."""
        return self._epoll.fileno()

    def register(self, fd: int) -> None:
        """Watch a descriptor, in both directions. Raises what `Poller.register` says."""
        self._epoll.register(fd, BOTH_EDGES)

    def unregister(self, fd: int) -> None:
        """Watch it no longer. Never raises."""
        try:
            self._epoll.unregister(fd)
        except (OSError, ValueError):
            pass  # closed meanwhile: EBADF, ENOENT if another file has its number, ValueError for the -1 of a socket

    def poll(self, timeout: float | None) -> Events:
        """Wait until something is ready, and say what; see `Poller.poll`."""
        if timeout is None:
            events = self._wait(None, BATCH)
        elif timeout <= 0:  # below 0 would be for ever
            events = self._wait(0, BATCH)
        elif FINE_S <= timeout <= LONGEST_S:
            # What wait_patiently would do; a server comes here whenever it sleeps and a request has a deadline.
            spare = timeout % 0.001
            events = self._wait(timeout - spare - HALF_MILLISECOND_S, BATCH)
            if not events:
                events = self._wait_finely(spare)
        else:
            events = wait_patiently(self._wait_coarsely, self._wait_finely, timeout)
        # In place, and counted by hand: for the one or two events of a usual turn, the fine ways cost more.
        place = 0
        for fd, mask in events:
            events[place] = (fd, FLAGS[mask])
            place += 1  # noqa: SIM113
        return events

    def close(self) -> None:
        """Close the epoll."""
        self._epoll.close()

    def _wait_coarsely(self, milliseconds: int) -> Events:
        return self._wait(milliseconds / 1000 - HALF_MILLISECOND_S, BATCH)

    def _wait_finely(self, timeout: float) -> Events:
        deadline = monotonic() + timeout
        while True:
            try:
                select(self._myself, (), (), max(timeout, 0))
            except ValueError:  # a program with more than 1,024 files open: select cannot count that far
                return wait_in_naps(lambda: self._wait(0, BATCH), timeout)
            events = self._wait(0, BATCH)
            timeout = deadline - monotonic()
            if events or timeout <= 0:
                return events


_open: Final[WeakSet[EpollPoller]] = WeakSet()


def _leave_them_to_the_parent() -> None:
    """Close what a fork has copied. The child has the same epolls: what it closed on its way out, it would take out of
    those of its parent, which would hear of it no more."""
    for poller in list(_open):
        poller.close()


after_fork_in_child(_leave_them_to_the_parent)
