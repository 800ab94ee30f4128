"""So many calls per second, and not more: the bucket of pyrate-limiter counts them on the clock of the program.

The bucket only decides; who waits, waits in conc: in line, and to be cancelled at any time. So it works on virtual time
too, as it does here.

Prints:

    0.00 s: call 1
    0.00 s: call 2
    0.00 s: call 3
    0.25 s: call 4
    0.50 s: call 5
    0.75 s: call 6
"""

from pyrate_limiter import AbstractClock, Decision, Duration, Rate, RateItem, StateBucket

import conc
from conc.sync import Semaphore
from conc_testing import VirtualClock


class ProgramClock(AbstractClock):
    """Tells pyrate-limiter the time of the running program, be it real or virtual."""

    def now(self) -> int:
        """In milliseconds, as pyrate-limiter counts."""
        return round(conc.current_time() * 1000)


class RateLimiter:
    """``await limiter.acquire()`` returns at most as often as all the rates allow. For any number of tasks and strands.

    Order: first come, first served; a small request does not overtake a large one.

    Args:
        rates: what is allowed, as ``Rate(4, Duration.SECOND, burst=3)``.
    """

    def __init__(self, *rates: Rate) -> None:
        self._clock = ProgramClock()
        self._bucket = StateBucket(list(rates), clock=self._clock)
        self._turn = Semaphore(1)

    async def acquire(self, weight: int = 1) -> None:
        """Wait until `weight` more may be done, and count it as done. A wait that is cancelled has used nothing up."""
        async with self._turn:  # who is first in line waits for the bucket, the others for their turn
            while not (decision := self._decide(weight)).allowed:
                if decision.retry_after_ms is None:
                    raise ValueError(f"weight must not exceed the burst of any rate: {weight} never fits")
                await conc.sleep(decision.retry_after_ms / 1000)

    def _decide(self, weight: int) -> Decision:
        """Take `weight` out of the bucket, or learn when to ask again; what is refused changes nothing."""
        decision = self._bucket.put_decision(RateItem("", self._clock.now(), weight))
        assert isinstance(decision, Decision), "a bucket in memory decides at once"
        return decision


async def call(limiter: RateLimiter, number: int) -> None:
    """What must not be done too often."""
    await limiter.acquire()
    print(f"{conc.current_time():.2f} s: call {number}")


async def main() -> None:
    """Six calls at the same time: three may be made at once, then four a second."""
    limiter = RateLimiter(Rate(4, Duration.SECOND, burst=3))
    async with conc.open_nursery() as nursery:
        for number in range(1, 7):
            nursery.start_soon(call, limiter, number)


if __name__ == "__main__":
    conc.run(main, clock=VirtualClock())
