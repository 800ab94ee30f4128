"""The ciphertext of a TLS stream: who sends it and who receives it, in order and without a torn record."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from conc._kernel.current import charge
from conc._kernel.nursery import open_nursery
from conc._kernel.suspend import toll
from conc.errors import BrokenResource, BusyResource, ClosedResource, ConcError
from conc.io.stream import Stream
from conc.net.tls_errors import explain
from conc.net.tls_machine import TlsMachine
from conc.sync import Event
from conc.time import move_on_after

if TYPE_CHECKING:
    from conc._kernel.task import Task

CIPHERTEXT: Final = 65_536  # what is read from the stream below at a time
AHEAD_AT_MOST: Final = 262_144  # during a renegotiation; when more is kept for a reader, wait for him
ANSWERS_AT_MOST: Final = 262_144  # to new keys that the other side asks for, and does not fetch; 10,000 are in it
GRACE_S: Final = 0.1


class TlsWire:
    """A TLS machine and the stream below it.

    Attributes:
        raw: the stream below. Do not use it until `unwrap` has returned.

    Invariant: only `_sender` writes to `raw`, and only `_reader` reads from it. Usually that is who writes, and who
    reads; but a reader that has something to send, while nobody writes, lets a task of its own do so (`_relief` is set
    when that is done), and a writer may have to read (`_lent` is set when that is done, and `_heir` reads next).
    Invariant: `_unsent` was taken from the machine when `raw` had written `_mark` bytes; what of it was not written
    goes out before what is taken later. `_unflushed` says that `raw` may keep bytes back which it was to send.
    """

    __slots__ = (
        "_closed",
        "_heir",
        "_is_awaited",
        "_lent",
        "_machine",
        "_mark",
        "_processed",
        "_raw_flush",
        "_raw_read",
        "_raw_write",
        "_reader",
        "_relief",
        "_require_close_notify",
        "_sender",
        "_truncated",
        "_unflushed",
        "_unsent",
        "_write_closed",
        "raw",
    )

    def __init__(self, raw: Stream, machine: TlsMachine, *, require_close_notify: bool) -> None:
        self.raw = raw
        self._raw_read = raw.read
        self._raw_write = raw.write_all
        self._raw_flush = getattr(raw, "flush", None)  # of a stream that keeps bytes back
        self._machine = machine
        self._require_close_notify = require_close_notify
        self._reader: Task[Any] | None = None
        self._sender: Task[Any] | None = None
        self._relief: Event | None = None
        self._lent: Event | None = None
        self._heir: Task[Any] | None = None
        self._processed: Event | None = None  # for a writer that waits until a reader has read
        self._is_awaited = False  # whether one does
        self._unsent = b""
        self._mark = 0
        self._unflushed = False
        self._truncated = False  # whether `raw` has ended
        self._write_closed = False
        self._closed = ""  # what was done to it

    # ---- receiving ------------------------------------------------------------------------------------------------

    async def _receive(self) -> bool:
        """Wait for ciphertext, unless nothing more comes: then False. If something is to be sent, send it meanwhile."""
        if self._is_awaited:
            self._let_writer_go_on()
        if self._has_ended():
            return False
        if self._machine.outgoing.pending > ANSWERS_AT_MOST:
            raise BrokenResource(f"{self!r}: the other side asks for new keys again and again, and reads no answer")
        if (self._unsent or self._unflushed or self._machine.outgoing.pending) and self._sender is None:
            await self._receive_and_send()
        else:
            self._feed(await self._raw_read(CIPHERTEXT))
        return True

    async def _receive_and_send(self) -> None:
        """Wait for ciphertext, and meanwhile send what is to be sent: neither may wait for the other."""
        failure: Exception | None = None  # kept, so that the nursery puts it into no group
        async with open_nursery() as nursery:
            nursery.start_soon(self._relieve, name="send what a TlsStream has to say")
            try:
                self._feed(await self._raw_read(CIPHERTEXT))
            except Exception as error:
                failure = error
            nursery.cancel_scope.cancel(reason="something has come")
        if failure is not None:
            raise failure

    async def _relieve(self) -> None:
        """Send what is to be sent, in place of somebody who writes."""
        task = charge() or await toll()
        with self._machine.lock:
            if self._sender is not None:
                return
            self._sender = task
            relief = self._relief = Event()
        try:
            await self._flush()
        except Exception:
            pass  # who writes will meet it, and there may still be something to read
        finally:
            self._end_sending()
            relief.set()

    def _feed(self, ciphertext: bytes) -> None:
        if ciphertext:
            self._machine.feed(ciphertext)
        else:
            self._truncated = True

    def _has_ended(self) -> bool:
        """Whether there is nothing more to be decrypted, by an end that the program wants to take for one.

        Raises:
            BrokenResource: it is none.
        """
        if self._machine.failure is not None:
            raise BrokenResource(f"{self!r}: {explain(self._machine.failure)}") from self._machine.failure
        if self._truncated and self._require_close_notify:
            raise BrokenResource(
                f"{self!r}: the connection ended without a close_notify, so somebody may have cut off what was sent; "
                "if the protocol on top tells where its messages end, wrap with require_close_notify=False"
            )
        return self._truncated

    async def _wait_to_read(self, task: Task[Any]) -> None:
        """Somebody reads. If that is a writer, which has to, wait for it; from then on `task` reads."""
        lent = None
        with self._machine.lock:
            reader = self._reader
            if reader is None:
                self._reader = task
                return
            if self._lent is not None and self._heir is None:
                lent, self._heir = self._lent, task
        if lent is None:
            self._refuse_busy(reader, "reading")
        try:
            await lent.wait()
        except BaseException:
            with self._machine.lock:
                if self._heir is task:
                    self._heir = None
                else:
                    self._reader = None
            self._let_writer_go_on()
            raise

    def _let_writer_go_on(self) -> None:
        """What has come was processed, so a writer that has waited for that may look again."""
        self._is_awaited = False
        processed, self._processed = self._processed, None
        if processed is not None:
            processed.set()

    # ---- sending --------------------------------------------------------------------------------------------------

    async def _wait_to_send(self, task: Task[Any]) -> None:
        """From now on `task` sends. If a reader does, which had something to send, wait for it."""
        while True:
            with self._machine.lock:
                sender, relief = self._sender, self._relief
                if sender is None:
                    self._sender = task
                    return
            if relief is None:
                self._refuse_busy(sender, "writing to")
            await relief.wait()

    def _end_sending(self) -> None:
        with self._machine.lock:
            self._sender = self._relief = None

    async def _flush(self) -> None:
        """Send what is to be sent, as the sender. If cancelled, the rest stays."""
        while data := self._take_unsent():
            self._unsent, self._mark = data, self.raw.bytes_written
            await self._raw_write(data)
            self._unsent = b""
        if self._raw_flush is not None:
            await self._flush_raw()

    async def _flush_raw(self) -> None:
        """Have a stream that keeps bytes back send them. If cancelled, it still has some."""
        self._unflushed = True
        await self._raw_flush()  # type: ignore[misc]  # there is one
        self._unflushed = False

    async def _send_soon(self) -> None:
        """Send what there is room for, cancelled or not, and without waiting for long. The rest stays."""
        data = self._take_unsent()
        self._unsent, self._mark = data, self.raw.bytes_written
        await send_soon(self.raw, data)

    def _send_now(self) -> None:
        """Send what there is room for, if the stream below can tell. The rest stays."""
        if hasattr(self.raw, "write_nowait"):
            data = self._take_unsent()
            self._unsent, self._mark = data, self.raw.bytes_written
            send_now(self.raw, data)
            self._unsent = self._unsent[self.raw.bytes_written - self._mark :]
            self._mark = self.raw.bytes_written

    def _take_unsent(self) -> bytes:
        """What is to be sent next."""
        unsent, self._unsent = self._unsent[self.raw.bytes_written - self._mark :], b""
        return unsent or self._machine.drain()

    async def _read_to_write(self, task: Task[Any]) -> None:
        """Wait until something has come and was processed: in a renegotiation, the SSL object first wants to read."""
        machine = self._machine
        lent = None
        with machine.lock:
            if self._reader is None and machine.ahead <= AHEAD_AT_MOST:
                self._reader = task
                lent = self._lent = Event()
        if lent is None:
            processed = self._processed = Event()
            self._is_awaited = True
            if self._reader is not None or machine.ahead > AHEAD_AT_MOST:  # looked at again, after `_is_awaited` is set
                await processed.wait()
        else:
            try:
                if self._has_ended():
                    raise BrokenResource(f"{self!r}: the other side has ended the connection in a renegotiation")
                self._feed(await self._raw_read(CIPHERTEXT))
                machine.read_ahead()
            finally:
                with machine.lock:
                    self._reader, self._heir, self._lent = self._heir, None, None
                lent.set()
        if self._closed:
            self._refuse_closed()

    # ---- errors ---------------------------------------------------------------------------------------------------

    def _refuse_because(self, error: ssl.SSLError | ClosedResource) -> NoReturn:
        """Raise what an error means that came from below."""
        if self._closed:
            self._refuse_closed()
        if isinstance(error, ssl.SSLError):
            raise BrokenResource(f"{self!r}: {explain(error)}") from error
        raise error

    def _refuse_closed(self) -> NoReturn:
        raise ClosedResource(f"{self!r} was {self._closed} on this side")

    def _refuse_to_write(self) -> NoReturn:
        if self._closed:
            self._refuse_closed()
        raise ClosedResource(f"close_write was called on {self!r}")

    def _refuse_busy(self, task: Task[Any], verb: str) -> NoReturn:
        raise BusyResource(f"{task!r} is {verb} {self!r}; one task at a time may use a direction of a resource")

    def __repr__(self) -> str:
        state = f", {self._closed}" if self._closed else ", nothing more to write" if self._write_closed else ""
        return f"<{type(self).__name__} over {self.raw!r}{state}>"


async def send_soon(raw: Stream, data: bytes) -> None:
    """Send what there is room for: cancelled or not, without waiting if `raw` can do that, else not for long."""
    if data and not send_now(raw, data):
        with suppress(ConcError), move_on_after(GRACE_S, shield=True):
            await raw.write_all(data)
            if (flush := getattr(raw, "flush", None)) is not None:
                await flush()


def send_now(raw: Stream, data: bytes) -> bool:
    """Send what there is room for, if `raw` can tell; else False."""
    write_nowait = getattr(raw, "write_nowait", None)
    if write_nowait is None:
        return False
    if data:
        with suppress(ConcError):
            write_nowait(data)
    return True
