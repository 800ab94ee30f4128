"""What came out of a program that ran to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from conc._os.children import Argument, CalledProcessError

SHOWN: Final = 4096  # bytes of its errors that an exception quotes


@dataclass(frozen=True, repr=False, slots=True)
class CompletedProcess:
    """A program that has ended: what `run` returns.

    Attributes:
        argv: the program and its arguments.
        returncode: its exit code; negative if a signal ended it: -9 for SIGKILL.
        output: what it wrote to its output; None if that was not captured.
        errors: the same of its errors.
    """

    argv: tuple[Argument, ...]
    returncode: int
    output: bytes | None = None
    errors: bytes | None = None

    @property
    def stdout(self) -> bytes:
        """What it wrote to its output.

        Raises:
            RuntimeError: it was not captured.
        """
        if self.output is None:
            raise RuntimeError("stdout was not captured; run(..., stdout=PIPE) or run(..., capture_output=True) does")
        return self.output

    @property
    def stderr(self) -> bytes:
        """What it wrote to its errors.

        Raises:
            RuntimeError: it was not captured.
        """
        if self.errors is None:
            raise RuntimeError("stderr was not captured; run(..., stderr=PIPE) or run(..., capture_output=True) does")
        return self.errors

    def check(self) -> None:
        """Do nothing if it succeeded: its exit code is 0.

        Raises:
            subprocess.CalledProcessError: it did not. A note quotes the end of its errors, if they were captured.

        Checkpoint: never.
        """
        if self.returncode:
            error = CalledProcessError(self.returncode, list(self.argv), self.output, self.errors)
            if self.errors:
                cut = "... " if len(self.errors) > SHOWN else ""
                error.add_note(f"stderr: {cut}{self.errors[-SHOWN:].decode(errors='replace').rstrip()}")
            raise error

    def __repr__(self) -> str:
        captured = [
            f", {name}={data!r:.60}" for name, data in (("stdout", self.output), ("stderr", self.errors)) if data
        ]
        return f"CompletedProcess({list(self.argv)!r:.200}, returncode={self.returncode}{''.join(captured)})"
