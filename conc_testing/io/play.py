"""A script while it is played: where its peer stands, what has arrived, and what the code under test has to do next."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import chain

import conc
from conc_testing.io.course import Course, Place
from conc_testing.io.memory import take_from
from conc_testing.io.mismatch import ScriptMismatch, difference
from conc_testing.io.pieces import Chunk, piece_of
from conc_testing.io.steps import (
    WRITING,
    End,
    Expect,
    ExpectEnd,
    ExpectN,
    FailRead,
    FailWrite,
    Lanes,
    Pause,
    Provide,
    Step,
    awaits,
    provides,
    shown,
)
from conc_testing.seat import Later, Seat, Table


class Play:
    """One run of a script: what its stream reads from and writes to.

    Time is looked at when something is done; a pause that has passed meanwhile has passed then. The methods of a source
    and of a sink are called with the lock of the table, the others take it.

    Args:
        name: of the script.
        steps: what is to be played.
        controlled: whether more steps may come.

    Invariant: the current step is, after `_advance`, a pause that is not over, one that waits for something to be
    written, lanes of which one is such, or none.
    Invariant: `_lanes` are the courses of the two lanes while the current step is one with lanes, else None.
    """

    def __init__(self, name: str, steps: list[Step], controlled: bool) -> None:
        self.name = name
        self.table = Table()
        self.reading = Seat(self.table)
        self.writing = Seat(self.table)
        self.taken = 0
        self._controlled = controlled
        self._main = Course(list(steps), -math.inf)
        self._lanes: tuple[Course, Course] | None = None  # of reading, and of writing
        self._arrived: deque[tuple[list[memoryview], Chunk, str]] = deque()
        self._ended = False
        self._read_error: FailRead | None = None
        self._read_error_seen = False
        self._write_error: FailWrite | None = None
        self._closed_at: float | None = None  # when the code under test closed its writing
        self._reset: OSError | None = None
        self._mismatch: ScriptMismatch | None = None

    # ---- what the stream reads from -------------------------------------------------------------------------------

    def take(self, max_bytes: int) -> bytes | Exception | Later:
        """What has arrived, or will; an error if nothing ever can."""
        self._advance()
        if (over := self._mismatch or self._reset) is not None:
            return over
        if self._arrived:
            views, chunks, _ = self._arrived[0]
            data = take_from(views, piece_of(min(max_bytes, len(views[0])), chunks))
            if not views:
                self._arrived.popleft()
            return data
        if self._read_error is not None:
            self._read_error_seen = True
            return self._read_error.error
        if self._ended:
            return b""
        if self._controlled or any(provides(place.step) for place in self._left()):
            return self._hold_up(*(self._lanes or ()), self._main)
        undone = self._undone()
        return self._refuse(
            "read() would wait for ever: nothing more is provided, and "
            + (f"still to come is only {undone[0]}" if undone else "all steps are done")
            + ". Let the script go on with provide() or end(); or play it with build(), whose control may do so later"
        )

    def abandon(self) -> None:
        """Nobody reads any more; what was not read is found by `verify`."""

    # ---- what it writes to ----------------------------------------------------------------------------------------

    def offer(self, views: list[memoryview]) -> Exception | Later | None:
        """Compare what is written with what is expected, as far as the script has come."""
        while True:
            self._advance()
            if (over := self._mismatch or self._reset) is not None:
                return over
            if self._write_error is not None:
                return self._write_error.error
            if not views:
                return None
            course = self._awaiting()
            if isinstance(course, Later):
                return course
            error = self._compare(course, views)
            if error is not None:
                return error

    def retract(self) -> None:
        """What was taken was compared."""

    def finish(self) -> Exception | None:
        """The code under test calls `close_write`."""
        self._advance()
        if (over := self._mismatch or self._reset) is not None:
            return over
        course = self._awaiting()
        if isinstance(course, Course) and isinstance(course.step, FailWrite):
            self._fail_write(course, course.step)
        if self._write_error is not None:
            return self._write_error.error
        for place in self._left():
            if awaits(place.step) and not isinstance(place.step, ExpectEnd):
                return self._refuse(f"close_write() was called, but still to be written is {place.words}")
        self.leave()
        return None

    def leave(self) -> None:
        """The writing is closed."""
        if self._closed_at is None:
            self._closed_at = self._now()
            self._advance()
            self.reading.call()

    def reset(self, error: OSError) -> None:
        """The connection broke: the script ends here."""
        self._reset = error
        self.reading.call()
        self.writing.call()

    # ---- for the script and its control ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Reach the first step."""
        with self.table:
            self._advance()

    def add(self, step: Step) -> None:
        """One more step, seen at once by those who wait."""
        with self.table:
            self._main.add(step, self._now())
            self.reading.call()
            self.writing.call()

    def verify(self) -> None:
        """Raise a `ScriptMismatch` if there was one, or if something is left undone."""
        with self.table:
            self._advance()
            if self._mismatch is None and self._reset is None and (undone := self._undone()):
                self._refuse("not everything was done:\n" + "\n".join(f"  {one}" for one in undone))
        if self._mismatch is not None:
            raise self._mismatch

    # ---- going on -------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        """The time; before and after the run, when nothing can be waited for, that of the current step."""
        try:
            return conc.current_time()
        except RuntimeError:
            return self._main.since

    def _advance(self) -> None:
        """Do the steps that can be done now."""
        now = self._now()
        if self._main.since == -math.inf:
            self._main.since = now
        self._go(self._main, now)

    def _go(self, course: Course, now: float) -> None:
        while (step := course.step) is not None:
            done = course.since
            if isinstance(step, Provide):
                self._arrived.append(([memoryview(step.data)], step.chunks, course.where()))
            elif isinstance(step, End):
                self._ended = True
            elif isinstance(step, FailRead):
                self._read_error = step
            elif isinstance(step, Pause):
                done = course.pause_ends(step)
            elif isinstance(step, Lanes):
                done = self._go_in_lanes(course, step, now)
            elif isinstance(step, ExpectEnd) and self._closed_at is not None:
                done = max(self._closed_at, done)
            else:
                return  # it waits for something to be written
            if done > now:
                return
            course.go_on(done)

    def _go_in_lanes(self, course: Course, step: Lanes, now: float) -> float:
        """Go on in both lanes, and return when the last of them came to its end; inf if one has not."""
        if self._lanes is None:
            where = f"step {course.at + 1}, lane for"
            self._lanes = (
                Course(list(step.read), course.since, f"{where} read: "),
                Course(list(step.write), course.since, f"{where} write: "),
            )
        for lane in self._lanes:
            self._go(lane, now)
        if any(lane.step is not None for lane in self._lanes):
            return math.inf
        done = max(lane.since for lane in self._lanes)
        self._lanes = None
        return done

    def _awaiting(self) -> Course | Later:
        """Where something has to be written: now, or later; if nowhere, that is the course with no step."""
        courses = (self._main,) if self._lanes is None else (self._lanes[1], self._main)
        for course in courses:
            if isinstance(course.step, WRITING):
                return course
        if any(awaits(place.step) for place in self._left()):
            return self._hold_up(*reversed(self._lanes or ()), self._main)
        return Course([], self._main.since)

    def _compare(self, course: Course, views: list[memoryview]) -> Exception | None:
        """Take from `views` what the current step of `course` expects."""
        step = course.step
        if isinstance(step, ExpectN):
            return self._take_expected(course, views[0][: step.n - course.written], step.n, views)
        if isinstance(step, Expect) and isinstance(step.what, bytes):
            expected = step.what
            view = views[0][: len(expected) - course.written]
            if view == expected[course.written : course.written + len(view)]:
                return self._take_expected(course, view, len(expected), views)
            written = expected[: course.written] + b"".join(views)
            return self._refuse(f"{course.where()}: other bytes were written\n{difference(expected, written)}")
        if isinstance(step, FailWrite):
            return self._fail_write(course, step)
        written = b"".join(views)
        text = f"write_all() wrote {written[:60]!r}{'...' if len(written) > 60 else ''} ({len(written)} bytes)"
        if step is None:
            return self._refuse(f"nothing more is to be written, but {text}")
        if not isinstance(step, Expect):
            return self._refuse(f"{course.where()}: but {text}")
        assert not isinstance(step.what, bytes)
        found = step.what.match(written)
        if found is None:
            return self._refuse(f"{course.where()}: has to match the beginning of one write_all(), but {text}")
        return self._take_expected(course, written[: found.end()], found.end(), views)

    def _take_expected(
        self, course: Course, part: bytes | memoryview, wanted: int, views: list[memoryview]
    ) -> Exception | None:
        """So much of what is written is right."""
        take_from(views, len(part))
        self.taken += len(part)
        course.written += len(part)
        if course.written == wanted:
            self._written(course)
        return None

    def _fail_write(self, course: Course, step: FailWrite) -> Exception:
        self._write_error = step
        self._written(course)
        return step.error

    def _written(self, course: Course) -> None:
        """What the current step has waited for was done."""
        course.go_on(self._now())
        self._advance()
        self.reading.call()

    # ---- words ----------------------------------------------------------------------------------------------------

    def _hold_up(self, *courses: Course) -> Later:
        """What keeps the script from going on: the first of these that has not come to its end."""
        for course in courses:
            if isinstance(course.step, Pause):
                return Later(f"script {self.name!r}: {course.where()}, to pass", course.pause_ends(course.step))
            if course.step is not None:
                return Later(f"script {self.name!r}: {course.where()}, has to come first")
        return Later(f"script {self.name!r}: its control may still provide something")

    def _left(self) -> Iterator[Place]:
        """What is not done: those steps of lanes first that have been reached."""
        if self._lanes is None:
            return self._main.left()
        return chain(*(lane.left() for lane in self._lanes), self._main.left(behind=1))

    def _undone(self) -> list[str]:
        """What was left undone, in words. Pauses, and an end that nobody has noticed, are not."""
        undone = [f"{where}: {sum(map(len, views))} bytes of it were not read" for views, _, where in self._arrived]
        if self._read_error is not None and not self._read_error_seen:
            undone.append(f"{shown(self._read_error)}: nobody has read so far")
        return undone + [place.words for place in self._left() if not isinstance(place.step, (Pause, End))]

    def _refuse(self, message: str) -> ScriptMismatch:
        """Remember a mismatch, and tell whoever waits: they would wait in vain."""
        step = None if self._main.step is None else self._main.at + 1
        self._mismatch = ScriptMismatch(f"script {self.name!r}: {message}", self.name, step)
        self.reading.call()
        self.writing.call()
        return self._mismatch

    def _check(self) -> None:
        assert (self._lanes is not None) == isinstance(self._main.step, Lanes) or self._main.since == -math.inf
        for course in (self._main, *(self._lanes or ())):
            course._check()
