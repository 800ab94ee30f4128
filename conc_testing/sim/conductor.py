"""The conductor of a simulated run: it puts every decision to the strategy, and notes those that were not calm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from conc.lowlevel import Director, Task
from conc_testing.sim.paths import MAIN, Paths
from conc_testing.sim.strategies import Strategy
from conc_testing.sim.tape import ARRIVING, CANCEL, GOING_ON, RESTING, RUN, TIME, TIMER, Deviation

if TYPE_CHECKING:
    from conc_testing.sim.clock import SimulatedClock

LIVELOCK = 20_000  # steps without time passing
ENDLESS = 100  # times as many steps in all
CANCELLED_BY = "by the search"
CONTINUED_AT_MOST = 100  # steps of one task that need not wait; then, as with a budget of the runtime, others run too


class Livelock(AssertionError):
    """The tasks keep running: they wait for each other by asking again and again, or the run has no end."""


class Conductor(Director):
    """Conducts one run. As `conc_testing.sim.choices.Chooser` it decides for models of the outside world, too.

    Args:
        strategy: decides.
        paths: which task is which.
        clock: the time of the run.
        racing: whether time may pass while somebody could run.
        faults: whether the strategy is asked about faults; if not, nothing fails.
        livelock: how many steps may be made without time passing; and a hundred times as many in all.

    Attributes:
        deviations: what was not decided calmly, in order.
        sizes: of each contested decision, in order, its site and how many alternatives it had.
        addresses: of the contested decisions, on a tape.
        steps: how many steps were made.
        steps_of: by path.
        rests: how many times the program came to rest while a task was to make a step, by path and step.
        was_cancelled: whether the main task was cancelled by the search, and not by the program.

    Invariant: ``len(sizes)`` is the number of the next contested decision.
    """

    def __init__(
        self,
        strategy: Strategy,
        paths: Paths,
        clock: SimulatedClock,
        *,
        racing: bool = False,
        faults: bool = False,
        livelock: int = LIVELOCK,
    ) -> None:
        self.racing = racing
        self.deviations: list[Deviation] = []
        self.sizes: list[tuple[str, int]] = []
        self.addresses: list[tuple[str, str, int]] = []
        self.steps = 0
        self.steps_of: dict[str, int] = {}
        self.rests: dict[tuple[str, int], int] = {}
        self.was_cancelled = False
        self._stepped = strategy.stepped
        self._strategy = strategy
        self._paths = paths
        self._clock = clock
        self._faults = faults
        self._livelock = livelock
        self._counts: dict[tuple[str, str], int] = {}
        self._cancels = dict(strategy.cancels)
        self._last: Task[Any] | None = None
        self._continued = 0
        self._instant = -1.0
        self._steps_before = 0  # when this instant began
        self._paused: list[Callable[[Task[Any]], bool]] = []
        self._shelf: list[Task[Any]] = []

    # ---- for the kernel: conc.lowlevel.Director -------------------------------------------------------------------

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        """Who runs next."""
        last = self._last
        if self._cancels:
            self.cancel_who_arrived()
        count = len(candidates)
        offset = 0
        if candidates[0] is last:
            self._continued += 1
            if self._continued > CONTINUED_AT_MOST and count > 1:
                offset = 1
        if count == 1:
            index = 0
        else:
            path = self._paths.of(candidates[offset])
            index = self._pick_one_of(candidates, path, offset)
        task = candidates[index]
        if task is not last:
            self._continued = 0
        self._begin_step(task)
        return index

    def _pick_one_of(self, candidates: Sequence[Task[Any]], path: str, offset: int) -> int:
        number = len(self.sizes)
        key = self._address(RUN, path)
        count = len(candidates)
        self.sizes.append((RUN, count))
        in_order = [candidates[(place + offset) % count] for place in range(count)] if offset else candidates
        alternative = self._strategy.pick(number, key, in_order, self._paths.of)
        if alternative:
            self.deviations.append(Deviation(*key, self._paths.of(in_order[alternative])))
        return (alternative + offset) % count

    def _begin_step(self, task: Task[Any]) -> None:
        self._last = task
        self.steps += 1
        path = self._paths.of(task)
        step = self.steps_of.get(path, 0)
        if self._cancels:
            self._cancel(task, path, step, GOING_ON)
        self.steps_of[path] = step + 1
        now = self._clock.now()
        if now != self._instant:
            self._instant = now
            self._steps_before = self.steps
        elif self.steps - self._steps_before > self._livelock:
            raise Livelock(
                f"{self._livelock} steps were made at {now:.6g} s, and time does not pass; the last was of {path}. Let "
                "who waits for something wait for it, in place of asking again and again; or allow more: livelock="
            )
        if self.steps > self._livelock * ENDLESS:
            raise Livelock(
                f"{self.steps} steps were made, it is {now:.6g} s, and the run does not end; the last was of {path}. "
                "Let the scenario end by itself: cancel what would go on for ever; or allow more: livelock="
            )
        self._stepped(task)

    def order(self, due: Sequence[Any]) -> int:
        """Which timer fires first."""
        return self._decide(TIMER, "", len(due))

    def lets_time_pass(self, deadlines: Sequence[float]) -> bool:
        """How much time passes before anything else: until one of the next deadlines, or none."""
        if deadlines[0] <= self._clock.now():
            return False
        choice = self._decide(TIME, self._path_here(), 1 + len(deadlines))
        if choice:
            self._clock.move_to(deadlines[choice - 1])
        return choice > 0

    @property
    def shelving(self) -> bool:  # type: ignore[override]
        """Whether somebody is paused."""
        return bool(self._paused)

    def shelve(self, task: Task[Any]) -> bool:
        """Whether `task` is paused; then it is kept until it is resumed."""
        if any(belongs(task) for belongs in self._paused):
            self._shelf.append(task)
            return True
        return False

    def cancel_who_arrived(self) -> bool:
        """The last step is over: whether its task was to be cancelled now, and was."""
        last = self._last
        if last is None or last.ended or not self._cancels:
            return False
        path = self._paths.of(last)
        return self._cancel(last, path, self.steps_of[path], ARRIVING)

    def cancel_who_rests(self) -> bool:
        """The program is at rest: whether a task was to be cancelled now, and was."""
        for task in list(self._paths.live.values()):
            path = self._paths.of(task)
            address = path, self.steps_of.get(path, 0)
            self.rests[address] = rest = self.rests.get(address, 0) + 1
            if self._cancels and self._cancel(task, *address, RESTING + rest - 1):
                return True
        return False

    # ---- for models of the outside world ---------------------------------------------------------------------------

    def choose(self, site: str, n: int) -> int:
        """One of n alternatives, see `conc_testing.sim.choices.choose`."""
        if not self._faults and site.startswith("fault."):
            return 0
        return self._decide(site, self._path_here(), n)

    def pause(self, belongs: Callable[[Task[Any]], bool]) -> None:
        """Run no task of which `belongs(task)` is true, until `resume` is called with the same function."""
        self._paused.append(belongs)

    def resume(self, belongs: Callable[[Task[Any]], bool]) -> None:
        """Let them run again."""
        self._paused.remove(belongs)
        shelf, self._shelf = self._shelf, []
        for task in shelf:
            if not task.ended:
                task.resume()

    # ---- deciding ---------------------------------------------------------------------------------------------------

    def _decide(self, site: str, path: str, n: int) -> int:
        number = len(self.sizes)
        key = self._address(site, path)
        self.sizes.append((site, n))
        choice = self._strategy.choose(number, key, n)
        if not 0 <= choice < n:
            raise ValueError(f"{self._strategy!r} chose {choice} of {n} alternatives at {site!r}")
        if choice:
            self.deviations.append(Deviation(*key, choice))
        return choice

    def _address(self, site: str, path: str) -> tuple[str, str, int]:
        nth = self._counts.get((site, path), 0)
        self._counts[site, path] = nth + 1
        key = (site, path, nth)
        self.addresses.append(key)
        return key

    def _path_here(self) -> str:
        """The path of the task whose step this is, or was."""
        return "" if self._last is None else self._paths.of(self._last)

    def _cancel(self, task: Task[Any], path: str, step: int, when: int) -> bool:
        if self._cancels.get((path, step)) != when:
            return False
        del self._cancels[path, step]
        responsible = self._paths.responsible_for(task)
        if responsible is None:
            return False
        self.deviations.append(Deviation(CANCEL, path, step, when))
        self.was_cancelled |= self._paths.of(responsible) == MAIN
        responsible.cancel(CANCELLED_BY)
        return True
