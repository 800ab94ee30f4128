"""The clients, what they measure, and the census of tasks."""

import random

import conc
from conc.io import BufReader
from conc.lowlevel import Instrument, Task
from conc.net import connect_tcp

REQUEST_SECONDS = 5.0
"""The deadline of each request."""


class Log:
    """What happened: seconds per answered request, requests that came too late, how many tasks lived when."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.late = 0
        self.tasks: list[tuple[float, int]] = []

    @property
    def finished(self) -> int:
        """Requests that were answered or given up."""
        return len(self.latencies) + self.late


class Census(Instrument):
    """Counts the tasks that are alive."""

    def __init__(self) -> None:
        self.alive = 0
        self.most = 0

    def task_spawned(self, task: Task[object]) -> None:
        """One more."""
        self.alive += 1
        self.most = max(self.most, self.alive)

    def task_exited(self, task: Task[object]) -> None:
        """One less."""
        self.alive -= 1


async def client(port: int, requests: int, dice: random.Random, log: Log) -> None:
    """Connect, ask some questions with pauses between them, and check the answers."""
    await conc.sleep(dice.uniform(0, 1))
    async with await connect_tcp("127.0.0.1", port) as stream:
        reader = BufReader(stream)
        for _ in range(requests):
            await conc.sleep(dice.expovariate(10))
            a, b = dice.randrange(1000), dice.randrange(1000)
            request, expected = (b"hash %d\n" % a, None) if dice.random() < 0.02 else (b"add %d %d\n" % (a, b), a + b)
            start = conc.current_time()
            try:
                with conc.fail_after(REQUEST_SECONDS):
                    await stream.write_all(request)
                    answer = await reader.read_line()
            except TimeoutError:
                log.late += 1
                return  # the answer may still come: this connection cannot be used any more
            log.latencies.append(conc.current_time() - start)
            if expected is not None and int(answer) != expected:
                raise ValueError(f"{request!r} was answered with {answer!r}")


async def run_clients(port: int, count: int, requests: int, seed: int, log: Log) -> None:
    """All clients at once; ends with the last of them."""
    async with conc.open_nursery() as clients:
        for number in range(count):
            clients.start_soon(client, port, requests, random.Random(seed + number), log, name=f"client {number}")
