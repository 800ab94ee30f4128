"""What runs in each fresh process: one contestant of one scenario, measured or served, and the figures as JSON.

Started as `python -m benchmarks.child JOB`; JOB is a JSON object with "do" ("measure" or "serve"), "scenario",
"contestant", "library" and, to measure, "size".
"""

import json
import sys

from benchmarks import peers
from benchmarks.libraries import LIBRARIES, gil_is_on


def announce(port: int) -> None:
    """Tell the process that started this server where it listens."""
    print(port, flush=True)


def main(job: dict[str, object]) -> None:
    """Do the job: print what was measured, or serve until killed."""
    library = LIBRARIES[str(job["library"])]
    peers.load(library.modules)
    from benchmarks import scenarios  # here, not above: they take the names that `load` has just put into peers

    scenario = scenarios.scenario(str(job["scenario"]))
    contestant = scenario.contestant(str(job["contestant"]))
    if job["do"] == "serve":
        library.run(contestant.main, announce)
    else:
        figures = scenario.measure(scenario, contestant, library, int(str(job["size"])))
        print(json.dumps({"figures": figures, "gil": gil_is_on()}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
