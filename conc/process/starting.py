"""What is to be started, and how: checked before anything happens, and explained if it fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from conc._kernel.cancel import check_time
from conc._os import children
from conc._os.children import Argument, Child
from conc._os.terminals import start_in_terminal

PIPE: Final = children.PIPE
"""For `Process`: a pipe between this program and the child."""
DEVNULL: Final = children.DEVNULL
"""For `Process`: nothing to read, and nobody who reads."""
STDOUT: Final = children.STDOUT
"""For `Process`, as `stderr`: errors go where the output goes."""


class HasFileno(Protocol):
    """An open file of the system."""

    def fileno(self) -> int:
        """Its descriptor."""


Redirect = int | HasFileno | None
"""PIPE, DEVNULL, STDOUT, a descriptor, an open file; None: as in this program."""

HINTS: Final = {
    errno.ENOENT: "there is no such program, or the interpreter in the first line (#!) of the script is missing",
    errno.EACCES: "it is not executable, or not for this user",
    errno.ENOEXEC: "it is neither a program nor a script that names its interpreter in its first line (#!)",
    errno.E2BIG: "arguments and environment are too long together; large data is better given as input",
    errno.EMFILE: "this program has too many files open",
    errno.EAGAIN: "this user runs too many processes",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a program is to be started."""

    argv: tuple[Argument, ...]
    stdin: Redirect
    stdout: Redirect
    stderr: Redirect
    cwd: Argument | None
    env: Mapping[str, str] | None
    process_group: bool
    new_session: bool
    terminal_size: tuple[int, int] | None

    @property
    def program(self) -> str:
        """Its name, for people."""
        return os.fsdecode(self.argv[0])

    @property
    def leads(self) -> bool:
        """Whether it gets a process group of its own."""
        return self.process_group or self.new_session or self.terminal_size is not None

    def start(self) -> tuple[Child, list[int | None]]:
        """Start it. Returns it, and our ends of the pipes that were asked for; of the terminal, if that was.

        Raises:
            OSError: it cannot be started. Nothing is left of it.
        """
        try:
            if self.terminal_size is not None:
                columns, rows = self.terminal_size
                child, ours = start_in_terminal(self.argv, cwd=self.cwd, env=self.env, columns=columns, rows=rows)
                return child, [ours]
            return children.start(
                self.argv,
                self.stdin,
                self.stdout,
                self.stderr,
                cwd=self.cwd,
                env=self.env,
                process_group=self.process_group,
                new_session=self.new_session,
            )
        except OSError as error:
            raise self._explained(error) from error

    def _explained(self, error: OSError) -> OSError:
        """The same error, which says what was attempted."""
        attempt = f"cannot start {self.program!r}"
        hint = HINTS.get(error.errno or 0)
        if self.cwd is not None:
            attempt += f" in {os.fsdecode(self.cwd)!r}"
            if error.filename is not None and os.fsdecode(error.filename) == os.fsdecode(self.cwd):
                hint = "that is no directory that this program may enter"
        reason = error.strerror or str(error)
        return OSError(error.errno, f"{attempt}: {reason}{f' ({hint})' if hint else ''}", error.filename)


def check_argv(argv: object, shell: bool) -> tuple[Argument, ...]:
    """The program and its arguments, or an error that says how they are given."""
    if shell:
        if not isinstance(argv, (str, bytes)):
            raise TypeError(f"with shell=True, argv is one command line, a str, not {argv!r:.100}")
        if "\0" in os.fsdecode(argv):
            raise ValueError(f"argv must not contain zero bytes, which end a string: {argv!r:.100}")
        return "/bin/sh", "-c", argv
    if isinstance(argv, (str, bytes, os.PathLike)):
        raise TypeError(
            f"argv must be a list of the program and its arguments, such as ['ls', '-l'], not {argv!r:.100}; "
            "for a command line of the shell, say shell=True"
        )
    try:
        given: tuple[Argument, ...] = tuple(argv)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"argv must be a list of the program and its arguments, not {argv!r:.100}") from None
    if not given:
        raise ValueError("argv is empty; it begins with the program")
    for argument in given:
        if not isinstance(argument, (str, bytes, os.PathLike)):
            raise TypeError(f"argv must be strings, bytes or paths, not {argument!r:.100}")
        if "\0" in os.fsdecode(argument):
            raise ValueError(f"argv must not contain zero bytes, which end a string: {argument!r:.100}")
    if not os.fsdecode(given[0]):
        raise ValueError(f"argv must begin with the name of a program, which {given!r:.100} has left empty")
    return given


def check_cwd(cwd: Any) -> Argument | None:
    """The name of a directory, or an error."""
    if cwd is None:
        return None
    if not isinstance(cwd, (str, bytes, os.PathLike)):
        raise TypeError(f"cwd must be the name of a directory, a string or a path, not {cwd!r:.100}")
    if "\0" in os.fsdecode(cwd):
        raise ValueError(f"cwd must not contain zero bytes, which end a string: {cwd!r:.100}")
    return cwd


def check_env(env: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """The environment as a copy, or an error."""
    if env is None:
        return None
    if not isinstance(env, Mapping):
        raise TypeError(f"env must map names to values, such as {{'PATH': '/usr/bin'}}, not {env!r:.100}")
    copy = dict(env)
    for name, value in copy.items():
        if not isinstance(name, (str, bytes)) or not isinstance(value, (str, bytes)):
            raise TypeError(f"env must map strings to strings, not {name!r:.50} to {value!r:.50}")
        if not name or "=" in os.fsdecode(name) or "\0" in os.fsdecode(name) + os.fsdecode(value):
            raise ValueError(f"env: {name!r:.50}={value!r:.50} cannot be a variable of the environment")
    return copy


def check_redirect(value: Any, name: str, allowed: Sequence[int]) -> Redirect:
    """What a standard stream is connected with, or an error."""
    if value is None:
        return None
    if callable(getattr(value, "fileno", None)):
        try:
            number = value.fileno()
        except (OSError, ValueError) as error:  # of a closed file, and of one that is in memory only
            raise ValueError(f"{name} must be an open file of the system, which {value!r:.100} is not") from error
        if number < 0:
            raise ValueError(f"{name} must be an open file of the system, and {value!r:.100} is closed")
        return value  # type: ignore[no-any-return]
    if isinstance(value, bool) or not isinstance(value, int) or (value < 0 and value not in allowed):
        names = ", ".join(word for word, number in NAMES.items() if number in allowed)
        raise ValueError(f"{name} must be None, {names}, a descriptor or an open file, not {value!r:.100}")
    return value


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows of a terminal, or an error."""
    try:
        columns, rows = size
    except (TypeError, ValueError):
        raise TypeError(f"the size of a terminal is two whole numbers, columns and rows, not {size!r}") from None
    for count in (columns, rows):
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"the size of a terminal is two whole numbers, columns and rows, not {size!r}")
        if not 0 < count < 65_536:
            raise ValueError(f"the size of a terminal is from 1 to 65,535 columns and rows, not {size!r}")
    return columns, rows


def check_grace(grace: float) -> float:
    """Seconds, or an error."""
    seconds = check_time(grace, "grace")
    if seconds < 0:
        raise ValueError(f"grace must be at least 0 seconds, not {grace}")
    return seconds


NAMES: Final = {"PIPE": PIPE, "DEVNULL": DEVNULL, "STDOUT": STDOUT}
