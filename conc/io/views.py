"""What is to be written, as views of its bytes: nothing is copied, and what was written is taken off the front."""

from __future__ import annotations

from typing import Final

from conc.io.stream import Buffer

# IOV_MAX is 1,024 on most systems and 16 on some.
BUFFERS_AT_MOST: Final = 16
# What writing from several places costs more than writing from one, copying this much costs too.
JOIN_AT_MOST: Final = 32_768


def joined(buffers: tuple[Buffer, ...]) -> bytes | None:
    """The buffers as one, if they are small, so that this costs less than writing them from where they are."""
    try:
        return b"".join(buffers) if sum(map(len, buffers)) <= JOIN_AT_MOST else None
    except (TypeError, BufferError):
        return None  # `views_of` says what is wrong


def views_of(buffers: tuple[Buffer, ...]) -> list[memoryview]:
    """Byte by byte views of what is to be written, without empty ones."""
    views = []
    for buffer in buffers:
        try:
            view = memoryview(buffer).cast("B")
        except TypeError:
            remedy = "; a string has to be encoded" if isinstance(buffer, str) else ""
            raise TypeError(f"what is written must be contiguous bytes, not {buffer!r:.100}{remedy}") from None
        if view:
            views.append(view)
    return views


def advance(views: list[memoryview], sent: int) -> bool:
    """Take `sent` bytes off the front. Whether the last write took all it was given, so that there may be more room."""
    given = sum(map(len, views[:BUFFERS_AT_MOST]))
    used = 0
    left = sent
    while used < len(views) and left >= len(views[used]):
        left -= len(views[used])
        used += 1
    del views[:used]
    if left:
        views[0] = views[0][left:]
    return sent == given


def view_to_fill(buffer: bytearray | memoryview) -> memoryview:
    """A byte by byte view of what is to be read into.

    Raises:
        TypeError: it is not contiguous bytes, or cannot be written to.
        ValueError: it has no room.
    """
    try:
        view = memoryview(buffer).cast("B")
    except TypeError:
        raise TypeError(f"buffer must be contiguous bytes, not {buffer!r:.100}") from None
    if view.readonly:
        raise TypeError(f"buffer must be writable, such as a bytearray, not {buffer!r:.100}")
    if not view:
        raise ValueError("buffer must have room for at least 1 byte, not 0")
    return view
