"""Numbers as bytes: whole ones of any size and floats, in both byte orders."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Awaitable
from typing import Final, Literal, TypeAlias

from conc.io.stream import Buffer

ByteOrder: TypeAlias = Literal["big", "little"]
"""The most significant byte first, as network protocols have it; or last."""

FLOATS: Final = {(4, "big"): ">f", (4, "little"): "<f", (8, "big"): ">d", (8, "little"): "<d"}


class NumberReader:
    """Reading numbers, for whoever has `read_exact`: ``await reader.read_u16()``, ``await reader.read_f64("little")``.

    Each reads so many bytes as its name says bits, and does what `read_exact` does: it raises the same errors, and when
    it is cancelled no byte was taken.
    """

    __slots__ = ()

    @abstractmethod
    async def read_exact(self, n: int) -> bytes:
        """Return exactly `n` bytes.

        Checkpoint: always a cancel point.
        If cancelled: no byte was taken.
        """

    async def read_int(self, size: int, byteorder: ByteOrder = "big", *, signed: bool = False) -> int:
        """Read a whole number.

        Args:
            size: how many bytes it has, at least 1.
            byteorder: ``"big"``, as network protocols have it, or ``"little"``.
            signed: whether it may be negative, in two's complement.

        Raises:
            IncompleteRead: the stream ended before. What did come is in ``partial``, and still in the buffer.
            ValueError: a bad argument, which is named.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the bytes are not there.
        If cancelled: no byte was taken.
        """
        check_number(size, byteorder)
        return int.from_bytes(await self.read_exact(size), byteorder, signed=signed)

    def read_u8(self) -> Awaitable[int]:
        """Read a number of 1 byte, 0 to 255."""
        return self.read_int(1)

    def read_u16(self, byteorder: ByteOrder = "big") -> Awaitable[int]:
        """Read a number of 2 bytes."""
        return self.read_int(2, byteorder)

    def read_u32(self, byteorder: ByteOrder = "big") -> Awaitable[int]:
        """Read a number of 4 bytes."""
        return self.read_int(4, byteorder)

    def read_u64(self, byteorder: ByteOrder = "big") -> Awaitable[int]:
        """Read a number of 8 bytes."""
        return self.read_int(8, byteorder)

    def read_u128(self, byteorder: ByteOrder = "big") -> Awaitable[int]:
        """Read a number of 16 bytes."""
        return self.read_int(16, byteorder)

    def read_i8(self) -> Awaitable[int]:
        """Read a signed number of 1 byte, -128 to 127."""
        return self.read_int(1, signed=True)

    def read_i16(self, byteorder: ByteOrder = "big") -> Awaitable[int]:
        """Read a signed number of 2 bytes."""
        return self.read_int(2, byteorder, signed=True)

    def read_i32(self, byteorder: ByteOrder = "big") -> Awaitable[int]:
        """Read a signed number of 4 bytes."""
        return self.read_int(4, byteorder, signed=True)

    def read_i64(self, byteorder: ByteOrder = "big") -> Awaitable[int]:
        """Read a signed number of 8 bytes."""
        return self.read_int(8, byteorder, signed=True)

    def read_i128(self, byteorder: ByteOrder = "big") -> Awaitable[int]:
        """Read a signed number of 16 bytes."""
        return self.read_int(16, byteorder, signed=True)

    def read_f32(self, byteorder: ByteOrder = "big") -> Awaitable[float]:
        """Read a float of 4 bytes (IEEE 754)."""
        return self._read_float(4, byteorder)

    def read_f64(self, byteorder: ByteOrder = "big") -> Awaitable[float]:
        """Read a float of 8 bytes (IEEE 754)."""
        return self._read_float(8, byteorder)

    async def _read_float(self, size: int, byteorder: ByteOrder) -> float:
        check_number(size, byteorder)
        value: float = struct.unpack(FLOATS[size, byteorder], await self.read_exact(size))[0]
        return value


class NumberWriter:
    """Writing numbers, for whoever has `write_all`: ``await writer.write_u16(80)``, ``await writer.write_f64(0.5)``.

    Each writes so many bytes as its name says bits, and does what `write_all` does. A number that does not fit is a
    ValueError, and nothing is written.
    """

    __slots__ = ()

    @abstractmethod
    async def write_all(self, *buffers: Buffer) -> None:
        """Write all bytes of all buffers.

        Checkpoint: always a cancel point.
        If cancelled: ``bytes_written`` tells how much was taken.
        """

    def write_int(
        self, value: int, size: int, byteorder: ByteOrder = "big", *, signed: bool = False
    ) -> Awaitable[None]:
        """Write a whole number.

        Args:
            value: the number.
            size: how many bytes it has, at least 1.
            byteorder: ``"big"``, as network protocols have it, or ``"little"``.
            signed: whether it may be negative, in two's complement.

        Raises:
            ValueError: the number does not fit, or another argument is bad.
            ConcError: what `write_all` raises.

        Checkpoint: always a cancel point, as `write_all`.
        If cancelled: ``bytes_written`` tells how much was taken.
        """
        check_number(size, byteorder)
        try:
            data = value.to_bytes(size, byteorder, signed=signed)
        except OverflowError:
            kind = "signed" if signed else "unsigned"
            raise ValueError(f"value must fit into {8 * size} bits, {kind}, which {value} does not") from None
        return self.write_all(data)

    def write_u8(self, value: int) -> Awaitable[None]:
        """Write a number of 1 byte, 0 to 255."""
        return self.write_int(value, 1)

    def write_u16(self, value: int, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a number of 2 bytes."""
        return self.write_int(value, 2, byteorder)

    def write_u32(self, value: int, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a number of 4 bytes."""
        return self.write_int(value, 4, byteorder)

    def write_u64(self, value: int, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a number of 8 bytes."""
        return self.write_int(value, 8, byteorder)

    def write_u128(self, value: int, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a number of 16 bytes."""
        return self.write_int(value, 16, byteorder)

    def write_i8(self, value: int) -> Awaitable[None]:
        """Write a signed number of 1 byte, -128 to 127."""
        return self.write_int(value, 1, signed=True)

    def write_i16(self, value: int, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a signed number of 2 bytes."""
        return self.write_int(value, 2, byteorder, signed=True)

    def write_i32(self, value: int, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a signed number of 4 bytes."""
        return self.write_int(value, 4, byteorder, signed=True)

    def write_i64(self, value: int, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a signed number of 8 bytes."""
        return self.write_int(value, 8, byteorder, signed=True)

    def write_i128(self, value: int, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a signed number of 16 bytes."""
        return self.write_int(value, 16, byteorder, signed=True)

    def write_f32(self, value: float, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a float of 4 bytes (IEEE 754), which has about 7 digits."""
        return self._write_float(value, 4, byteorder)

    def write_f64(self, value: float, byteorder: ByteOrder = "big") -> Awaitable[None]:
        """Write a float of 8 bytes (IEEE 754)."""
        return self._write_float(value, 8, byteorder)

    def _write_float(self, value: float, size: int, byteorder: ByteOrder) -> Awaitable[None]:
        check_number(size, byteorder)
        try:
            data = struct.pack(FLOATS[size, byteorder], value)
        except OverflowError:
            raise ValueError(f"value must fit into a float of {8 * size} bits, which {value!r} does not") from None
        except struct.error:
            raise TypeError(f"value must be a number, not {value!r}") from None
        return self.write_all(data)


def check_number(size: int, byteorder: str) -> None:
    """Raise an error that names the argument that is wrong."""
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    if byteorder not in ("big", "little"):
        raise ValueError(f'byteorder must be "big" or "little", not {byteorder!r}')
