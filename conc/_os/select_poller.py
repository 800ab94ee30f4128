"""The poller of systems with neither epoll nor kqueue: level-triggered, over `poll` where there is one, else `select`.

A level-triggered system call reports what is ready again and again until somebody reads it, so a descriptor may be
shown to it only while somebody waits: `arm` shows it, the event hides it. Hiding means removing it altogether, since
poll reports hang-ups and errors also to those who asked for nothing.
"""

from __future__ import annotations

import errno
import os
import select
from typing import Any, Final, Protocol

from conc._os.patience import wait_in_naps, wait_patiently
from conc._os.poller import HUP, READ, WRITE, Events

ALL: Final = READ | WRITE | HUP


class SelectPoller:
    """A level-triggered `Poller`: each wait has to be announced with `arm`.

    Args:
        module: what has ``poll`` or at least ``select``.
    """

    __slots__ = ("_armed", "_call")

    def __init__(self, module: Any = select) -> None:
        self._armed: dict[int, int] = {}  # the directions somebody waits for; 0: registered, nobody waits
        self._call: LevelCall = PollCall(module) if hasattr(module, "poll") else SelectCall(module)

    def register(self, fd: int) -> None:
        """Know a descriptor; nothing is reported before `arm`. Raises what `Poller.register` says."""
        if fd in self._armed:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self._call.check(fd)
        self._armed[fd] = 0

    def unregister(self, fd: int) -> None:
        """Know it no longer. Never raises."""
        if self._armed.pop(fd, 0):
            self._call.show(fd, 0)

    def arm(self, fd: int, direction: int) -> None:
        """Report this direction of a registered descriptor, READ or WRITE, once.

        Raises:
            KeyError: the descriptor is not registered.
        """
        self._armed[fd] |= direction
        self._call.show(fd, self._armed[fd])

    def poll(self, timeout: float | None) -> Events:
        """Wait until something that is armed is ready, and say what; see `Poller.poll`."""
        if timeout is None:
            events = self._call.wait_coarsely(None)
        else:
            events = wait_patiently(self._call.wait_coarsely, self._call.wait_finely, timeout)
        for place, (fd, flags) in enumerate(events):
            armed = self._armed[fd]
            events[place] = (fd, flags & (armed | HUP))
            self._armed[fd] = armed & ~flags
            self._call.show(fd, armed & ~flags)
        return events

    def close(self) -> None:
        """Forget everything; there is nothing to give back."""
        for fd in list(self._armed):
            self.unregister(fd)


class LevelCall(Protocol):
    """A system call that waits for the descriptors shown to it."""

    def check(self, fd: int) -> None:
        """Raise OSError or ValueError for a descriptor that cannot be waited for."""

    def show(self, fd: int, directions: int) -> None:
        """Wait for these directions of a descriptor from now on; 0 hides it."""

    def wait_coarsely(self, milliseconds: int | None) -> Events:
        """Wait for that long, or for ever, until one is ready."""

    def wait_finely(self, timeout: float) -> Events:
        """Wait for so many seconds, few or none, until one is ready."""


class PollCall:
    """`select.poll`: any number of descriptors, and hang-ups are told apart. A closed one counts as hung up."""

    __slots__ = ("_hang_up", "_hidden", "_masks", "_poll", "_readable", "_writable")

    def __init__(self, module: Any) -> None:
        self._poll = module.poll()
        half_closed = getattr(module, "POLLRDHUP", 0)  # Linux
        failed = module.POLLHUP | module.POLLERR | module.POLLNVAL
        self._masks = {
            READ: module.POLLIN | half_closed,
            WRITE: module.POLLOUT,
            READ | WRITE: module.POLLIN | half_closed | module.POLLOUT,
        }
        self._readable = module.POLLIN | half_closed | failed
        self._writable = module.POLLOUT | failed
        self._hang_up = half_closed | failed

    def check(self, fd: int) -> None:
        os.fstat(fd)

    def show(self, fd: int, directions: int) -> None:
        if directions:
            self._poll.register(fd, self._masks[directions])  # which also changes what was there
        else:
            self._poll.unregister(fd)

    def wait_coarsely(self, milliseconds: int | None) -> Events:
        return [(fd, self._flags_of(mask)) for fd, mask in self._poll.poll(milliseconds)]

    def wait_finely(self, timeout: float) -> Events:
        return wait_in_naps(lambda: self.wait_coarsely(0), timeout)

    def _flags_of(self, mask: int) -> int:
        return (
            (READ if mask & self._readable else 0)
            | (WRITE if mask & self._writable else 0)
            | (HUP if mask & self._hang_up else 0)
        )


class SelectCall:
    """`select.select`: everywhere, but for small descriptor numbers only, and without hang-ups (a read shows them)."""

    __slots__ = ("_select", "_shown")

    def __init__(self, module: Any) -> None:
        self._select = module.select
        self._shown: dict[int, int] = {}

    def check(self, fd: int) -> None:
        self._select((fd,), (), (), 0)

    def show(self, fd: int, directions: int) -> None:
        if directions:
            self._shown[fd] = directions
        else:
            del self._shown[fd]

    def wait_coarsely(self, milliseconds: int | None) -> Events:
        return self._wait(None if milliseconds is None else milliseconds / 1000)

    def wait_finely(self, timeout: float) -> Events:
        return self._wait(max(timeout, 0))

    def _wait(self, timeout: float | None) -> Events:
        readers = [fd for fd, directions in self._shown.items() if directions & READ]
        writers = [fd for fd, directions in self._shown.items() if directions & WRITE]
        try:
            # Windows reports a connect that failed as an exceptional condition, and only as that.
            readable, writable, failed = self._select(readers, writers, writers, timeout)
        except OSError:
            closed = [fd for fd in self._shown if self._is_closed(fd)]
            if not closed:
                raise
            return [(fd, ALL) for fd in closed]
        flags = dict.fromkeys(readable, READ)
        for fd in (*writable, *failed):
            flags[fd] = flags.get(fd, 0) | WRITE
        return list(flags.items())

    def _is_closed(self, fd: int) -> bool:
        try:
            self.check(fd)
        except OSError:
            return True
        return False
