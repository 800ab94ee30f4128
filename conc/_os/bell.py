"""How a thread that sleeps in its poller is woken by another thread, a signal handler or a finaliser.

The order that loses nothing. Who rings: say what there is to do, then `ring`. Who was woken: `quiet`, then look for
what there is to do. What is said after the look rings again.
"""

from __future__ import annotations

import os
import sys
from socket import socket, socketpair
from typing import TYPE_CHECKING, Final

from conc._os.poller import Poller

# On Linux every write to an eventfd is an edge for epoll, read or not. Elsewhere nobody has checked.
EDGE_FOR_EACH_WRITE: Final = sys.platform == "linux"


class EventfdBell:
    """A bell of one descriptor: a counter in the kernel.

    Register `fileno` with the poller of the thread that is to be woken (and arm it for READ before each sleep if the
    poller is level-triggered).

    Invariant: the descriptor is open while anybody holds the bell, and closed with the last reference. There is no
    `close`: a ring from another thread could then hit a stranger's file that got the number.

    Args:
        poller: the one it will be registered with, and with no other. With an edge-triggered one the counter need not
            be read; None stands for any poller.
    """

    __slots__ = ("_fd", "_unread")

    def __init__(self, poller: Poller | None = None) -> None:
        self._fd = -1  # what __del__ finds if there is no descriptor to be had
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._unread = EDGE_FOR_EACH_WRITE and poller is not None and poller.arm is None

    def fileno(self) -> int:
        """The descriptor that is readable after a ring."""
        return self._fd

    def ring(self) -> None:
        """Wake the sleeper, or keep it from falling asleep. From anywhere; takes no lock and never waits."""
        try:
            os.eventfd_write(self._fd, 1)
        except ValueError:
            pass  # -1: garbage in one cycle with the finaliser that rings, and closed before it; nobody sleeps there

    def quiet(self) -> None:
        """Make ready for the next ring. Called by the woken thread, before it looks for what there is to do."""
        if self._unread:
            return
        try:
            os.eventfd_read(self._fd)
        except (BlockingIOError, ValueError):
            pass  # nobody had rung; or -1, as above

    def __del__(self) -> None:
        fd = getattr(self, "_fd", -1)  # a Ctrl-C may have come before there was one
        self._fd = -1
        if fd >= 0:
            os.close(fd)


class SocketBell:
    """The same out of a pair of sockets: for systems without eventfd, and for signals.

    The handler of the interpreter, in C, writes one byte, which an eventfd does not accept: see
    `conc._os.signals.wake_on_signals`.
    """

    __slots__ = ("_reader", "_writer")

    def __init__(self, poller: Poller | None = None) -> None:
        del poller  # edge or level: a pair that fills up rings no more, so it is always emptied
        self._reader: socket | None = None
        self._writer: socket | None = None
        self._reader, self._writer = socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """The descriptor that is readable after a ring."""
        return -1 if self._reader is None else self._reader.fileno()

    def write_fileno(self) -> int:
        """The descriptor that rings when a byte is written to it. It lives no longer than the bell."""
        return -1 if self._writer is None else self._writer.fileno()

    def ring(self) -> None:
        """Wake the sleeper, or keep it from falling asleep. From anywhere; takes no lock and never waits."""
        writer = self._writer
        if writer is not None:
            try:
                writer.send(b"\0")
            except OSError:
                pass  # full: it is ringing; or closed, as above

    def quiet(self) -> None:
        """Make ready for the next ring. Called by the woken thread, before it looks for what there is to do."""
        if self._reader is not None:
            try:
                while len(self._reader.recv(4096)) == 4096:
                    pass
            except BlockingIOError:
                pass  # nobody had rung

    def __del__(self) -> None:
        reader, writer = getattr(self, "_reader", None), getattr(self, "_writer", None)  # as above
        self._reader = self._writer = None
        if reader is not None and writer is not None:
            reader.close()
            writer.close()


if TYPE_CHECKING:
    Bell = EventfdBell
else:
    Bell = EventfdBell if hasattr(os, "eventfd") else SocketBell
