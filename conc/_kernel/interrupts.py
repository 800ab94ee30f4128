"""Ctrl-C: the first one cancels the main task, the second is raised where the main thread stands."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from conc._os.bell import SocketBell
from conc._os.signals import Handler, install_sigint, restore_sigint, sigint_is_default, wake_on_signals

if TYPE_CHECKING:
    from conc._kernel.strand import Strand
    from conc._kernel.worker import Worker


class Interrupts:
    """Takes the place of Python's default SIGINT handler while a run lasts, on the main thread only.

    The handler takes no lock and touches no task: it posts a message to the root strand. The C handler of the
    interpreter writes to a bell that the poller watches, or a signal that comes just before the sleep would not be
    noticed until something else happens.
    """

    def __init__(self, worker: Worker, strand: Strand, cancel: Callable[[], None]) -> None:
        self.count = 0
        self._worker = worker
        self._strand = strand
        self._cancel = cancel
        self._bell: SocketBell | None = None
        self._previous: Handler = None
        self._previous_fd = -1

    def __enter__(self) -> Interrupts:
        if sigint_is_default():
            self._bell = SocketBell()
            self._worker.watch_bell(self._bell)
            self._previous_fd = wake_on_signals(self._bell.write_fileno())
            self._previous = install_sigint(self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bell is not None:
            restore_sigint(self._previous, self._handle)
            wake_on_signals(self._previous_fd)
            self._worker.watch_bell(None)
            self._bell = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        self._strand.post(self._cancel)
