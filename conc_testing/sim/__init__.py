"""Simulated runs: every decision on one tape, so that a run can be searched for, replayed and shrunk."""
