"""Making tasks take turns in an order that a test writes down."""

from __future__ import annotations

from types import TracebackType

from conc.lowlevel import checkpoint_if_due
from conc_testing.seat import Later, Seat, Table


class Sequencer:
    """Runs blocks of several tasks in the order of their numbers: ``async with sequencer(0): ...``.

    A block begins when the one with the number before has ended, from 0 on::

        sequencer = Sequencer()

        async def one() -> None:
            async with sequencer(0):
                ...
            async with sequencer(2):
                ...

        async def other() -> None:
            async with sequencer(1):
                ...

    When the wait for a turn is cancelled, the turns behind it would never come: all who wait get a RuntimeError.
    May be used from any strand.

    Invariant: `_turn` is the number of the block that runs, or is to run next.
    """

    __slots__ = ("_broken", "_entered", "_seats", "_table", "_turn")

    def __init__(self) -> None:
        self._table = Table()
        self._turn = 0
        self._entered: set[int] = set()
        self._seats: dict[int, Seat] = {}
        self._broken: int | None = None

    def __call__(self, number: int) -> Turn:
        """The block with this number.

        Args:
            number: from 0 on; each is used once.

        Raises:
            ValueError, TypeError: not a whole number of at least 0.

        Raises (when the block is entered):
            RuntimeError: the number was used before; or the wait for an earlier turn was cancelled.

        Checkpoint: entering the block is always a cancel point, and waits for the turn; leaving it is none.
        If cancelled: the block was not entered, and the others who wait get a RuntimeError.
        """
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"number must be a whole number, not {number!r}")
        if number < 0:
            raise ValueError(f"number must be at least 0, not {number}")
        return Turn(self, number)

    async def _enter(self, number: int) -> None:
        with self._table:
            if number in self._entered:
                raise RuntimeError(f"the number {number} of this Sequencer was used before; each is used once")
            self._entered.add(number)
            seat = self._seats[number] = Seat(self._table)
        try:
            await checkpoint_if_due()
            await seat.attempt(lambda: self._may_begin(number))
        except BaseException:
            self._break(number)
            raise

    def _may_begin(self, number: int) -> Later | None:
        if self._broken is not None:
            raise RuntimeError(
                f"the turn {number} of this Sequencer never comes: who waited for turn {self._broken} was cancelled"
            )
        if self._turn != number:
            return Later(f"turn {number} of a Sequencer, which is at {self._turn}")
        return None

    def _break(self, number: int) -> None:
        """The block with this number will never run."""
        with self._table:
            if self._broken is None:
                self._broken = number
            for seat in self._seats.values():
                seat.call()

    def _leave(self, number: int) -> None:
        with self._table:
            del self._seats[number]
            self._turn = number + 1
            following = self._seats.get(number + 1)
            if following is not None:
                following.call()

    def _check(self) -> None:
        assert set(range(self._turn)) <= self._entered, "a turn was passed by"
        assert self._broken is not None or all(number >= self._turn for number in self._seats), "a turn has not ended"

    def __repr__(self) -> str:
        return f"<Sequencer at {self._turn}{'' if self._broken is None else ', broken'}>"


class Turn:
    """One block of a `Sequencer`."""

    __slots__ = ("_number", "_sequencer")

    def __init__(self, sequencer: Sequencer, number: int) -> None:
        self._sequencer = sequencer
        self._number = number

    async def __aenter__(self) -> None:
        await self._sequencer._enter(self._number)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sequencer._leave(self._number)
