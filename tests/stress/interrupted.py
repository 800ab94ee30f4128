"""A program for test_interrupts: short runs one after another, until Ctrl-C comes; then it says what was left and lost.

Called with the number of workers and a seed. Exits with 130 if all is well, as a program does that Ctrl-C has ended.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import traceback
from collections.abc import Iterator

import conc
from conc import Task
from conc.sync import Event, Semaphore
from tests.stress.leftovers import descriptors
from tests.stress.load import Dice


class Refusal(Exception):
    """What its tasks raise on purpose, some of them while they are cancelled."""


class Program:
    """One run, and the account of it."""

    def __init__(self, dice: Dice) -> None:
        self.began: list[None] = []
        self.ended: list[None] = []
        self.raised: list[Refusal] = []
        self._dice = dice
        self._event = Event()
        self._semaphore = Semaphore(2)

    async def main(self) -> None:
        """Tasks that wait for all sorts of things, for a few milliseconds."""
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(3):
                nursery.start_soon(self._strand, self._dice.another())

    async def _strand(self, dice: Dice) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(self._task, dice)

    async def _task(self, dice: Dice) -> None:
        self.began.append(None)
        try:
            wait = dice.pick([self._sleep, self._listen, self._hold, self._call])
            await wait(dice)
        except conc.Cancelled:
            if dice.chance() < 0.2:
                self._refuse()
            raise
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(dice.seconds(0, 0.0005))
            self.ended.append(None)
        if dice.chance() < 0.01:
            self._refuse()

    def _refuse(self) -> None:
        error = Refusal()
        self.raised.append(error)
        raise error

    async def _sleep(self, dice: Dice) -> None:
        await conc.sleep(dice.seconds(0, 0.004))

    async def _listen(self, dice: Dice) -> None:
        with conc.move_on_after(dice.seconds(0, 0.004)):
            await self._event.wait()

    async def _hold(self, dice: Dice) -> None:
        async with self._semaphore:
            await conc.checkpoint()

    async def _call(self, dice: Dice) -> None:
        await conc.to_thread(threading.Event().wait, dice.seconds(0, 0.002))


def errors_in(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and all that it was caused by, or hides, or holds."""
    todo = [error]
    seen = set()
    for one in todo:
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += (one.__cause__, one.__context__)
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions


def what_is_lost(interrupt: KeyboardInterrupt, program: Program) -> Iterator[str]:
    """What the last run did not account for, in words."""
    if len(program.began) != len(program.ended):
        yield f"{len(program.began)} tasks began, {len(program.ended)} ended"
    places = [frame.f_code for frame, _ in traceback.walk_tb(interrupt.__traceback__)]
    if conc.Runtime.run.__code__ in places:  # else it came between two runs
        lost = set(program.raised) - set(errors_in(interrupt))
        if lost:
            yield f"{len(lost)} of {len(program.raised)} errors are lost"


def what_is_left(before: dict[int, str]) -> Iterator[str]:
    """What should not be there any more, in words."""
    if signal.signal(signal.SIGINT, signal.SIG_IGN) is not signal.default_int_handler:
        yield "the handler of SIGINT was not put back"
    if threading.active_count() > 1:
        yield f"threads are left: {threading.enumerate()}"
    if (wakeup := signal.set_wakeup_fd(-1)) != -1:
        yield f"signals still wake somebody through {wakeup}"
    gc.collect()
    tasks = [thing for thing in gc.get_objects() if type(thing) is Task]
    if tasks:
        yield f"tasks are left: {tasks}"
    left = {fd: what for fd, what in descriptors().items() if before.get(fd) != what}
    if left:
        yield f"descriptors are left: {left}"
    conc.run(conc.sleep, 0)  # there can be another run


def main(workers: int, seed: int) -> int:
    """Runs until Ctrl-C; returns the exit code."""
    sys.setswitchinterval(1e-5)
    dice = Dice(seed)
    program = Program(dice)
    before = descriptors()
    wrong: list[str] = []
    try:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            program = Program(dice)
            try:
                conc.run(program.main, workers=workers)
            except* Refusal:
                pass
    except KeyboardInterrupt as interrupt:
        wrong += what_is_lost(interrupt, program)
    del program
    wrong += what_is_left(before)
    sys.stdout.write("".join(f"{each}\n" for each in wrong))
    return 1 if wrong else 130


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
