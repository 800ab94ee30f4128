"""Numbers are read and written as `int.to_bytes` and `struct` have them, in both byte orders, torn apart or not."""

from __future__ import annotations

import math
import struct
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.errors import IncompleteRead
from conc.io import BufReader, BufStream, BufWriter, NumberReader, NumberWriter
from conc_testing import duplex
from tests.io.pieces import Pieces

ORDERS: tuple[Literal["big", "little"], ...] = ("big", "little")
WHOLE = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "u128": 128, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "i128": 128}
FLOATS = {"f32": "f", "f64": "d"}


def range_of(name: str) -> tuple[int, int]:
    """The smallest and the greatest number of this kind."""
    bits = WHOLE[name]
    return (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


async def there_and_back(writes: list[tuple[Any, ...]], reads: list[tuple[Any, ...]], chunk: int | None) -> list[Any]:
    """Write by names and arguments on one end, read by them on the other."""
    a, b = duplex(chunk=chunk)
    async with BufWriter(a) as writer:
        for name, *args in writes:
            await getattr(writer, name)(*args)
    await a.close_write()
    reader = BufReader(b)
    values = [await getattr(reader, name)(*args) for name, *args in reads]
    assert await reader.read(1) == b""
    return values


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
async def test_whole_numbers_come_back_as_they_were_written(name: str, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.tuples(st.integers(*range_of(name)), st.sampled_from(ORDERS)), max_size=5))
    order = (lambda o: ()) if WHOLE[name] == 8 else (lambda o: (o,))
    chunk = data.draw(st.sampled_from([None, 1, 3]))

    values = await there_and_back(
        [(f"write_{name}", value, *order(o)) for value, o in numbers],
        [(f"read_{name}", *order(o)) for _, o in numbers],
        chunk,
    )

    assert values == [value for value, _ in numbers]


@pytest.mark.parametrize("name", FLOATS)
@given(data=st.data())
async def test_floats_come_back_as_they_were_written(name: str, data: st.DataObject) -> None:
    number = st.floats(width=int(name[1:]), allow_nan=False)  # type: ignore[arg-type]
    numbers = data.draw(st.lists(st.tuples(number, st.sampled_from(ORDERS)), max_size=5))

    values = await there_and_back(
        [(f"write_{name}", value, o) for value, o in numbers],
        [(f"read_{name}", o) for _, o in numbers],
        data.draw(st.sampled_from([None, 1, 3])),
    )

    assert values == [value for value, _ in numbers]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", WHOLE)
async def test_whole_numbers_have_the_bytes_that_the_standard_library_gives_them(
    name: str, order: Literal["big", "little"]
) -> None:
    least, greatest = range_of(name)
    size = WHOLE[name] // 8
    arguments = () if size == 1 else (order,)
    for value in (least, greatest, greatest // 3):
        writer = BufWriter(duplex()[0])
        await getattr(writer, f"write_{name}")(value, *arguments)
        assert writer.unsent == value.to_bytes(size, order, signed=name[0] == "i")
        assert await getattr(BufReader(Pieces([writer.unsent])), f"read_{name}")(*arguments) == value


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, math.inf, math.nan])
@pytest.mark.parametrize("name", FLOATS)
async def test_floats_have_the_bytes_of_the_ieee_standard(name: str, value: float) -> None:
    for order, sign in (("big", ">"), ("little", "<")):
        writer = BufWriter(duplex()[0])
        await getattr(writer, f"write_{name}")(value, order)
        assert writer.unsent == struct.pack(sign + FLOATS[name], value)
        again = await getattr(BufReader(Pieces([writer.unsent])), f"read_{name}")(order)
        assert struct.pack("d", again) == struct.pack("d", value)


async def test_the_byte_order_is_that_of_the_network_unless_another_is_asked_for() -> None:
    reader = BufReader(Pieces([b"\x00\x50\x50\x00\x00\x00\x50"]))

    assert await reader.read_u16() == 80
    assert await reader.read_u16("little") == 80
    assert await reader.read_int(3) == 80


async def test_a_number_whose_bytes_do_not_all_come_takes_none_of_them() -> None:
    reader = BufReader(Pieces([b"ab", b"c"]))

    for operation in (reader.read_u32, reader.read_i64, reader.read_f32, reader.read_f64, reader.read_u128):
        with pytest.raises(IncompleteRead) as raised:
            await operation()
        assert raised.value.partial == b"abc"

    assert await reader.read_u16() == 0x6162


async def test_a_number_that_is_cancelled_between_its_bytes_takes_none_of_them() -> None:
    reader = BufReader(Pieces([b"\x01", b"", b"\x02"]))

    with conc.move_on_after(0.5) as scope:
        await reader.read_u16()

    assert scope.cancelled_caught
    assert reader.buffered == b"\x01"
    assert await reader.read_u16() == 0x0102


@pytest.mark.parametrize("name", WHOLE)
async def test_a_number_that_does_not_fit_is_refused_before_anything_is_written(name: str) -> None:
    writer = BufWriter(duplex()[0])
    least, greatest = range_of(name)

    for value in (least - 1, greatest + 1):
        with pytest.raises(ValueError, match=f"^value must fit into {WHOLE[name]} bits, .* which {value} does not"):
            getattr(writer, f"write_{name}")(value)  # at the call, before it is awaited

    assert writer.bytes_written == 0


async def test_a_float_that_does_not_fit_is_refused_before_anything_is_written() -> None:
    writer = BufWriter(duplex()[0])

    with pytest.raises(ValueError, match=r"^value must fit into a float of 32 bits"):
        writer.write_f32(1e300)
    with pytest.raises(TypeError, match=r"^value must be a number"):
        writer.write_f64("1.5")  # type: ignore[arg-type]
    await writer.write_f64(1e300)

    assert writer.bytes_written == 8


async def test_bad_sizes_and_byte_orders_are_named() -> None:
    stream = duplex()[0]
    buffered = BufStream(stream)

    with pytest.raises(ValueError, match=r"^size must be at least 1, not 0"):
        await buffered.read_int(0)
    with pytest.raises(ValueError, match=r"^byteorder must"):
        await buffered.read_u16("middle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^byteorder must"):
        await buffered.read_f32("middle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^size must be at least 1, not -1"):
        buffered.write_int(0, -1)
    with pytest.raises(ValueError, match=r"^byteorder must"):
        buffered.write_f64(0.0, "middle")  # type: ignore[arg-type]

    assert buffered.bytes_written == 0


async def test_whoever_reads_exactly_can_read_numbers() -> None:
    class Counter(NumberReader, NumberWriter):
        """Gives the bytes 1, 2, 3 ... and counts those that it takes."""

        def __init__(self) -> None:
            self.last = self.taken = 0

        async def read_exact(self, n: int) -> bytes:
            await conc.checkpoint()
            self.last += n
            return bytes(range(self.last - n + 1, self.last + 1))

        async def write_all(self, *buffers: bytes | bytearray | memoryview) -> None:
            await conc.checkpoint()
            self.taken += sum(map(len, buffers))

    counter = Counter()

    assert await counter.read_u16() == 0x0102
    assert await counter.read_u16("little") == 0x0403
    await counter.write_u32(7)
    assert counter.taken == 4
