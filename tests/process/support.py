"""Programs to start, and what must not be left of them."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import conc
from conc.process import Process

T = TypeVar("T")

SECONDS_AT_MOST = 20.0
READY = b"ready\n"
STUBBORN = "trap '' TERM; echo ready; exec sleep 60"  # ends by SIGKILL only
POLITE = "trap 'echo bye; exit 5' TERM; echo ready; while :; do read line; done"  # with an open input


def sh(line: str) -> list[str]:
    """A program that does what a line of shell says."""
    return ["/bin/sh", "-c", line]


def run(main: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
    """``conc.run`` on real time, for a test: it takes 20 seconds at most."""

    async def limited() -> T:
        with conc.fail_after(SECONDS_AT_MOST):
            return await main(*args)
        raise AssertionError("fail_after lets nothing pass")

    return conc.run(limited, **options)


def open_descriptors() -> dict[int, str]:
    """What this process has open: descriptors, and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # that of the list itself
    return found


def has_children() -> bool:
    """Whether this process has children, zombies included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


@contextmanager
def nothing_left() -> Iterator[None]:
    """No descriptor more is open after the block than before it, and there is no child."""
    assert not has_children(), "there was a child before"
    before = open_descriptors()
    yield
    assert not has_children(), "a child was left"
    deadline = time.monotonic() + 5
    while open_descriptors() != before and time.monotonic() < deadline:
        os.sched_yield()  # a thread that has seen the end of a child is about to close its pipe
    assert open_descriptors() == before


async def until_ready(process: Process) -> None:
    """Wait until the program has said so."""
    assert await process.stdout.read(len(READY)) == READY


async def until_parked(task: conc.Task[Any]) -> None:
    """Let others run until a task waits for something."""
    while task.wait is None:
        await conc.checkpoint()


def is_running(pid: int) -> bool:
    """Whether a process, which is not our child, runs: zombies do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends_soon(pid: int) -> bool:
    """Whether a process, which is not our child, ends within five seconds."""
    deadline = time.monotonic() + 5
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True
