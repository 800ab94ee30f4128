"""Sending signals to this process, handlers before and after, and programs in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
USR1, USR2, HUP, WINCH = signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGWINCH
ALL = (USR1, USR2, HUP, WINCH)

PRELUDE = """
import os, signal, sys, threading, time
import conc
from conc.signals import open_receiver, prepare
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2

def say(*words):
    print(*words, flush=True)

def kill(signum):
    os.kill(os.getpid(), signum)
"""


def send(*signals: int) -> None:
    """Send signals to this process. On the main thread, their handlers have run when this returns."""
    for signum in signals:
        os.kill(os.getpid(), signum)


@contextmanager
def handlers_come_back() -> Iterator[None]:
    """At the end all handlers are those that were there, and no descriptor is left."""
    before = {signum: signal.getsignal(signum) for signum in (*ALL, signal.SIGINT)}
    wakeup_fd = current_wakeup_fd()
    yield
    assert {signum: signal.getsignal(signum) for signum in before} == before
    assert current_wakeup_fd() == wakeup_fd


def current_wakeup_fd() -> int:
    """The descriptor that a signal writes to. On the main thread."""
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd


class Program:
    """A Python program in a process of its own."""

    def __init__(self, text: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + dedent(text)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def says(self, line: str) -> None:
        """Wait for a line of output."""
        assert self._process.stdout is not None
        for each in self._process.stdout:
            if each.strip() == line:
                return
        raise AssertionError(f"the program ended before it said {line!r}: {self._process.communicate()[1]}")

    def send(self, signum: int) -> None:
        """Send it a signal."""
        self._process.send_signal(signum)

    def end(self) -> tuple[int, list[str], str]:
        """Its exit code, what else it said, and what went to the error stream."""
        try:
            out, err = self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"the program hangs: {self._process.communicate()}") from None
        return self._process.returncode, out.split("\n")[:-1], err
