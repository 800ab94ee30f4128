"""The end of a parallel child, and what it spawned before (DESIGN section 3, rules 1 and 4).

Only the owner of a nursery's strand changes its books. A child that runs elsewhere and spawns into the nursery posts SPAWN to
that strand; when it ends, it writes its outcome, drops its coroutine and posts END, last. All messages to a strand go
through its one mailbox, in real-time order, so a SPAWN is read before the END of the child that posted it, and before
the END of any child that was waiting for that one. So the count never reaches zero while something is still to come.

With two workers, A owns the nursery, B runs its child, which spawns another one. With three, B's child has a nursery of its
own, whose child on C spawns into the outer one; then it ends, so that the child on B ends too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest

from tests.model.explorer import Model, Steps, Wait, assert_fails, assert_holds, require
from tests.model.state import Shared


class Broken(Enum):
    """A rule broken on purpose."""

    END_BEFORE_THE_OUTCOME = auto()
    END_BEFORE_THE_COROUTINE_IS_DROPPED = auto()
    SPAWN_THROUGH_THE_INBOX = auto()
    A_MAILBOX_FOR_EACH_SENDER = auto()
    LAST_MESSAGE_FIRST = auto()
    CHILD_LEAVES_THE_BOOKS_ITSELF = auto()


class Kind(Enum):
    """What a message says of a child."""

    SPAWN = auto()
    END = auto()


@dataclass(slots=True, eq=False, repr=False)
class Strand(Shared):
    """A strand with one nursery, whose block has ended: the strand ends when the nursery closes."""

    worker: Worker | None = None
    around: Strand | None = None
    children: set[str] = field(default_factory=set)
    spawns_into: Strand | None = None
    spawns: Strand | None = None
    mail: ...
