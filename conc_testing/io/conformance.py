"""Whether a stream keeps the protocol of streams, claim by claim."""

from __future__ import annotations

from typing import Final

import conc
from conc_testing.io import claims_closing, claims_reading, claims_writing
from conc_testing.io.bench import CLAIMS, Bench, MakePair

SECONDS_AT_MOST: Final = 10.0  # for each claim, on the runtime's clock

SUITE: Final = (claims_closing, claims_reading, claims_writing)  # importing them has filled CLAIMS


async def check_stream(make_pair: MakePair, make_clogged: MakePair | None = None) -> None:
    """Check that a stream keeps all that `conc.io.Stream` promises, in a test of whoever writes one.

    Each claim is examined on new streams: pieces and the end, half-closing, closing under somebody who waits, two tasks
    in one direction, the other side going away, no room, large transfers, cancellation at every point. It works on real
    and on virtual time, where it costs none.

    Args:
        make_pair: an async function without arguments that returns two new streams, connected to one another.
        make_clogged: one that returns two of which the first has no room to write. Unless given, the suite writes to
            the first of a pair until that stands still.

    Raises:
        AssertionError: some claims do not hold; each is named, as in ``check_stream: read: ...``, with what was found.
            The ``__cause__`` is a group of what each raised.

    Checkpoint: always, and it lets others run.
    If cancelled: the streams are closed.
    """
    violations: list[str] = []
    errors: list[Exception] = []
    for words, claim in CLAIMS.items():
        bench = Bench(make_pair, make_clogged)
        try:
            with conc.fail_after(SECONDS_AT_MOST):
                await claim(bench)
        except Exception as error:
            violations.append(f"check_stream: {words}\n    but {_found(error)}")
            errors.append(error)
        finally:
            await bench.close()
    if violations:
        text = "\n".join([f"{len(violations)} of {len(CLAIMS)} claims do not hold", *violations])
        raise AssertionError(text) from ExceptionGroup("what was raised", errors)


def _found(error: Exception) -> str:
    """What was found, in words."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"this did not end within {SECONDS_AT_MOST:g} s"
    return str(error) if isinstance(error, AssertionError) and str(error) else repr(error)
