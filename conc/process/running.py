"""Running a program to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from conc._kernel.cancel import CancelScope
from conc._kernel.nursery import open_nursery
from conc._os.children import Argument
from conc.errors import BrokenResource, LimitExceeded
from conc.io.pipes import PipeReader, PipeWriter
from conc.io.stream import Buffer
from conc.process.completed import CompletedProcess
from conc.process.process import GRACE_S, Process
from conc.process.starting import PIPE, Redirect

LIMIT: Final = 64 * 1024 * 1024
AT_A_TIME: Final = 65_536


async def run(
    argv: Sequence[Argument] | str,
    *,
    input: Buffer | None = None,
    capture_output: bool = False,
    stdin: Redirect = None,
    stdout: Redirect = None,
    stderr: Redirect = None,
    check: bool = False,
    limit: int | None = LIMIT,
    cwd: Argument | None = None,
    env: Mapping[str, str] | None = None,
    shell: bool = False,
    process_group: bool = False,
    new_session: bool = False,
    kill_group: bool | None = None,
    grace: float = GRACE_S,
) -> CompletedProcess:
    """Run a program to its end: ``await run(["git", "status"], capture_output=True)``.

    Its input is written while its output is read, so neither waits for the other. A program that does not read its
    input to the end is no error.

    It returns when the program has ended and its captured pipes have. Others that it left running in the background
    with these pipes keep them open, as for `subprocess.run`: capture to a file, or give it a process group and a
    timeout, if that may happen.

    Args:
        argv: the program and its arguments; for this and what is not said here see `Process`.
        input: what it reads. Not together with `stdin`.
        capture_output: short for ``stdout=PIPE, stderr=PIPE``.
        stdin: where it reads from otherwise, but for `PIPE`; None: what this program reads.
        stdout: where it writes to; `PIPE` captures it in the result.
        stderr: the same for its errors.
        check: whether an exit code other than 0 is an error.
        limit: how many bytes of its output, and of its errors, are captured at most, so that a program gone wild does
            not take all memory: 64 MiB; None: no limit.
        cwd: the directory to start in.
        env: its environment.
        shell: whether `argv` is a line for ``/bin/sh``.
        process_group: whether it begins a process group.
        new_session: whether it begins a session.
        kill_group: whether a cancellation ends all of its group.
        grace: seconds from SIGTERM to SIGKILL if it has to be ended.

    Raises:
        OSError: the program cannot be started: FileNotFoundError, PermissionError.
        subprocess.CalledProcessError: with `check`, if its exit code is not 0. A note quotes its errors.
        LimitExceeded: it wrote more than `limit` bytes, and was ended.
        BrokenResource: something else in this program fetched the exit code.
        TypeError, ValueError: an argument is not what it should be.

    Checkpoint: always, and it waits.
    If cancelled: the program is ended as `Process` says, with what it had done by then, and nothing is returned; no
        process is left.
    """
    if input is not None and stdin is not None:
        raise ValueError("input and stdin both say what the program reads; give one of them")
    if stdin is not None and stdin == PIPE:
        raise ValueError("run(..., stdin=PIPE) would wait for ever for somebody to write; give it input=b'...', "
                         "or talk to the program: async with Process(..., stdin=PIPE)")  # fmt: skip
    if capture_output and not (stdout is stderr is None):
        raise ValueError("capture_output=True is stdout=PIPE and stderr=PIPE; leave these out")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        raise TypeError(f"limit must be a number of bytes or None, not {limit!r}")
    if limit is not None and limit < 0:
        raise ValueError(f"limit must be at least 0 bytes, not {limit}")
    data = None if input is None else _as_bytes(input)
    process = Process(
        argv,
        stdin=stdin if data is None else PIPE,
        stdout=PIPE if capture_output else stdout,
        stderr=PIPE if capture_output else stderr,
        cwd=cwd,
        env=env,
        shell=shell,
        process_group=process_group,
        new_session=new_session,
        kill_group=kill_group,
        grace=grace,
    )
    async with process:
        output = _Capture(process.stdout, "output", limit) if capture_output or stdout == PIPE else None
        errors = _Capture(process.stderr, "errors", limit) if capture_output or stderr == PIPE else None
        await _converse(process, data, [capture for capture in (output, errors) if capture is not None])
        code = await process.wait()
    completed = CompletedProcess(
        process.argv, code, None if output is None else output.data(), None if errors is None else errors.data()
    )
    if check:
        completed.check()
    return completed


def _as_bytes(input: Buffer) -> memoryview:
    try:
        return memoryview(input).cast("B")
    except TypeError:
        raise TypeError(f"input must be bytes, and text.encode() makes some of text; not {input!r:.100}") from None


async def _converse(process: Process, data: memoryview | None, captures: list[_Capture]) -> None:
    """Write and read all that there is, at the same time.

    Raises:
        LimitExceeded: that is too much.
    """
    if data is None and len(captures) == 1:
        await captures[0].read_all(None)
    elif captures or data is not None:
        async with open_nursery() as nursery:
            if data is not None:
                nursery.start_soon(_feed, process.stdin, data)
            for capture in captures:
                nursery.start_soon(capture.read_all, nursery.cancel_scope)
    for capture in captures:
        capture.check(process)


async def _feed(stdin: PipeWriter, data: memoryview) -> None:
    """Write all input, or as much as the program wants."""
    try:
        await stdin.write_all(data)
    except BrokenResource:
        pass  # it reads no more: how it ends says whether that is an error
    await stdin.aclose()  # not after a cancellation: what is not complete must not look complete


class _Capture:
    """What is read from one pipe."""

    __slots__ = ("_limit", "_name", "_parts", "_pipe", "_size")

    def __init__(self, pipe: PipeReader, name: str, limit: int | None) -> None:
        self._pipe = pipe
        self._name = name
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    async def read_all(self, others: CancelScope | None) -> None:
        """Read to the end. More than the limit ends what the others do, too."""
        while part := await self._pipe.read(AT_A_TIME):
            self._size += len(part)
            if self._is_over():
                if others is not None:
                    others.cancel("too much output")
                return
            self._parts.append(part)

    def check(self, process: Process) -> None:
        """Raise LimitExceeded if there was more than the limit."""
        if self._is_over():
            assert self._limit is not None
            raise LimitExceeded(
                f"{process!r} wrote more than {self._limit} bytes of {self._name}; run(..., limit=...) allows more, "
                "stdout=file takes any amount",
                self._limit,
            )

    def data(self) -> bytes:
        """All of it."""
        return b"".join(self._parts)

    def _is_over(self) -> bool:
        return self._limit is not None and self._size > self._limit
