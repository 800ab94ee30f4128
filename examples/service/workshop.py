"""A small queue, and a pool of workers that empties it. Who waits for room in the queue feels the load at once."""

import hashlib
from collections import deque

import conc
from conc.sync import Event, Semaphore

WORKERS = 8
QUEUE_SIZE = 16


class Job:
    """A piece of work, and the promise of its result."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.result = b""
        self.done = Event()


class Workshop:
    """Bounded queue: a permit of `_room` for each free place, one of `_work` for each job in line."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._room = Semaphore(QUEUE_SIZE)
        self._work = Semaphore(0)

    async def order(self, request: bytes) -> bytes:
        """Have a request worked on. If the caller is cancelled while it waits for room, nothing was ordered."""
        job = Job(request)
        await self._room.acquire()
        self._jobs.append(job)
        self._work.release()
        await job.done.wait()
        return job.result

    async def worker(self) -> None:
        """Work on jobs, one after the other, until cancelled."""
        while True:
            await self._work.acquire()
            job = self._jobs.popleft()
            self._room.release()
            job.result = await answer(job.request)
            job.done.set()


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
