"""`python -m benchmarks [scenario ...] [--rounds N] [--peers a,b] [--quick] [--out DIR]`."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import harness, machine, native, scenarios
from benchmarks.report.jsonfile import report_json
from benchmarks.report.markdown import report_markdown
from benchmarks.report.svg import report_svg
from benchmarks.report.terminal import report_text, scenario_text
from benchmarks.results import Report
from benchmarks.scenario import only_from
from benchmarks.served import load_generator

ROUNDS = 5
QUICK_ROUNDS = 2
PUBLISHED = harness.ROOT / "docs" / "benchmarks"


def main() -> int:
    """Run what the command line asks for.

    The exit code is 1 if conc itself failed somewhere, 130 after Ctrl-C, 2 for a wrong command line, else 0: a missed
    target is a result.
    """
    options = _command_line().parse_args()
    try:
        chosen = scenarios.chosen(options.scenarios)
        peers = [name for name in options.peers.split(",") if name]
        competing = sum(len(only_from(peers, scenario.contestants)) for scenario in chosen)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    report = Report(
        started=time.strftime("%Y-%m-%d %H:%M"),
        rounds=rounds,
        quick=options.quick,
        machine=machine.describe(load_generator()),
        scenarios=[],
    )
    progress = harness.Progress(competing * rounds)
    stopped = False
    try:
        for result in harness.run(chosen, rounds=rounds, quick=options.quick, peers=peers, tell=progress.tell):
            report.scenarios.append(result)
            progress.clear()
            print(scenario_text(result) + "\n", flush=True)
    except KeyboardInterrupt:
        stopped = True
        progress.clear()
        print("stopped; what was complete is reported", flush=True)
    print(report_text(report))
    complete = len(report.scenarios) == len(scenarios.all_scenarios()) and not peers and not options.quick
    _write(report, _folder(options.out, complete))
    return 130 if stopped else int(any(failure and label == "conc" for _, label, failure in report.failures()))


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="conc beside its peers")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help="names or families; all if none is given")
    parser.add_argument(
        "--rounds", type=_at_least_one, default=0, metavar="N", help=f"{ROUNDS}; --quick: {QUICK_ROUNDS}"
    )
    parser.add_argument("--peers", default="", metavar="A,B", help="only these libraries beside conc")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: to see that it works")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="where the files go")
    return parser


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _folder(asked: Path | None, complete: bool) -> Path:
    """Where to write: as asked; else the documentation, but only with complete results."""
    if asked is not None:
        return asked
    return PUBLISHED if complete else native.cache_folder("results")


def _write(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("results.json", report_json(report)),
        ("results.md", report_markdown(report)),
        ("results.svg", report_svg(report)),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    print(f"\nresults.json, results.md and results.svg are in {folder}")


if __name__ == "__main__":
    sys.exit(main())
