"""TLS over any stream: what is written goes out encrypted, and what is read was decrypted."""

from __future__ import annotations

import ssl
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.errors import BrokenResource, Cancelled, ClosedResource, ConcError, WouldBlock
from conc.io.stream import Buffer, Stream
from conc.io.views import view_to_fill, views_of
from conc.net.tls_machine import RECORD
from conc.net.tls_wire import CIPHERTEXT, TlsWire, send_now, send_soon

PIECE: Final = 65_536  # what is encrypted at a time
NOTHING: Final[list[memoryview]] = []


class TlsStream(TlsWire):
    """TLS over another stream: a `conc.io.Stream`. Made by `wrap_tls`, `connect_tls` and `TlsListener`.

    What was written counts in `bytes_written` as soon as it is encrypted. If a cancellation comes before the stream
    below has taken all of that, the rest is kept and goes out before anything else: with the next `write_all` (one
    without bytes will do), with a `read` that begins to wait after that, with `close_write`. No record is ever torn,
    and the stream can be used on.

    Each direction is used by one task at a time, and may be handed from strand to strand. ``async with stream:`` closes
    it at the end of the block.

    Attributes:
        raw: the stream below. Do not use it until `unwrap` has returned.
    """

    __slots__ = ()

    # ---- what was agreed on ---------------------------------------------------------------------------------------

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The SSL object, to ask it what has no property here. Do not read, write, or shake hands with it."""
        return self._machine.ssl

    @property
    def version(self) -> str:
        """The protocol: ``"TLSv1.3"`` or ``"TLSv1.2"``."""
        return self._machine.ssl.version() or "unknown"

    @property
    def cipher(self) -> str:
        """The name of the cipher, as ``"TLS_AES_256_GCM_SHA384"``."""
        cipher = self._machine.ssl.cipher()
        return cipher[0] if cipher else "unknown"

    @property
    def selected_alpn_protocol(self) -> str | None:
        """What both sides speak, of what each has offered (`ssl.SSLContext.set_alpn_protocols`); None if nothing is."""
        return self._machine.ssl.selected_alpn_protocol()

    @property
    def server_hostname(self) -> str | None:
        """On the side of the client: the name that the certificate was checked for."""
        return self._machine.ssl.server_hostname

    @property
    def session(self) -> ssl.SSLSession | None:
        """On the side of the client: what lets a later connection, with the same context, do with half a handshake.

        In TLS 1.3 it comes with the first bytes of the server: ask for it after a `read`. Each is good for one use.
        """
        return self._machine.ssl.session

    @property
    def session_reused(self) -> bool:
        """Whether this connection has resumed an earlier one."""
        return bool(self._machine.ssl.session_reused)

    @property
    def peer_address(self) -> Any:
        """The address of the other end, if the stream below has one; else AttributeError."""
        return self.raw.peer_address  # type: ignore[attr-defined]

    @property
    def local_address(self) -> Any:
        """The address of this end, if the stream below has one; else AttributeError."""
        return self.raw.local_address  # type: ignore[attr-defined]

    @property
    def bytes_written(self) -> int:
        """How many bytes this stream has taken in its life, those of a `write_all` that was cancelled included."""
        return self._machine.sealed

    def peer_certificate(self) -> dict[str, Any] | None:
        """The certificate of the other side, if it has shown one and it was verified, as `ssl.SSLSocket.getpeercert`.

        Checkpoint: never.
        """
        return self._machine.ssl.getpeercert() or None

    # ---- reading --------------------------------------------------------------------------------------------------

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes, and return those that are there: at least one and at most `max_bytes`; ``b""`` at the end.

        Args:
            max_bytes: at least 1. Few bytes at a time are dear; 64 KiB is a good number.

        Raises:
            BrokenResource: the connection broke; or it ended without a close_notify, so what was read may have been cut
                off by anybody; or what came is no TLS, or was tampered with.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        task = charge() or await toll()
        machine = self._machine
        with machine.lock:
            is_free = self._reader is None
            if is_free:
                self._reader = task
            is_there = machine.has_more or machine.ended or not is_free
        if not is_free:
            await self._wait_to_read(task)
        try:
            if self._closed:
                self._refuse_closed()
            data = machine.take(max_bytes) if is_there else None
            while data is None:
                is_to_send = machine.outgoing.pending or self._unsent or self._unflushed
                if is_to_send or self._truncated or machine.failure or self._is_awaited:
                    if not await self._receive():
                        return b""
                    data = machine.take(max_bytes)
                elif ciphertext := await self._raw_read(CIPHERTEXT):  # as the end of `_receive`
                    data = machine.take(max_bytes, ciphertext)
                else:
                    self._truncated = True
            return data
        except ClosedResource:
            if not self._closed:
                raise
            self._refuse_closed()
        finally:
            self._reader = None
            if self._is_awaited:
                self._let_writer_go_on()

    def read_nowait(self, max_bytes: int) -> bytes:
        """Return the bytes that are there: at least one and at most `max_bytes`; ``b""`` at the end. As `read` else.

        Raises:
            WouldBlock: nothing is there; or the stream below has no `read_nowait`, and nothing is decrypted.
            BrokenResource, ClosedResource, BusyResource, ValueError: as `read`.

        Checkpoint: never.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        with self._machine.lock:
            reader, is_lent = self._reader, self._lent is not None
        if reader is not None and not is_lent:
            self._refuse_busy(reader, "reading")
        if self._closed:
            self._refuse_closed()
        while (data := self._machine.take(max_bytes)) is None:
            if self._has_ended():
                return b""
            read_nowait = None if is_lent else getattr(self.raw, "read_nowait", None)
            if read_nowait is None:
                raise WouldBlock(f"nothing is there to read from {self!r}")
            self._feed(read_nowait(CIPHERTEXT))
        return data

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Wait for bytes, and put those that are there into a buffer. Returns how many; 0 at the end.

        Args:
            buffer: a bytearray, or another writable buffer of at least 1 byte; it is filled from its beginning, as far
                as the bytes go.

        Raises:
            BrokenResource, ClosedResource, BusyResource: as `read`.
            TypeError, ValueError: `buffer` cannot be written to, or has no room.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        view = view_to_fill(buffer)
        task = charge() or await toll()
        machine = self._machine
        with machine.lock:
            is_free = self._reader is None
            if is_free:
                self._reader = task
        if not is_free:
            await self._wait_to_read(task)
        try:
            if self._closed:
                self._refuse_closed()
            while (got := machine.fill(view)) is None:
                if not await self._receive():
                    return 0
            return got
        except ClosedResource:
            if not self._closed:
                raise
            self._refuse_closed()
        finally:
            self._reader = None
            if self._is_awaited:
                self._let_writer_go_on()

    # ---- writing --------------------------------------------------------------------------------------------------

    async def write_all(self, data: Buffer = b"", /, *more: Buffer) -> None:
        """Write all bytes of all buffers, in order, waiting for room where there is none.

        Small buffers go out together, in one record. Without bytes it sends what a cancelled call has left.

        Raises:
            BrokenResource: the connection broke, or the other side is gone.
            ClosedResource: this side closed the stream, or its writing direction, before or meanwhile.
            BusyResource: another task is writing.
            TypeError: what is not bytes, or not contiguous.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written. Up to 64 KiB of that may not have left yet: they go
            out before anything else, see `TlsStream`. Where all was written, it returns.
        """
        task = charge() or await toll()
        rest: list[memoryview] = NOTHING
        if more or type(data) is not bytes or len(data) > RECORD:
            rest = views_of((data, *more))
            data = take_piece(rest)
        machine = self._machine
        with machine.lock:
            is_free = self._sender is None
            if is_free:
                self._sender = task
        if not is_free:
            await self._wait_to_send(task)
        try:
            if self._write_closed:
                self._refuse_to_write()
            if self._unsent:
                await self._flush()
            while True:
                if ciphertext := machine.seal(data):
                    self._unsent, self._mark = ciphertext, self.raw.bytes_written
                    try:
                        await self._raw_write(ciphertext)
                    except Cancelled:
                        if rest or machine.rest:
                            raise
                        return  # all was taken: too late to be cancelled
                    self._unsent = b""
                if machine.rest:
                    data, machine.rest = machine.rest, b""
                    await self._read_to_write(task)
                elif rest:
                    data = take_piece(rest)
                else:
                    if self._raw_flush is not None:
                        try:
                            await self._flush_raw()
                        except Cancelled:
                            return  # as above
                    with machine.lock:
                        if not machine.outgoing.pending:
                            self._sender = None
                            return
                    data = b""
        except (ssl.SSLError, ClosedResource) as error:
            self._refuse_because(error)
        finally:
            if self._sender is task:
                self._end_sending()

    async def close_write(self) -> None:
        """Say that nothing more will be written (a close_notify): the other side reads the rest, then the end.

        Reading goes on. The stream below stays open in both directions. Many programs end the whole connection when
        they get a close_notify, as TLS 1.2 wants it: read on only if the other side is known to write on. Idempotent.

        Raises:
            BrokenResource: the connection broke, or the other side is gone.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is writing.

        Checkpoint: always a cancel point; it waits while there is no room.
        If cancelled: the direction is still open. Where it was too late for that, it returns.
        """
        task = charge() or await toll()
        await self._wait_to_send(task)
        try:
            if self._closed:
                self._refuse_closed()
            await self._flush()
            if not self._write_closed:
                self._machine.farewell()
                self._write_closed = True
                try:
                    await self._flush()
                except Cancelled:  # but it is said, and cannot be taken back
                    await self._send_soon()
        except (ssl.SSLError, ClosedResource) as error:
            self._refuse_because(error)
        finally:
            self._end_sending()

    # ---- the end --------------------------------------------------------------------------------------------------

    async def unwrap(self) -> tuple[Stream, bytes]:
        """End TLS, and go on without it: say so, and wait until the other side does.

        Returns:
            The stream below; and what was read from it already and is not TLS any more.

        Raises:
            BrokenResource: the other side has sent more, which can be read here; read until the end first. Or the
                connection broke.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading or writing.

        Checkpoint: always a cancel point; it waits for the other side.
        If cancelled: nothing more can be written here; call it again, or close.
        """
        await self.close_write()
        if data := await self.read(RECORD):
            self._machine.put_back(data)
            raise BrokenResource(f"{self!r}: the other side has sent more before it ended TLS; read until b'' first")
        self._closed = "unwrapped"
        return self.raw, self._machine.leftover()

    async def aclose(self) -> None:
        """Say that nothing more comes (a close_notify), and close the stream below: whatever the other side does, and
        without waiting for its answer. Idempotent.

        What was written is still delivered, as far as the stream below delivers it. If there is no room for the
        close_notify at once (after 100 ms, if the stream below has no `write_nowait`), it is left out, and the other
        side learns that something may be missing. A task that waits in another operation gets ClosedResource.

        Checkpoint: a cancel point, after the stream was closed.
        If cancelled: the stream is closed all the same.
        """
        if not self._closed:
            await send_soon(self.raw, self._last_words())
        if self._closed != "unwrapped":
            await self.raw.aclose()
        else:
            charge() or await toll()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with CancelScope(shield=error is not None):  # an error has to be known, more than a cancellation
            await self.aclose()

    def _last_words(self) -> bytes:
        """From now on the stream is closed. Returns what is still to be sent, if it has a chance to arrive."""
        self._closed = "closed"
        self._let_writer_go_on()  # if one waits until something was read: now nothing will be
        if self._sender is not None:
            return b""  # it stands still in the middle of a record
        if not self._write_closed:
            self._machine.farewell()
            self._write_closed = True
        if not self._machine.ended:
            # A socket that is closed with unread bytes, such as a session nobody asked for, resets the connection.
            with suppress(AttributeError, ConcError):
                self.raw.read_nowait(CIPHERTEXT)  # type: ignore[attr-defined]
        left, self._unsent = self._unsent[self.raw.bytes_written - self._mark :], b""
        if (left or self._unflushed) and not hasattr(self.raw, "write_nowait"):
            return b""  # there was no room when last it tried
        return left + self._machine.drain()

    def _close(self) -> None:
        """Close at once, over a stream that can."""
        if not self._closed:
            send_now(self.raw, self._last_words())
        if self._closed != "unwrapped":
            self.raw._close()  # type: ignore[attr-defined]


def take_piece(views: list[memoryview]) -> Buffer:
    """Take what is encrypted next off the front: small buffers joined, large ones without a copy; b"" at last."""
    if not views:
        return b""
    first = views[0]
    if len(first) > PIECE:
        views[0] = first[PIECE:]
        return first[:PIECE]
    parts = []
    room = PIECE
    for view in views:
        if not room:
            break
        parts.append(view[:room])
        room -= len(parts[-1])
    last = len(parts) - 1
    rest = views[last][len(parts[last]) :]
    views[: last + 1] = [rest] if rest else []
    return parts[0] if len(parts) == 1 else b"".join(parts)
