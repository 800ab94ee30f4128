"""Signals of the operating system, received as from a channel."""

from conc.signals.preparing import prepare
from conc.signals.receiver import SignalReceiver, open_receiver

__all__ = ["SignalReceiver", "open_receiver", "prepare"]
