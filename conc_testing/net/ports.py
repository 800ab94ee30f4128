"""The ports of one host: who has which, and for how long after its end."""

from __future__ import annotations

import errno
import math
from typing import Final

from conc import current_time
from conc_testing.net.addresses import LAST_PORT, Endpoint, system_error

FIRST_FREE_PORT: Final = 49_152


class Binding:
    """An address that a socket or a connection has taken.

    Attributes:
        reuse: whether others that say so too may have it as well (SO_REUSEADDR).
        listening: whether a server listens there, which nobody shares.
        until: when it falls free by itself; inf as long as it is in use.
    """

    __slots__ = ("endpoint", "listening", "reuse", "until")

    def __init__(self, endpoint: Endpoint, reuse: bool) -> None:
        self.endpoint = endpoint
        self.reuse = reuse
        self.listening = False
        self.until = math.inf


class PortTable:
    """All bindings of a host, by port.

    Invariant: of two bindings that overlap neither listens unless it is alone, or all others were let in by `reuse`.
    """

    def __init__(self) -> None:
        self._bindings: dict[int, list[Binding]] = {}
        self._last = FIRST_FREE_PORT - 1

    def bind(self, endpoint: Endpoint, reuse: bool) -> Binding:
        """Take an address; port 0 stands for one that nobody has.

        Raises:
            OSError: it is taken (EADDRINUSE); or all ports are (EADDRNOTAVAIL).
        """
        if endpoint.port == 0:
            endpoint = endpoint._replace(port=self._free_port(endpoint.family))
        else:
            for other in self._overlapping(endpoint):
                if not (reuse and other.reuse and not other.listening):
                    raise system_error(errno.EADDRINUSE)
        return self.enter(endpoint, reuse)

    def enter(self, endpoint: Endpoint, reuse: bool) -> Binding:
        """Note a binding that needs no leave: that of a connection that a listener has accepted."""
        binding = Binding(endpoint, reuse)
        self._bindings.setdefault(endpoint.port, []).append(binding)
        return binding

    def listen(self, binding: Binding) -> None:
        """Let a server listen there.

        Raises:
            OSError: another does already (EADDRINUSE).
        """
        if any(other.listening and other is not binding for other in self._overlapping(binding.endpoint)):
            raise system_error(errno.EADDRINUSE)
        binding.listening = True

    def release(self, binding: Binding) -> None:
        """Give an address back. A second time does nothing."""
        port = binding.endpoint.port
        bindings = self._bindings.get(port, [])
        if binding in bindings:
            bindings.remove(binding)
            if not bindings:
                del self._bindings[port]

    def _overlapping(self, endpoint: Endpoint) -> list[Binding]:
        """Who has this port, at this address or at all of them. What has run out is forgotten on the way."""
        now = current_time()
        found = []
        for binding in list(self._bindings.get(endpoint.port, ())):
            other = binding.endpoint
            if binding.until <= now:
                self.release(binding)
            elif other.family == endpoint.family and (
                other.address == endpoint.address or other.is_wildcard or endpoint.is_wildcard
            ):
                found.append(binding)
        return found

    def _free_port(self, family: int) -> int:
        """The next port that nobody has in this family; the other may have it, as on a real system."""
        now = current_time()
        for _ in range(FIRST_FREE_PORT, LAST_PORT + 1):
            self._last = self._last + 1 if self._last < LAST_PORT else FIRST_FREE_PORT
            bindings = self._bindings.get(self._last, ())
            if all(binding.until <= now or binding.endpoint.family != family for binding in bindings):
                return self._last
        raise system_error(errno.EADDRNOTAVAIL)

    def _check(self) -> None:
        for port, bindings in self._bindings.items():
            assert bindings, "a port without bindings"
            assert all(binding.endpoint.port == port for binding in bindings), "a binding stands at another's port"
