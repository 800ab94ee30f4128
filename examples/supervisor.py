"""A supervised pool of workers: a worker that fails is started again, but not for ever and not at once.

Errors of a job go to whoever gave the job; errors of a worker to the supervisor, which waits longer each time before it
starts it again, and gives up when workers fail too often.

Prints:

    [0, 1, 4, 9, 16, 25, 36, 49]
    a worker failed: lost the database; again in 0.01 s
    a worker failed: lost the database; again in 0.02 s
    gave up: 3 failures in 60 s
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import conc
from conc.channels import OneshotSender, Receiver, mpmc, oneshot

WORKERS = 4
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 5.0


class TooManyFailures(Exception):
    """Workers failed so often that starting them again makes no sense."""


class Supervisor:
    """Runs an async function, and runs it again when it fails.

    Args:
        failures: after how many failures within `period` seconds it gives up.
    """

    def __init__(self, failures: int = 3, period: float = 60.0) -> None:
        self.failures = failures
        self.period = period
        self._times: deque[float] = deque()

    async def keep(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run ``work()`` until it returns, starting it again when it fails.

        Raises:
            TooManyFailures: from the last error.
        """
        pause = FIRST_PAUSE_S
        while True:
            try:
                await work()
                return
            except Exception as error:
                self._note(error)
                print(f"a worker failed: {error}; again in {pause:g} s")
            await conc.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _note(self, error: Exception) -> None:
        """Count a failure; give up if there were too many."""
        now = conc.current_time()
        self._times.append(now)
        while self._times[0] < now - self.period:
            self._times.popleft()
        if len(self._times) >= self.failures:
            raise TooManyFailures(f"{len(self._times)} failures in {self.period:g} s") from error


class Job(NamedTuple):
    """A number to be squared, and where the answer goes."""

    number: int
    answer: OneshotSender[int]


async def worker(jobs: Receiver[Job]) -> None:
    """Do jobs until there will be no more. It keeps nothing between two of them, so it may be started anew."""
    async for job in jobs:
        job.answer.send_nowait(job.number**2)


async def square_all(numbers: range) -> list[int]:
    """Let a pool of workers do it."""
    sender, receiver = mpmc[Job](8)
    supervisor = Supervisor()
    async with conc.open_nursery() as pool:
        for _ in range(WORKERS):
            pool.start_soon(supervisor.keep, lambda: worker(receiver))

        async def ask(number: int) -> int:
            answer, answered = oneshot[int]()
            await sender.send(Job(number, answer))
            return await answered.receive()

        squares = await conc.join(*(ask(number) for number in numbers))
        sender.close()
    return list(squares)


async def lose_the_database() -> None:
    """A worker that never gets far."""
    raise ConnectionError("lost the database")


async def main() -> None:
    """A pool that works, and one that does not."""
    print(await square_all(range(8)))
    try:
        await Supervisor().keep(lose_the_database)
    except TooManyFailures as error:
        print(f"gave up: {error}")


if __name__ == "__main__":
    conc.run(main)
