"""What is said when code under test does something else than its script expects."""

from __future__ import annotations

BEFORE = 24  # bytes that are shown around the first one that differs
BEHIND = 40


class ScriptMismatch(AssertionError):
    """The code under test did something else than its script expects, or left some of it undone.

    Attributes:
        script: the name of the script.
        step: the number of the step that was due, from 1; None if all were done.
    """

    def __init__(self, message: str, script: str = "", step: int | None = None) -> None:
        super().__init__(message)
        self.script = script
        self.step = step


def difference(expected: bytes, written: bytes) -> str:
    """Two lines that show where two texts part, and a third one that points there."""
    at = next((n for n, (one, other) in enumerate(zip(expected, written, strict=False)) if one != other), None)
    if at is None:
        at = min(len(expected), len(written))
    start = max(0, at - BEFORE)
    lead = "..." if start else ""
    prefix = repr(expected[start:at])[:-1]  # without its closing quote
    lines = [f"  expected {lead}{_window(expected, start, at)}", f"  written  {lead}{_window(written, start, at)}"]
    return "\n".join([*lines, f"{' ' * (11 + len(lead) + len(prefix))}^ byte {at}"])


def _window(data: bytes, start: int, at: int) -> str:
    end = at + BEHIND
    return repr(data[start:end]) + (f"... ({len(data)} bytes)" if end < len(data) else "")
