"""What all sockets of the simulation have in common: a descriptor of one process, and options."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, ClassVar, Final, NoReturn, Protocol, TypeVar

from conc_testing.net.addresses import NotSimulated, system_error
from conc_testing.net.hosts import Host, Process
from conc_testing.net.packets import Datagram
from conc_testing.sim.created import place_of_caller

# The flags of conc.lowlevel.Poller.
READ: Final = 1
WRITE: Final = 2
HUP: Final = 4

Option = tuple[int, int]
ERROR: Final[Option] = (socket.SOL_SOCKET, socket.SO_ERROR)
SEND_BUFFER: Final[Option] = (socket.SOL_SOCKET, socket.SO_SNDBUF)
RECEIVE_BUFFER: Final[Option] = (socket.SOL_SOCKET, socket.SO_RCVBUF)

# What Linux gives a socket that is not TCP, and what each message in it takes besides its bytes.
BUFFER: Final = 212_992
LEAST_BUFFER: Final = 4_608
OVERHEAD: Final = 768

SocketT = TypeVar("SocketT", bound="SimDescriptor")


class Books(Protocol):
    """What a socket asks of the network that it is part of."""

    def enter(self, make: Callable[[int], SocketT]) -> SocketT:
        """A new socket, made with a number that nobody has."""

    def has_address(self, address: str) -> bool:
        """Whether some host has it."""

    def send_datagram(self, host: Host, datagram: Datagram, *, hops: int, loops: bool) -> None:
        """Let a datagram set out from a host."""

    def edge(self, fd: int) -> None:
        """A socket may have become ready for something."""

    def closed(self, fd: int) -> None:
        """A socket was closed."""


class SimDescriptor:
    """A socket of one process, of any kind.

    Attributes:
        process: whose it is.
        family: AF_INET, AF_INET6 or AF_UNIX.
        place: the line of the program that made it.
    """

    known_options: ClassVar[frozenset[Option]] = frozenset()
    _fd = -1  # for a look at one that is not complete

    def __init__(self, network: Books, process: Process, family: int, fd: int) -> None:
        self.process = process
        self.family = family
        self.place = place_of_caller()
        self._network = network
        self._fd = fd
        self._options: dict[Option, int] = {}
        self._failure = 0

    # ---- the interface of a socket ----------------------------------------------------------------------------

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return self._fd

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """Set an option. Raises NotSimulated if it has no model."""
        self._check_open()
        self._check_known(level, option)
        if isinstance(value, bytes):
            raise NotSimulated(f"the option {option} of level {level} of a socket is simulated for numbers only")
        if (level, option) in (SEND_BUFFER, RECEIVE_BUFFER):
            value = max(2 * value, LEAST_BUFFER)
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int, size: int = 0, /) -> Any:
        """Ask for an option: SO_ERROR tells, once, what has failed."""
        self._check_open()
        if (level, option) == ERROR:
            return self.take_failure()
        self._check_known(level, option)
        if size:
            raise NotSimulated(f"the option {option} of level {level} of a socket is simulated for numbers only")
        default = BUFFER if (level, option) in (SEND_BUFFER, RECEIVE_BUFFER) else 0
        return self._options.get((level, option), default)

    def close(self) -> None:
        """Close it. A second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd != -1:
            self._network.closed(fd)
            self._let_go()

    def recvmsg(self, *args: Any) -> NoReturn:
        """What descriptors are received with."""
        raise NotSimulated("passing descriptors is not simulated")

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(socket.socket, name):
            raise AttributeError(f"socket.{name} is not simulated; conc.net asks for what stands in conc.net.Socket")
        raise AttributeError(f"a socket has no {name}")

    # ---- for the network --------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """As netstat calls it."""
        raise NotImplementedError

    @property
    def local(self) -> Any:
        """Its own address, which `str` makes readable."""
        raise NotImplementedError

    @property
    def remote(self) -> Any:
        """The address of the other end; None if there is none."""
        raise NotImplementedError

    @property
    def is_silent(self) -> bool:
        """Whether its process stands still; if that were told of bytes, they would be read for it."""
        return self.process.is_paused

    def flags(self) -> int:
        """What it is ready for, as a poller says it."""
        raise NotImplementedError

    def edge(self) -> None:
        """It may have become ready for something."""
        if self._fd != -1:
            self._network.edge(self._fd)

    def take_failure(self) -> int:
        """The error that nobody has been told, which is told by that; 0 if there is none."""
        failure, self._failure = self._failure, 0
        return failure

    # ---- for the kinds ----------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        """The program has closed it."""
        raise NotImplementedError

    def _option(self, option: Option, default: int = 0) -> int:
        return self._options.get(option, default)

    def _tell_failure(self) -> None:
        """Raise the error that nobody has been told, if there is one."""
        failure = self.take_failure()
        if failure:
            raise system_error(failure)

    def _check_open(self) -> None:
        if self._fd == -1:
            raise system_error(errno.EBADF)

    def _check_known(self, level: int, option: int) -> None:
        if (level, option) not in self.known_options:
            raise NotSimulated(f"the option {option} of level {level} of a socket is not simulated")

    def __repr__(self) -> str:
        remote = "" if self.remote is None else f" to {self.remote}"
        state = "closed" if self._fd == -1 else self.state
        return f"<{type(self).__name__} of {self.process.host.name!r}, {self.local}{remote}, {state}>"
