"""A scripted peer: what it expects, what it provides, and when."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from conc.lowlevel import checkpoint_if_due
from conc_testing.io.lane import Lane
from conc_testing.io.memory import MemoryStream
from conc_testing.io.play import Play
from conc_testing.io.steps import READING, WRITING, Lanes, Pause, Step


class Script(Lane):
    """The peer of a stream, step by step: made by `script`. Besides the steps of a `Lane` it has `lanes`.

    A script may be played any number of times, each time from the beginning.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        super().__init__()
        if not isinstance(name, str):
            raise TypeError(f"name must be a string, not {name!r}")
        self._name = name

    def lanes(self, *, read: Lane, write: Lane) -> Self:
        """The two directions go on independently of one another, until both lanes have come to their end.

        Args:
            read: what the code under test reads: provide, pause, fail_read, end.
            write: what it writes: expect, expect_n, expect_end, pause, fail_write.

        Raises:
            ValueError: a step is in the wrong lane, or its direction has ended before.
            TypeError: these are no lanes.
        """
        for name, given, allowed in (("read", read, (*READING, Pause)), ("write", write, (*WRITING, Pause))):
            if type(given) is not Lane:
                raise TypeError(f"lanes: {name} must be made with lane(), not {given!r}")
            for step in given._steps:
                if not isinstance(step, allowed):
                    raise ValueError(f"lanes: {step} has no place in the lane for {name}")
        for step in (*read._steps, *write._steps):
            if isinstance(step, READING):
                self._refuse_after(self._reading_over, step)
            elif isinstance(step, WRITING):
                self._refuse_after(self._writing_over, step)
        self._reading_over = self._reading_over or read._reading_over
        self._writing_over = self._writing_over or write._writing_over
        return self._add(Lanes(tuple(read._steps), tuple(write._steps)))

    def stream(self) -> Performance:
        """A stream with this peer: ``async with script(...).stream() as stream:``.

        At the end of the block all steps have to be done, else that raises a `ScriptMismatch` which lists what is left;
        unless the block raises something itself. A mismatch that was raised inside and caught there is raised again.
        Then the stream is closed.
        """
        return Performance(self)

    def build(self) -> tuple[MemoryStream, ScriptControl]:
        """A stream with this peer, and what adds steps to it while it is played: ``stream, control = script.build()``.

        Who reads when nothing is left waits: the control may still provide something. That all was done is for
        `ScriptControl.verify` to say.
        """
        play = Play(self._name, list(self._steps), controlled=True)
        return _stream_of(play), ScriptControl(play, self)

    def __repr__(self) -> str:
        return ".".join([f"script({self._name!r})", *map(str, self._steps)])


def script(name: str) -> Script:
    """A peer that follows a script: ``script("redis").expect(b"PING\\r\\n").provide(b"+PONG\\r\\n")``.

    The peer does one step after the other, each as soon as the one before is done. What it provides arrives at once and
    waits to be read; what it expects, it waits for. So a script says what depends on what, as on a real connection, and
    not which task of the code under test runs first.

    What does not fit is told at once, where it happens: who writes something else, writes or closes too early, or reads
    when nothing can come any more, gets a `ScriptMismatch`. Who reads before the step that something was written for
    waits, and says so in the task tree.

    Args:
        name: for messages.

    Checkpoint: never.
    """
    return Script(name)


class ScriptControl(Lane):
    """Adds steps to a script that is being played: made by `Script.build`. Who waits sees them at once.

    To be used from any task; the steps are those of a `Lane`.
    """

    __slots__ = ("_play",)

    def __init__(self, play: Play, so_far: Script) -> None:
        super().__init__()
        self._play = play
        self._reading_over = so_far._reading_over
        self._writing_over = so_far._writing_over

    def verify(self) -> None:
        """Say whether all was done so far.

        Raises:
            ScriptMismatch: it was not; or there was a mismatch before, which is raised again.

        Checkpoint: never.
        """
        self._play.verify()

    def _add(self, step: Step) -> Self:
        super()._add(step)
        self._play.add(step)
        return self

    def __repr__(self) -> str:
        return f"<ScriptControl of {self._play.name!r}>"


class Performance:
    """One run of a script, as a block: what `Script.stream` returns."""

    __slots__ = ("_play", "_script", "_stream")

    def __init__(self, of: Script) -> None:
        self._script = of
        self._play: Play | None = None

    async def __aenter__(self) -> MemoryStream:
        if self._play is not None:
            raise RuntimeError("this block was entered before; call stream() for each")
        self._play = play = Play(self._script._name, list(self._script._steps), controlled=False)
        play.begin()
        self._stream = _stream_of(play)
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._play is not None, "left before it was entered"
        try:
            if error is None:
                self._play.verify()
        finally:
            self._stream._close()
        if error is None:
            await checkpoint_if_due()


def _stream_of(play: Play) -> MemoryStream:
    return MemoryStream(f"script {play.name!r}", play.table, play, play)
