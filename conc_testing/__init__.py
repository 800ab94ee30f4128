"""Testing programs written for conc: virtual time, and a search for the run that fails."""

from conc_testing.clock import VirtualClock, settle
from conc_testing.sim.choices import choose, fault
from conc_testing.sim.conductor import Livelock
from conc_testing.sim.explore import explore, replay, run
from conc_testing.sim.oracles import BrokenInvariant, Leak, LostWakeup, OrphanedGrant, watch
from conc_testing.sim.report import ExplorationFailed, Failure, Inconclusive, Report
from conc_testing.sim.schedule import Schedule
from conc_testing.sim.search import Budget, DivergedRun
from conc_testing.sim.tape import Deviation, TokenMismatch

__all__ = [
    "BrokenInvariant",
    "Budget",
    "Deviation",
    "DivergedRun",
    "ExplorationFailed",
    "Failure",
    "Inconclusive",
    "Leak",
    "Livelock",
    "LostWakeup",
    "OrphanedGrant",
    "Report",
    "Schedule",
    "TokenMismatch",
    "VirtualClock",
    "choose",
    "explore",
    "fault",
    "replay",
    "run",
    "settle",
    "watch",
]
