"""The rounds: each contestant of each scenario in a fresh process, in turn, round by round."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.child import job
from benchmarks.libraries import LIBRARIES
from benchmarks.results import Entry, ScenarioResult
from benchmarks.scenario import Contestant, Figures, Scenario, only_from

TIME_LIMIT_S = 300.0
"""A contestant that takes longer has failed."""

ROOT = Path(__file__).parent.parent

Tell = Callable[[str], None]
"""Told what is going on, before each process starts."""

Measure = Callable[[Scenario, Contestant, int], tuple[Figures, bool]]
"""Measures one contestant once: its figures, and whether the GIL was on. Raises: ContestantFailed."""


class ContestantFailed(Exception):
    """A contestant's process gave no figures; the text says why, in one line."""


def run(
    scenarios: Iterable[Scenario],
    *,
    rounds: int,
    quick: bool,
    peers: Iterable[str],
    tell: Tell,
    measure: "Measure | None" = None,
) -> Iterator[ScenarioResult]:
    """Run the scenarios one after another and give each one's result when it is complete.

    Within a scenario each round lets everyone run once, and each round starts with another one, so that a change of the
    machine's mood meets all of them. Who fails once is told about and does not run again.
    """
    chosen_peers = list(peers)
    for scenario in scenarios:
        competing = only_from(chosen_peers, scenario.contestants)
        entries = {each.label: Entry(each.label, each.library, each.role) for each in competing}
        for each in competing:
            entries[each.label].failure = LIBRARIES[each.library].missing() or ""
        for number in range(rounds):
            for each in _turned(competing, number):
                entry = entries[each.label]
                if not entry.failure:
                    tell(f"{scenario.name}: round {number + 1} of {rounds}, {each.label}")
                    _take_turn(entry, scenario, each, scenario.operations(quick), measure or measure_in_a_process)
        yield ScenarioResult(
            name=scenario.name,
            title=scenario.title,
            unit=scenario.unit,
            figure=scenario.figure,
            notes=scenario.notes,
            size=scenario.operations(quick),
            entries=list(entries.values()),
            excused=dict(scenario.excused),
        )


def _turned(everyone: tuple[Contestant, ...], by: int) -> tuple[Contestant, ...]:
    """The same ones, starting further down the row."""
    start = by % len(everyone) if everyone else 0
    return everyone[start:] + everyone[:start]


def _take_turn(entry: Entry, scenario: Scenario, contestant: Contestant, size: int, measure: Measure) -> None:
    try:
        figures, entry.gil = measure(scenario, contestant, size)
    except ContestantFailed as failed:
        entry.failure = str(failed)
    else:
        entry.runs.append(figures)


def measure_in_a_process(scenario: Scenario, contestant: Contestant, size: int) -> tuple[Figures, bool]:
    """Start `benchmarks.child` for one measurement and wait for its figures."""
    flags = LIBRARIES[contestant.library].flags
    with _process_group(
        [sys.executable, *flags, "-m", "benchmarks.child", job("measure", scenario, contestant, size)]
    ) as process:
        try:
            output, errors = process.communicate(timeout=TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise ContestantFailed(f"did not end within {TIME_LIMIT_S:.0f} s") from None
    if process.returncode != 0:
        raise ContestantFailed(last_line(errors) or f"ended with exit code {process.returncode}")
    answer = json.loads(output.strip().splitlines()[-1])
    return dict(answer["figures"]), bool(answer["gil"])


def last_line(text: str) -> str:
    """The last line of an error output that says something, at most 200 characters of it."""
    said = [line.strip(" |\t") for line in text.splitlines() if line.strip(" |+-\t")]
    return said[-1][:200] if said else ""


@contextmanager
def _process_group(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process in a group of its own, so that the server and the load that it starts end with it in any case."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


class Progress:
    """One line that says what runs now: rewritten in place on a terminal, one line a scenario elsewhere."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self._taken = 0
        self._started = time.monotonic()
        self._rewrites = sys.stdout.isatty()
        self._last_scenario = ""

    def tell(self, what: str) -> None:
        """Say what starts now."""
        self._taken += 1
        elapsed = time.monotonic() - self._started
        line = f"[{self._taken}/{self._turns} {elapsed:.0f} s] {what}"
        if self._rewrites:
            print(f"\r\x1b[K{line}", end="", flush=True)
        elif (name := what.partition(":")[0]) != self._last_scenario:
            self._last_scenario = name
            print(line, flush=True)

    def clear(self) -> None:
        """Take the line away, before something else is printed."""
        if self._rewrites:
            print("\r\x1b[K", end="", flush=True)
