"""Waiting as long as was asked, and no shorter, on system calls that count whole milliseconds up to some limit.

Rounding up would make every sleep up to a millisecond late, rounding down would wake too early. So the whole
milliseconds are waited for in the system call of the poller, and what is left over, which is short, in one that counts
finer.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Final

from conc._os.poller import Events

# Below this, one fine wait is better than a coarse one and a fine one: each comes back some 60 microseconds late.
FINE_S: Final = 0.002
# epoll and poll count milliseconds in 31 bits, which is 24 days; time_t and timespec have limits of their own.
LONGEST_S: Final = 86_400
NAP_S: Final = 0.0001


def wait_patiently(coarse: Callable[[int], Events], fine: Callable[[float], Events], timeout: float) -> Events:
    """Wait until there are events, or until `timeout` is over.

    Args:
        coarse: waits for that many milliseconds, at most `LONGEST_S` seconds.
        fine: waits for that many seconds; they are fewer than `FINE_S`, and after rounding perhaps fewer than 0.
        timeout: seconds, `math.inf` too.
    """
    while timeout >= FINE_S:
        milliseconds = int(min(timeout, LONGEST_S) * 1000)
        events = coarse(milliseconds)
        if events:
            return events
        timeout -= milliseconds / 1000
    return fine(timeout)


def wait_in_naps(look: Callable[[], Events], timeout: float) -> Events:
    """The fine wait of those who have no better: look, sleep for 0.1 ms, and look again.

    Something that becomes ready is seen up to a nap later, so this is for short waits only.
    """
    deadline = monotonic() + timeout
    while True:
        events = look()
        left = deadline - monotonic()
        if events or left <= 0:
            return events
        sleep(min(left, NAP_S))
