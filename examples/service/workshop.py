"""A pool of workers behind a channel. Who waits for a place in it feels the load at once."""

import hashlib
from contextlib import suppress
from typing import NamedTuple

import conc
from conc.channels import OneshotSender, Receiver, Sender, oneshot
from conc.errors import ChannelClosed

WORKERS = 8
QUEUE_SIZE = 16


class Order(NamedTuple):
    """A piece of work, and the way back for its result."""

    request: bytes
    reply: OneshotSender[bytes]


async def order(request: bytes, orders: Sender[Order]) -> bytes:
    """Have a request worked on. If the caller is cancelled while it waits for room, nothing was ordered."""
    reply, result = oneshot[bytes]()
    with result:
        await orders.send(Order(request, reply))
        return await result.receive()


async def work(orders: Receiver[Order]) -> None:
    """Work on orders, one after the other, until there will be no more."""
    with orders:
        async for request, reply in orders:
            with reply, suppress(ChannelClosed):  # who ordered it may have gone
                reply.send_nowait(await answer(request))


async def answer(request: bytes) -> bytes:
    """``add 1 2`` is quick; ``hash words`` takes a while, and would hold up everybody, so it goes to a thread."""
    kind, _, rest = request.partition(b" ")
    if kind == b"add":
        return b"%d" % sum(map(int, rest.split()))
    if kind == b"hash":
        return await conc.to_thread(slow_hash, rest)
    return b"what is " + kind + b"?"


def slow_hash(words: bytes) -> bytes:
    """Some milliseconds of a core, spent in C code that lets other threads run."""
    return hashlib.pbkdf2_hmac("sha256", words, b"salt", 5_000).hex().encode()
