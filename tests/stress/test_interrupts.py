"""Ctrl-C at any moment: never a hang, a lost exception or a leaked task; and the program ends as it should."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conc._kernel.interrupts import Interrupts
from tests.stress.load import Dice, load

ROOT = Path(__file__).parents[2]


def interrupt(workers: int, dice: Dice, moments: list[float]) -> tuple[int, str]:
    """Start the program, send it SIGINT after so many seconds each; its exit code and all it said."""
    program = [sys.executable, "-X", "faulthandler", "-m", "tests.stress.interrupted"]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [*program, str(workers), str(dice.between(1, 1 << 30))],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready == "ready\n", ready + process.stdout.read()
            for seconds in moments:
                time.sleep(seconds)
                process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # the program shows the stacks of its threads
            said, _ = process.communicate(timeout=30)
            pytest.fail(f"it hangs:\n{said}")
        finally:
            process.kill()
    return process.returncode, said


def test_an_interrupt_that_comes_when_the_run_has_ended_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        with Interrupts() as interrupts:
            interrupts.detach()
            signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("workers", [1, 3])
def test_one_interrupt_at_any_moment_ends_the_run_and_leaves_nothing(dice: Dice, workers: int) -> None:
    for _ in range(load(100)):
        code, said = interrupt(workers, dice, [dice.seconds(0, 0.05)])

        assert code == 130, said
        assert said == ""


# What a program that was stopped by force may say: clean-up was cut short, and so were the threads of to_thread.
CUT_SHORT = ("tasks began,", "errors are lost", "threads are left", "descriptors are left")

# What the interpreter says of an interrupt that hit a callback of its own, as of a weak reference. It is lost there;
# the run ends all the same.
SWALLOWED = re.compile(r"Exception ignored in.*\n(?:Traceback.*\n(?: .*\n)*)?KeyboardInterrupt.*\n")


@pytest.mark.parametrize("workers", [1, 3])
def test_two_interrupts_in_quick_succession_stop_the_program_without_a_hang(dice: Dice, workers: int) -> None:
    for _ in range(load(50)):
        code, said = interrupt(workers, dice, [dice.seconds(0, 0.05), dice.seconds(0, 0.003)])

        assert code in (1, 130, -signal.SIGINT), said
        if code != -signal.SIGINT:  # the second one came after the run
            lines = SWALLOWED.sub("", said).splitlines()
            assert [line for line in lines if not any(words in line for words in CUT_SHORT)] == []
