"""For Hypothesis: schedules that are drawn and shrink, and state machines whose rules are async.

It needs Hypothesis to be installed, which the rest of conc_testing does not.
"""

from conc_testing.hypothesis.machine import AsyncStateMachine
from conc_testing.hypothesis.rules import ainitialize, ainvariant, aprecondition, arule, concurrent
from conc_testing.hypothesis.strategies import schedules

__all__ = [
    "AsyncStateMachine",
    "ainitialize",
    "ainvariant",
    "aprecondition",
    "arule",
    "concurrent",
    "schedules",
]
