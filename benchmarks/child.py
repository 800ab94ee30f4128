"""What runs in each fresh process: one contestant of one scenario, measured or served, and the figures as JSON.

Started as `python -m benchmarks.child JOB`; `job` writes a JOB.
"""

import importlib
import json
import sys
from typing import Any, Literal

from benchmarks import peers
from benchmarks.libraries import LIBRARIES, gil_is_on
from benchmarks.scenario import Contestant, Scenario


def job(do: Literal["measure", "serve"], scenario: Scenario, contestant: Contestant, size: int = 0) -> str:
    """The argument for this program: what to do, as JSON."""
    return json.dumps(
        {
            "do": do,
            "scenario": scenario.name,
            "contestant": contestant.label,
            "library": contestant.library,
            "network": scenario.uses_network,
            "size": size,
        }
    )


def announce(where: int | str) -> None:
    """Tell the process that started this server where it listens: its port, or its path."""
    print(where, flush=True)


def main(given: dict[str, Any]) -> None:
    """Do the job: print what was measured, or serve until killed."""
    library = LIBRARIES[given["library"]]
    peers.load(library.modules + (library.network_modules if given["network"] else ()))
    # Here, not above: they take the names that `load` has just put into peers.
    scenarios = importlib.import_module("benchmarks.scenarios")
    scenario = scenarios.scenario(given["scenario"])
    contestant = scenario.contestant(given["contestant"])
    if given["do"] == "serve":
        library.run(contestant.main, announce)
    else:
        figures = scenario.measure(scenario, contestant, library, given["size"])
        print(json.dumps({"figures": figures, "gil": gil_is_on()}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
