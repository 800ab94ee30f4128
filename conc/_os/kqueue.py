"""The poller of macOS and the BSDs: kqueue with EV_CLEAR, which is their word for edge-triggered.

Some facts about kqueue:

- The directions of a descriptor are two filters, registered, reported and removed one by one.
- EV_EOF marks the end of a stream in the direction of its filter, errors too; it comes with the last bytes.
- The write filter of a pipe whose reader is gone cannot be registered: EPIPE. Epoll would register it and report a
  hang-up, so that is what the next poll does here.
- Registering twice is registering anew, no error.
- Closing a descriptor removes its filters.

The constants are looked up in the module that is given, so that this file can be imported, and tested with a fake,
where there is no kqueue.
"""

from __future__ import annotations

import errno
import select
from typing import Any, Final

from conc._os.patience import wait_patiently
from conc._os.poller import HUP, READ, WRITE, Events

BATCH: Final = 64


class KqueuePoller:
    """A `Poller` over one kqueue.

    Args:
        module: what has ``kqueue``, ``kevent`` and their constants.
    """

    __slots__ = ("_add", "_delete", "_eof", "_error", "_hung_up", "_kevent", "_kqueue", "_read", "_wait", "_write")

    arm = None

    def __init__(self, module: Any = select) -> None:
        self._kqueue = module.kqueue()
        self._wait = self._kqueue.control
        self._kevent = module.kevent
        self._read, self._write = module.KQ_FILTER_READ, module.KQ_FILTER_WRITE
        self._add = module.KQ_EV_ADD | module.KQ_EV_CLEAR
        self._delete = module.KQ_EV_DELETE
        self._eof, self._error = module.KQ_EV_EOF, module.KQ_EV_ERROR
        self._hung_up: list[int] = []  # registered, but hung up before: reported by the next poll

    def fileno(self) -> int:
        """The descriptor of the kqueue itself, readable while events are waiting in it."""
        fd: int = self._kqueue.fileno()
        return fd

    def register(self, fd: int) -> None:
        """Watch a descriptor, in both directions. Raises what `Poller.register` says."""
        self._control(fd, self._read, self._add)
        try:
            self._control(fd, self._write, self._add)
        except OSError as error:
            if error.errno != errno.EPIPE:
                self.unregister(fd)
                raise
            self._hung_up.append(fd)

    def unregister(self, fd: int) -> None:
        """Watch it no longer. Never raises."""
        # One call for each filter: the first that fails ends a call, and the other would stay.
        for direction in (self._read, self._write):
            try:
                self._control(fd, direction, self._delete)
            except (OSError, ValueError):
                pass  # closed meanwhile, or without a write filter
        if fd in self._hung_up:
            self._hung_up.remove(fd)

    def poll(self, timeout: float | None) -> Events:
        """Wait until something is ready, and say what; see `Poller.poll`."""
        if self._hung_up:
            fds, self._hung_up = self._hung_up, []
            return [(fd, READ | WRITE | HUP) for fd in fds]
        if timeout is None:
            return self._wait_finely(None)
        return wait_patiently(self._wait_coarsely, self._wait_finely, timeout)

    def close(self) -> None:
        """Close the kqueue."""
        self._kqueue.close()

    def _control(self, fd: int, direction: int, action: int) -> None:
        self._wait([self._kevent(fd, direction, action)], 0, 0)

    def _wait_coarsely(self, milliseconds: int) -> Events:
        return self._wait_finely(milliseconds / 1000)

    def _wait_finely(self, timeout: float | None) -> Events:
        if timeout is not None and timeout < 0:
            timeout = 0
        return [(event.ident, self._flags_of(event)) for event in self._wait(None, BATCH, timeout)]

    def _flags_of(self, event: Any) -> int:
        if event.flags & self._error:
            return READ | WRITE | HUP
        flags = READ if event.filter == self._read else WRITE
        return flags | HUP if event.flags & self._eof else flags
