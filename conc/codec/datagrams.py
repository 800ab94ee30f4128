"""Frames in datagrams, each with the address it came from or goes to."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.codec.closing import close_below
from conc.codec.protocols import NEED_MORE, Codec, NeedMore, check_codec, pieces_of
from conc.errors import IncompleteRead
from conc.io.stream import Buffer

In_co = TypeVar("In_co", covariant=True)
Out_contra = TypeVar("Out_contra", contravariant=True)


class DatagramEndpoint(Protocol):
    """What datagrams are sent from and received at, as `conc.net.UdpSocket`."""

    async def send_to(self, data: Buffer, address: Any) -> None:
        """Send one datagram.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: it was not sent.
        """

    async def receive_from(self) -> tuple[bytes, Any]:
        """Wait for one datagram: its bytes, and where it came from.

        Checkpoint: always a cancel point; it waits only if none is there.
        If cancelled: none was taken.
        """

    async def aclose(self) -> None:
        """Close it, at once.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """


class FramedDatagrams(Generic[In_co, Out_contra]):
    """Datagrams with frames in them: ``async for frame, address in framed``, ``await framed.send(frame, address)``.

    Each frame is sent in a datagram of its own; of a datagram with several frames, as others may send them, all are
    received, in order. A frame never goes on in the next datagram, nor does a mistake: what is wrong is dropped with
    the rest of its datagram, and the next one is looked at afresh.

    As a context manager it closes the socket.

    Args:
        socket: what datagrams are sent from and received at.
        codec: makes frames of bytes and bytes of frames; for this socket alone.

    Raises:
        TypeError: a bad argument.

    Attributes:
        socket: as given.
        codec: as given.

    Invariant: `_buffer` is what is left of the datagram from `_address`.
    """

    __slots__ = ("_address", "_buffer", "_open", "codec", "socket")

    def __init__(self, socket: DatagramEndpoint, codec: Codec[In_co, Out_contra]) -> None:
        check_codec(codec, "decode", "decode_end", "encode")
        self.socket = socket
        self.codec = codec
        self._buffer = bytearray()
        self._address: Any = None
        self._open = False  # whether there may be frames left in the datagram

    async def receive(self) -> tuple[In_co, Any]:
        """Wait for the next frame: it and the address it came from.

        Raises:
            IncompleteRead: a datagram ended within a frame; what there is of it is in ``partial``.
            LimitExceeded, InvalidFrame: what the codec raises, of something in a datagram.
            ConcError: what the socket raises.

        After each of the first two lines the next datagram can be received.

        Checkpoint: always a cancel point; it waits only if no frame is there.
        If cancelled: no frame was taken.
        """
        charge() or await toll()
        while True:
            if self._open:
                frame = self._decode()
                if frame is not NEED_MORE:
                    return frame, self._address
            data, self._address = await self.socket.receive_from()
            self._buffer += data
            self._open = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[In_co, Any]:
        return await self.receive()

    async def send(self, frame: Out_contra, address: Any) -> None:
        """Send a frame in a datagram of its own.

        Raises:
            ValueError, TypeError: the codec refuses the frame. Nothing was sent.
            ConcError: what the socket raises.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: it was not sent.
        """
        charge() or await toll()
        await self.socket.send_to(b"".join(pieces_of(self.codec, frame)), address)

    def _decode(self) -> In_co | NeedMore:
        """The next frame of the datagram, NEED_MORE if there is none. What is wrong takes the rest with it."""
        buffer = self._buffer
        try:
            frame = self.codec.decode_end(buffer)
            if frame is NEED_MORE and buffer:
                partial = bytes(buffer)
                raise IncompleteRead(
                    f"a datagram from {self._address} ended {len(partial)} bytes into a frame", partial
                )
        except BaseException:
            self._open = False
            buffer.clear()
            self.codec.decode_end(buffer)  # so that it remembers nothing
            raise
        self._open = frame is not NEED_MORE
        return frame

    async def aclose(self) -> None:
        """Close the socket, at once. Idempotent.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        await close_below(self.socket)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await close_below(self.socket)

    def __repr__(self) -> str:
        return f"<FramedDatagrams of {self.socket!r} by {self.codec!r}>"
