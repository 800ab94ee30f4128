"""wait_readable and wait_writable: what a cancellation leaves of a wait for a descriptor."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import conc
from conc._kernel.current import current_worker
from conc._os.poller import READ, WRITE
from conc._os.select_poller import SelectPoller
from conc.errors import BusyResource
from conc.lowlevel import wait_readable, wait_writable

SECONDS_AT_MOST = 20


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that are connected, of which the first has no room to write and nothing to read."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        try:
            while True:
                left.send(bytes(65536))
        except BlockingIOError:
            yield left, right


@pytest.fixture(params=[None, SelectPoller], ids=["of the system", "level-triggered"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """`conc.run` with the poller of the system and with a simpler one."""

    async def limited(main: Callable[[], Awaitable[None]]) -> None:
        with conc.fail_after(SECONDS_AT_MOST):
            await main()

    return lambda main: conc.run(limited, main, poller=request.param)


def test_a_cancelled_wait_leaves_the_direction_to_the_next(run: Any, pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair

    async def main() -> None:
        for wait in (wait_readable, wait_writable, wait_readable, wait_writable):
            with conc.move_on_after(0.01) as scope:
                await wait(left)
            assert scope.cancelled_caught
        assert len(current_worker().descriptors) == 0
        right.send(b"x")
        await wait_readable(left)
        while not left_is_writable(left):
            right.recv(1 << 20)
        await wait_writable(left)

    run(main)


def test_a_cancelled_wait_leaves_the_other_direction_alone(run: Any, pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(wait_readable, left)
            with conc.move_on_after(0.01):
                await wait_writable(left)
            with pytest.raises(BusyResource):
                await wait_readable(left)
            right.send(b"x")
            await reading.join()

    run(main)


@pytest.mark.parametrize(("wait", "flag"), [(wait_readable, READ), (wait_writable, WRITE)])
def test_a_wait_that_was_over_before_it_was_cancelled_returns(
    run: Any, pair: tuple[socket.socket, socket.socket], wait: Any, flag: int
) -> None:
    left, _ = pair
    came: list[str] = []

    async def waits() -> None:
        await wait(left)
        came.append("ready")
        await conc.checkpoint()
        came.append("on")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(waits)
            await conc.sleep(0.01)
            current_worker().descriptors.notify([(left.fileno(), flag)])
            task.cancel()
        assert came == ["ready"]
        assert len(current_worker().descriptors) == 0

    run(main)


def test_what_is_ready_stays_so_until_it_was_read(run: Any, pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair

    async def main() -> None:
        right.send(b"x")
        for _ in range(3):
            await wait_readable(left)
        assert left.recv(10) == b"x"
        with conc.move_on_after(0.01) as scope:
            await wait_readable(left)
        assert scope.cancelled_caught

    run(main)


def test_what_the_system_cannot_wait_for_is_an_error_and_leaves_nothing(run: Any) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="Bad file descriptor"):
            await wait_readable(10**6)
        assert len(current_worker().descriptors) == 0

    run(main)


def left_is_writable(left: socket.socket) -> bool:
    """Whether there is room for a byte."""
    try:
        left.send(b"x")
    except BlockingIOError:
        return False
    return True
