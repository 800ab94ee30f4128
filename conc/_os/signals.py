"""Handlers of signals, Ctrl-C above all, and how a signal wakes a thread that sleeps in its poller.

A Python signal handler does not interrupt a system call: the interpreter's own handler, in C, notes the signal, and the
Python one runs on the main thread when that is back in Python code. If the signal comes just before the main thread
enters the system call, it is noted and nothing happens: the thread sleeps on. So a handler that rings a bell is not
enough where the main thread sleeps; the C handler has to write to a descriptor that the thread polls, which is what
`wake_on_signals` asks for.
"""

from __future__ import annotations

import os
import signal
import threading
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


def stop_waking(installed: int, previous: int) -> None:
    """Put back what `wake_on_signals` returned, unless the program has set a descriptor of its own since: it keeps it.

    Raises:
        ValueError: this is not the main thread.
    """
    found = wake_on_signals(previous)
    if found != installed:
        wake_on_signals(found)


# ---- any signal -----------------------------------------------------------------------------------------------------

UNCATCHABLE: Final = tuple(
    getattr(signal, name) for name in ("SIGKILL", "SIGSTOP", "SIGSEGV", "SIGFPE", "SIGILL") if hasattr(signal, name)
)
"""Those that cannot be handled, or not by Python: what went wrong in C code goes on going wrong."""


def as_signal(number: int) -> int:
    """The member of `signal.Signals` for a number; the number itself if it has none, as real-time signals.

    Raises:
        ValueError: the system knows no such signal.
    """
    if number not in signal.valid_signals():
        raise ValueError(f"this system has no signal {number}")
    try:
        return signal.Signals(number)
    except ValueError:
        return number


def signal_name(number: int) -> str:
    """A signal for people: ``SIGTERM``."""
    known = as_signal(number)
    return known.name if isinstance(known, signal.Signals) else f"signal {number}"


def handler_of(number: int) -> Handler:
    """Who handles a signal at the moment. From any thread."""
    return signal.getsignal(number)


def set_handler(number: int, handler: Handler) -> Handler:
    """Handle a signal; returns the handler that was there. None is the default of the system.

    Raises:
        ValueError: this is not the main thread.
        OSError: the signal cannot be handled.
    """
    return signal.signal(number, signal.SIG_DFL if handler is None else handler)


def treat_as(handler: Handler, number: int, frame: FrameType | None) -> None:
    """Let a handler treat a signal that has come, on the main thread. If it is that of the system, it is in place from
    then on, and may end the process.
    """
    if handler is None or handler == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    elif callable(handler):
        handler(number, frame)


def send_again(number: int) -> None:
    """Let a signal come once more, to whoever handles it now. From any thread; on the main thread it has been treated
    when this returns."""
    if is_main_thread():
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)  # to the process, so that the main thread is woken


def is_main_ident(ident: int) -> bool:
    """Whether this is the ident of the thread that runs signal handlers."""
    return ident == threading.main_thread().ident
