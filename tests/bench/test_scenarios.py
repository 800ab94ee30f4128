"""Every timed scenario still runs, on conc and on asyncio: one small run of each, in a process that loads no peer."""

import json
import subprocess
import sys

import pytest

from benchmarks import harness, scenarios
from benchmarks.measure import timed
from benchmarks.scenario import Scenario

SMALL = 20

PROGRAM = """
import json, sys
from benchmarks import peers
from benchmarks.libraries import LIBRARIES
library = LIBRARIES[sys.argv[1]]
peers.load(library.modules + library.network_modules)
from benchmarks import scenarios
figures = {}
for name in sys.argv[3:]:
    scenario = scenarios.scenario(name)
    for contestant in scenario.contestants:
        if contestant.library == library.name:
            figures[name] = scenario.measure(scenario, contestant, library, int(sys.argv[2]))
print(json.dumps(figures))
"""


def is_timed(scenario: Scenario) -> bool:
    return getattr(scenario.measure, "func", scenario.measure) is timed


@pytest.mark.parametrize("library", ["conc", "asyncio"])
def test_every_timed_scenario_runs_and_gives_its_figures(library: str) -> None:
    names = [scenario.name for scenario in scenarios.all_scenarios() if is_timed(scenario)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, library, str(SMALL), *names],
        cwd=harness.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    figures = json.loads(done.stdout)
    assert list(figures) == names
    assert all(each["wall_ns"] > 0 and each["cpu_ns"] > 0 for each in figures.values())
