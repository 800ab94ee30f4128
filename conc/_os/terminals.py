"""Pseudo-terminals, and programs that run in one."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from typing import Any, Final

from conc._os.children import Argument, Child, close_all, ready_to_start
from conc._os.pipes import File

SHELL: Final = "/bin/sh"
# A program cannot be spawned in another directory: a shell goes there, and becomes the program.
IN_DIRECTORY: Final = (SHELL, "-c", 'cd -- "$0" && exec "$@"')

# Those that Python ignores; and the keys and the end of a terminal, which a program in the background may ignore.
DEFAULTS: Final = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


class TerminalFile(File):
    """Our end of a pseudo-terminal. That the last program has closed the other end is the end of what can be read."""

    __slots__ = ("_refuses",)

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._refuses = False

    def recv(self, max_bytes: int) -> bytes:
        """As `File.recv`."""
        try:
            return super().recv(max_bytes)
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise

    def recv_into(self, buffer: memoryview) -> int:
        """As `File.recv_into`."""
        try:
            return super().recv_into(buffer)
        except OSError as error:
            if error.errno == errno.EIO:
                return 0
            raise

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """As `File.send`."""
        self._admit()
        return super().send(data)

    def sendmsg(self, buffers: list[memoryview]) -> int:
        """As `File.sendmsg`."""
        self._admit()
        return super().sendmsg(buffers)

    def end_of_file(self) -> bytes:
        """What a user would type to say that nothing more comes: Ctrl-D, most often."""
        characters: list[Any] = termios.tcgetattr(self.fileno())[6]
        return bytes(characters[termios.VEOF])

    def refuse_to_write(self) -> None:
        """From now on nothing can be written."""
        self._refuses = True

    def _admit(self) -> None:
        if self._refuses:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the window; the program is told by SIGWINCH."""
        set_size(self.fileno(), columns, rows)

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(self.fileno(), termios.TIOCGWINSZ, bytes(8)))
        return columns, rows


def set_size(fd: int, columns: int, rows: int) -> None:
    """Set the size of a terminal's window."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def start_in_terminal(
    argv: Sequence[Argument], *, cwd: Argument | None, env: Mapping[str, str] | None, columns: int, rows: int
) -> tuple[Child, int]:
    """Start a program whose input, output and errors are a new terminal, which controls its session. Returns it, and
    our end of the terminal.

    The leader of a new session gets its controlling terminal by opening it; so the program is spawned with the name of
    the terminal, and no code of ours runs in the child.

    Raises:
        OSError: it cannot be started; nothing is left open, and no process.
        RuntimeError: this program ignores SIGCHLD, so exit codes would be lost.
    """
    ready_to_start()
    if cwd is not None:
        try:
            os.stat(os.path.join(os.fsdecode(cwd), os.curdir))
        except OSError as error:
            error.filename = cwd
            raise
        argv = [*IN_DIRECTORY, os.fspath(cwd), *argv]
    ours, theirs = os.openpty()
    try:
        set_size(theirs, columns, rows)
        pid = os.posix_spawn(
            _find(argv[0], env),
            list(argv),
            os.environ if env is None else env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.ttyname(theirs), os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsid=True,
            setsigdef=DEFAULTS,
        )
        child = Child(pid, leads=True)
    except BaseException:
        close_all((ours,))
        raise
    finally:
        close_all((theirs,))
    return child, ours


def _find(program: Argument, env: Mapping[str, str] | None) -> str:
    """Where a program lies, by the PATH that it will have."""
    name = os.fsdecode(program)
    if os.path.dirname(name):
        return name
    places = [os.path.join(folder, name) for folder in os.get_exec_path(env)]
    for place in places:
        if os.path.isfile(place) and os.access(place, os.X_OK):
            return place
    found = any(map(os.path.isfile, places))
    number = errno.EACCES if found else errno.ENOENT
    raise OSError(number, os.strerror(number), name)
