"""Stand-ins for the `select` module of macOS and the BSDs.

`Transcript` answers the calls of a kqueue from a script and records them. `EpollAsKqueue` is a kqueue made of an epoll,
so that `KqueuePoller` runs the tests of all pollers with real descriptors.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from typing import Final, NamedTuple

READ: Final = -1
WRITE: Final = -2
ADD: Final = 0x0001
DELETE: Final = 0x0002
CLEAR: Final = 0x0020
ERROR: Final = 0x4000
EOF: Final = 0x8000


class Kevent(NamedTuple):
    ident: int
    filter: int
    flags: int


class Constants:
    KQ_FILTER_READ = READ
    KQ_FILTER_WRITE = WRITE
    KQ_EV_ADD = ADD
    KQ_EV_DELETE = DELETE
    KQ_EV_CLEAR = CLEAR
    KQ_EV_ERROR = ERROR
    KQ_EV_EOF = EOF
    kevent = Kevent


class Control(NamedTuple):
    """One call of ``kqueue.control``."""

    changes: tuple[Kevent, ...]
    max_events: int
    timeout: float | None


class Transcript(Constants):
    """A select module whose one kqueue gives the answers of a script, in order, then empty ones."""

    def __init__(self, *answers: list[Kevent] | OSError) -> None:
        self.answers = list(answers)
        self.calls: list[Control] = []
        self.closed = False

    def kqueue(self) -> Transcript:
        return self

    def control(self, changes: Sequence[Kevent] | None, max_events: int, timeout: float | None = None) -> list[Kevent]:
        self.calls.append(Control(tuple(changes or ()), max_events, timeout))
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, OSError):
            raise answer
        return answer

    def fileno(self) -> int:
        return 7

    def close(self) -> None:
        self.closed = True


class EpollAsKqueue(Constants):
    """A select module whose kqueues are epolls."""

    @staticmethod
    def kqueue() -> EmulatedKqueue:
        return EmulatedKqueue()


MASKS: Final = {READ: select.EPOLLIN | select.EPOLLRDHUP, WRITE: select.EPOLLOUT}


class EmulatedKqueue:
    def __init__(self) -> None:
        # One epoll for each filter, as each has edges of its own; a third to wait for both.
        self.filters = {READ: select.epoll(), WRITE: select.epoll()}
        self.both = select.epoll()
        for one in self.filters.values():
            self.both.register(one, select.EPOLLIN)

    def control(self, changes: Sequence[Kevent] | None, max_events: int, timeout: float | None) -> list[Kevent]:
        for ident, direction, action in changes or ():
            if action == DELETE:
                self.filters[direction].unregister(ident)
                continue
            assert action == ADD | CLEAR, "only edge-triggered registrations are emulated"
            try:
                self.filters[direction].register(ident, MASKS[direction] | select.EPOLLET)
            except FileExistsError:
                self.filters[direction].modify(ident, MASKS[direction] | select.EPOLLET)
        if max_events == 0:
            return []
        select.select([self.both], [], [], timeout)
        eof = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
        return [
            Kevent(fd, direction, CLEAR | (EOF if mask & eof else 0))
            for direction, one in self.filters.items()
            for fd, mask in one.poll(0, max_events)
        ]

    def fileno(self) -> int:
        return self.both.fileno()

    def close(self) -> None:
        for one in (*self.filters.values(), self.both):
            one.close()


def failure(number: int) -> OSError:
    """The error of a system call."""
    return OSError(number, os.strerror(number))
