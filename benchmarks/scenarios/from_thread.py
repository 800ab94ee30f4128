"""from_thread: a thread outside sends 100,000 messages as fast as it can, and one task receives them."""

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import aiologic, anyio, conc, janus, tonio, trio
from benchmarks.scenario import Scenario, contestants


def started(work: Callable[..., None], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=args)
    thread.start()
    return thread


def sender(send: Callable[[int], Any], size: int) -> None:
    """For libraries whose channels a thread may send to."""
    for message in range(size):
        send(message)


def calling_sender(call: Callable[..., Any], send: Callable[[int], Any], size: int) -> None:
    """For libraries that have a way to call something from outside, and channels for the inside."""
    for message in range(size):
        call(send, message)


async def conc_main(size: int) -> None:
    end, receiver = conc.channels.mpsc_unbounded[int]()
    with end, receiver:
        thread = started(sender, end.send_nowait, size)
        receive = receiver.receive
        for _ in range(size):
            await receive()
    thread.join()


async def asyncio_main(size: int) -> None:
    queue = asyncio.Queue[int]()
    thread = started(calling_sender, asyncio.get_running_loop().call_soon_threadsafe, queue.put_nowait, size)
    get = queue.get
    for _ in range(size):
        await get()
    thread.join()


async def janus_main(size: int) -> None:
    queue = janus.Queue[int]()
    thread = started(sender, queue.sync_q.put_nowait, size)
    get = queue.async_q.get
    for _ in range(size):
        await get()
    thread.join()
    await queue.aclose()


async def aiologic_main(size: int) -> None:
    queue = aiologic.SimpleQueue[int]()
    thread = started(sender, queue.green_put, size)
    get = queue.async_get
    for _ in range(size):
        await get()
    thread.join()


async def trio_main(size: int) -> None:
    end, receiver = trio.open_memory_channel[int](math.inf)
    thread = started(calling_sender, trio.lowlevel.current_trio_token().run_sync_soon, end.send_nowait, size)
    receive = receiver.receive
    for _ in range(size):
        await receive()
    thread.join()


def anyio_sender(send: Callable[[int], Any], token: Any, size: int) -> None:
    run_sync = anyio.from_thread.run_sync
    for message in range(size):
        run_sync(send, message, token=token)


async def anyio_main(size: int) -> None:
    end, receiver = anyio.create_memory_object_stream[int](math.inf)
    with end, receiver:
        thread = started(anyio_sender, end.send_nowait, anyio.lowlevel.current_token(), size)
        receive = receiver.receive
        for _ in range(size):
            await receive()
    thread.join()


async def tonio_main(size: int) -> None:
    end, receiver = tonio.colored.sync.channel.unbounded()
    thread = started(sender, end.send, size)
    receive = receiver.receive
    for _ in range(size):
        await receive()
    thread.join()


SCENARIOS = (
    Scenario(
        name="from_thread",
        family="from_thread",
        title="100,000 messages from a thread outside, received by one task",
        unit="message",
        size=100_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_main,
                "asyncio": asyncio_main,
                "janus": janus_main,
                "aiologic": aiologic_main,
                "trio": trio_main,
                "anyio": anyio_main,
                "tonio": tonio_main,
            }
        ),
        excused={"tinyio": "it has no channels"},
        notes="conc, janus, aiologic, tonio: the thread sends to the channel itself. asyncio: `call_soon_threadsafe` of"
        " `Queue.put_nowait`. trio: `run_sync_soon` of `send_nowait`. anyio: `from_thread.run_sync` of it, which waits"
        " for each call to be done: it has nothing that does not.",
    ),
)
