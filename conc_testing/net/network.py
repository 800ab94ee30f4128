"""The simulated network: hosts, the links between them, and what goes wrong there."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import ip_address
from itertools import count
from random import Random
from typing import Final

from conc.lowlevel import current_runtime
from conc.net.addresses import AddressInfo
from conc_testing.net.addresses import Endpoint, system_error
from conc_testing.net.descriptors import SimDescriptor, SocketT
from conc_testing.net.faults import Hold, Obstacle, Partition, names_of
from conc_testing.net.hosts import CURRENT_PROCESS, Host, Process
from conc_testing.net.kinds import make_pair, maker_of
from conc_testing.net.links import Link, Path, check_latency
from conc_testing.net.names import Names
from conc_testing.net.netstat import Netstat, OpenSocket, netstat
from conc_testing.net.packets import Datagram, Packet
from conc_testing.net.poller import FIRST_FD, SimPoller
from conc_testing.net.settings import TcpSettings
from conc_testing.net.stack import Stack
from conc_testing.net.udp_ports import UdpPorts
from conc_testing.sim.choices import fault

LOCAL: Final = "local"
LATENCY_S: Final = 0.001
FIRST_IPV4: Final = ip_address("10.0.0.0")
FIRST_IPV6: Final = ip_address("fd00::")


class SimNetwork:
    """A network in memory, for ``conc.run(main, clock=VirtualClock(), network=...)``: one run, with one worker.

    Unmodified code that uses `conc.net` runs on it. Each host has an IPv4 and an IPv6 address, a loopback of its own
    and its own ports; a task that is part of no host runs on the host ``"local"``. TCP behaves as Linux's does, with
    finite buffers, resets, half-closing, retransmission, and TIME_WAIT. So do UDP, and Unix sockets, whose paths are
    names and no files. What is not simulated raises `NotSimulated`.

    Usually made by `World`, as ``world.net``.

    Args:
        tcp: how the kernels of the hosts are set up.
        ipv6: whether there is IPv6.

    Attributes:
        names: the name service.

    Invariant: each address is owned by one host; the sockets in `_sockets` are those that are open, by descriptor, and
    none is of a process that has ended.
    """

    slow_names = False  # a look-up takes the same time for all families

    def __init__(self, *, tcp: TcpSettings | None = None, ipv6: bool = True) -> None:
        self.names = Names()
        self.default_latency = (LATENCY_S, LATENCY_S)
        self._tcp = TcpSettings() if tcp is None else tcp
        self._ipv6 = ipv6
        self._hosts: dict[str, Host] = {}
        self._owners: dict[str, Host] = {}
        self._paths: dict[tuple[str, str], Path] = {}
        self._partitions: list[Obstacle] = []
        self._holds: list[Obstacle] = []
        self._sockets: dict[int, SimDescriptor] = {}
        self._left: list[OpenSocket] = []
        self._fds = count(FIRST_FD)
        self._poller: SimPoller | None = None
        self._arrivals: deque[tuple[Host, Packet | Datagram]] = deque()
        self._delivering = False
        self._local = Process(self.add_host(LOCAL))

    # ---- hosts ------------------------------------------------------------------------------------------------

    def add_host(self, name: str) -> Host:
        """A new machine, with addresses and a name.

        Raises:
            ValueError: there is one of this name already; or it cannot be a name.
        """
        if name in self._hosts:
            raise ValueError(f"there is a host {name!r} already")
        number = len(self._hosts) + 1
        ipv4 = str(FIRST_IPV4 + number)
        ipv6 = str(FIRST_IPV6 + number) if self._ipv6 else None
        self.names.set(name, ipv4)
        host = Host(name, ipv4, ipv6)
        host.stack = Stack(self._tcp, partial(self._transmit, host), partial(self._lost_at, host))
        host.udp = UdpPorts(partial(self.send_datagram, host))
        self._hosts[name] = host
        for address in host.addresses:
            self._owners[address] = host
        return host

    def add_address(self, name: str, address: str) -> None:
        """Let a host have one more address.

        Raises:
            ValueError: it is one of another host, or no address; or there is no such host.
        """
        host = self.host(name)
        address = str(ip_address(address))
        if address in self._owners:
            raise ValueError(f"the address {address} is one of {self._owners[address]!r} already")
        self._owners[address] = host
        host.addresses[address] = None

    @property
    def hosts(self) -> dict[str, Host]:
        """All hosts, by name. For a look."""
        return dict(self._hosts)

    def host(self, name: str) -> Host:
        """The host of this name. Raises ValueError if there is none."""
        names_of(name, self._hosts)
        return self._hosts[name]

    def has_address(self, address: str) -> bool:
        """Whether some host has it."""
        return address in self._owners

    def current_process(self) -> Process:
        """Whom the running code is part of."""
        process = CURRENT_PROCESS.get(self._local)
        return process if self._hosts.get(process.host.name) is process.host else self._local

    # ---- links and faults -------------------------------------------------------------------------------------

    def latency(self, least: float, most: float | None = None) -> None:
        """How long packets travel between hosts, on links that say nothing else; within a host they take no time.

        In a run that is searched the search decides, between `least`, which is the calm answer, the middle, and `most`;
        in others it is drawn from the seed of the run. A millisecond unless told otherwise.

        Args:
            least: seconds, at least 0.
            most: seconds, at least `least`; the same unless given.

        Raises:
            ValueError: a bad argument.
        """
        self.default_latency = check_latency(least, most)

    def link(self, a: str, b: str) -> Link:
        """What lies between two hosts: ``net.link("web", "db").latency(0.001, 0.020).loss(0.01)``.

        Raises:
            ValueError: there is no such host, or only one.
        """
        names_of([a, b], self._hosts)
        if a == b:
            raise ValueError(f"a link is between two hosts, not from {a!r} to itself")
        return Link(self._path(a, b), self._path(b, a))

    def partition(
        self, a: str | Iterable[str], b: str | Iterable[str] | None = None, *, oneway: bool = False
    ) -> Partition:
        """Let nothing pass between two groups of hosts, from now until the end of the block, or `Partition.heal`.

        What is sent, and what was under way, is lost. TCP sends it again, with growing patience, and gives up with
        ETIMEDOUT after some minutes; who only waits to read hears nothing.

        Args:
            a: a host, or several.
            b: a host, or several; all but those of `a` unless given.
            oneway: whether packets from `b` to `a` still pass.

        Raises:
            ValueError: there is no such host.
        """
        partition = Partition(*self._groups(a, b), oneway, self._heal)
        self._partitions.append(partition)
        return partition

    def hold(self, a: str | Iterable[str], b: str | Iterable[str] | None = None, *, oneway: bool = False) -> Hold:
        """Let packets between two groups of hosts wait until the end of the block, `Hold.release`, or `release`.

        Args:
            a: a host, or several.
            b: a host, or several; all but those of `a` unless given.
            oneway: whether packets from `b` to `a` still pass.

        Raises:
            ValueError: there is no such host.
        """
        hold = Hold(*self._groups(a, b), oneway, self._unhold)
        self._holds.append(hold)
        return hold

    def release(self, a: str | Iterable[str], b: str | Iterable[str] | None = None) -> None:
        """Take back a `hold` of the same groups. Raises ValueError if there is none."""
        groups = self._groups(a, b)
        for hold in self._holds:
            if hold.between(*groups):
                self._unhold(hold)
                return
        raise ValueError(f"nothing is held there; held are: {self._holds}")

    def reset(self, a: str | Iterable[str], b: str | Iterable[str] | None = None) -> int:
        """Reset all connections between two groups of hosts, at once, on both sides: how many.

        Args:
            a: a host, or several.
            b: a host, or several; all but those of `a` unless given.

        Raises:
            ValueError: there is no such host.
        """
        ones, others = self._groups(a, b)
        number = 0
        for host in self._hosts.values():
            for connection in host.stack.connections():
                peer = self._host_of(connection.remote, host).name
                for here, there in ((host.name, peer), (peer, host.name)):
                    if here in ones and (there not in ones if others is None else there in others):
                        connection.receive(Packet(connection.remote, connection.local, rst=True))
                        number += here == host.name
                        break
        return number

    # ---- looking ----------------------------------------------------------------------------------------------

    def netstat(self, name: str) -> Netstat:
        """The connections of a host, those that its processes have closed and its kernel still knows included.

        Raises:
            ValueError: there is no such host.
        """
        return netstat(self.host(name))

    def open_sockets(self) -> list[OpenSocket]:
        """What programs have not closed, with what they left open at their end, in order; killed ones close all."""
        return [*self._left, *map(OpenSocket.of, self._sockets.values())]

    # ---- for conc.net: conc.net.network.Network -----------------------------------------------------------------

    def socket(self, family: int, type: int, proto: int = 0) -> SimDescriptor:
        """A new socket of the current host."""
        make = maker_of(family, type, proto)
        if family == socket.AF_INET6 and not self._ipv6:
            raise system_error(errno.EAFNOSUPPORT)
        return self.enter(partial(make, self, self._opening_process()))

    def pair(self, type: int) -> tuple[SimDescriptor, SimDescriptor]:
        """Two Unix sockets of the current host that are connected with each other."""
        return make_pair(type, self, self._opening_process())

    def identify(self, path: str) -> object:
        """Which file of the current host the Unix socket at a path is; None if there is none."""
        return self.current_process().host.unix.identify(path)

    def unlink(self, path: str) -> None:
        """Remove the file of a Unix socket from the current host."""
        self.current_process().host.unix.unlink(path)

    def set_mode(self, path: str, mode: int) -> None:
        """Say who may connect to a Unix socket of the current host; nobody is refused by that."""
        self.current_process().host.unix.set_mode(path, mode)

    async def resolve(
        self, host: str | None, port: int, *, family: int = 0, type: int = 0, flags: int = 0
    ) -> list[AddressInfo]:
        """Look a name up in the name service of the world.

        Raises:
            OSError: there is no such name (`socket.gaierror`).
            ValueError: `host` cannot be a name.
            NotSimulated: unknown flags.

        Checkpoint: always a cancel point; it waits if look-ups take time.
        If cancelled: nothing happened.
        """
        self._check_run()
        kind = type or socket.SOCK_STREAM
        proto = socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else socket.IPPROTO_UDP
        ends = [Endpoint(address, port) for address in await self.names.look_up(host, family, flags)]
        return [(end.family, kind, proto, "", end.sockaddr) for end in ends]

    def make_poller(self) -> SimPoller:
        """The poller of the one worker of the one run."""
        if self._poller is not None:
            raise RuntimeError(
                "a simulated network is for one run with one worker: make a new World for each run, and leave workers=1"
            )
        self._poller = SimPoller(self._sockets)
        return self._poller

    # ---- for sockets and links ----------------------------------------------------------------------------------

    def enter(self, make: Callable[[int], SocketT]) -> SocketT:
        """A new socket, made with a number that nobody has."""
        fd = next(self._fds)
        sock = make(fd)
        self._sockets[fd] = sock
        return sock

    def closed(self, fd: int) -> None:
        """A socket was closed."""
        del self._sockets[fd]
        if self._poller is not None:
            self._poller.unregister(fd)

    def ended(self, process: Process, *, killed: bool) -> None:
        """A process has ended. What it left open is closed; a living one should have done that itself."""
        process.has_ended = True
        for sock in [sock for sock in self._sockets.values() if sock.process is process]:
            if not killed:
                self._left.append(OpenSocket.of(sock))
            sock.close()

    def edge(self, fd: int) -> None:
        """A socket may have become ready for something."""
        if self._poller is not None:
            self._poller.edge(fd)

    def is_cut(self, path: Path) -> bool:
        """Whether a partition lies in between."""
        return any(partition.blocks(path) for partition in self._partitions)

    def is_held(self, path: Path) -> bool:
        """Whether packets have to wait."""
        return any(hold.blocks(path) for hold in self._holds)

    def send_datagram(self, host: Host, datagram: Datagram, *, hops: int = 1, loops: bool = True) -> None:
        """Let a datagram set out from a host: to one, to all, or to those that have members of a group."""
        dest = datagram.dest
        targets = self._hosts.values() if dest.is_multicast or dest.is_broadcast else [self._host_of(dest, host)]
        for target in targets:
            if dest.is_multicast and not (target.udp.has_member(dest.address) and (loops if target is host else hops)):
                continue
            if target is host:
                self._deliver(host, datagram.to(target.name))
            else:
                self._path(host.name, target.name).send(datagram.to(target.name))

    def arrived(self, packet: Packet | Datagram) -> None:
        """A packet has reached its host."""
        if isinstance(packet, Datagram):
            self._deliver(self._hosts[packet.host], packet)
        else:
            self._deliver(self._owners[packet.dest.address], packet)

    def lost(self, packet: Packet | Datagram) -> None:
        """A packet will never reach it; of a datagram nobody hears that."""
        if isinstance(packet, Packet):
            self._lost_at(self._owners[packet.dest.address], packet)

    def random(self, name: str) -> Random:
        """A generator of numbers for one purpose, seeded by the run."""
        return Random(f"{current_runtime().seed}: {name}")

    # ---- behind all that ----------------------------------------------------------------------------------------

    def _check_run(self) -> None:
        runtime = current_runtime()
        if not runtime.clock.virtual:
            raise RuntimeError(
                "a simulated network needs virtual time: conc.run(..., clock=conc_testing.VirtualClock(), network=...)"
            )
        if self._poller is None:
            raise RuntimeError("a simulated network brings its own poller: leave poller= out where you give network=")

    def _opening_process(self) -> Process:
        """Who opens a socket now; raises what opening one raises."""
        self._check_run()
        process = self.current_process()
        if process.has_ended:
            raise system_error(errno.ENETDOWN)
        if fault("fault.net.socket"):
            raise system_error(errno.EMFILE)
        return process

    def _groups(
        self, a: str | Iterable[str], b: str | Iterable[str] | None
    ) -> tuple[frozenset[str], frozenset[str] | None]:
        return names_of(a, self._hosts), None if b is None else names_of(b, self._hosts)

    def _heal(self, partition: Obstacle) -> None:
        if partition in self._partitions:
            self._partitions.remove(partition)

    def _unhold(self, hold: Obstacle) -> None:
        if hold in self._holds:
            self._holds.remove(hold)
            for path in self._paths.values():
                path.release()

    def _path(self, source: str, target: str) -> Path:
        path = self._paths.get((source, target))
        if path is None:
            path = self._paths[source, target] = Path(self, source, target)
        return path

    def _host_of(self, end: Endpoint, here: Host) -> Host:
        """Whose address it is, seen from `here`."""
        return here if here.owns(end) else self._owners[end.address]

    def _transmit(self, host: Host, packet: Packet) -> None:
        """A packet sets out from a host. Within the host it arrives at once."""
        target = self._host_of(packet.dest, host)
        if target is host:
            self._deliver(host, packet)
        else:
            self._path(host.name, target.name).send(packet)

    def _deliver(self, host: Host, packet: Packet | Datagram) -> None:
        """Give a packet to a host; one after another, for what it does may send others."""
        self._arrivals.append((host, packet))
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._arrivals:
                target, arrived = self._arrivals.popleft()
                if isinstance(arrived, Datagram):
                    target.udp.receive(arrived)
                else:
                    target.stack.receive(arrived)
        finally:
            self._delivering = False

    def _lost_at(self, target: Host, packet: Packet) -> None:
        """A packet does not reach `target`, or finds no room there: whoever waits for its effect has to try again."""
        if packet.number is not None or packet.probe:
            self._host_of(packet.source, target).stack.lost(packet)
        else:
            target.stack.unanswered(packet)

    def _check(self) -> None:
        for fd, sock in self._sockets.items():
            assert sock.fileno() == fd, "a closed socket is still in the books"
            assert not sock.process.has_ended, "a socket has outlived its process"
        for host in self._hosts.values():
            host.stack._check()
            host.udp._check()
            host.unix._check()
        for path in self._paths.values():
            path._check()
        if self._poller is not None:
            self._poller._check()

    def __repr__(self) -> str:
        return f"<SimNetwork of {', '.join(self._hosts)}>"
