"""Descriptors: which are ready, and which task waits for them, for one worker.

Readiness belongs to a (descriptor, worker) pair, and only that worker writes it. A descriptor is registered once, for
both directions, edge-triggered: an edge sets `ready`, the operation that finds nothing more clears it. Between the two
there is no other thread, so no edge can be cleared away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from conc._kernel.current import charge, current_worker
from conc._kernel.suspend import GRANTED, Marker, suspend, toll
from conc._os.poller import HUP, READ, WRITE
from conc.errors import BusyResource, ClosedResource

if TYPE_CHECKING:
    from conc._kernel.task import Task
    from conc._kernel.worker import Worker
    from conc._os.poller import Poller

CLOSED: Final = Marker("CLOSED")
AHEAD: Final = 131_072  # how many bytes are read ahead for waiting tasks before the first of them runs


class Direction:
    """Reading from a descriptor, or writing to it: whether that may succeed now, and who waits until it may.

    Attributes:
        asked: how many bytes the waiting task wants, if its `value` is a function to read with; see `notify`.
        unarmed: whether there is something to do before each wait: the poller has to be asked, or the descriptor is not
            registered yet.

    Invariant: at most one task waits; its `wait` is this object.
    """

    __slots__ = ("asked", "descriptor", "flag", "ready", "task", "unarmed")

    def __init__(self, descriptor: Descriptor, flag: int) -> None:
        self.descriptor = descriptor
        self.flag = flag
        self.asked = 0
        self.ready = False
        self.unarmed = True
        self.task: Task[Any] | None = None

    @property
    def reason(self) -> str:
        """For people."""
        return f"descriptor {self.descriptor.fd} to be {'readable' if self.flag == READ else 'writable'}"

    def withdraw(self, task: Task[Any]) -> bool:
        """The waiting task was cancelled. Only the owner gets here, so nothing can have been decided meanwhile."""
        self.task = None
        return True

    async def wait(self, task: Task[Any]) -> None:
        """Wait for the next edge. The caller found `ready` False.

        Raises:
            BusyResource: another task waits for this direction.
            ClosedResource: the descriptor was closed meanwhile.
        """
        if self.task is not None:
            self.refuse()
        self.task = task
        task.wait = self
        arm = self.descriptor.worker.poller.arm
        if arm is not None:
            arm(self.descriptor.fd, self.flag)
        if await suspend(task) is CLOSED:
            raise ClosedResource(f"the {self.reason} was closed while it was waited for")

    def refuse(self) -> None:
        """The error for a second task."""
        raise BusyResource(
            f"{self.task!r} already waits for {self.reason}; one task at a time may use a direction of a resource"
        )


class Descriptor:
    """A descriptor registered with the poller of one worker."""

    __slots__ = ("fd", "hup", "read", "users", "worker", "write")

    def __init__(self, fd: int, worker: Worker) -> None:
        self.fd = fd
        self.worker = worker
        self.hup = False  # sticky: after the peer's end there is no further edge, so short reads must not clear `ready`
        self.users = 0
        self.read = Direction(self, READ)
        self.write = Direction(self, WRITE)

    def close(self) -> None:
        """Forget the descriptor, which is about to be closed, and tell who waits for it. By the owner."""
        self.worker.descriptors.drop(self)
        self.users = 0
        for direction in (self.read, self.write):
            # Who was woken a moment ago tries the system call, and hears that it is closed; or, as long as another
            # worker has not come to that, wants to wait again, and hears it then.
            direction.ready = direction.unarmed = True
            task = direction.task
            if task is not None:
                direction.task = None
                task.value = CLOSED
                task.wait = GRANTED
                self.worker.inbox.append(task)


class PieceByPiece(Descriptor):
    """One of which a read may give less than is there: a terminal gives a line at a time, others a datagram.

    So `hup` is always set: short reads never clear `ready`.
    """

    __slots__ = ()

    hup = property(lambda self: True, lambda self, hung_up: None)


class Descriptors:
    """All descriptors of one worker, by number."""

    __slots__ = ("_poller", "_table", "_worker")

    def __init__(self, worker: Worker, poller: Poller) -> None:
        self._worker = worker
        self._poller = poller
        self._table: dict[int, Descriptor] = {}

    def __bool__(self) -> bool:
        return bool(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def open(self, fd: int) -> Descriptor:
        """The registration of a descriptor that its user closes with `Descriptor.close`.

        Raises:
            OSError: the operating system cannot wait for this descriptor.
        """
        descriptor = Descriptor(fd, self._worker)
        self.enter(descriptor)
        return descriptor

    def enter(self, descriptor: Descriptor) -> None:
        """Register what its user made for this worker, when something first has to be waited for.

        Raises:
            OSError: the operating system cannot wait for this descriptor.
        """
        fd = descriptor.fd
        former = self._table.get(fd)
        if former is not None:
            former.close()  # the number was used before and closed without a word: what is registered is another file
        self._poller.register(fd)
        self._table[fd] = descriptor
        descriptor.users = 1
        descriptor.read.unarmed = descriptor.write.unarmed = self._poller.arm is not None

    def drop(self, descriptor: Descriptor) -> None:
        """Take a registration back."""
        if self._table.get(descriptor.fd) is descriptor:
            del self._table[descriptor.fd]
            self._poller.unregister(descriptor.fd)

    def notify(self, events: list[tuple[int, int]]) -> None:
        """Take in what the poller found: mark the directions ready, and wake who waits.

        A task that waits to read may leave the function to read with in its `value`. It is called here, for many tasks
        in a row: so the code of the system's calls stays in the caches of the processor, where it would alternate with
        that of the tasks; this saves a twentieth of the time of an echo server. What it gave, or the OSError that it
        raised, is what the task gets in `value`; None if it has to try by itself.
        """
        table = self._table
        inbox = self._worker.inbox
        room = AHEAD
        for fd, flags in events:
            descriptor = table.get(fd)
            if descriptor is None:
                self._worker.heard(fd)
                continue
            if flags & HUP:
                descriptor.hup = True
            if flags & READ:
                direction = descriptor.read
                direction.ready = True
                task = direction.task
                if task is not None:
                    direction.task = None
                    task.wait = GRANTED
                    inbox.append(task)
                    read = task.value
                    if read is not None:
                        task.value = None
                        if room > 0:
                            try:
                                task.value = data = read(direction.asked)
                            except BlockingIOError:
                                direction.ready = False
                            except OSError as error:
                                task.value = error
                            else:
                                got = len(data)
                                room -= got
                                if 0 < got < direction.asked and not descriptor.hup:
                                    direction.ready = False  # a short read: there was no more
            if flags & WRITE:
                direction = descriptor.write
                direction.ready = True
                task = direction.task
                if task is not None:
                    direction.task = None
                    task.wait = GRANTED
                    inbox.append(task)

    def any_waiting(self) -> bool:
        """Whether a task waits for one of them. Usually answered by the first. From any thread."""
        try:
            for one in self._table.values():
                if one.read.task is not None or one.write.task is not None:
                    return True
        except RuntimeError:
            return True  # the table changes while we look: its worker is awake, and will look itself
        return False

    # ---- for descriptors that conc does not read or write itself ---------------------------------------------------

    async def wait_for(self, fd: int, flag: int) -> None:
        """Wait until `fd` is ready, whatever was read or written meanwhile: it is registered afresh for each wait."""
        task = charge() or await toll()
        descriptor = self._table.get(fd)
        if descriptor is None:
            descriptor = Descriptor(fd, self._worker)
        else:
            self._poller.unregister(fd)
        self._poller.register(fd)  # adding reports what is ready now, once more for who knew it, which is harmless
        self._table[fd] = descriptor
        arm = self._poller.arm
        if arm is not None:
            for other in (descriptor.read, descriptor.write):
                if other.task is not None:
                    arm(fd, other.flag)  # a poller that has to be asked has forgotten whom it was asked for
        direction = descriptor.read if flag == READ else descriptor.write
        try:
            await direction.wait(task)
        finally:
            if not descriptor.users and descriptor.read.task is None and descriptor.write.task is None:
                self.drop(descriptor)


def file_number(file: Any) -> int:
    """The number of a descriptor or of an object with ``fileno()``."""
    fd = file if isinstance(file, int) else file.fileno()
    if isinstance(fd, bool) or not isinstance(fd, int) or fd < 0:
        raise ValueError(f"an open descriptor or an object with fileno() is due, got {file!r}")
    return fd


async def wait_readable(file: Any) -> None:
    """Wait until reading from a descriptor would not block.

    Args:
        file: a descriptor, or an object with ``fileno()``. It should be non-blocking.

    Raises:
        BusyResource: another task of this worker waits to read from it.
        ClosedResource: `notify_closing` was called for it.
        OSError: the operating system cannot wait for it.

    Checkpoint: always, and it waits for the poller even if the descriptor is ready.
    If cancelled: nothing happened.
    """
    await current_worker().descriptors.wait_for(file_number(file), READ)


async def wait_writable(file: Any) -> None:
    """Wait until writing to a descriptor would not block. Otherwise as `wait_readable`.

    Raises:
        BusyResource: another task of this worker waits to write to it.
        ClosedResource: `notify_closing` was called for it.
        OSError: the operating system cannot wait for it.

    Checkpoint: always, and it waits for the poller even if the descriptor is ready.
    If cancelled: nothing happened.
    """
    await current_worker().descriptors.wait_for(file_number(file), WRITE)


def notify_closing(file: Any) -> None:
    """Say that a descriptor is about to be closed: who waits for it in this strand's worker gets ClosedResource.

    Call it before closing, in the strand that waits.

    Checkpoint: never.
    """
    descriptors = current_worker().descriptors
    descriptor = descriptors._table.get(file_number(file))
    if descriptor is not None:
        descriptor.close()
