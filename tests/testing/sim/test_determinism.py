"""The same seed and the same program make the same run, in this process and in any other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import conc
from conc import channels, sync
from conc_testing import explore
from conc_testing.sim.simulation import Conditions, simulate
from conc_testing.sim.standing import touched
from conc_testing.sim.strategies import AtRandom, Calm, InTurns, PartialOrder, Priorities, Strategy

Make = Callable[[int], Strategy]
ROOT = Path(__file__).resolve().parents[3]
STRATEGIES: dict[str, Make] = {
    "calm": lambda seed: Calm(),
    "turns": lambda seed: InTurns(),
    "random": AtRandom,
    "pct": lambda seed: Priorities(seed, 3, 100),
    "pos": lambda seed: PartialOrder(seed, touched),
}


async def busy() -> None:
    """A bit of everything whose order could depend on hashes, addresses or chance."""
    sender, receiver = channels.mpsc[str](2)
    semaphore = sync.Semaphore(2)
    names = {f"name {number}" for number in range(5)}

    async def produce(name: str) -> None:
        async with semaphore:
            await conc.sleep(len(name) % 3)
            await sender.send(name)
            await conc.to_thread(len, name)

    with sender, receiver:
        async with conc.open_nursery() as nursery:
            for name in sorted(names):
                nursery.start_soon(produce, name)
            for _ in names:
                event = sync.Event()
                event.set()
                await conc.select(receiver.receiving(), event.waiting(), conc.after(1))
                with conc.move_on_after(1):
                    await receiver.receive()
            nursery.cancel_scope.cancel()


def digest(make: Make, seed: int, time: str, scenario: Callable[[], Awaitable[None]] = busy) -> str:
    outcome = simulate(scenario, make(seed), Conditions(seed, time, leaks="ignore"), digest=True)
    assert outcome.error is None, outcome.error
    return outcome.digest


@pytest.mark.parametrize("time", ["calm", "racing"])
@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_two_runs_with_one_seed_are_the_same(make: Make, time: str) -> None:
    for seed in range(5):
        assert digest(make, seed, time) == digest(make, seed, time)


@pytest.mark.parametrize("make", [AtRandom, STRATEGIES["pct"], STRATEGIES["pos"]], ids=["random", "pct", "pos"])
def test_other_seeds_make_other_runs(make: Make) -> None:
    assert len({digest(make, seed, "calm") for seed in range(10)}) > 5


def test_the_sum_tells_when_a_step_ends_otherwise() -> None:
    async def other() -> None:
        await conc.sleep(1)

    async def other_time() -> None:
        await conc.sleep(2)

    sums = {digest(STRATEGIES["calm"], 0, "calm", scenario) for scenario in (busy, other, other_time)}
    assert len(sums) == 3


PROGRAM = """
from tests.testing.sim.test_determinism import STRATEGIES, digest
for name, make in STRATEGIES.items():
    for time in ("calm", "racing"):
        print(name, time, *(digest(make, seed, time) for seed in range(3)))
"""


def test_in_processes_with_other_hashes_the_runs_are_the_same() -> None:
    def printed(hash_seed: int) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True).stdout

    first, *others = (printed(hash_seed) for hash_seed in (1, 2, 77))
    assert len(first.split()) == 10 * 5
    assert others == [first, first]


def test_two_searches_with_one_seed_are_the_same() -> None:
    async def scenario() -> None:
        log: list[int] = []

        async def note(number: int) -> None:
            async with sync.Semaphore(1):
                log.append(number)
            async with sync.Semaphore(1):
                log.append(number)

        async with conc.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(note, number)
        assert log != [2, 3, 2, 0, 3, 1, 0, 1], "the rare order"

    def search(seed: int) -> tuple[object, ...]:
        report = explore(scenario, plan=("random", "pct", "pos"), seed=seed)
        return report.runs, report.steps, report.contested, report.failure and report.failure.token

    for seed in (0, 1):
        assert search(seed) == search(seed)
