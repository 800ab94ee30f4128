"""A program that runs beside this one, for as long as a block."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

from conc._kernel.current import charge, current_worker
from conc._kernel.suspend import toll
from conc._os.children import SIGKILL, SIGTERM, Argument, Child, close_all
from conc.io.descriptor_stream import DescriptorStream
from conc.io.pipes import PipeReader, PipeWriter
from conc.process.ending import Ending
from conc.process.outside import Outside
from conc.process.starting import (
    DEVNULL,
    PIPE,
    STDOUT,
    Plan,
    Redirect,
    check_argv,
    check_cwd,
    check_env,
    check_grace,
    check_redirect,
    check_size,
)
from conc.process.terminal import Terminal

S = TypeVar("S", bound=DescriptorStream)

GRACE_S: Final = 5.0
STARTING: Final = 500  # a process costs as much as so many operations that are paid for one by one


class Process:
    """A program that runs beside this one: ``async with Process(["ls", "-l"], stdout=PIPE) as process:`` starts it.

    Leaving the block waits for its end. The pipes are closed first: so it reads the end of its input, and writing what
    nobody reads any more fails there. If the block is left by an error or a cancellation, the process is ended: it is
    sent SIGTERM, and SIGKILL if it still runs after `grace` seconds; so long its input stays open, and does not look
    complete. No process outlives its block, and none is left as a zombie.

    One strand at a time uses it, and one task a direction of a pipe; any number of tasks may `wait`.

    Args:
        argv: the program and its arguments. A program without a slash is looked for in PATH.
        stdin: what it reads: `PIPE` (`Process.stdin` writes to it), `DEVNULL`, a descriptor or an open file; None: what
            this program reads.
        stdout: what it writes to: as `stdin`, and `Process.stdout` reads it.
        stderr: the same for its errors; also `STDOUT`: where its output goes.
        cwd: the directory to start in; None: that of this program.
        env: its environment, all of it; None: that of this program.
        shell: whether `argv` is instead a line for ``/bin/sh``. Never put together such a line from what others wrote.
        process_group: whether it begins a process group. Ctrl-C then does not reach it by itself.
        new_session: whether it begins a session, without a terminal.
        kill_group: whether leaving by an error ends all of its group, grandchildren too; None: if it has its own.
        grace: how many seconds it may take after SIGTERM; real ones, also under a virtual clock.
        pty: whether it runs in a terminal of its own (`Process.terminal`), and in a session of its own.
        terminal_size: columns and rows of that terminal.

    Raises:
        TypeError, ValueError: an argument is not what it should be.

    Raises (at the beginning of the block):
        OSError: the program cannot be started: there is none (FileNotFoundError), it is not executable
            (PermissionError), this program has no descriptors left. Nothing is left behind.
        RuntimeError: this program ignores SIGCHLD, so that exit codes are lost.

    Raises (at the end of the block):
        BrokenResource: something else in this program fetched the exit code.

    Checkpoint: at the beginning of the block a cancel point, before the program is started, which takes about half a
        millisecond of this thread; at the end always a cancel point, and it waits if the program runs.
    If cancelled: no process is left; at the end of the block it is ended as after an error.
    """

    __slots__ = ("__weakref__", "_child", "_ending", "_grace", "_kill_group", "_left", "_outside", "_plan", "_streams")

    def __init__(
        self,
        argv: Sequence[Argument] | str,
        *,
        stdin: Redirect = None,
        stdout: Redirect = None,
        stderr: Redirect = None,
        cwd: Argument | None = None,
        env: Mapping[str, str] | None = None,
        shell: bool = False,
        process_group: bool = False,
        new_session: bool = False,
        kill_group: bool | None = None,
        grace: float = GRACE_S,
        pty: bool = False,
        terminal_size: tuple[int, int] = (80, 24),
    ) -> None:
        self._child: Child | None = None
        size = check_size(terminal_size)
        if pty and not (stdin is stdout is stderr is None):
            raise ValueError("with pty=True the terminal is stdin, stdout and stderr; leave these out")
        self._plan = Plan(
            check_argv(argv, shell),
            check_redirect(stdin, "stdin", (PIPE, DEVNULL)),
            check_redirect(stdout, "stdout", (PIPE, DEVNULL)),
            check_redirect(stderr, "stderr", (PIPE, DEVNULL, STDOUT)),
            check_cwd(cwd),
            check_env(env),
            process_group,
            new_session,
            size if pty else None,
        )
        self._kill_group = self._plan.leads if kill_group is None else kill_group
        if self._kill_group and not self._plan.leads:
            raise ValueError("kill_group=True needs process_group=True or new_session=True: it would end this program")
        self._grace = check_grace(grace)
        self._streams: tuple[DescriptorStream | None, ...] = ()
        self._outside: Outside | None = None
        self._left = False

    # ---- the pipes ------------------------------------------------------------------------------------------------

    @property
    def stdin(self) -> PipeWriter:
        """The pipe that it reads. Closing it is the end of its input.

        Raises:
            RuntimeError: it was started without ``stdin=PIPE``, or not yet.
        """
        return self._stream(0, PipeWriter, "stdin")

    @property
    def stdout(self) -> PipeReader:
        """The pipe that it writes to. The end comes when no process has the other side open any more.

        Raises:
            RuntimeError: it was started without ``stdout=PIPE``, or not yet.
        """
        return self._stream(1, PipeReader, "stdout")

    @property
    def stderr(self) -> PipeReader:
        """The pipe for its errors.

        Raises:
            RuntimeError: it was started without ``stderr=PIPE``, or not yet.
        """
        return self._stream(2, PipeReader, "stderr")

    @property
    def terminal(self) -> Terminal:
        """The terminal that it runs in.

        Raises:
            RuntimeError: it was started without ``pty=True``, or not yet.
        """
        return self._stream(0, Terminal, "terminal")

    # ---- its end --------------------------------------------------------------------------------------------------

    @property
    def argv(self) -> tuple[Argument, ...]:
        """The program and its arguments."""
        return self._plan.argv

    @property
    def pid(self) -> int:
        """Its number. When it has ended, another process may have it.

        Raises:
            RuntimeError: it was not started yet.
        """
        return self._started().pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative if a signal ended it; None as long as it runs.

        Raises:
            RuntimeError: it was not started yet.
            BrokenResource: something else in this program fetched the exit code.
        """
        self._started()
        return self._ending.poll()

    async def wait(self) -> int:
        """Wait until it has ended, and return its exit code: negative if a signal ended it. Any number of times.

        Others that it started may run on, and keep its pipes open. A program that writes much waits until somebody
        reads: read its pipes before you wait, or at the same time.

        Raises:
            BrokenResource: something else in this program fetched the exit code.
            RuntimeError: it was not started yet.

        Checkpoint: always a cancel point; it waits only if the process runs.
        If cancelled: only the waiting ends.
        """
        task = charge() or await toll()
        self._started()
        return await self._ending.wait(task)

    def send_signal(self, signal: int, *, group: bool = False) -> None:
        """Send a signal. Nothing happens if it has ended; so no other process gets it in its place.

        Args:
            signal: its number, as ``signal.SIGHUP``.
            group: whether all of its process group get it, which has to be its own.

        Raises:
            PermissionError: it belongs to another user.
            ValueError, TypeError: it has no process group of its own, or this is no signal.
            RuntimeError: it was not started yet.

        Checkpoint: never.
        """
        child = self._started()
        if isinstance(signal, bool) or not isinstance(signal, int):
            raise TypeError(f"signal must be the number of a signal, such as signal.SIGHUP, not {signal!r}")
        if group and not child.leads:
            raise ValueError("group=True needs Process(..., process_group=True) or new_session=True")
        try:
            child.send(signal, group)
        except PermissionError as error:
            text = f"cannot send signal {signal} to {self._plan.program!r} (process {child.pid}): {error.strerror}"
            raise PermissionError(error.errno, text) from error
        except OSError as error:
            raise ValueError(f"signal must be the number of a signal, not {signal!r}") from error

    def terminate(self, *, group: bool = False) -> None:
        """Ask it to end: SIGTERM. As `send_signal`.

        Checkpoint: never.
        """
        self.send_signal(SIGTERM, group=group)

    def kill(self, *, group: bool = False) -> None:
        """End it: SIGKILL, which it cannot catch. As `send_signal`.

        Checkpoint: never.
        """
        self.send_signal(SIGKILL, group=group)

    # ---- the block ------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Process:
        task = charge() or await toll()
        if self._child is not None:
            raise RuntimeError(f"{self!r} was started before; make a Process for each block")
        child, ours = self._plan.start()  # from here to the end nothing waits, so no cancellation leaves it behind
        worker = current_worker()
        worker.budget -= STARTING  # others had to wait for that
        self._child = child
        self._ending = Ending(child, self._plan.program)
        if self._plan.terminal_size is not None:
            self._streams = (_open(Terminal, ours[0]),)
        else:
            self._streams = (_open(PipeWriter, ours[0]), _open(PipeReader, ours[1]), _open(PipeReader, ours[2]))
        crew = worker.crew
        if crew.clock.virtual:
            doors = [self._ending, *(stream for stream in self._streams if stream is not None)]
            self._outside = Outside(crew, task, child, doors, self._plan.program)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._close_streams()
                try:
                    await self.wait()
                except BaseException as late:
                    error = late
                    raise
                finally:
                    await self._force(error)
            else:
                await self._force(error)
        finally:
            del error  # its traceback holds this frame
            self._leave()

    async def _force(self, error: BaseException | None) -> None:
        """End it if the block is left by an error. A coroutine that is being closed may not wait: see `_leave`.

        Its pipes stay open until then: the end of an input that is not complete would look like that of one that is.
        """
        if error is not None and not isinstance(error, GeneratorExit):
            await self._ending.force(self._grace, self._kill_group)

    def _leave(self) -> None:
        """Whatever happened: nothing stays open, and no process stays alive."""
        self._left = True
        child = self._started()
        if not child.is_over:
            child.abandon(self._kill_group)
        self._close_streams()
        self._ending.close()
        if self._outside is not None:
            self._outside.leave()

    def _close_streams(self) -> None:
        for stream in self._streams:
            if stream is not None:
                stream._close()

    def _started(self) -> Child:
        child = self._child
        if child is None:
            raise RuntimeError(f"{self!r} was not started yet; that is done by `async with`")
        return child

    def _stream(self, number: int, kind: type[S], name: str) -> S:
        stream = self._streams[number] if number < len(self._streams) else None
        if not isinstance(stream, kind):
            self._started()
            way = "pty=True" if kind is Terminal else f"{name}=PIPE"
            raise RuntimeError(f"{self!r} has no pipe or terminal of this name: Process(..., {way}) makes one")
        return stream

    def __repr__(self) -> str:
        child = self._child
        if child is None:
            state = "not started"
        elif child.returncode is not None:
            state = f"process {child.pid}, ended with {child.returncode}"
        else:
            state = f"process {child.pid}"
        return f"<Process {self._plan.program!r}, {state}>"

    def __del__(self, warn: Any = warnings.warn) -> None:
        if getattr(self, "_child", None) is not None and not self._left:
            self._leave()
            warn(f"{self!r} was never left, and was killed; use `async with`", ResourceWarning, stacklevel=2)


def _open(kind: Callable[[int], S], fd: int | None) -> S | None:
    """Our end of a pipe, if there is one."""
    if fd is None:
        return None
    try:
        return kind(fd)
    except BaseException:
        close_all((fd,))
        raise
