"""A descriptor that is handed from strand to strand: which worker watches it, for reading and for writing.

Readiness belongs to a descriptor and a worker together, and only that worker writes it. So what is handed to a strand
of another worker gets a new registration there when it first has to wait, and the old one is given up when neither
direction needs it. The two directions travel alone: the halves of a stream may be in different strands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from conc._kernel.current import slot
from conc._kernel.descriptors import CLOSED, Descriptor, Direction
from conc._kernel.suspend import suspend
from conc.errors import BusyResource, ClosedResource

if TYPE_CHECKING:
    from conc._kernel.strand import Strand
    from conc._kernel.task import Task
    from conc._kernel.worker import Worker


class Pollable:
    """The common part of all that waits for a descriptor of its own.

    A descriptor is registered when something first has to wait for it, not before: a connection that is closed at once,
    or whose bytes are all there, costs no registration.

    Invariant: `_reading` is a direction of a `Descriptor` of the worker of `_reader`, the strand that reads; `_writing`
    of that of `_writer`. None before the first use, and the strands None again after closing.
    """

    __slots__ = ("_closed", "_fd", "_reader", "_reading", "_writer", "_writing")

    _descriptor_type: type[Descriptor] = Descriptor

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._closed = False
        self._reader: Strand | None = None
        self._writer: Strand | None = None
        self._reading: Direction | None = None
        self._writing: Direction | None = None

    def _read_in(self, strand: Strand) -> Direction:
        """From now on `strand` reads."""
        former, reader = self._reading, self._reader
        descriptor = self._settle(strand.worker, former)  # type: ignore[arg-type]  # a running strand has a worker
        self._reading, self._reader = descriptor.read, strand
        self._leave(former, reader)
        return descriptor.read

    def _write_in(self, strand: Strand) -> Direction:
        """From now on `strand` writes."""
        former, writer = self._writing, self._writer
        descriptor = self._settle(strand.worker, former)  # type: ignore[arg-type]
        self._writing, self._writer = descriptor.write, strand
        self._leave(former, writer)
        return descriptor.write

    def _settle(self, worker: Worker, former: Direction | None) -> Descriptor:
        """The descriptor for a direction that `worker` is to watch: that of the other direction if it is here too."""
        if self._closed:
            self._refuse_closed()
        if former is not None and former.task is not None:
            former.refuse()
        for direction in (self._reading, self._writing):
            if direction is not None and direction.descriptor.worker is worker:
                return direction.descriptor
        descriptor = self._descriptor_type(self._fd, worker)
        descriptor.read.ready = descriptor.write.ready = True  # nobody knows yet: try
        return descriptor

    def _leave(self, former: Direction | None, strand: Strand | None) -> None:
        """Give a registration up that no direction needs any more. Its worker does that, in its own time."""
        if former is None or strand is None:
            return
        descriptor = former.descriptor
        for direction in (self._reading, self._writing):
            if direction is not None and direction.descriptor is descriptor:
                return
        if descriptor.users:
            strand.post(lambda: self._give_up(descriptor))  # the table is its owner's

    def _give_up(self, descriptor: Descriptor) -> None:
        """Drop a registration, unless a direction has come back to it since. By its owner.

        Should the number have been closed and used again, the table holds another registration, which is left alone.
        """
        for direction in (self._reading, self._writing):
            if direction is not None and direction.descriptor is descriptor:
                return
        descriptor.worker.descriptors.drop(descriptor)

    async def _wait(self, task: Task[Any], direction: Direction) -> None:
        """Wait for an edge of a direction that is not ready. `SocketStream.read` has this inline.

        Raises:
            BusyResource: another task waits for this direction.
            ClosedResource: closed, or closed meanwhile.
        """
        if task.scope.cancelled:  # while it was about to go on after an edge, which has not been enough
            raise task.scope.cancellation()
        if direction.task is not None:
            direction.refuse()
        if direction.unarmed:
            self._arm(direction)
        direction.task = task
        task.wait = direction
        if await suspend(task) is CLOSED:
            self._refuse_closed()

    def _arm(self, direction: Direction) -> None:
        """Register the descriptor, now that something has to wait for it; on level-triggered pollers, ask each time."""
        descriptor = direction.descriptor
        worker = descriptor.worker
        if not descriptor.users:
            if self._closed:
                self._refuse_closed()
            try:
                worker.descriptors.enter(descriptor)
            except OSError:
                if self._closed:  # a moment ago, by another worker
                    self._refuse_closed()
                raise
            descriptor.read.ready = descriptor.write.ready = False  # registering reports what is ready now
        arm = worker.poller.arm
        if arm is not None:
            arm(descriptor.fd, direction.flag)

    def _deregister(self) -> None:
        """Take the descriptor out of all pollers and wake who waits: right before it is closed, and once."""
        self._closed = True
        here = slot.worker
        for strand, direction in ((self._reader, self._reading), (self._writer, self._writing)):
            if strand is None or direction is None:
                continue
            descriptor = direction.descriptor
            if descriptor.worker is here:
                descriptor.close()
                continue
            # The kernel's table is another thread's, but the system's may be changed from any (a level-triggered poller
            # has none), and must be before the number is free for others.
            poller = descriptor.worker.poller
            if poller.arm is None and descriptor.users:
                poller.unregister(descriptor.fd)
            strand.post(descriptor.close)
        self._reader = self._writer = None

    def _refuse_closed(self) -> NoReturn:
        raise ClosedResource(f"{self!r} was closed on this side")

    def _refuse_busy(self, task: Task[Any], verb: str) -> NoReturn:
        raise BusyResource(f"{task!r} is {verb} {self!r}; one task at a time may use a direction of a resource")
