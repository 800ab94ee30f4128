"""Who handles which signal: the receivers of this process, and what was there before them.

Python runs signal handlers on the main thread, and installs them there only. So all that installs or restores one is
done by the main thread, one after another, without a lock: who opens a receiver on another thread asks the worker of
the main thread, and waits for it. The handler takes no lock either.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Final, Protocol

from conc._kernel.interrupts import hear_signals
from conc._os.process import after_fork_in_child
from conc._os.signals import (
    UNCATCHABLE,
    Handler,
    as_signal,
    handler_of,
    is_main_ident,
    set_handler,
    signal_name,
    treat_as,
)
from conc._os.sync import Lock
from conc._os.threads import is_main_thread
from conc.errors import RunFinished

if TYPE_CHECKING:
    from conc._kernel.crew import Crew
    from conc._kernel.worker import Worker

LOOK: Final = 0.05  # seconds: how often who waits for the main thread looks whether the run has ended


class Hearer(Protocol):
    """Who wants to know that a signal has come."""

    def note(self, number: int) -> None:
        """It has. Called in the signal handler: takes no lock, and another handler may come in between."""


class Watch:
    """One signal, as long as the process lives: who receives it, and who handled it before.

    Only the main thread installs and restores; receivers come and go on any thread. A receiver is in `receivers` before
    the handler is installed for it, and the handler is restored after it has left.

    Invariant: `_handle` is installed while there are receivers or preparations, unless the program put its own in its
    place since. When the last receiver was closed on another thread it may be there a little longer; then it treats the
    signal as `previous` would.
    """

    __slots__ = ("number", "preparations", "previous", "receivers")

    def __init__(self, number: int) -> None:
        self.number = number
        self.receivers: dict[Hearer, None] = {}  # adding, taking out and copying are one step each
        self.preparations = 0
        self.previous: Handler = None

    def put_in_place(self) -> None:
        """See to it that the handler is there, if it is wanted. On the main thread."""
        if self._is_wanted() and handler_of(self.number) is not _handle:
            self.previous = handler_of(self.number)  # before: a signal may come as soon as ours is there
            set_handler(self.number, _handle)

    def put_back(self) -> None:
        """Put the former handler back, if ours is not wanted any more. On the main thread."""
        if not self._is_wanted() and handler_of(self.number) is _handle:
            set_handler(self.number, self.previous)

    def arrive(self, frame: FrameType | None) -> None:
        """The signal has come. In the signal handler: between any two steps of the main thread."""
        receivers = list(self.receivers)
        if receivers:
            for receiver in receivers:
                receiver.note(self.number)
            return
        self.put_back()
        treat_as(self.previous, self.number, frame)
        self.put_in_place()  # for those who prepared it: where the system's own treatment was to do nothing

    def _is_wanted(self) -> bool:
        return bool(self.receivers) or self.preparations > 0


_watches: dict[int, Watch] = {}


def watch_of(number: int) -> Watch:
    return _watches.setdefault(number, Watch(number))


def _handle(number: int, frame: FrameType | None) -> None:
    """The handler of all signals that are received."""
    watch_of(number).arrive(frame)


def _forget_the_parent() -> None:
    """In a child of a fork: its signals are not for the receivers of the parent, and must not be lost in them."""
    for watch in _watches.values():
        watch.receivers.clear()
        watch.preparations = 0
        watch.put_back()


after_fork_in_child(_forget_the_parent)


def checked(signals: tuple[int, ...], what: str) -> dict[int, int]:
    """The signals by their numbers."""
    if not signals:
        raise ValueError(f"{what} needs at least one signal, as {what}(signal.SIGTERM)")
    known: dict[int, int] = {}
    for one in signals:
        if isinstance(one, bool) or not isinstance(one, int):
            raise TypeError(f"a signal must be a number, as signal.SIGTERM, not {one!r}")
        if one in UNCATCHABLE:
            raise ValueError(f"{signal_name(one)} cannot be received: no handler in Python could go on from it")
        known[int(one)] = as_signal(one)
    return known


def install(watches: list[Watch], worker: Worker) -> None:
    """See to it that handlers are there, when this returns; on whatever thread a task runs."""
    main_worker = worker.crew.workers[0]

    def on_the_main_thread() -> None:
        hear_signals(main_worker)
        for watch in watches:
            watch.put_in_place()

    if is_main_thread():
        on_the_main_thread()
    elif is_main_ident(main_worker.ident):
        errand = _Errand(on_the_main_thread)
        worker.crew.runtime.root_strand.post(errand)
        errand.wait(worker.crew)
    elif missing := [signal_name(watch.number) for watch in watches if not watch.preparations]:
        raise RuntimeError(
            f"{', '.join(missing)} cannot be received here: this runtime does not run on the main thread, and only "
            "there Python installs handlers. Call conc.run there; or let the main thread enter "
            "`with conc.signals.prepare(...):` for these signals before the runtime starts"
        )


def restore(watches: list[Watch], crew: Crew) -> None:
    """Put former handlers back where nobody receives any more: now on the main thread, from others soon."""

    def on_the_main_thread() -> None:
        for watch in watches:
            watch.put_back()

    if is_main_thread():
        on_the_main_thread()
    elif is_main_ident(crew.workers[0].ident):
        try:
            crew.runtime.root_strand.post(on_the_main_thread)
        except RunFinished:
            pass  # the handler itself does it when the next signal comes


class _Errand:
    """A message for the main thread that another one waits for."""

    def __init__(self, fn: Callable[[], None]) -> None:
        self._fn = fn
        self._gate = Lock()
        self._gate.acquire()
        self._error: Exception | None = RunFinished("the run has ended before the main thread could install a handler")

    def __call__(self) -> None:
        try:
            self._fn()
            self._error = None
        except Exception as error:
            self._error = error
        finally:
            self._gate.release()

    def refuse(self) -> None:
        """In place of a call: the run has ended."""
        self._gate.release()

    def wait(self, crew: Crew) -> None:
        """Block this thread until it was called.

        The main thread never waits for this one in a step of a task; and in the end of a run, where it does, it calls
        nothing any more: so we look.

        Raises:
            RunFinished: it will not be called: the run ends.
        """
        while not self._gate.acquire(timeout=LOOK):
            if crew.stopped or not crew.workers[0].running:
                raise RunFinished("the run ends, and the main thread installs no handler any more")
        if self._error is not None:
            raise self._error
