"""One connection of a server, from its first moment to its last."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from conc._kernel.asyncfn import function_name, is_coroutine
from conc._kernel.cancel import check_time
from conc.net.socket_stream import SocketStream
from conc.sync import Semaphore
from conc.sync.semaphore import check_count

R = TypeVar("R", bound=SocketStream)
S = TypeVar("S", bound="Closable")

log: Final = logging.getLogger("conc.net")


class Closable(Protocol):
    """A stream that can be closed at once."""

    def _close(self) -> None: ...


class Service(Generic[R, S]):
    """What a server does with each connection.

    Args:
        handler: an async function of one stream.
        prepare: an async function that makes of the raw stream the one that the handler gets, a handshake for one; None
            if that is the raw stream. It runs in the child of the connection, within its place in the limit. If it
            fails, `on_error` is told, with the raw stream; without `on_error` that is logged. It never ends the server.
        limit: how many connections are handled at a time; None: no limit.
        on_error: a plain function of an error that left a handler, and its stream. None: the error ends the server.

    Attributes:
        places: a permit for each connection that may come; None if there is no limit.

    Raises:
        ValueError, TypeError: a bad argument, which is named.
    """

    __slots__ = ("_handler", "_on_error", "_prepare", "name", "places")

    def __init__(
        self,
        handler: Callable[[S], Awaitable[object]],
        prepare: Callable[[R], Awaitable[S]] | None = None,
        *,
        limit: int | None = None,
        on_error: Callable[[Exception, Any], object] | None = None,
    ) -> None:
        for name, function in (("handler", handler), ("on_error", on_error)):
            if not callable(function) and not (function is None and name == "on_error"):
                raise TypeError(f"{name} must be a function, not {function!r}")
        if limit is not None:
            check_count(limit, "limit", 1)
        self._handler = handler
        self._prepare = prepare
        self._on_error = on_error
        self.name = function_name(handler)
        self.places = Semaphore(limit) if limit is not None else None

    async def handle(self, raw: R) -> None:
        """Prepare a connection, run the handler, and close it whatever happens."""
        stream: Any = raw
        try:
            if self._prepare is not None:
                try:
                    stream = await self._prepare(raw)
                except Exception as error:
                    self._tell_of_failed_preparation(error, raw)
                    return
            try:
                await self._handler(stream)
            except Exception as error:
                if self._on_error is None:
                    raise
                self._report(self._on_error, error, stream)
        finally:
            try:
                if stream is not raw:
                    stream._close()
            finally:
                raw._close()
                if self.places is not None:
                    self.places.release()

    def _tell_of_failed_preparation(self, error: Exception, raw: R) -> None:
        if self._on_error is None:
            log.warning("%r was not served: %s: %s", raw, type(error).__name__, error)
        else:
            self._report(self._on_error, error, raw)

    def _report(self, on_error: Callable[[Exception, Any], object], error: Exception, stream: Any) -> None:
        """Call `on_error`, and see that it is no async function."""
        result = on_error(error, stream)
        if is_coroutine(result):
            result.close()  # type: ignore[attr-defined]
            raise TypeError(f"on_error must be a plain function; {function_name(on_error)} is async") from error


def check_drain_timeout(drain_timeout: float | None) -> None:
    """Raise an error that names the argument unless it is None or a number of seconds."""
    if drain_timeout is not None and check_time(drain_timeout, "drain_timeout") < 0:
        raise ValueError(f"drain_timeout must be at least 0, not {drain_timeout}")
