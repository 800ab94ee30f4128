"""A line for each run of a test, with a sum of all that happened in it, so that two logs can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conc import Runtime
from conc.lowlevel import Instrument
from conc_testing.clock import VirtualClock
from conc_testing.sim.offload import install
from conc_testing.sim.paths import Paths
from conc_testing.sim.trace import Digest


class RunLog:
    """The file that ``--conc-log`` names. It is written anew each time.

    Only runs on virtual time with one worker are entered: what happens on real time, or on several threads, happens in
    an order of its own.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    def watch(self, name: str, clock: object, workers: object) -> LoggedRun | None:
        """What watches a run that begins; None if it is none for the log."""
        return LoggedRun(self, name, clock) if isinstance(clock, VirtualClock) and workers == 1 else None

    def enter(self, name: str, words: str) -> None:
        """Enter a run, or a search."""
        with self._path.open("a") as file:
            file.write(f"{name} {words}\n")


class LoggedRun:
    """What watches one run."""

    def __init__(self, log: RunLog, name: str, clock: VirtualClock) -> None:
        paths = Paths()
        self._log = log
        self._name = name
        self._digest = Digest(paths, clock)
        self.instruments: tuple[Instrument, ...] = (paths, self._digest)

    def begin(self, runtime: Runtime) -> None:
        """The run is about to begin. Its thread jobs take turns with its tasks: threads have an order of their own."""
        install(runtime)

    def end(self) -> None:
        """It has ended: enter how many steps there were, and their sum."""
        self._log.enter(self._name, f"{self._digest.steps} {self._digest.value}")


LOG = pytest.StashKey[RunLog | None]()


def open_log(config: pytest.Config) -> None:
    """When pytest begins."""
    name: Any = config.getoption("conc_log")
    config.stash[LOG] = RunLog(Path(name)) if name else None
