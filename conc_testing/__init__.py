"""Testing programs written for conc: time that only moves when nobody has anything to do."""

from conc_testing.clock import VirtualClock, settle

__all__ = [
    "VirtualClock",
    "settle",
]
