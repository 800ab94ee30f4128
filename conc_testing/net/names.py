"""Names and what they stand for: the name service of a world."""

from __future__ import annotations

import socket
from typing import Final

from conc import sleep
from conc.lowlevel import checkpoint_if_due
from conc_testing.net.addresses import LOOPBACK, WILDCARD, NotSimulated, canonical, family_of
from conc_testing.sim.choices import fault

LONGEST_LABEL: Final = 63
FLAGS: Final = socket.AI_PASSIVE | socket.AI_NUMERICHOST | socket.AI_ADDRCONFIG


class Names:
    """The name service: each host of the world under its name, ``localhost``, and what is added.

    The name of a host stands for its IPv4 address alone, so that connecting to it makes one attempt. For more:
    ``names.set("db", db.ipv6, db.ipv4)``.

    Attributes:
        latency: how many seconds a look-up takes; those of addresses that are written out take none.
    """

    def __init__(self) -> None:
        self.latency = 0.0
        self._addresses: dict[str, tuple[str, ...]] = {
            "localhost": (LOOPBACK[socket.AF_INET6], LOOPBACK[socket.AF_INET])
        }

    def set(self, name: str, *addresses: str) -> None:
        """Let a name stand for these addresses, the best first, in place of what it stood for.

        Raises:
            ValueError: what is no address, or none at all; or `name` cannot be a name.
        """
        _check_name(name)
        if not addresses:
            raise ValueError(f"addresses: at least one for {name!r}; to take a name away use remove")
        for address in addresses:
            if family_of(address) is None:
                raise ValueError(f"addresses are written out, as '10.0.0.1' or 'fd00::1'; {address!r} is none")
        self._addresses[_key(name)] = tuple(map(canonical, addresses))

    def remove(self, name: str) -> None:
        """Let a name stand for nothing. Raises ValueError if it does already."""
        if self._addresses.pop(_key(name), None) is None:
            raise ValueError(f"there is no name {name!r}; there are: {', '.join(self._addresses)}")

    async def look_up(self, host: str | None, family: int, flags: int) -> list[str]:
        """The addresses that a host, an address or None stand for; what `Network.resolve` raises."""
        if flags & ~FLAGS:
            raise NotSimulated(f"these flags of a look-up are not simulated: {flags & ~FLAGS:#x}")
        if host is None:
            here = WILDCARD if flags & socket.AI_PASSIVE else LOOPBACK
            addresses: tuple[str, ...] = tuple(here.values())
        elif family_of(host) is not None:
            addresses = (canonical(host),)
        else:
            _check_name(host)
            if self.latency and not flags & socket.AI_NUMERICHOST:
                await sleep(self.latency)
            if fault("fault.net.resolve"):
                raise socket.gaierror(socket.EAI_AGAIN, f"host {host!r} has no address: nobody answers now (a fault)")
            addresses = () if flags & socket.AI_NUMERICHOST else self._addresses.get(_key(host), ())
        await checkpoint_if_due()
        found = [address for address in addresses if family in (0, family_of(address))]
        if not found:
            raise socket.gaierror(
                socket.EAI_NONAME,
                f"host {host!r} has no address{' of this family' if addresses else ''}: "
                f"the names of this world are {', '.join(self._addresses)}",
            )
        return found


def _key(name: str) -> str:
    return name.lower().removesuffix(".")


def _check_name(name: str) -> None:
    labels = name.removesuffix(".").split(".") if isinstance(name, str) else [""]
    if not all(0 < len(label) <= LONGEST_LABEL for label in labels):
        raise ValueError(f"host {name!r} cannot be a name: its labels have 1 to {LONGEST_LABEL} characters")
