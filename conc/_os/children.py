"""Child processes: starting them, hearing of their end, signals to them. No signal ever reaches a stranger."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from subprocess import DEVNULL, PIPE, STDOUT, CalledProcessError
from time import monotonic, sleep
from typing import Any, Final

from conc._os.sync import Lock
from conc._os.threads import start_daemon

__all__ = [
    "DEVNULL",
    "PIPE",
    "SIGKILL",
    "SIGTERM",
    "STDOUT",
    "Argument",
    "CalledProcessError",
    "Child",
    "close_all",
    "ready_to_start",
    "start",
]

SIGTERM: Final = signal.SIGTERM
SIGKILL: Final = signal.SIGKILL

# Not everywhere; tests take them away. A process descriptor stands for one process, whatever becomes of its number.
pidfd_open: Callable[[int], int] | None = getattr(os, "pidfd_open", None)
waitid: Callable[[int, int, int], Any] | None = getattr(os, "waitid", None)
TO_GROUP: Final = 4  # PIDFD_SIGNAL_PROCESS_GROUP, from Linux 6.9 on

SHORTEST_NAP_S: Final = 0.0005
LONGEST_NAP_S: Final = 0.02
LAST_WAIT_S: Final = 0.2  # how long the end of a process is waited for that was killed where nothing may be awaited

Argument = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_orphans: list[Child] = []  # killed, and left before they had ended: reaped when the next one is started


class Child:
    """A started process, until its exit code was fetched (it was *reaped*), which frees its number for others.

    May be used from any thread.

    Args:
        pid: of a child of this process, which nobody else waits for.
        leads: whether it leads a process group of its own.

    Raises:
        OSError: there is no descriptor to be had; the process is killed again.
        RuntimeError: there is no thread to be had, on systems that need one; the process is killed again.

    Attributes:
        returncode: as that of `subprocess.Popen`: negative for a signal. None until it was reaped.
        is_lost: somebody else reaped it.

    Invariant: `pid` is used under `_lock` only, and only while it is not `is_over`: until then the number is its own.
    Invariant: `_pidfd` and `_ends` are open until `close`; `_pidfd` is -1 where there are no process descriptors.
    """

    __slots__ = ("_dooms_group", "_ends", "_lock", "_parent", "_pidfd", "is_lost", "leads", "pid", "returncode")

    def __init__(self, pid: int, leads: bool) -> None:
        self.pid = pid
        self.leads = leads
        self.returncode: int | None = None
        self.is_lost = False
        self._dooms_group = False
        self._parent = os.getpid()
        self._lock = Lock()
        self._pidfd = self._ends = -1
        try:
            self._pidfd = _open_pidfd(pid)
            self._ends = self._watch() if self._pidfd < 0 else self._pidfd
        except (OSError, RuntimeError):
            self.abandon(leads)
            raise

    def fileno(self) -> int:
        """A descriptor that is readable when the process has ended."""
        return self._ends

    @property
    def is_over(self) -> bool:
        """Whether it was reaped, by us or by others."""
        return self.returncode is not None or self.is_lost

    def poll(self) -> int | None:
        """Reap it if it has ended: its exit code, or None if it runs.

        Raises:
            ChildProcessError: somebody else has reaped it.
        """
        with self._lock:
            if self.returncode is None:
                if self.is_lost:
                    raise ChildProcessError(errno.ECHILD, "somebody else fetched the exit code")
                if self._dooms_group and waitid is not None and self._peek(waitid):
                    self._kill_group(SIGKILL)
                try:
                    self.returncode = self._reap()
                except ChildProcessError:
                    self.is_lost = True
                    raise
            return self.returncode

    def send(self, signum: int, group: bool) -> None:
        """Send it a signal, or to its whole group. Nothing happens if there is nobody to receive it.

        Raises:
            PermissionError: it belongs to another user.
        """
        with self._lock:
            if group:
                self._kill_group(signum)
            elif not self.is_over:
                try:
                    if self._pidfd >= 0:
                        signal.pidfd_send_signal(self._pidfd, signum)
                    else:
                        os.kill(self.pid, signum)
                except ProcessLookupError:
                    pass

    def doom_group(self) -> None:
        """When it has ended, what is left of its group is to be killed, if nobody could see afterwards what is left."""
        with self._lock:
            self._dooms_group = not self._asks_group()

    def group_exists(self) -> bool:
        """Whether somebody of its group is there, zombies too, after it was reaped; False where nobody can tell."""
        with self._lock:
            if not self.leads or not self.is_over or self._pidfd < 0:
                return False
            try:
                signal.pidfd_send_signal(self._pidfd, 0, None, TO_GROUP)
            except PermissionError:
                return True
            except OSError:
                return False
            return True

    def is_gone_within(self, seconds: float, group: bool) -> bool:
        """Block until it has ended, and its group if that is asked for: False if that takes longer."""
        deadline = monotonic() + seconds
        nap = SHORTEST_NAP_S
        while True:
            try:
                gone = self.poll() is not None
            except ChildProcessError:
                gone = True
            if gone and not (group and self.group_exists() and _runs(self.pid)):
                return True
            left = deadline - monotonic()
            if left <= 0:
                return False
            sleep(min(nap, left))
            nap = min(nap * 2, LONGEST_NAP_S)

    def abandon(self, group: bool) -> None:
        """Kill it where nothing may be awaited. It is reaped now, or when the next one is started."""
        if os.getpid() != self._parent:
            return  # we are a fork of its parent, which goes on
        if group:
            self.doom_group()
        if self.is_over and not group:
            return
        try:
            self.send(SIGKILL, group)
        except OSError:
            pass
        if not self.is_gone_within(LAST_WAIT_S, group=False):
            _orphans.append(self)

    def close(self) -> None:
        """Give its descriptors back. Its exit code stays."""
        with self._lock:
            ends, pidfd = self._ends, self._pidfd
            self._ends = self._pidfd = -1
        close_all(fd for fd in {ends, pidfd} if fd >= 0)

    # ---- under the lock -------------------------------------------------------------------------------------------

    def _reap(self) -> int | None:
        if self._pidfd >= 0 and waitid is not None:
            found = waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
            if found is None:
                return None
            status: int = found.si_status
            return status if found.si_code == os.CLD_EXITED else -status
        pid, state = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(state) if pid else None

    def _peek(self, waitid: Callable[[int, int, int], Any]) -> bool:
        """Whether it has ended, without reaping it."""
        try:
            return waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return False

    def _kill_group(self, signum: int) -> None:
        if not self.leads:
            return
        try:
            if not self.is_over:
                os.killpg(self.pid, signum)
            elif self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signum, None, TO_GROUP)
        except ProcessLookupError:
            pass
        except OSError as error:
            if error.errno != errno.EINVAL:  # of a system before Linux 6.9
                raise

    def _asks_group(self) -> bool:
        if self._pidfd < 0:
            return False
        try:
            signal.pidfd_send_signal(self._pidfd, 0, None, TO_GROUP)
        except OSError as error:
            return error.errno != errno.EINVAL
        return True

    # ---- without process descriptors ----------------------------------------------------------------------------

    def _watch(self) -> int:
        """The reading end of a pipe which a thread closes when the process has ended."""
        reader, writer = os.pipe()
        try:
            start_daemon(lambda: self._close_at_end(writer), f"conc-child-{self.pid}")
        except RuntimeError:
            close_all((reader, writer))
            raise
        return reader

    def _close_at_end(self, writer: int) -> None:
        try:
            while not self.is_over:
                if waitid is None:
                    self.is_gone_within(1.0, group=False)  # reaps it: a number that is not ours must not be waited for
                else:
                    waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
                    break
        except ChildProcessError:
            pass  # somebody else was faster: who waits will see
        finally:
            os.close(writer)


def start(
    argv: Sequence[Argument],
    stdin: Any,
    stdout: Any,
    stderr: Any,
    *,
    cwd: Argument | None,
    env: Mapping[str, str] | None,
    process_group: bool,
    new_session: bool,
) -> tuple[Child, list[int | None]]:
    """Start a program, as `subprocess.Popen` does. Returns it, and our ends of the pipes that were asked for.

    Blocks for about half a millisecond, until the program runs.

    Raises:
        OSError: it cannot be started; nothing is left open, and no process.
        RuntimeError: this program ignores SIGCHLD, so exit codes would be lost.
    """
    ready_to_start()
    opened: list[int] = []
    ours: list[int | None] = []
    theirs: list[Any] = []
    try:
        for number, wish in enumerate((stdin, stdout, stderr)):
            if isinstance(wish, int) and wish == PIPE:
                reader, writer = os.pipe()
                opened += (reader, writer)
                ours.append(reader if number else writer)
                theirs.append(writer if number else reader)
            else:
                ours.append(None)
                theirs.append(wish)
        started: subprocess.Popen[bytes] = subprocess.Popen(
            list(argv),
            **dict(zip(("stdin", "stdout", "stderr"), theirs, strict=True)),
            cwd=cwd,
            env=env,
            process_group=0 if process_group else None,
            start_new_session=new_session,
        )
        started.returncode = 0  # it is ours to wait for
        child = Child(started.pid, process_group or new_session)
    except BaseException:
        close_all(opened)
        raise
    close_all(set(opened).difference(fd for fd in ours if fd is not None))
    return child, ours


def ready_to_start() -> None:
    """Look whether exit codes can be had, and reap those that were left behind."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        raise RuntimeError(
            "this program ignores SIGCHLD, so the system throws the exit codes of its children away; "
            "put the default back before starting one: signal.signal(signal.SIGCHLD, signal.SIG_DFL)"
        )
    for orphan in _orphans[:]:
        if orphan.is_gone_within(0, group=False):
            try:
                _orphans.remove(orphan)
            except ValueError:
                pass  # another thread was here


def close_all(descriptors: Any) -> None:
    """Close them."""
    for fd in descriptors:
        os.close(fd)


def _runs(group: int) -> bool:
    """Whether somebody of a process group runs. A zombie does not: there are programs with number 1 that reap none."""
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return True  # nobody can tell
    for number in numbers:
        try:
            with open(f"/proc/{number}/stat", "rb") as file:
                state, _, its_group = file.read().rpartition(b")")[2].split(None, 3)[:3]
        except (OSError, ValueError):
            continue
        if int(its_group) == group and state not in {b"Z", b"X"}:
            return True
    return False


def _open_pidfd(pid: int) -> int:
    """A process descriptor; -1 where there are none."""
    if pidfd_open is None or waitid is None:
        return -1
    try:
        return pidfd_open(pid)
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
            raise
        return -1  # not known to the system, or not allowed in this sandbox
