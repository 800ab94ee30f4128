"""Closing what is below."""

from __future__ import annotations

from typing import Any

from conc._kernel.current import charge
from conc._kernel.suspend import toll


async def close_below(resource: Any) -> None:
    """Close a stream or half of one; what has no ``aclose`` has nothing to close."""
    aclose = getattr(resource, "aclose", None)
    if aclose is not None:
        await aclose()
    else:
        charge() or await toll()
