"""The queue of a listening socket: connections that are being made, and those that wait to be accepted."""

from __future__ import annotations

from collections import deque

from conc_testing.net.connection import Connection, Owner


class Listener:
    """What stands behind a socket that listens.

    Invariant: at most ``backlog + 1`` connections are in `_half_open` and `_queue` together, as on Linux.
    """

    def __init__(self, owner: Owner, backlog: int) -> None:
        self.backlog = backlog
        self._owner = owner
        self._half_open: dict[Connection, None] = {}
        self._queue: deque[Connection] = deque()

    def __len__(self) -> int:
        """How many wait to be accepted."""
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether a newcomer is left without an answer, and has to try again."""
        return len(self._half_open) + len(self._queue) > self.backlog

    def admit(self, connection: Connection) -> None:
        """A handshake has begun."""
        self._half_open[connection] = None

    def completed(self, connection: Connection) -> None:
        """A handshake has ended: the connection waits to be accepted."""
        self._half_open.pop(connection, None)
        self._queue.append(connection)
        self._owner.edge()

    def dropped(self, connection: Connection) -> None:
        """A handshake has failed."""
        self._half_open.pop(connection, None)

    def take(self) -> Connection:
        """The next connection. It may have broken meanwhile: who reads from it hears of that."""
        return self._queue.popleft()

    def close(self) -> None:
        """Nobody will accept them: reset all."""
        for connection in [*self._half_open, *self._queue]:
            connection.abort()
        self._queue.clear()

    def _check(self) -> None:
        assert len(self._half_open) + len(self._queue) <= self.backlog + 1, "the queue is too long"
