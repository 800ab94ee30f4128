"""Sockets that a service manager has opened for this process."""

from __future__ import annotations

import socket
from typing import TypeAlias

from conc._os import inherited
from conc._os.sockets import AF_UNIX
from conc.net.tcp import TcpListener
from conc.net.unix import UnixListener

AnyListener: TypeAlias = TcpListener | UnixListener


def activated_sockets() -> list[tuple[str, socket.socket]]:
    """Take the sockets that systemd has passed to this process, as plain sockets, each with its name.

    The name is what ``FileDescriptorName=`` says in the socket unit, or the name of that unit. Each socket is for
    the ``from_socket`` of its kind. They can be taken once; a second call returns none, and children get none.

    Raises:
        ValueError: the environment is not what sd_listen_fds(3) says.
        OSError: a descriptor is not open, or no socket. Then none was taken.

    Checkpoint: never.
    Source: sd_listen_fds(3); LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES of the environment.
    """
    passed = inherited.passed_at_start()
    sockets = inherited.take_passed([fd for _, fd in passed])
    return [(name, sock) for (name, _), sock in zip(passed, sockets, strict=True)]


def activated_listeners() -> dict[str, list[AnyListener]]:
    """Take the listening sockets that systemd has passed to this process, by name. One name may have several.

    ::

        [listener] = activated_listeners().get("web.socket") or [await listen_tcp(None, 8080)]
        await listener.serve(handle)

    They can be taken once; a second call returns none, and children get none.

    Raises:
        ValueError: the environment is not what sd_listen_fds(3) says, or a socket listens for no connections. Such ones
            are taken with `activated_sockets`.
        OSError: a descriptor is not open, or no socket.

    Checkpoint: never.
    Source: sd_listen_fds(3); LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES of the environment.
    """
    listeners: dict[str, list[AnyListener]] = {}
    sockets = activated_sockets()
    try:
        for name, sock in sockets:
            kind: type[AnyListener] = UnixListener if sock.family == AF_UNIX else TcpListener
            listeners.setdefault(name, []).append(kind.from_socket(sock))
    except ValueError as error:
        for several in listeners.values():
            for listener in several:
                listener._close()
        for _, sock in sockets:
            sock.close()
        raise ValueError(f"not every activated socket is for connections; use activated_sockets: {error}") from error
    return listeners
