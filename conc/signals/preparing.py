"""Signals for a runtime that does not run on the main thread."""

from __future__ import annotations

from conc._os.threads import is_main_thread
from conc.signals.handlers import checked, watch_of


class prepare:  # noqa: N801  # used like a function: with prepare(SIGTERM):
    """``with prepare(SIGTERM):`` on the main thread, runtimes on other threads may receive these signals inside.

    For a program whose main thread belongs to somebody else, a user interface perhaps::

        with conc.signals.prepare(signal.SIGTERM):
            thread = threading.Thread(target=conc.run, args=(main,))
            thread.start()
            ...

    As long as nobody receives a prepared signal it is treated as before. The main thread has to be in Python code, or
    in a wait that a signal interrupts, as `time.sleep` and ``thread.join``, for a signal to get through.

    Args:
        signals: as for `open_receiver`.

    Raises:
        ValueError, TypeError: as `open_receiver`.
        RuntimeError: when it is entered: this is not the main thread.
    """

    __slots__ = ("_watches",)

    def __init__(self, *signals: int) -> None:
        self._watches = [watch_of(number) for number in checked(signals, "prepare")]

    def __enter__(self) -> None:
        if not is_main_thread():
            raise RuntimeError("conc.signals.prepare is for the main thread: only there Python installs handlers")
        for watch in self._watches:
            watch.preparations += 1
            watch.put_in_place()

    def __exit__(self, *error: object) -> None:
        for watch in self._watches:
            watch.preparations = max(0, watch.preparations - 1)  # in the child of a fork inside the block there is none
            watch.put_back()
