"""Places that were reserved in a channel, for items that are sent later."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Generic, TypeVar

from conc._kernel.waitqueue import resume_all
from conc.channels.conduit import Conduit
from conc.channels.ends import Place, line_of

if TYPE_CHECKING:
    from types import TracebackType

    from conc._kernel.waitqueue import Waiter

T_contra = TypeVar("T_contra", contravariant=True)


class Permit(Generic[T_contra]):
    """Some reserved places: `send_nowait` never has to wait. Made by `Sender.reserve` and its variants.

    A context manager, which gives back the places that were not used. It outlives its sender, and a receiver that has
    closed waits for what is sent through it. May be used from any thread.

    Invariant: `_left` >= 0 of the places that the channel counts as reserved are these; changed under its lock.
    """

    __slots__ = ("_conduit", "_left", "_made_at")

    def __init__(self, conduit: Conduit, places: int, made_at: Place) -> None:
        self._conduit = conduit
        self._left = places
        self._made_at = made_at

    def send_nowait(self, item: T_contra) -> None:
        """Send an item to one of the places. Never refused, not even when the receiver has closed meanwhile.

        Raises:
            RuntimeError: all places were used, or given back.

        Checkpoint: never.
        """
        conduit = self._conduit
        woken: list[Waiter] = []
        with conduit.lock:
            sent = self._left > 0
            if sent:
                self._left -= 1
                conduit.reserved -= 1
                conduit.put(item, woken)
        resume_all(woken)
        if not sent:
            raise RuntimeError(f"{self!r} has no place left: each is for one item; reserve another one")

    def release(self) -> None:
        """Give back the places that were not used. Idempotent. Checkpoint: never."""
        conduit = self._conduit
        woken: list[Waiter] = []
        with conduit.lock:
            places, self._left = self._left, 0
            if places:
                conduit.release(places, woken)
        resume_all(woken)

    def __len__(self) -> int:
        """How many places are left."""
        return self._left

    def __bool__(self) -> bool:
        return True  # also when it is used up

    def __enter__(self) -> Permit[T_contra]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if self._left:
            # Not given back here: a finaliser takes no lock.
            warnings.warn(
                f"a permit made at {line_of(self._made_at)} was dropped with places left ({self._left}), which are "
                "lost to the channel; use `with` blocks, or release()",
                ResourceWarning,
                stacklevel=1,
            )

    def __repr__(self) -> str:
        return f"<Permit for {self._left} in {self._conduit!r}>"

    def _check(self) -> None:
        assert 0 <= self._left <= self._conduit.reserved
