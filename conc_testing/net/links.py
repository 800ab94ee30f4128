"""Links between hosts: how long packets travel, how many get lost, and how many pass at a time.

What varies is drawn in a run that nobody searches from generators of each direction's own, seeded with the seed of the
run: an extra packet on one link changes nothing on another. In a run of `explore` the search decides, at the sites
``net.latency``, ``net.loss`` and ``net.duplicate``: the calm answer is the least latency, no loss, and nothing twice.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from random import Random
from typing import Final, Protocol

from conc import current_time
from conc.lowlevel import call_at
from conc_testing.net.packets import Datagram, Packet
from conc_testing.sim.choices import choose, current_chooser

LATENCIES: Final = 3  # of which a search may choose: the least, the middle, the most

Range = tuple[float, float]


class Wiring(Protocol):
    """What a path asks of the network that it is part of."""

    default_latency: Range

    def is_cut(self, path: Path) -> bool:
        """Whether a partition lies in between."""

    def is_held(self, path: Path) -> bool:
        """Whether packets have to wait."""

    def arrived(self, packet: Packet | Datagram) -> None:
        """A packet has reached its host."""

    def lost(self, packet: Packet | Datagram) -> None:
        """A packet will never reach it."""

    def random(self, name: str) -> Random:
        """A generator of numbers for one purpose, seeded by the run."""


class Path:
    """One direction of a link: from the host `source` to the host `target`.

    Packets of one connection arrive in the order in which they were sent; those of different connections may overtake
    one another if the latency varies, and so may datagrams.

    Invariant: as many arrivals are set as there are packets in `_flows`, and no flow there is empty.
    """

    def __init__(self, wiring: Wiring, source: str, target: str) -> None:
        self.source = source
        self.target = target
        self.latency: Range | None = None
        self.loss = 0.0
        self.duplication = 0.0
        self.bytes_per_second = math.inf
        self._wiring = wiring
        self._free_at = -math.inf
        self._flows: dict[Hashable, _Flow] = {}
        self._held: deque[Packet | Datagram] = deque()
        self._latencies = self._lazily_random("latency")
        self._losses = self._lazily_random("loss")
        self._duplicates = self._lazily_random("duplication")

    def send(self, packet: Packet | Datagram) -> None:
        """Let a packet set out. It arrives at once if nothing takes time."""
        self._send_one(packet)
        if isinstance(packet, Datagram) and self._doubles(packet):
            self._send_one(packet.to(packet.host))

    def _send_one(self, packet: Packet | Datagram) -> None:
        if self._stopped(packet):
            return
        if self._loses(packet):
            self._wiring.lost(packet)
            return
        now = current_time()
        leaves = self._free_at = max(now, self._free_at) + packet.size / self.bytes_per_second
        arrival = leaves + self._travel_time(packet)
        key = packet.flow
        flow = self._flows.get(key)
        if flow is None:
            if arrival <= now:
                self._wiring.arrived(packet)
                return
            flow = self._flows[key] = _Flow()
        flow.last = arrival = max(arrival, flow.last)
        flow.packets.append(packet)
        call_at(arrival, lambda: self._arrive(key))

    def release(self) -> None:
        """What was held goes on, in order, if nothing holds it any more."""
        held, self._held = self._held, deque()
        for packet in held:
            if not self._stopped(packet):
                self._wiring.arrived(packet)

    def _arrive(self, key: Hashable) -> None:
        """The first packet of a connection that is under way arrives, whichever arrival it is: so their order stands,
        whatever becomes of the order of what is due together."""
        flow = self._flows[key]
        packet = flow.packets.popleft()
        if not flow.packets:
            del self._flows[key]
        if not self._stopped(packet):
            self._wiring.arrived(packet)

    def _stopped(self, packet: Packet | Datagram) -> bool:
        """Whether a packet gets no further, here and now."""
        if self._wiring.is_cut(self):
            self._wiring.lost(packet)
        elif self._wiring.is_held(self):
            self._held.append(packet)
        else:
            return False
        return True

    def _loses(self, packet: Packet | Datagram) -> bool:
        if not self.loss:
            return False
        if current_chooser() is None:
            return self._losses().random() < self.loss
        return packet.matters and choose("net.loss", 2) == 1

    def _doubles(self, datagram: Datagram) -> bool:
        if not self.duplication:
            return False
        if current_chooser() is None:
            return self._duplicates().random() < self.duplication
        return datagram.matters and choose("net.duplicate", 2) == 1

    def _travel_time(self, packet: Packet | Datagram) -> float:
        least, most = self._wiring.default_latency if self.latency is None else self.latency
        if least == most:
            return least
        if current_chooser() is None:
            return self._latencies().uniform(least, most)
        if not packet.matters:  # an acknowledgement: when it arrives matters little, and they are many
            return least
        return least + (most - least) * choose("net.latency", LATENCIES) / (LATENCIES - 1)

    def _lazily_random(self, purpose: str) -> Callable[[], Random]:
        made: list[Random] = []

        def generator() -> Random:
            if not made:
                made.append(self._wiring.random(f"{self.source} -> {self.target}: {purpose}"))
            return made[0]

        return generator

    def _check(self) -> None:
        assert all(flow.packets for flow in self._flows.values()), "a flow without packets"


class _Flow:
    """The packets of one direction of a connection that are under way, and when the last of them arrives."""

    __slots__ = ("last", "packets")

    def __init__(self) -> None:
        self.packets: deque[Packet | Datagram] = deque()
        self.last = -math.inf


class Link:
    """What lies between two hosts, in both directions. Made by `SimNetwork.link`; each method returns the link."""

    def __init__(self, there: Path, back: Path) -> None:
        self._paths = (there, back)

    def latency(self, least: float, most: float | None = None) -> Link:
        """How long a packet travels.

        Args:
            least: seconds, at least 0.
            most: seconds, at least `least`; the same unless given.

        Raises:
            ValueError: a bad argument.
        """
        for path in self._paths:
            path.latency = check_latency(least, most)
        return self

    def loss(self, probability: float) -> Link:
        """How many packets get lost. TCP sends them again: bytes come late, and after too many losses not at all. UDP
        does not: what is lost is lost.

        Args:
            probability: of each packet, at least 0 and less than 1.

        Raises:
            ValueError: a bad argument.
        """
        if not 0 <= probability < 1:
            raise ValueError(f"probability must be at least 0 and less than 1, not {probability!r}: use a partition")
        for path in self._paths:
            path.loss = probability
        return self

    def duplication(self, probability: float) -> Link:
        """How many datagrams of UDP arrive twice; each of the two takes its own time. TCP is not affected.

        Args:
            probability: of each datagram, at least 0 and at most 1.

        Raises:
            ValueError: a bad argument.
        """
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be 0 to 1, not {probability!r}")
        for path in self._paths:
            path.duplication = probability
        return self

    def bandwidth(self, bytes_per_second: float) -> Link:
        """How many bytes pass in a second, in each direction; packets wait for those before them.

        Args:
            bytes_per_second: more than 0; ``math.inf`` for no limit.

        Raises:
            ValueError: a bad argument.
        """
        if not bytes_per_second > 0:
            raise ValueError(f"bytes_per_second must be more than 0, not {bytes_per_second!r}")
        for path in self._paths:
            path.bytes_per_second = bytes_per_second
        return self

    def __repr__(self) -> str:
        path = self._paths[0]
        return f"<Link between {path.source!r} and {path.target!r}>"


def check_latency(least: float, most: float | None) -> Range:
    """A range of latencies; raises ValueError if it is none."""
    if most is None:
        most = least
    if not (0 <= least <= most < math.inf):
        raise ValueError(f"least and most must be seconds with 0 <= least <= most, not {least!r} and {most!r}")
    return float(least), float(most)
