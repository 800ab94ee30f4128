"""The poller of a simulated network: edges of its sockets, and the bells of the real system."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from conc.lowlevel import Poller, default_poller
from conc_testing.net.addresses import system_error

FIRST_FD: Final = 1 << 40  # numbers that no system gets to


class Watched(Protocol):
    """What the poller asks of a socket."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing is to be told of it for now."""

    def flags(self) -> int:
        """What it is ready for."""


class SimPoller:
    """Reports what simulated sockets have become ready for.

    The descriptors of the system are left to a poller of its own, which is asked only when the program has come to
    rest: in a simulated world they are the bells that other threads ring. So looking at the network without waiting
    makes no system call.

    Invariant: each descriptor in `_edges` is in `_watched`.
    """

    def __init__(self, sockets: Mapping[int, Watched], real: Callable[[], Poller] = default_poller) -> None:
        self._sockets = sockets
        self._real = real()
        self._arm_real = self._real.arm
        self._watched: dict[int, Watched] = {}
        self._edges: dict[int, None] = {}

    @property
    def arm(self) -> Callable[[int, int], None] | None:
        """As the poller of the system."""
        return None if self._arm_real is None else self._arm

    def register(self, fd: int) -> None:
        """Watch a descriptor; what it is ready for already is reported too."""
        if fd < FIRST_FD:
            self._real.register(fd)
            return
        if fd in self._watched:
            raise system_error(errno.EEXIST)
        sock = self._sockets.get(fd)
        if sock is None:
            raise system_error(errno.EBADF)
        self._watched[fd] = sock
        self._edges[fd] = None

    def unregister(self, fd: int) -> None:
        """Watch it no longer."""
        if fd < FIRST_FD:
            self._real.unregister(fd)
        else:
            self._watched.pop(fd, None)
            self._edges.pop(fd, None)

    def edge(self, fd: int) -> None:
        """A socket may have become ready for something."""
        if fd in self._watched:
            self._edges[fd] = None

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """The edges since the last time. Waits only for what comes from outside of the simulation."""
        events = []
        if self._edges:
            edges, self._edges = self._edges, {}
            for fd in edges:
                sock = self._watched[fd]
                if sock.is_silent:
                    self._edges[fd] = None
                elif flags := sock.flags():
                    events.append((fd, flags))
        if events or (timeout is not None and timeout <= 0):
            return events
        return self._real.poll(timeout)

    def close(self) -> None:
        """Give the poller of the system back."""
        self._real.close()

    def _arm(self, fd: int, direction: int) -> None:
        """Asked for once: on systems whose own poller wants to be asked each time."""
        if fd < FIRST_FD:
            assert self._arm_real is not None
            self._arm_real(fd, direction)
        else:
            self.edge(fd)

    def _check(self) -> None:
        assert self._edges.keys() <= self._watched.keys(), "an edge of what nobody watches"
