"""The results as JSON: every round of everyone, the machine, the verdicts."""

import json
from dataclasses import asdict

from benchmarks.results import Report
from benchmarks.verdicts import judge


def report_json(report: Report) -> str:
    """The whole report, with what became of the targets; `Report.from_json` reads its "report"."""
    data = {"report": report.to_json(), "verdicts": [asdict(verdict) for verdict in judge(report)]}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
