"""Waiting on real time until others wait."""

from __future__ import annotations

from typing import Any

import conc


async def until_it_waits(task: conc.Task[Any]) -> None:
    """Let the others run until `task` waits for something."""
    while not task.state.startswith("waits for"):
        await conc.checkpoint()
