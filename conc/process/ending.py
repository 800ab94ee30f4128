"""The end of a process: waiting for it, and bringing it about."""

from __future__ import annotations

from typing import Any

from conc._kernel.cancel import CancelScope
from conc._kernel.current import current_worker
from conc._os.children import SIGKILL, SIGTERM, Child
from conc.errors import BrokenResource, ClosedResource
from conc.io.pollable import Pollable
from conc.sync import Mutex
from conc.threads.to_thread import to_thread
from conc.time.timeouts import move_on_after


class Ending(Pollable):
    """Waits for the end of a process, and fetches its exit code.

    The system tells one task at a time, so of several that wait one watches, and holds the mutex; when it leaves, by
    the end or by a cancellation, the next in line looks, and watches if need be.

    Args:
        child: the process. Its descriptor is closed here.
        program: its name, for people.
    """

    __slots__ = ("_child", "_program", "_watch")

    def __init__(self, child: Child, program: str) -> None:
        super().__init__(child.fileno())
        self._child = child
        self._program = program
        self._watch = Mutex()

    def poll(self) -> int | None:
        """The exit code; None if it runs.

        Raises:
            BrokenResource: somebody else fetched it.
        """
        try:
            return self._child.poll()
        except ChildProcessError as error:
            raise BrokenResource(
                f"the exit code of {self._program!r} (process {self._child.pid}) is lost: something else in this "
                "program fetched it, by os.wait() or by ignoring SIGCHLD"
            ) from error

    async def wait(self, task: Any) -> int:
        """Wait for the exit code.

        Raises:
            BrokenResource: somebody else fetched it.
        """
        code = self.poll()
        if code is None:
            async with self._watch:
                while (code := self.poll()) is None:
                    await self._edge(task)
        return code

    async def _edge(self, task: Any) -> None:
        """The process has not ended: wait until the system says that it may have."""
        try:
            reading = self._reading
            if reading is None or task.strand is not self._reader:
                reading = self._read_in(task.strand)
            reading.ready = False  # if it has ended since we looked, that is an edge that is still to come
            await self._wait(task, reading)
        except ClosedResource:  # the block was left, so it has ended
            if not self._child.is_over:
                raise

    async def force(self, grace: float, group: bool) -> None:
        """End the process, whatever it takes: ask, wait for `grace` seconds, kill. Returns when it was reaped.

        Args:
            grace: how long it may take after it was asked. Real seconds, on any clock: the process knows no other.
            group: whether that goes for all of its group.

        Raises:
            PermissionError: it belongs to another user, and may not be ended.

        If cancelled: it makes no difference.
        """
        child = self._child
        if child.is_over and not (group and child.group_exists()):
            return
        with CancelScope(shield=True):
            if group:
                child.doom_group()
            child.send(SIGTERM, group)
            await self._wait_at_most(grace, group)
            if not child.is_over or (group and child.group_exists()):
                child.send(SIGKILL, group)
                await self._reaped()

    async def _wait_at_most(self, seconds: float, group: bool) -> None:
        child = self._child
        clock = current_worker().crew.clock
        if clock.virtual:
            await to_thread(child.is_gone_within, seconds, group)
            return
        deadline = clock.now() + seconds
        with move_on_after(seconds):
            await self._reaped()
        if group and child.group_exists():  # of whose end the system tells nobody but their parents
            await to_thread(child.is_gone_within, max(0.0, deadline - clock.now()), group)

    async def _reaped(self) -> None:
        try:
            await self.wait(current_worker().task)
        except BrokenResource:
            pass  # by somebody else: it is gone all the same

    def close(self) -> None:
        """The block was left: give the descriptors back."""
        if not self._closed:
            self._deregister()
            self._child.close()

    def __repr__(self) -> str:
        return f"<the end of {self._program!r}, process {self._child.pid}>"
