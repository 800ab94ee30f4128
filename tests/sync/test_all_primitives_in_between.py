"""What holds for all primitives: who lets through just when somebody is about to wait is not missed, at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import conc
from conc.channels.audience import Audience
from conc.channels.conduit import Conduit
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
    """Another thread lets through between two of its steps under the lock: each of these moments is tried."""
    here = threading.current_thread()

    def come_to(moment: int) -> bool:
        """Whether there is such a moment."""
        scene, clock = SCENES[label](), VirtualClock()
        left = [moment]

        def tell() -> None:
            if threading.current_thread() is here and clock.now() == 0 and left[0] >= 0:
                left[0] -= 1
                if left[0] < 0:
                    another.submit(scene.let_through).result()

        async def main() -> None:
            with conc.fail_after(1):
                await scene.use(scene.select if select else scene.wait)

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

    moments = 0
    while come_to(moments):
        moments += 1
    assert moments >= 2
