from __future__ import annotations

import _thread
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import Context, ContextVar, copy_context
from pathlib import Path

import pytest

from conc._os.threads import (
    cpu_count,
    current_ident,
    foreign_threads,
    gil_enabled,
    is_main_thread,
    start_daemon,
)

colour: ContextVar[str] = ContextVar("colour", default="none")

ROOT = Path(__file__).parents[2]


def in_a_thread(context: Context | None = None) -> dict[str, object]:
    """What a function sees that `start_daemon` runs."""
    seen: dict[str, object] = {}

    def look() -> None:
        thread = threading.current_thread()
        seen.update(
            colour=colour.get(), name=thread.name, daemon=thread.daemon, main=is_main_thread(), ident=current_ident()
        )

    start_daemon(look, "observer", context).join()
    return seen


def test_a_daemon_has_its_name_and_does_not_keep_the_process_alive() -> None:
    seen = in_a_thread()

    assert (seen["name"], seen["daemon"]) == ("observer", True)


def test_a_daemon_sees_no_context_variables_of_its_starter() -> None:
    token = colour.set("red")
    try:
        assert in_a_thread()["colour"] == "none"
    finally:
        colour.reset(token)


def test_a_daemon_sees_the_context_it_is_given() -> None:
    context = copy_context()
    context.run(colour.set, "blue")

    assert in_a_thread(context)["colour"] == "blue"


def test_only_the_main_thread_is_the_main_thread() -> None:
    assert is_main_thread()
    assert in_a_thread()["main"] is False


def test_every_thread_has_its_own_ident() -> None:
    assert current_ident() == threading.get_ident()
    assert in_a_thread()["ident"] != current_ident()


@pytest.fixture
def waiting() -> Iterator[tuple[threading.Event, threading.Event]]:
    """An event that says that a thread runs, and one that ends it."""
    running, end = threading.Event(), threading.Event()
    yield running, end
    end.set()


def test_a_thread_that_is_not_our_own_is_foreign_until_it_ends(
    waiting: tuple[threading.Event, threading.Event],
) -> None:
    own = [thread.ident for thread in threading.enumerate() if thread.ident is not None]
    thread = start_daemon(waiting[1].wait, "stranger")  # type: ignore[arg-type]

    assert foreign_threads(own) == ["stranger"]
    assert foreign_threads({*own, thread.ident or 0}) == []

    waiting[1].set()
    thread.join()
    assert foreign_threads(own) == []


def test_threads_that_threading_did_not_start_are_foreign_while_they_live(
    waiting: tuple[threading.Event, threading.Event],
) -> None:
    """Those that ask for their own Thread object stay in the table of threading for ever, dead or not."""
    own = [thread.ident for thread in threading.enumerate() if thread.ident is not None]
    running, end = waiting
    ended = threading.Event()

    def body() -> None:
        threading.current_thread()
        running.set()
        end.wait()
        ended.set()

    _thread.start_new_thread(body, ())
    assert running.wait(5)
    assert len(foreign_threads(own)) == 1

    end.set()
    assert ended.wait(5)
    deadline = time.monotonic() + 5
    while foreign_threads(own) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert foreign_threads(own) == []


def test_asking_for_the_main_thread_enters_nobody_into_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `threading.current_thread` does with a thread that it does not know."""
    monkeypatch.delattr(threading, "current_thread")

    assert is_main_thread()


def test_there_is_a_lock_for_all_unless_the_build_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    assert gil_enabled()

    for answer in (True, False):
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda answer=answer: answer, raising=False)
        assert gil_enabled() is answer


def test_the_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON_CPU_COUNT", raising=False)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cpu_count() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert cpu_count() == len(allowed)


COLLECTING = """
import gc, sys, threading, time
from conc._os.threads import foreign_threads

class Knot:
    def __init__(self):
        self.me = self

    def __del__(self):
        for _ in range(20):
            pass

def churn():
    while True:
        threads = [threading.Thread(target=int) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

sys.setswitchinterval(1e-6)
for _ in range(4):
    threading.Thread(target=churn, daemon=True).start()
gc.set_threshold(3)
end = time.monotonic() + 2
while time.monotonic() < end:
    for _ in range(5):
        Knot()
    foreign_threads(())
print("ended", gc.isenabled())
"""


def test_looking_who_lives_while_threads_come_and_go_and_garbage_is_collected_does_not_hang() -> None:
    program = subprocess.run(
        [sys.executable, "-c", COLLECTING], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert program.stdout == "ended True\n"
