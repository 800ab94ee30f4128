"""What a test that runs once leaves behind. In explored runs the oracles of the simulation look, and see more."""

from __future__ import annotations

import warnings

import conc
from conc_testing.sim.oracles import Leak, Oracles
from conc_testing.sim.paths import Paths


class LeakCheck:
    """Looks what is left when a runtime is about to end: tasks beside the main task, threads, sockets of a world.

    Args:
        mode: ``"error"``, ``"warn"`` or ``"ignore"``.

    Invariant: what was there when this was made is not left behind.
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._oracles = Oracles(Paths(), {})
        self._left: list[str] = []

    def look(self, runtime: conc.Runtime) -> None:
        """Look now, on the thread of the runtime, before it ends."""
        main = runtime.main_task
        beside = [task for task in runtime.root_nursery.children if task is not main and not task.ended]
        self._left = [f"task {task!r} still runs" for task in beside]
        self._left += self._oracles.leaks(runtime.timers, runtime.network)

    def tell(self) -> None:
        """Tell what was found.

        Raises:
            Leak: something was, and that is an error.
        """
        __tracebackhide__ = True
        if not self._left or self._mode == "ignore":
            return
        words = "left at the end of the test:\n" + "\n".join(f"- {one}" for one in self._left)
        if self._mode == "error":
            raise Leak(words + '\nIf that is as it should be: pytest.mark.conc(leaks="ignore")')
        warnings.warn(words, ResourceWarning, stacklevel=2)
