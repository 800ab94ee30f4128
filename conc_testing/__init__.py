"""Testing programs written for conc: virtual time, and a search for the run that fails."""

from conc_testing.checkpoints import assert_checkpoints, assert_no_checkpoints
from conc_testing.clock import VirtualClock, settle
from conc_testing.history import models
from conc_testing.history.check import PrimitiveFailure, PrimitiveReport, check_primitive
from conc_testing.history.history import History, Recording
from conc_testing.history.linearizability import NotLinearizable, Undecided, assert_linearizable
from conc_testing.history.model import Done, Model, Suspend
from conc_testing.history.operation import Operation, Raised
from conc_testing.history.programs import UNIQUE
from conc_testing.io.conformance import check_stream
from conc_testing.io.duplex import duplex
from conc_testing.io.lane import Lane, lane
from conc_testing.io.lockstep import lockstep_pair
from conc_testing.io.memory import MemoryStream
from conc_testing.io.mismatch import ScriptMismatch
from conc_testing.io.recording import RecordingStream
from conc_testing.io.script import Script, ScriptControl, script
from conc_testing.net.addresses import NotSimulated
from conc_testing.net.network import SimNetwork
from conc_testing.net.settings import TcpSettings
from conc_testing.sequencer import Sequencer
from conc_testing.sim.choices import choose, fault
from conc_testing.sim.conductor import Livelock
from conc_testing.sim.explore import explore, replay, run
from conc_testing.sim.oracles import BrokenInvariant, Leak, LostWakeup, OrphanedGrant, allow_leak, watch
from conc_testing.sim.report import ExplorationFailed, Failure, Inconclusive, Report
from conc_testing.sim.schedule import Schedule
from conc_testing.sim.search import Budget, DivergedRun
from conc_testing.sim.tape import Deviation, TokenMismatch
from conc_testing.world import World

__all__ = [
    "UNIQUE",
    "BrokenInvariant",
    "Budget",
    "Deviation",
    "DivergedRun",
    "Done",
    "ExplorationFailed",
    "Failure",
    "History",
    "Inconclusive",
    "Lane",
    "Leak",
    "Livelock",
    "LostWakeup",
    "MemoryStream",
    "Model",
    "NotLinearizable",
    "NotSimulated",
    "Operation",
    "OrphanedGrant",
    "PrimitiveFailure",
    "PrimitiveReport",
    "Raised",
    "Recording",
    "RecordingStream",
    "Report",
    "Schedule",
    "Script",
    "ScriptControl",
    "ScriptMismatch",
    "Sequencer",
    "SimNetwork",
    "Suspend",
    "TcpSettings",
    "TokenMismatch",
    "Undecided",
    "VirtualClock",
    "World",
    "allow_leak",
    "assert_checkpoints",
    "assert_linearizable",
    "assert_no_checkpoints",
    "check_primitive",
    "check_stream",
    "choose",
    "duplex",
    "explore",
    "fault",
    "lane",
    "lockstep_pair",
    "models",
    "replay",
    "run",
    "script",
    "settle",
    "watch",
]
