"""Child processes: running a program to its end, or talking to it while it runs."""

from conc.process.completed import CompletedProcess
from conc.process.process import Process
from conc.process.running import run
from conc.process.starting import DEVNULL, PIPE, STDOUT
from conc.process.terminal import Terminal

__all__ = ["DEVNULL", "PIPE", "STDOUT", "CompletedProcess", "Process", "Terminal", "run"]
