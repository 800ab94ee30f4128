"""Copying between two streams, in both directions: what a proxy does."""

from __future__ import annotations

from conc._kernel.current import charge
from conc._kernel.nursery import open_nursery
from conc._kernel.suspend import toll
from conc.errors import BusyResource
from conc.io.copying import Copy
from conc.io.stream import Stream


async def copy_bidirectional(a: Stream, b: Stream) -> tuple[int, int]:
    """Write what is read from each of two streams to the other, until both have ended: what a proxy does.

    The end of one is passed on to the other with ``close_write``, while the other direction goes on. Each direction
    flushes as `copy` does. Neither stream is closed.

    Args:
        a: one stream.
        b: the other. Nobody else may use them meanwhile.

    Returns:
        How many bytes went from `a` to `b`, and how many from `b` to `a`.

    Raises:
        TypeError: they are no streams.
        ConcError: what reading or writing raised in one direction, with notes that tell in which, and how far it came.
            The other direction was cancelled.

    Checkpoint: always, and it waits.
    If cancelled: as with `copy`, for each direction; so it is if the other direction failed. `BidirectionalCopy` keeps
        what is pending, tells how far it came, and can go on.
    """
    return await BidirectionalCopy(a, b).run()


class BidirectionalCopy:
    """A `copy_bidirectional` that can be continued, as `Copy`.

    Args:
        a: one stream.
        b: the other. Nobody else may use them while `run` runs.

    Attributes:
        a_to_b: the one direction: how many bytes were copied, and what is pending.
        b_to_a: the other.

    Raises:
        TypeError: they are no streams.
    """

    __slots__ = ("_errors", "_running", "a_to_b", "b_to_a")

    def __init__(self, a: Stream, b: Stream) -> None:
        for name, stream in (("a", a), ("b", b)):
            if not isinstance(stream, Stream):
                raise TypeError(f"{name} must have the methods of conc.io.Stream, not be {stream!r}")
        self.a_to_b = Copy(a, b)
        self.b_to_a = Copy(b, a)
        self._errors: list[Exception] = []
        self._running = False

    async def run(self) -> tuple[int, int]:
        """Copy until both streams end. Returns how many bytes went from `a` to `b`, and how many from `b` to `a`.

        Raises:
            ConcError: what reading or writing raised, with notes.
            BusyResource: it runs already.

        Checkpoint: always, and it waits.
        If cancelled: `a_to_b` and `b_to_a` tell what has happened.
        """
        charge() or await toll()
        if self._running:
            raise BusyResource(f"{self!r} is running; one task at a time may run it")
        self._running = True
        try:
            async with open_nursery() as nursery:

                async def run_one_way(copying: Copy, direction: str) -> None:
                    try:
                        await copying.run()
                        await copying.writer.close_write()
                    except Exception as error:
                        error.add_note(f"while copying from {direction}; the other direction was cancelled")
                        self._errors.append(error)
                        nursery.cancel_scope.cancel(reason=f"copying from {direction} failed")

                nursery.start_soon(run_one_way, self.a_to_b, "a to b")
                nursery.start_soon(run_one_way, self.b_to_a, "b to a")
        finally:
            self._running = False
            self._raise_error()  # also if it was cancelled: what failed is to be known
        return self.a_to_b.copied, self.b_to_a.copied

    def _raise_error(self) -> None:
        """Raise the error of the direction that failed first, if one did; the other may have failed beside it."""
        errors, self._errors = self._errors, []
        if not errors:
            return
        for second in errors[1:]:
            errors[0].add_note(f"and in the other direction: {second!r}")
        try:
            raise errors[0]
        finally:
            errors.clear()  # its traceback holds this frame

    def __repr__(self) -> str:
        return f"<BidirectionalCopy, a to b: {self.a_to_b!r}, b to a: {self.b_to_a!r}>"
