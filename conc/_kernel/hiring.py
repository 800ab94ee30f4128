"""The workers of a run: all of them, or none and nothing left open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from conc._kernel.worker import Worker

if TYPE_CHECKING:
    from conc._kernel.crew import Crew
    from conc._os.poller import Poller


def hire(crew: Crew, count: int, make_poller: Callable[[], Poller]) -> list[Worker]:
    """Make so many workers, each with a poller of its own.

    Raises:
        OSError: there are no descriptors to be had (EMFILE, ENFILE).
    """
    made: list[Worker] = []
    try:
        for index in range(count):
            poller = make_poller()
            try:
                worker = Worker(crew, index, count, poller)
            except BaseException:
                poller.close()
                raise
            made.append(worker)
    except BaseException:
        for worker in made:
            worker.close()
        raise
    return made
