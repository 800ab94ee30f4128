"""The names of Unix sockets on one host: files, and abstract names.

A path is a name here and nothing more: no folder has to be there for it, and the real file system is never touched.
"""

from __future__ import annotations

import errno
import os
from itertools import count
from typing import Any, Final, Protocol

from conc_testing.net.addresses import system_error

PATH_AT_MOST: Final = 107
IDENTITIES: Final = count(1)


class Owner(Protocol):
    """Who has a name: a socket."""

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""


class UnixFile:
    """The file of a socket. It stays when the socket is closed, until somebody removes it.

    Attributes:
        owner: the socket; None once that is closed.
        identity: a number that no other file has.
        mode: who may connect, as it was said; nobody is refused by that.
    """

    __slots__ = ("identity", "mode", "owner")

    def __init__(self, owner: Owner) -> None:
        self.owner: Owner | None = owner
        self.identity = next(IDENTITIES)
        self.mode = 0o755


class UnixNames:
    """Who has which name.

    Invariant: the owner of a file, and who stands under an abstract name, is open.
    """

    def __init__(self) -> None:
        self._files: dict[str, UnixFile] = {}
        self._abstract: dict[str, Owner] = {}
        self._numbers = count()

    def bind(self, sock: Owner, address: Any) -> str:
        """Give a name to a socket: a path, an abstract name, or with ``""`` a free abstract one.

        Raises:
            OSError: it is taken (EADDRINUSE).
        """
        name = text_of(address)
        if not name:
            name = next(free for number in self._numbers if (free := f"\0{number:05x}") not in self._abstract)
        if name in self._files or name in self._abstract:
            raise system_error(errno.EADDRINUSE)
        if name[0] == "\0":
            self._abstract[name] = sock
        else:
            self._files[name] = UnixFile(sock)
        return name

    def find(self, address: Any) -> Owner:
        """The socket of this name.

        Raises:
            OSError: there is none (ENOENT), or none any more (ECONNREFUSED).
        """
        name = text_of(address)
        if not name:
            raise system_error(errno.EINVAL)
        if name[0] == "\0":
            found = self._abstract.get(name)
        else:
            file = self._files.get(name)
            if file is None:
                raise system_error(errno.ENOENT)
            found = file.owner
        if found is None:
            raise system_error(errno.ECONNREFUSED)
        return found

    def release(self, sock: Owner) -> None:
        """A socket was closed: its abstract name is free, its file stays."""
        for name, owner in list(self._abstract.items()):
            if owner is sock:
                del self._abstract[name]
        for file in self._files.values():
            if file.owner is sock:
                file.owner = None

    def identify(self, path: str) -> int | None:
        """Which file it is; None if there is none."""
        file = self._files.get(path)
        return None if file is None else file.identity

    def unlink(self, path: str) -> None:
        """Remove a file. Raises OSError if there is none (ENOENT)."""
        if self._files.pop(path, None) is None:
            raise system_error(errno.ENOENT)

    def set_mode(self, path: str, mode: int) -> None:
        """Say who may connect. Raises OSError if there is no such file (ENOENT)."""
        file = self._files.get(path)
        if file is None:
            raise system_error(errno.ENOENT)
        file.mode = mode

    def _check(self) -> None:
        owners = [file.owner for file in self._files.values() if file.owner is not None]
        assert all(sock.fileno() != -1 for sock in [*owners, *self._abstract.values()]), "a closed socket has a name"


def text_of(address: Any) -> str:
    """A name that somebody gave, as text.

    Raises:
        TypeError: it is no name.
        OSError: it is too long, as `socket` has it.
    """
    if not isinstance(address, str | bytes):
        raise TypeError(f"the address of a Unix socket is a string or bytes, not {address!r}")
    text = os.fsdecode(address)
    if len(os.fsencode(text)) > PATH_AT_MOST + (text[:1] == "\0"):
        raise OSError("AF_UNIX path too long")
    return text


def written(name: str) -> str | bytes:
    """A name as `socket` writes it: abstract ones are bytes."""
    return os.fsencode(name) if name[:1] == "\0" else name
