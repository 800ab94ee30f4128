"""Ctrl-C, with real signals to real processes: clean-up runs, and `run` raises KeyboardInterrupt."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest

import conc

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")

PRELUDE = """
import os, signal, sys, threading, time
import conc
from conc.sync import Event

def say(*words):
    print(*words, flush=True)

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)

def ctrl_c_after(seconds):
    threading.Timer(seconds, ctrl_c).start()
"""


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

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, list[str], str]:
        """Its exit code, what else it said, and what went to the error stream."""
        try:
            out, err = self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"the program hangs: {self._process.communicate()}") from None
        return self._process.returncode, out.split("\n")[:-1], err


def test_the_first_ctrl_c_cancels_main_and_clean_up_runs_before_run_raises() -> None:
    program = Program("""
        async def child():
            try:
                await conc.sleep_forever()
            finally:
                with conc.CancelScope(shield=True):
                    await conc.sleep(0.05)
                say("child cleaned up")

        async def main():
            async with conc.open_nursery() as nursery:
                nursery.start_soon(child)
                try:
                    say("ready")
                    await conc.sleep(60)
                except conc.Cancelled as cancelled:
                    say(cancelled.source)
                    raise

        try:
            conc.run(main)
        except KeyboardInterrupt as error:
            say("raised", error.__cause__)
        say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """)
    program.says("ready")
    program.interrupt()

    code, lines, err = program.end()
    assert (code, err) == (0, "")
    assert lines == ["interrupt", "child cleaned up", "raised None", "True"]


def test_an_uncaught_ctrl_c_ends_the_process_as_it_should() -> None:
    program = Program("""
        async def main():
            say("ready")
            await conc.sleep(60)

        conc.run(main)
    """)
    program.says("ready")
    program.interrupt()

    code, _, err = program.end()
    assert code == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_a_second_ctrl_c_is_raised_at_once_while_clean_up_is_stuck_in_a_wait() -> None:
    program = Program("""
        async def main():
            try:
                await conc.sleep(0.01)
                say("ready")
                await conc.sleep(60)
            finally:
                with conc.CancelScope(shield=True):
                    say("stuck")
                    await conc.sleep(60)

        start = time.monotonic()
        try:
            conc.run(main)
        except KeyboardInterrupt as error:
            say("raised", time.monotonic() - start < 20, "main" in "".join(error.__notes__))
    """)
    program.says("ready")
    program.interrupt()
    program.says("stuck")
    time.sleep(0.2)
    program.interrupt()

    code, lines, err = program.end()
    assert (code, lines) == (0, ["raised True True"]), err


def test_a_second_ctrl_c_is_raised_where_a_task_computes() -> None:
    program = Program("""
        async def main():
            say("ready")
            try:
                while True:
                    time.sleep(0.01)
            except KeyboardInterrupt:
                say("raised where it stood")
                raise

        try:
            conc.run(main)
        except KeyboardInterrupt:
            say("raised from run")
    """)
    program.says("ready")
    program.interrupt()
    time.sleep(0.2)
    program.interrupt()

    code, lines, err = program.end()
    assert (code, lines) == (0, ["raised where it stood", "raised from run"]), err


def test_a_second_ctrl_c_that_a_task_swallows_stops_the_run_all_the_same() -> None:
    program = Program("""
        async def main():
            say("ready")
            try:
                while True:
                    time.sleep(0.01)
            except KeyboardInterrupt:
                say("swallowed")
            with conc.CancelScope(shield=True):
                await conc.sleep(60)

        start = time.monotonic()
        try:
            conc.run(main)
        except KeyboardInterrupt as error:
            say("raised", time.monotonic() - start < 20, "second Ctrl-C" in "".join(error.__notes__))
    """)
    program.says("ready")
    program.interrupt()
    time.sleep(0.2)
    program.interrupt()

    code, lines, err = program.end()
    assert (code, lines) == (0, ["swallowed", "raised True True"]), err


def test_a_ctrl_c_that_main_swallows_is_raised_from_run_all_the_same() -> None:
    program = Program("""
        async def main():
            try:
                say("ready")
                await conc.sleep(60)
            except conc.Cancelled:
                pass
            return "value"

        try:
            say(conc.run(main))
        except KeyboardInterrupt:
            say("raised")
    """)
    program.says("ready")
    program.interrupt()

    assert program.end()[:2] == (0, ["raised"])


def test_an_error_while_cleaning_up_after_ctrl_c_is_the_cause_of_what_run_raises() -> None:
    program = Program("""
        async def main():
            try:
                say("ready")
                await conc.sleep(60)
            finally:
                raise ValueError("in clean-up")

        try:
            conc.run(main)
        except KeyboardInterrupt as error:
            say(repr(error.__cause__))
    """)
    program.says("ready")
    program.interrupt()

    assert program.end()[:2] == (0, ["ValueError('in clean-up')"])


def test_a_handler_of_the_program_is_not_replaced() -> None:
    program = Program("""
        signal.signal(signal.SIGINT, lambda number, frame: say("handled"))

        async def main():
            ctrl_c_after(0.05)
            await conc.sleep(0.3)
            return "value"

        say(conc.run(main))
    """)

    assert program.end() == (0, ["handled", "value"], "")


def test_a_handler_that_the_program_sets_while_it_runs_stays() -> None:
    program = Program("""
        def handler(number, frame):
            say("handled")

        async def main():
            signal.signal(signal.SIGINT, handler)
            ctrl_c_after(0.05)
            await conc.sleep(0.3)

        conc.run(main)
        say(signal.getsignal(signal.SIGINT) is handler)
    """)

    assert program.end() == (0, ["handled", "True"], "")


def test_an_ignored_signal_stays_ignored() -> None:
    program = Program("""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

        async def main():
            ctrl_c_after(0.05)
            await conc.sleep(0.3)

        conc.run(main)
        say(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
    """)

    assert program.end() == (0, ["True"], "")


def test_a_run_beside_the_main_thread_leaves_ctrl_c_to_it() -> None:
    program = Program("""
        async def main():
            await conc.sleep(0.4)
            say("main ended")

        thread = threading.Thread(target=conc.run, args=(main,))
        thread.start()
        try:
            ctrl_c_after(0.1)
            time.sleep(60)
        except KeyboardInterrupt:
            say("raised in the main thread")
        thread.join()
    """)

    assert program.end() == (0, ["raised in the main thread", "main ended"], "")


def test_a_ctrl_c_wakes_a_run_that_sleeps_without_a_deadline() -> None:
    program = Program("""
        async def main():
            say("ready")
            await conc.sleep_forever()

        start = time.monotonic()
        try:
            conc.run(main)
        except KeyboardInterrupt:
            say(time.monotonic() - start < 20)
    """)
    program.says("ready")
    time.sleep(0.1)
    program.interrupt()

    assert program.end()[:2] == (0, ["True"])


def test_a_ctrl_c_ends_the_strands_of_all_workers() -> None:
    program = Program("""
        ready, cleaned_up = [], []

        async def strand(number):
            ready.append(number)
            try:
                while True:
                    await conc.sleep(0.001)
            finally:
                with conc.CancelScope(shield=True):
                    await conc.sleep(0.01)
                cleaned_up.append(number)

        async def main():
            async with conc.open_nursery(parallel=True) as nursery:
                for number in range(6):
                    nursery.start_soon(strand, number)
                while len(ready) < 6:
                    await conc.sleep(0.001)
                say("ready")

        try:
            conc.run(main, workers=3)
        except KeyboardInterrupt:
            say("raised", len(cleaned_up), threading.active_count())
    """)
    program.says("ready")
    program.interrupt()

    code, lines, err = program.end()
    assert (code, lines) == (0, ["raised 6 1"]), err


def test_a_run_after_one_that_was_interrupted_is_as_good_as_new() -> None:
    program = Program("""
        async def interrupted():
            ctrl_c()
            await conc.sleep(60)

        async def whole():
            await conc.sleep(0.01)
            return "value"

        runtime = conc.Runtime()
        for _ in range(2):
            try:
                runtime.run(interrupted)
            except KeyboardInterrupt:
                say("raised")
            say(runtime.run(whole))
    """)

    assert program.end() == (0, ["raised", "value"] * 2, "")


def test_ctrl_c_in_a_row_of_runs_is_never_lost_and_never_hangs() -> None:
    program = Program("""
        import random

        chance = random.Random(7)
        ends = []

        async def work():
            ctrl_c_after(chance.random() * 0.003)
            async with conc.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(conc.sleep, 60)
                while True:
                    await conc.checkpoint()
                    await conc.sleep(0.0001)

        for _ in range(40):
            before = time.monotonic()
            try:
                conc.run(work)
            except KeyboardInterrupt:
                ends.append(time.monotonic() - before < 10)
        say(len(ends), all(ends))
    """)

    code, lines, err = program.end()
    assert (code, lines) == (0, ["40 True"]), err


def test_in_another_thread_a_run_does_not_touch_the_handler() -> None:
    seen: list[object] = []

    async def main() -> None:
        seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=conc.run, args=(main,))
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.skipif(not hasattr(socket, "socketpair"), reason="the descriptor is that of a socket")
def test_a_wakeup_descriptor_that_the_program_sets_inside_a_run_is_left_alone() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)

        async def main() -> None:
            signal.set_wakeup_fd(left.fileno(), warn_on_full_buffer=False)

        before = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        try:
            conc.run(main)
            assert signal.set_wakeup_fd(-1) == left.fileno()
        finally:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
