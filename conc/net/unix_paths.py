"""Where Unix sockets live: paths and abstract names, and the files that sockets leave behind."""

from __future__ import annotations

import errno
import os
from typing import TypeAlias

from conc._os.sockets import AF_UNIX
from conc._os.unix_sockets import PATH_AT_MOST
from conc.net.network import Network, Socket, open_socket

UnixPath: TypeAlias = str | os.PathLike[str]
"""A path, or an abstract name: ``"\\0name"``, which has no file and goes with its socket (Linux only)."""


def check_path(path: object, name: str = "path") -> str:
    """The path as text.

    Raises:
        TypeError, ValueError: it is no path, which is named.
        OSError: it is longer than a socket's address may be (ENAMETOOLONG).
    """
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string or a path, not {path!r}")
    if not text or "\0" in text[1:] or text == "\0":
        raise ValueError(f"{name} must be a path, or a zero byte and a name, not {path!r}")
    length = len(os.fsencode(text))
    most = PATH_AT_MOST + (text[0] == "\0")
    if length > most:
        raise OSError(
            errno.ENAMETOOLONG,
            f"{name} has {length} bytes, but the address of a Unix socket has room for {most}: {text!r}; "
            "a shorter one may be reached through a link, or from another working directory",
        )
    return text


def check_mode(mode: object) -> None:
    """Raise an error that names the argument unless it is None or permission bits."""
    if mode is None:
        return
    if isinstance(mode, bool) or not isinstance(mode, int):
        raise TypeError(f"mode must be a whole number such as 0o660, or None, not {mode!r}")
    if not 0 <= mode <= 0o777:
        raise ValueError(f"mode must be 0 to 0o777, not {mode:#o}")


class SocketFile:
    """The file that a socket got when it was bound to a path.

    It stays when its socket is closed, so whoever bound it removes it, unless another has taken its place meanwhile.
    """

    __slots__ = ("_identity", "_network", "_path")

    def __init__(self, network: Network, path: str) -> None:
        self._network = network
        self._path = path
        self._identity = network.identify(path)

    def remove(self) -> None:
        """Remove it if it is still that of our socket. Call this before the socket is closed: until then the system
        gives its number to no other file. Idempotent."""
        if self._identity is not None and self._network.identify(self._path) == self._identity:
            self._identity = None
            try:
                self._network.unlink(self._path)
            except OSError:  # somebody else was faster, or may write to the folder where we may not
                pass


def bind_to_path(network: Network, sock: Socket, path: str, *, type: int, mode: int | None = None) -> SocketFile | None:
    """Bind a Unix socket. Where a server has died and left its file, the file is replaced.

    Args:
        network: where `sock` is from.
        sock: a fresh socket.
        path: as `check_path` gives it.
        type: SOCK_STREAM or SOCK_DGRAM: what `sock` is.
        mode: who may connect, as permission bits; None: what the umask of the process leaves.

    Returns:
        The file, to be removed by whoever closes the socket; None for an abstract name.

    Raises:
        OSError: the address is taken (EADDRINUSE), or the system refuses.
    """
    try:
        sock.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or path[0] == "\0":
            raise
        _remove_what_is_dead(network, path, type)
        sock.bind(path)
    if path[0] == "\0":
        return None
    file = SocketFile(network, path)
    if mode is not None:
        try:
            network.set_mode(path, mode)
        except BaseException:
            file.remove()
            raise
    return file


def _remove_what_is_dead(network: Network, path: str, type: int) -> None:
    """Remove the file of a socket that is no more.

    Raises:
        OSError: it belongs to a socket that lives, or is something else (EADDRINUSE).
    """
    identity = network.identify(path)
    if identity is None:
        raise OSError(errno.EADDRINUSE, "there is a file of another kind")
    probe = open_socket(network, f"cannot see whether {path!r} is in use", AF_UNIX, type)
    try:
        number = probe.connect_ex(path)
    finally:
        probe.close()
    # Refused: nobody has it. All else, even a full queue, is an answer of somebody.
    if number != errno.ECONNREFUSED:
        if number != errno.ENOENT:
            raise OSError(errno.EADDRINUSE, "another socket has it")
    elif network.identify(path) == identity:  # and has not been replaced by another server since
        network.unlink(path)
