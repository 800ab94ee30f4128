"""What the claims of the conformance suite are made with: pairs of streams, and ways to treat them badly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

import conc
from conc.io import Stream

MakePair: TypeAlias = Callable[[], Awaitable[tuple[Stream, Stream]]]
Claim: TypeAlias = Callable[["Bench"], Awaitable[None]]

CLAIMS: Final[dict[str, Claim]] = {}  # in the order in which they are examined
UNBOUNDED: Final = 64 * 1024 * 1024  # bytes that nobody has read: what takes more has no limit
PORTION: Final = 65_536  # of it, at a time
LARGE: Final = bytes(range(256)) * 16 * 1024  # 4 MiB: more than there is room for
ROUNDS: Final = 1000  # in which others may go on, before somebody has had his chance
TURNS: Final = 150  # in which an operation is cancelled at one moment or another
MOMENT: Final = 0.05  # seconds after which something that does not go on is taken to stand still


def claim(words: str) -> Callable[[Claim], Claim]:
    """Add a claim: an async function that raises where it does not hold. The words name the operation first."""

    def add(function: Claim) -> Claim:
        CLAIMS[words] = function
        return function

    return add


class Bench:
    """Makes pairs for one claim, and closes them behind it."""

    def __init__(self, make_pair: MakePair, make_clogged: MakePair | None) -> None:
        self._make_pair = make_pair
        self._make_clogged = make_clogged
        self._made: list[Stream] = []

    async def pair(self) -> tuple[Stream, Stream]:
        """Two connected streams through which nothing has gone."""
        return self._kept(await self._make_pair())

    async def clogged(self) -> tuple[Stream, Stream]:
        """Two connected streams of which the first has no room to write."""
        if self._make_clogged is not None:
            return self._kept(await self._make_clogged())
        stream, other = await self.pair()
        for _ in range(UNBOUNDED // PORTION):
            before = stream.bytes_written
            with conc.move_on_after(MOMENT) as scope:
                await stream.write_all(bytes(PORTION))
            if scope.cancelled_caught and stream.bytes_written == before:
                return stream, other
        raise AssertionError(f"it always finds room: write_all took {UNBOUNDED >> 20} MiB that nobody has read")

    async def close(self) -> None:
        """Close what was made, as well as that goes: how a stream is to be closed is a matter for claims."""
        for stream in self._made:
            with suppress(Exception), conc.move_on_after(MOMENT, shield=True):
                await stream.aclose()

    def _kept(self, pair: tuple[Stream, Stream]) -> tuple[Stream, Stream]:
        self._made += pair
        return pair


class Attempt:
    """An operation that runs beside the claim, and what becomes of it.

    Attributes:
        returned: whether it did.
        result: what it returned, else None.
        error: what it raised, if that is an ordinary error, else None.
    """

    def __init__(self, nursery: conc.Nursery, operation: Callable[[], Awaitable[object]]) -> None:
        self.returned = False
        self.result: Any = None
        self.error: Exception | None = None
        self.task = nursery.start_soon(self._run, operation)

    async def _run(self, operation: Callable[[], Awaitable[object]]) -> None:
        try:
            self.result = await operation()
            self.returned = True
        except Exception as error:
            self.error = error

    @property
    def ended(self) -> bool:
        """Whether it has returned, raised, or was cancelled."""
        return self.task.outcome is not None

    @property
    def words(self) -> str:
        """What has become of it."""
        if self.error is not None:
            return f"raised {self.error!r}"
        return f"returned {self.result!r}" if self.returned else "was cancelled" if self.ended else "is still waiting"

    async def settle(self) -> None:
        """Let others run until it waits or has ended."""
        for _ in range(ROUNDS):
            if self.ended or self.task.state.startswith("waits for"):
                break
            await conc.checkpoint()

    async def join(self) -> None:
        """Wait for it to end, however it does."""
        while not self.ended:
            await conc.sleep(0.001)


@asynccontextmanager
async def beside(*operations: Callable[[], Awaitable[object]]) -> AsyncIterator[list[Attempt]]:
    """Run operations while the block runs, each as far as it goes by itself; what does not end is cancelled with it."""
    async with conc.open_nursery() as nursery:
        attempts = []
        for operation in operations:
            attempt = Attempt(nursery, operation)
            attempts.append(attempt)
            await attempt.settle()
        yield attempts
        nursery.cancel_scope.cancel()


async def interrupted(operation: Callable[[], Awaitable[object]], rounds: int) -> Attempt:
    """Run the operation, and cancel it after so many rounds of all others. What it raises is raised."""
    async with conc.open_nursery() as nursery:
        attempt = Attempt(nursery, operation)
        for _ in range(rounds):
            await conc.checkpoint()
        attempt.task.cancel()
    if attempt.error is not None:
        raise attempt.error
    return attempt


async def breathe(turn: int) -> None:
    """Now and then, let time pass in a loop: for what comes from outside."""
    if turn % 10 == 0:
        await conc.sleep(0.01)


def holds(condition: bool, found: str) -> None:
    """Raise an AssertionError that says what was found instead. No statement: those are left out by ``python -O``."""
    if not condition:
        raise AssertionError(found)


async def raises(kind: type[Exception], operation: Callable[[], Awaitable[object]], what: str) -> None:
    """The operation has to raise this."""
    try:
        result = await operation()
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{what} raised {error!r}, not {kind.__name__}") from error
    raise AssertionError(f"{what} returned {result!r}, and raised no {kind.__name__}")


async def is_cancel_point(operation: Callable[[], Awaitable[object]], what: str) -> None:
    """The operation has to raise a cancellation that is pending."""
    with conc.CancelScope() as scope:
        scope.cancel()
        await operation()
    holds(scope.cancelled_caught, f"{what} did not raise the cancellation that was pending")


async def read_n(stream: Stream, n: int) -> bytes:
    """So many bytes, or what there is before the end."""
    got = b""
    while len(got) < n and (part := await stream.read(n - len(got))):
        got += part
    return got


async def read_all(stream: Stream, at_most: int = 65_536) -> bytes:
    """Everything until the end."""
    parts = []
    while part := await stream.read(at_most):
        parts.append(part)
    return b"".join(parts)
