"""A socket for datagrams: the common part of UDP and of Unix sockets. Their hot path is here."""

from __future__ import annotations

import errno
import socket
from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Self, TypeVar

from conc._kernel.current import charge, current_task, current_worker, slot
from conc._kernel.descriptors import PieceByPiece
from conc._kernel.suspend import PARK, toll
from conc._os import inherited
from conc.errors import ClosedResource, ConcError, LimitExceeded, WouldBlock
from conc.io.descriptor_stream import SYSTEM_CALL
from conc.io.pollable import Pollable
from conc.io.stream import Buffer
from conc.net.network import Socket
from conc.net.options import SocketOptions

if TYPE_CHECKING:
    from conc._kernel.descriptors import Direction
    from conc._kernel.task import Task

AddressT = TypeVar("AddressT")

LONGEST: Final = 65_535
"""What a datagram may have in bytes unless more is asked for; UDP has no longer ones."""


class DatagramSocket(SocketOptions, Pollable, Generic[AddressT]):
    """Sends and receives datagrams: whole messages, which may be lost, doubled or overtaken on the way.

    A datagram is received whole or not at all. Each call asks the system for one byte more than the caller will have:
    so one that is too long is known from one that just fits, which no system tells by itself.

    Receiving tries the system call first, unless the last one said that nothing was there; sending tries first, always.

    Invariant: `_sender` is the task that waits for room to send; else None.
    """

    __slots__ = ("_recvfrom", "_sender", "_sendto", "_socket")

    _descriptor_type = PieceByPiece  # a short datagram does not mean that it was the last

    def __init__(self, sock: Socket) -> None:
        super().__init__(sock.fileno())
        self._socket = sock
        self._recvfrom = sock.recvfrom
        self._sendto = sock.sendto
        self._sender: Task[Any] | None = None

    # ---- receiving --------------------------------------------------------------------------------------------

    async def receive_from(self, max_bytes: int = LONGEST) -> tuple[bytes, AddressT]:
        """Wait for a datagram. Returns its bytes, of which there may be none, and the address of its sender.

        Args:
            max_bytes: how long it may be, at least 1.

        Raises:
            LimitExceeded: it was longer, and is dropped. `peek_from` shows the beginning of one and drops nothing.
            OSError: an error of the network that a connected socket is told of; see the class.
            ClosedResource: this side closed the socket before or meanwhile.
            BusyResource: another task is receiving.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no datagram was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or (task := worker.task).scope.cancelled:
            task = await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        reading: Direction = self._reading  # type: ignore[assignment]  # there is one if there is a reader
        if task.strand is not self._reader:
            reading = self._read_in(task.strand)
        while True:
            if reading.ready:
                try:
                    found = self._recvfrom(max_bytes + 1)
                except BlockingIOError:
                    reading.ready = False
                except OSError as error:
                    raise self._failed(error, "receive") from error
                else:
                    break
            # From here on as Pollable._wait, without a coroutine of its own; and with the wish to be read for.
            if reading.task is not None:
                reading.refuse()
            if reading.unarmed:
                self._arm(reading)
            reading.task = task
            reading.asked = max_bytes + 1
            task.wait = reading
            task.value = self._recvfrom
            await PARK
            task.wait = None
            found = task.value
            if found is not None:
                task.value = None
                if type(found) is not tuple:
                    self._refuse_to_receive(found)
                break
            if task.scope.cancelled:  # after an edge that brought nothing: do not wait once more
                raise task.scope.cancellation()
            if reading is not self._reading:  # nor where another strand has taken it over meanwhile
                reading = self._reading_now(task)
        if len(found[0]) > max_bytes:
            self._refuse_long(found[1], max_bytes)
        return found

    async def receive(self, max_bytes: int = LONGEST) -> bytes:
        """Wait for a datagram, as `receive_from`, and return its bytes only: for a connected socket.

        Args:
            max_bytes: how long it may be, at least 1.

        Raises:
            LimitExceeded: it was longer, and is dropped.
            OSError: an error of the network that a connected socket is told of; see the class.
            ClosedResource: this side closed the socket before or meanwhile.
            BusyResource: another task is receiving.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no datagram was taken.
        """
        return (await self.receive_from(max_bytes))[0]

    def receive_from_nowait(self, max_bytes: int = LONGEST) -> tuple[bytes, AddressT]:
        """Return a datagram that is there, and the address of its sender; otherwise as `receive_from`.

        Raises:
            WouldBlock: none is there.
            LimitExceeded: it was longer than `max_bytes`, and is dropped.
            OSError: an error of the network that a connected socket is told of; see the class.
            ClosedResource: this side closed the socket.
            BusyResource: another task is receiving.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: never.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        reading = self._reading_now(current_task())
        current_worker().budget -= SYSTEM_CALL
        try:
            found = self._recvfrom(max_bytes + 1)  # also if no poller told of one: it may not have been asked since
        except BlockingIOError:
            reading.ready = False
            raise WouldBlock(f"no datagram is there for {self!r}") from None
        except OSError as error:
            raise self._failed(error, "receive") from error
        if len(found[0]) > max_bytes:
            self._refuse_long(found[1], max_bytes)
        return found

    def receive_nowait(self, max_bytes: int = LONGEST) -> bytes:
        """Return the bytes of a datagram that is there; otherwise as `receive`.

        Raises:
            WouldBlock: none is there.
            LimitExceeded: it was longer than `max_bytes`, and is dropped.
            OSError: an error of the network that a connected socket is told of; see the class.
            ClosedResource: this side closed the socket.
            BusyResource: another task is receiving.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: never.
        """
        return self.receive_from_nowait(max_bytes)[0]

    async def peek_from(self, max_bytes: int = LONGEST) -> tuple[bytes, AddressT]:
        """Wait for a datagram and look at it: the next `receive_from` returns the same one.

        Args:
            max_bytes: how much of it to look at, from its beginning; at least 1.

        Raises:
            OSError: an error of the network that a connected socket is told of; see the class.
            ClosedResource: this side closed the socket before or meanwhile.
            BusyResource: another task is receiving.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: nothing happened.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        task = charge() or await toll()
        while True:
            reading = self._reading_now(task)
            if reading.ready:
                current_worker().budget -= SYSTEM_CALL
                try:
                    return self._recvfrom(max_bytes, socket.MSG_PEEK)
                except BlockingIOError:
                    reading.ready = False
                except OSError as error:
                    raise self._failed(error, "receive") from error
            await self._wait(task, reading)

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, tuple[bytes, AddressT]]:
        return self.receive_from()  # there is no end: datagrams come until the socket is closed

    def _reading_now(self, task: Task[Any]) -> Direction:
        """The direction of a task that is about to receive."""
        reading = self._reading
        if reading is None or task.strand is not self._reader:
            reading = self._read_in(task.strand)
        elif reading.task is not None:
            reading.refuse()
        return reading

    def _refuse_to_receive(self, why: object) -> NoReturn:
        """Raise what woke a receiver in place of a datagram."""
        if isinstance(why, OSError):
            raise self._failed(why, "receive") from why
        self._refuse_closed()

    def _refuse_long(self, sender: AddressT, max_bytes: int) -> NoReturn:
        raise LimitExceeded(
            f"a datagram from {self._show(sender)} has more than {max_bytes} bytes, and was dropped; "
            "a larger max_bytes lets it in",
            max_bytes,
        )

    # ---- sending ----------------------------------------------------------------------------------------------

    async def send(self, data: Buffer) -> None:
        """Send a datagram to the address that this socket is connected to.

        Args:
            data: its bytes; none is a datagram too.

        Raises:
            OSError: it is too long (EMSGSIZE), the socket is not connected, or an error of the network that a connected
                socket is told of; see the class. It was not sent.
            ClosedResource: this side closed the socket before or meanwhile.
            BusyResource: another task waits for room to send.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: it was not sent.
        """
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or (task := worker.task).scope.cancelled:
            task = await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        if self._sender is not None:
            self._refuse_busy(self._sender, "sending through")
        try:
            self._socket.send(data)
        except BlockingIOError:
            await self._send_when_there_is_room(task, data, None)
        except OSError as error:
            raise self._failed(error, f"send {memoryview(data).nbytes} bytes", self._peer()) from error

    def send_nowait(self, data: Buffer) -> None:
        """Send a datagram to the address that this socket is connected to, if there is room; otherwise as `send`.

        Raises:
            WouldBlock: there is no room.
            OSError: it is too long (EMSGSIZE), the socket is not connected, or an error of the network that a connected
                socket is told of; see the class.
            ClosedResource: this side closed the socket.
            BusyResource: another task waits for room to send.

        Checkpoint: never.
        """
        self._send_now(data, None)

    def _send_now(self, data: Buffer, address: Any) -> None:
        """Send, or raise WouldBlock."""
        current_worker().budget -= SYSTEM_CALL
        if self._sender is not None:
            self._refuse_busy(self._sender, "sending through")
        try:
            self._transmit(data, address)
        except BlockingIOError:
            raise WouldBlock(f"{self!r} has no room for another datagram") from None

    async def _send_when_there_is_room(self, task: Task[Any], data: Buffer, address: Any) -> None:
        """Send what found no room a moment ago."""
        self._sender = task
        try:
            while True:
                await self._wait_for_room(task, address)
                try:
                    self._transmit(data, address)
                    return
                except BlockingIOError:
                    pass  # somebody else was faster
        finally:
            self._sender = None

    async def _wait_for_room(self, task: Task[Any], address: Any) -> None:
        """Wait until another datagram may find room. The caller found none."""
        writing = self._writing
        if writing is None or task.strand is not self._writer:
            writing = self._write_in(task.strand)
        writing.ready = False
        await self._wait(task, writing)

    def _transmit(self, data: Buffer, address: Any) -> None:
        """Give a datagram to the system. Raises BlockingIOError if it has no room."""
        try:
            if address is None:
                self._socket.send(data)
            else:
                self._sendto(data, address)
        except BlockingIOError:
            raise
        except OverflowError:
            raise ValueError(f"the port of address must be 0 to 65535, not {address[1]!r}") from None
        except OSError as error:
            dest = self._peer() if address is None else address
            raise self._failed(error, f"send {memoryview(data).nbytes} bytes", dest) from error

    # ---- all the rest -----------------------------------------------------------------------------------------

    def detach(self) -> socket.socket:
        """Give the socket away, as a plain one of the standard library that blocks. This one is closed then.

        Raises:
            ClosedResource: it is closed already.
            BusyResource: a task is receiving or sending.
            TypeError: there is no real socket, on a simulated network for one.

        Checkpoint: never.
        """
        sock = self._open_socket()
        if self._sender is not None:
            self._refuse_busy(self._sender, "sending through")
        if self._reading is not None and self._reading.task is not None:
            self._reading.refuse()
        plain = inherited.check_plain(sock)
        self._deregister()
        return inherited.release(plain)

    async def aclose(self) -> None:
        """Close the socket, at once. Idempotent.

        Datagrams that nobody received are dropped. A task that waits in another operation gets ClosedResource.

        Checkpoint: a cancel point, after the socket was closed.
        If cancelled: the socket is closed all the same.
        """
        self._close()
        charge() or await toll()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        if error is None:  # else that is what has to be known, more than a cancellation
            charge() or await toll()

    def _close(self) -> None:
        """Close at once."""
        if not self._closed:
            self._deregister()
            self._socket.close()

    def _open_socket(self) -> Socket:
        if self._closed:
            self._refuse_closed()
        return self._socket

    def _failed(self, error: OSError, attempt: str, dest: Any = None) -> OSError | ConcError:
        """What an error of the system means, with words for what was attempted."""
        if self._closed:
            return ClosedResource(f"{self!r} was closed on this side")
        to = "" if dest is None else f" to {self._show(dest)}"
        return OSError(error.errno, f"{self!r} cannot {attempt}{to}: {self._explain(error)}")

    def _explain(self, error: OSError) -> str:
        """What the system says, and what to do about it."""
        if error.errno == errno.EMSGSIZE:
            return f"{error.strerror}; a datagram has a greatest length, so send it in parts"
        if error.errno in (errno.EDESTADDRREQ, errno.ENOTCONN):
            return f"{error.strerror}; it is not connected, so use send_to"
        return error.strerror or str(error)

    def _peer(self) -> Any:
        """The address that the socket is connected to, None if there is none."""
        raise NotImplementedError

    def _show(self, address: Any) -> str:
        """An address for people."""
        raise NotImplementedError
