"""Ctrl-C: the first one cancels the main task, the second ends the run where it stands. And waking for any signal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from conc._os.bell import SocketBell
from conc._os.signals import Handler, install_sigint, restore_sigint, sigint_is_default, stop_waking, wake_on_signals

if TYPE_CHECKING:
    from conc._kernel.strand import Strand
    from conc._kernel.worker import Worker


class Interrupts:
    """Takes the place of Python's default SIGINT handler while a run lasts, on the main thread only.

    It is there before anything of the run is, and until nothing is left of it, so that no KeyboardInterrupt finds the
    runtime half made or half torn down. A Ctrl-C that nobody has seen when the block ends is raised there.

    The handler takes no lock and touches no task: it posts a message to the root strand. The C handler of the
    interpreter writes to a bell that the poller watches, or a signal that comes just before the sleep would not be
    noticed until something else happens.
    """

    def __init__(self) -> None:
        self._count = 0
        self._seen = 0
        self._strand: Strand | None = None
        self._first: Callable[[], None] | None = None
        self._second: Callable[[], None] | None = None
        self._bell: SocketBell | None = None
        self._previous: Handler = None
        self._previous_fd = -1

    def __enter__(self) -> Interrupts:
        if sigint_is_default():
            self._previous = install_sigint(self._handle)  # first: the sockets of a bell are not made at one stroke
            try:
                self._bell = SocketBell()
            except BaseException:
                restore_sigint(self._previous, self._handle)
                raise
            self._previous_fd = wake_on_signals(self._bell.write_fileno())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bell is not None:
            stop_waking(self._bell.write_fileno(), self._previous_fd)
            self._bell = None
            restore_sigint(self._previous, self._handle)
            if self._count and not self._seen:
                raise KeyboardInterrupt

    def attach(self, worker: Worker, strand: Strand, first: Callable[[], None], second: Callable[[], None]) -> None:
        """From now on the first Ctrl-C lets `strand` call `first`, the next ones `second`, on `worker`."""
        if self._bell is not None:
            worker.watch_bell(self._bell)
        self._first, self._second, self._strand = first, second, strand
        if self._count:
            strand.post(first)

    def detach(self) -> bool:
        """The run has ended: True if there was a Ctrl-C."""
        self._strand = None
        self._seen = self._count
        return self._seen > 0

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._strand is None:
            return
        if self._count == 1:
            self._strand.post(self._first)  # type: ignore[arg-type]
            return
        # In any case: what is raised below may be swallowed, by a weakref callback or a bare `except`.
        self._strand.post(self._second)  # type: ignore[arg-type]
        if not _is_in_conc(frame):
            raise KeyboardInterrupt


def hear_signals(worker: Worker) -> None:
    """Let every signal wake a worker that lives on the main thread, until its run ends. On that thread; idempotent.

    For who handles signals other than Ctrl-C, and where Ctrl-C is not ours, so that `Interrupts` has not seen to it.
    """
    if worker._signal_bell is not None:
        return
    bell = SocketBell()
    previous = wake_on_signals(bell.write_fileno())
    worker.watch_bell(bell)

    def restore() -> None:
        nonlocal bell
        stop_waking(bell.write_fileno(), previous)
        del bell  # closed now, and not by the garbage collector some time later

    worker.crew.at_end.append(restore)


def _is_in_conc(frame: FrameType | None) -> bool:
    """Whether conc's own code is at work, or has called what is: a lock may be held there, or something half done.

    Then the kernel ends by itself. If it stands in a call from a step that does not end, the next one may be luckier.
    """
    while frame is not None:
        module: str = frame.f_globals.get("__name__", "")
        package = module.partition(".")[0]
        if package not in sys.stdlib_module_names:
            return package == "conc"
        frame = frame.f_back  # the standard library, on behalf of whom?
    return False
