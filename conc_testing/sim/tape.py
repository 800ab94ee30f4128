"""The tape of a run: where it left the calm course, and nothing else. As text it is a token, which replays the run.

A run makes many decisions. Each has a calm answer: who is ready first runs first, a task goes on until it has to wait,
no packet is late, nothing fails. The tape names only those that were decided otherwise, by what was decided (the site),
for whom (the path of a task), and the how manieth of that kind it was. So a tape is short, can be read, and means the
same when a line of logging was added to the program.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

VERSION: Final = 1  # to be raised whenever runs make other decisions than before, so that old tokens are refused
PREFIX: Final = "conc"

RUN: Final = "run"  # which of the ready tasks runs next
TIMER: Final = "timer"  # which of the timers that are due fires next
TIME: Final = "time"  # whether time passes although somebody could run
CANCEL: Final = "cancel"  # whether a task is cancelled before one of its steps

ARRIVING: Final = 1  # cancelled as soon as it has come to that step
GOING_ON: Final = 2  # when it is about to make the step, so that whatever it waited for has come
RESTING: Final = 3  # when it waits there and nobody can go on; 4 if that is so for the second time, and so on


def moment_of(choice: int) -> str:
    """When a task is cancelled, in words."""
    if choice < RESTING:
        return "when it comes to" if choice == ARRIVING else "at the beginning of"
    which = "" if choice == RESTING else f" (time {choice - RESTING + 1})"
    return f"while everybody waits{which}, before"


class TokenMismatch(ValueError):
    """A token cannot be used here: it is damaged, or of another version."""


@dataclass(frozen=True, order=True)
class Deviation:
    """One decision that was not the calm one.

    Attributes:
        site: what was decided: ``"run"``, ``"timer"``, ``"time"``, ``"cancel"``, or a site of `choose`.
        path: for which task. At ``"run"``, who would have run by itself.
        nth: which decision of this kind for this task, from 0. At ``"cancel"``, before which of its steps.
        choice: what was chosen: a number, or at ``"run"`` the path of the task that runs in its place.
    """

    site: str
    path: str
    nth: int
    choice: int | str

    def __str__(self) -> str:
        if self.site == RUN:
            return f"{self.choice} runs in place of {self.path} ({self.nth})"
        if self.site == CANCEL:
            return f"{self.path} is cancelled {moment_of(int(self.choice))} step {self.nth}"
        if self.site == TIME:
            count = "a deadline" if self.choice == 1 else f"{self.choice} deadlines"
            return f"time passes by {count}, after {self.path or 'nothing'} has run ({self.nth})"
        place = f" of {self.path}" if self.path else ""
        return f"{self.site} {self.nth}{place} is {self.choice}"


@dataclass(frozen=True)
class Tape:
    """A run, as what can be repeated: its deviations, and under which circumstances they count.

    Attributes:
        deviations: in the order in which they were made.
        scenario: the name of what was run.
        seed: of all that is drawn at random within the run.
        time: ``"calm"`` or ``"racing"``.
        faults: whether faults were decided about.
    """

    deviations: tuple[Deviation, ...] = ()
    scenario: str = ""
    seed: int = 0
    time: str = "calm"
    faults: bool = False

    def __iter__(self) -> Iterator[Deviation]:
        return iter(self.deviations)

    def __len__(self) -> int:
        return len(self.deviations)

    def with_deviations(self, deviations: Iterable[Deviation]) -> Tape:
        """The same circumstances, other deviations."""
        return Tape(tuple(deviations), self.scenario, self.seed, self.time, self.faults)

    @property
    def token(self) -> str:
        """The tape as one word."""
        names: dict[str, int] = {}
        rows = []
        for one in self.deviations:
            row: list[int] = [names.setdefault(one.site, len(names)), names.setdefault(one.path, len(names)), one.nth]
            if isinstance(one.choice, str):
                row += (names.setdefault(one.choice, len(names)), 1)
            else:
                row.append(one.choice)
            rows.append(row)
        content = [self.scenario, self.seed, self.time, int(self.faults), list(names), rows]
        packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 9)
        return f"{PREFIX}{VERSION}:{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"

    @classmethod
    def from_token(cls, token: str) -> Tape:
        """The tape that a token stands for.

        Raises:
            TokenMismatch: it is no token, was damaged, or is of another version of conc_testing.
        """
        if not isinstance(token, str):
            raise TypeError(f"token must be a string, not {token!r}")
        head, colon, body = token.strip().partition(":")
        version = head[len(PREFIX) :]
        if not (colon and head.startswith(PREFIX) and version.isascii() and version.isdigit()):
            raise TokenMismatch(f"{token!r:.60} is no token; one looks like {PREFIX}{VERSION}:eNqr...")
        if version != str(VERSION):
            raise TokenMismatch(
                f"the token is of version {version:.20}, and this conc_testing makes and reads version {VERSION}: the "
                "same numbers would mean another run; search again to get a new token"
            )
        try:
            content = json.loads(zlib.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
            scenario, seed, time, faults, names, rows = content
            deviations = tuple(
                Deviation(names[row[0]], names[row[1]], row[2], names[row[3]] if len(row) > 4 else row[3])
                for row in rows
            )
        except (binascii.Error, zlib.error, ValueError, LookupError, TypeError) as error:
            raise TokenMismatch(
                f"the token is damaged ({error}): {token!r:.60}; was it copied from its first character to its last?"
            ) from error
        return cls(deviations, scenario, seed, time, bool(faults))
