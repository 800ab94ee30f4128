"""What holds for all primitives: who lets through just when somebody is about to wait is not missed, at any moment; nor
is who closes."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import conc
from conc.channels import broadcast, mpmc, mpsc, oneshot, watch
from conc.channels.audience import Audience
from conc.channels.conduit import Conduit
from conc.errors import ChannelClosed, ClosedResource, EndOfChannel
from conc.sync import Semaphore
from conc_testing import VirtualClock
from tests.sync.primitives import SCENES, Scene
from tests.sync.test_all_primitives import has

# Who lets through does nothing unless somebody waits already, and why.
FOR_THOSE_WHO_WAIT: dict[str, str] = {
    "Barrier.wait": "it would wait itself",
    "Condition.wait": "who notifies holds the mutex, which who comes has until he waits",
    "Condition.wait_for": "as wait",
    "Notify.notified, all": "it is for those who wait; `since` is for who comes",
    "OnceCell.get_or_init": "the value is made in the strand of who comes",
    "Receiver.receive, rendezvous": "nothing is sent unless somebody receives",
    "Sender.send, rendezvous": "nothing is received unless somebody sends",
}


class Moments:
    """In the place of a lock: at one of the moments before it is taken or after it was given back, something happens.

    Args:
        lock: the lock itself.
        tell: called at each such moment of the thread that made this.
    """

    def __init__(self, lock: Any, tell: Callable[[], None]) -> None:
        self._lock = lock
        self._tell = tell
        self.locked = lock.locked

    def acquire(self) -> None:
        """As a lock."""
        self._tell()
        self._lock.acquire()

    def release(self) -> None:
        """As a lock."""
        self._lock.release()
        self._tell()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


def put_in_place(scene: Scene, moments: Callable[[Any], Moments]) -> None:
    """Replace all locks of a primitive."""
    queues = list(scene.queues())
    replaced = {queue.lock: moments(queue.lock) for queue in queues}
    holders: list[Any] = [*queues, getattr(scene.owner, "_conduit", None), getattr(scene.owner, "_channel", None)]
    for holder in holders:
        if holder is not None and hasattr(holder, "lock"):
            assert isinstance(holder, (Audience, Conduit)) or holder in queues
            holder.lock = replaced[holder.lock]


def closed_by(side: int, pair: tuple[Any, Any], waits: int, name: str, *args: Any) -> Scene:
    """A wait in one end of a channel, of which an end is closed."""

    def close() -> None:
        pair[side].close()  # and both are kept

    return Scene(pair[waits], name, *args, let_through=close)


def full() -> tuple[Any, Any]:
    """A channel without a place."""
    sender, receiver = mpsc[int](1)
    sender.send_nowait(0)
    return sender, receiver


def closed_semaphore() -> Scene:
    semaphore = Semaphore(0)
    return Scene(semaphore, "acquire", let_through=semaphore.close)


ENDED: dict[str, Callable[[int], Scene]] = {
    "Receiver.receive": lambda side: closed_by(side, mpsc[int](1), 1, "receive"),
    "Receiver.receive, rendezvous": lambda side: closed_by(side, mpsc[int](0), 1, "receive"),
    "Receiver.receive_many": lambda side: closed_by(side, mpmc[int](1), 1, "receive_many", 5),
    "Sender.send": lambda side: closed_by(side, full(), 0, "send", 1),
    "Sender.send, rendezvous": lambda side: closed_by(side, mpsc[int](0), 0, "send", 1),
    "Sender.reserve": lambda side: closed_by(side, full(), 0, "reserve"),
    "OneshotReceiver.receive": lambda side: closed_by(side, oneshot[int](), 1, "receive"),
    "BroadcastReceiver.receive": lambda side: closed_by(side, broadcast[int](1), 1, "receive"),
    "WatchReceiver.changed": lambda side: closed_by(side, watch[int](0), 1, "changed"),
}
# Waits that are ended by closing.
ENDINGS = {"Semaphore.acquire": closed_semaphore} | {
    f"{label}, {which} closed": partial(make, side)
    for label, make in ENDED.items()
    for side, which in enumerate(("sender", "receiver"))
}


async def is_told(wait: Callable[[], Awaitable[object]]) -> None:
    """Wait, and be told that it was closed."""
    with pytest.raises((ChannelClosed, ClosedResource, EndOfChannel)):
        await wait()


def count_moments(make: Callable[[], Scene], use: Callable[[Scene], Awaitable[object]]) -> int:
    """Use the primitive, and let through in another thread between two steps under the lock: at each such moment, in a
    scene of its own. Returns how many there were."""
    moment = 0
    while comes_to(moment, make(), use):
        moment += 1
    return moment


def comes_to(moment: int, scene: Scene, use: Callable[[Scene], Awaitable[object]]) -> bool:
    """Let through at one moment of getting in line. Returns whether there is such a moment."""
    here, clock = threading.current_thread(), VirtualClock()
    left = [moment]

    def tell() -> None:
        if threading.current_thread() is here and clock.now() == 0 and left[0] >= 0:
            left[0] -= 1
            if left[0] < 0:
                another.submit(scene.let_through).result()

    async def main() -> None:
        with conc.fail_after(1):
            await use(scene)

    with ThreadPoolExecutor(1) as another:
        another.submit(scene.block).result()
        put_in_place(scene, lambda lock: Moments(lock, tell))
        try:
            conc.run(main, clock=clock)
        except TimeoutError:
            assert left[0] >= 0, f"nobody woke it: it was let through at moment {moment} of getting in line"
            return False
    scene.owner._check()
    return True


@pytest.mark.parametrize(
    ("label", "select"),
    [
        (label, select)
        for label in SCENES
        for select in (False, True)
        if label not in FOR_THOSE_WHO_WAIT and (not select or has(label, ", for select"))
    ],
)
def test_who_is_let_through_in_the_middle_of_getting_in_line_does_not_wait(label: str, select: bool) -> None:
    def use(scene: Scene) -> Awaitable[object]:
        return scene.use(scene.select if select else scene.wait)

    assert count_moments(SCENES[label], use) >= 2


@pytest.mark.parametrize("select", [False, True])
@pytest.mark.parametrize("label", ENDINGS)
def test_who_is_in_the_middle_of_getting_in_line_is_told_of_a_close(label: str, select: bool) -> None:
    def use(scene: Scene) -> Awaitable[object]:
        return is_told(scene.select if select else scene.wait)

    assert count_moments(ENDINGS[label], use) >= 2
