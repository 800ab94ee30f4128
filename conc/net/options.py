"""What can be set on a socket, and asked of it."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TypeAlias, overload

from conc._kernel.cancel import check_time
from conc._os.sockets import KEEP_IDLE, option_number
from conc.net.network import Socket
from conc.sync.semaphore import check_count

SocketOption: TypeAlias = tuple[int, int, int | bytes]
"""Level, option and value, as `socket.socket.setsockopt` takes them."""


class SocketOptions:
    """Options of all sockets. They act at once and wait for nothing.

    Each raises ClosedResource if the stream is closed on this side, and OSError if the system does not know the option
    or refuses the value.
    """

    __slots__ = ()

    def set_option(self, level: int, option: int, value: int | bytes) -> None:
        """Set any option that the system knows, as `socket.socket.setsockopt` does.

        Args:
            level: ``socket.SOL_SOCKET`` or ``socket.IPPROTO_TCP``, for example.
            option: ``socket.SO_PRIORITY``, for example.
            value: a number, or bytes as ``struct.pack`` makes them.

        Raises:
            ClosedResource: the stream is closed.
            OSError: the system does not know the option, or refuses the value.

        Checkpoint: never.
        """
        self._open_socket().setsockopt(level, option, value)

    @overload
    def get_option(self, level: int, option: int) -> int: ...
    @overload
    def get_option(self, level: int, option: int, size: int) -> bytes: ...
    def get_option(self, level: int, option: int, size: int = 0) -> int | bytes:
        """Ask for any option that the system knows, as `socket.socket.getsockopt` does.

        Args:
            level: ``socket.SOL_SOCKET`` or ``socket.IPPROTO_TCP``, for example.
            option: ``socket.SO_PRIORITY``, for example.
            size: how many bytes to return at most; 0: the option is a number.

        Raises:
            ClosedResource: the stream is closed.
            OSError: the system does not know the option.

        Checkpoint: never.
        """
        sock = self._open_socket()
        value: int | bytes = sock.getsockopt(level, option, size) if size else sock.getsockopt(level, option)
        return value

    @property
    def send_buffer(self) -> int:
        """How many bytes the system keeps that were written and not taken by the other side yet. Linux counts its own
        overhead too, and says twice of what was set; once set, it does not grow by itself any more."""
        return self.get_option(socket.SOL_SOCKET, socket.SO_SNDBUF)

    @send_buffer.setter
    def send_buffer(self, size: int) -> None:
        check_count(size, "send_buffer", 1)
        self.set_option(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    @property
    def receive_buffer(self) -> int:
        """How many bytes the system keeps that have come and were not read yet; as `send_buffer` else."""
        return self.get_option(socket.SOL_SOCKET, socket.SO_RCVBUF)

    @receive_buffer.setter
    def receive_buffer(self, size: int) -> None:
        check_count(size, "receive_buffer", 1)
        self.set_option(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def _open_socket(self) -> Socket:
        """The socket. Raises ClosedResource if it is closed."""
        raise NotImplementedError


class TcpOptions(SocketOptions):
    """Options of TCP connections."""

    __slots__ = ()

    @property
    def no_delay(self) -> bool:
        """Whether small writes are sent at once (TCP_NODELAY): so they are unless this is set to False."""
        return bool(self.get_option(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    @no_delay.setter
    def no_delay(self, on: bool) -> None:
        self.set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, bool(on))

    @property
    def keepalive(self) -> bool:
        """Whether an idle connection is probed, so that a peer that is gone without a word is found out."""
        return bool(self.get_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def set_keepalive(
        self, on: bool = True, *, idle: float | None = None, interval: float | None = None, count: int | None = None
    ) -> None:
        """Probe an idle connection. When nobody answers, reading and writing raise BrokenResource.

        Args:
            on: whether to.
            idle: after how many seconds without a byte the first probe is sent. None: what the system is set to, which
                is two hours on most.
            interval: how many seconds between probes that nobody answers; None: what the system is set to.
            count: after how many of them the connection is broken, at least 1; None: what the system is set to.

        The system counts whole seconds; what is given is rounded up, to at least one.

        Raises:
            ClosedResource: the stream is closed.
            OSError: the system refuses the values.
            ValueError, TypeError: a bad argument, which is named.

        Checkpoint: never.
        """
        options = []
        for name, seconds, option in (
            ("idle", idle, KEEP_IDLE),
            ("interval", interval, socket.TCP_KEEPINTVL),
        ):
            if seconds is not None:
                options.append((option, whole_seconds(seconds, name)))
        if count is not None:
            check_count(count, "count", 1)
            options.append((socket.TCP_KEEPCNT, count))
        for option, value in options:
            self.set_option(socket.IPPROTO_TCP, option, value)
        self.set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(on))

    def set_quick_ack(self, on: bool = True) -> None:
        """Acknowledge what comes at once, in place of with the next write. Linux only, which may fall back by itself.

        Raises:
            ClosedResource: the stream is closed.
            OSError: this system cannot.

        Checkpoint: never.
        """
        self.set_option(socket.IPPROTO_TCP, option_number("TCP_QUICKACK"), bool(on))

    @property
    def user_timeout(self) -> float:
        """For how many seconds what was written may stay without an acknowledgement before the connection is broken; 0:
        as long as the system is set to, which is a quarter of an hour on most. Linux only."""
        return self.get_option(socket.IPPROTO_TCP, option_number("TCP_USER_TIMEOUT")) / 1000

    @user_timeout.setter
    def user_timeout(self, seconds: float) -> None:
        if not 0 <= check_time(seconds, "user_timeout") <= 0x7FFFFFFF / 1000:
            raise ValueError(f"user_timeout must be 0 to 2147483 seconds, not {seconds}")
        self.set_option(socket.IPPROTO_TCP, option_number("TCP_USER_TIMEOUT"), -int(-seconds * 1000 // 1))

    @property
    def ttl(self) -> int:
        """How many routers a packet may pass (IP_TTL, IPV6_UNICAST_HOPS)."""
        return self.get_option(*self._ip_option(socket.IP_TTL, socket.IPV6_UNICAST_HOPS))

    @ttl.setter
    def ttl(self, hops: int) -> None:
        check_count(hops, "ttl", 1)
        self.set_option(*self._ip_option(socket.IP_TTL, socket.IPV6_UNICAST_HOPS), hops)

    @property
    def traffic_class(self) -> int:
        """What routers are told about how urgent the packets are (IP_TOS, IPV6_TCLASS)."""
        return self.get_option(*self._ip_option(socket.IP_TOS, socket.IPV6_TCLASS))

    @traffic_class.setter
    def traffic_class(self, value: int) -> None:
        check_count(value, "traffic_class", 0)
        self.set_option(*self._ip_option(socket.IP_TOS, socket.IPV6_TCLASS), value)

    def _ip_option(self, in_4: int, in_6: int) -> tuple[int, int]:
        """The level and the number of an option that has one for each family."""
        if len(self._open_socket().getsockname()) == 2:
            return socket.IPPROTO_IP, in_4
        return socket.IPPROTO_IPV6, in_6


def whole_seconds(seconds: float, name: str) -> int:
    """Rounded up, to at least one.

    Raises:
        ValueError, TypeError: not a number of seconds that options can hold.
    """
    if not 0 < check_time(seconds, name) <= 0x7FFF:
        raise ValueError(f"{name} must be more than 0 and at most 32767 seconds, not {seconds}")
    return max(1, -int(-seconds // 1))


def check_options(options: Iterable[SocketOption]) -> list[SocketOption]:
    """What `SocketOptions.set_option` may be given, several times.

    Raises:
        TypeError: something else.
    """
    checked = list(options)
    for option in checked:
        if not (
            isinstance(option, tuple)
            and len(option) == 3
            and all(isinstance(number, int) for number in option[:2])
            and isinstance(option[2], int | bytes)
        ):
            raise TypeError(f"options must be tuples (level, option, value) as set_option has them, not {option!r}")
    return checked
