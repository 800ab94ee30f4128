"""The network stack of one host: which packet belongs to which connection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from conc import current_time
from conc_testing.net.addresses import WILDCARD, Endpoint
from conc_testing.net.connection import TIME_WAIT, Connection
from conc_testing.net.listening import Listener
from conc_testing.net.packets import Packet
from conc_testing.net.ports import Binding, PortTable
from conc_testing.net.settings import TcpSettings

Pair = tuple[Endpoint, Endpoint]
"""A connection as one side sees it: its own end, then the other."""

FAMILIES: Final = tuple(WILDCARD)


class Stack:
    """All connections and listeners of a host, whoever on it opened them.

    It is the kernel's part: it goes on when the processes of the host are stopped, and outlives them.

    Invariant: each connection stands under its two ends, and has a binding; so does each listener.
    """

    def __init__(self, settings: TcpSettings, transmit: Callable[[Packet], None], lost: Callable[[Packet], None]):
        self.settings = settings
        self.transmit = transmit
        self.ports = PortTable()
        self._lost = lost
        self._connections: dict[Pair, Connection] = {}
        self._bindings: dict[Pair, Binding] = {}
        self._listeners: dict[Endpoint, tuple[Listener, Binding]] = {}

    # ---- for sockets ------------------------------------------------------------------------------------------

    def listen(self, listener: Listener, binding: Binding) -> None:
        """Let a listener have the connections to an address. Raises OSError if another has them."""
        self.ports.listen(binding)
        self._listeners[binding.endpoint] = (listener, binding)

    def stop_listening(self, binding: Binding) -> None:
        """Connections to this address are refused from now on."""
        del self._listeners[binding.endpoint]
        self.ports.release(binding)

    def knows(self, local: Endpoint, remote: Endpoint) -> bool:
        """Whether there is a connection between these two ends already."""
        self._forget_what_ran_out()
        return (local, remote) in self._connections

    def open(self, local: Endpoint, remote: Endpoint, binding: Binding) -> Connection:
        """A new connection, which has not begun."""
        connection = self._connections[local, remote] = Connection(self, local, remote)
        self._bindings[local, remote] = binding
        return connection

    def connections(self) -> Iterator[Connection]:
        """All that are not over, in the order in which they began."""
        self._forget_what_ran_out()
        return iter(tuple(self._connections.values()))

    def listening(self) -> Iterator[tuple[Endpoint, Listener]]:
        """All listeners and where they listen."""
        return ((endpoint, listener) for endpoint, (listener, _) in self._listeners.items())

    # ---- for the network --------------------------------------------------------------------------------------

    def receive(self, packet: Packet) -> None:
        """A packet for this host has arrived."""
        connection = self._connections.get((packet.dest, packet.source))
        if connection is not None and connection.phase == TIME_WAIT and packet.syn and packet.ack is None:
            self.forget(connection)  # a new connection may take the place of one that is over
            connection = None
        if connection is not None:
            connection.receive(packet)
        elif packet.syn and packet.ack is None:
            self._knock(packet)
        elif not packet.rst:
            self._refuse(packet)

    def lost(self, packet: Packet) -> None:
        """A packet that this host has sent will not arrive."""
        connection = self._connections.get((packet.source, packet.dest))
        if connection is not None:
            connection.lost(packet)

    def unanswered(self, packet: Packet) -> None:
        """An answer to this host will not arrive."""
        connection = self._connections.get((packet.dest, packet.source))
        if connection is not None:
            connection.unanswered()

    def _knock(self, syn: Packet) -> None:
        """Somebody wants to connect."""
        found = self._listeners.get(syn.dest) or self._listeners.get(Endpoint(WILDCARD[syn.dest.family], syn.dest.port))
        if found is None:
            self._refuse(syn)
            return
        listener, binding = found
        if listener.is_full:
            self._lost(syn)
            return
        own = self.ports.enter(syn.dest, binding.reuse)
        connection = self.open(syn.dest, syn.source, own)
        listener.admit(connection)
        connection.answer(syn, listener)

    def _refuse(self, packet: Packet) -> None:
        self.transmit(Packet(packet.dest, packet.source, rst=True))

    # ---- for connections --------------------------------------------------------------------------------------

    def forget(self, connection: Connection) -> None:
        """A connection is over: its addresses are free."""
        pair = (connection.local, connection.remote)
        if self._connections.get(pair) is connection:
            del self._connections[pair]
            self.ports.release(self._bindings.pop(pair))

    def linger(self, connection: Connection) -> None:
        """A connection is over on both sides; this one keeps its addresses for a while."""
        binding = self._bindings[connection.local, connection.remote]
        binding.until = current_time() + self.settings.time_wait

    def _forget_what_ran_out(self) -> None:
        now = current_time()
        for pair, connection in list(self._connections.items()):
            if self._bindings[pair].until <= now:
                self.forget(connection)

    def _check(self) -> None:
        assert self._connections.keys() == self._bindings.keys(), "a connection without a binding"
        for pair, connection in self._connections.items():
            assert pair == (connection.local, connection.remote), "a connection stands in another's place"
            assert (connection.phase == TIME_WAIT) == (self._bindings[pair].until < math.inf), "TIME_WAIT has an end"
            connection._check()
        for listener, _ in self._listeners.values():
            listener._check()
        self.ports._check()
