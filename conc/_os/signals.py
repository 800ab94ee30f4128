"""Ctrl-C, and how a signal wakes a thread that sleeps in its poller.

A Python signal handler does not interrupt a system call: the interpreter's own handler, in C, notes the signal, and the
Python one runs on the main thread when that is back in Python code. If the signal comes just before the main thread
enters the system call, it is noted and nothing happens: the thread sleeps on. So a handler that rings a bell is not
enough where the main thread sleeps; the C handler has to write to a descriptor that the thread polls, which is what
`wake_on_signals` asks for.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from conc._os.threads import is_main_thread

SIGINT: Final = signal.SIGINT

Handler = Callable[[int, FrameType | None], Any] | int | None
"""What `signal.signal` takes and returns: a function, SIG_DFL, SIG_IGN; None for a handler that C code has set."""


def sigint_is_default() -> bool:
    """Whether Ctrl-C is ours to handle: on the main thread, where nobody else has taken it."""
    return is_main_thread() and signal.getsignal(SIGINT) is signal.default_int_handler


def install_sigint(handler: Callable[[int, FrameType | None], Any]) -> Handler:
    """Handle Ctrl-C; returns the handler that was there.

    Raises:
        ValueError: this is not the main thread.
    """
    return signal.signal(SIGINT, handler)


def restore_sigint(previous: Handler, installed: Handler = None) -> None:
    """Put back what `install_sigint` returned.

    Args:
        previous: the handler to put back.
        installed: the handler that was installed. If it is not there any more, the program has set its own since, and
            keeps it; None restores in any case.

    Raises:
        ValueError: this is not the main thread.
    """
    if installed is None or signal.getsignal(SIGINT) == installed:
        signal.signal(SIGINT, signal.SIG_DFL if previous is None else previous)


def wake_on_signals(fd: int) -> int:
    """Have a byte written to a descriptor at each signal, before its handler runs; returns the one that was there.

    Args:
        fd: of a socket or pipe that does not block, such as `SocketBell.write_fileno`; -1 for none, or to restore
            what was there.

    Raises:
        ValueError: this is not the main thread, or the descriptor is closed or blocks.
    """
    # A full buffer is no reason to warn: it wakes just as well.
    return signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
