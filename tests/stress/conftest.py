"""Every stress test: threads take turns as often as they can, nothing hangs, nothing is left, and the seed is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import conc
from tests.stress.leftovers import nothing_left
from tests.stress.load import SOAKING, Dice
from tests.stress.watchdog import Watchdog

SECONDS = 240.0 if SOAKING else 60.0


@pytest.fixture(autouse=True)
def _threads_take_turns_as_often_as_they_can() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(scope="session")
def last_words(request: pytest.FixtureRequest) -> Iterator[int]:
    """A descriptor that reaches the terminal, whatever pytest captures."""
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        descriptor = os.dup(2)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(autouse=True)
def watchdog(last_words: int, _threads_take_turns_as_often_as_they_can: None) -> Iterator[Watchdog]:
    """Ends the test if it hangs, and looks at what it left."""
    watchdog = Watchdog(SECONDS, last_words)
    with watchdog.watch(), nothing_left():
        yield watchdog


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> Dice:
    """The test's random choices. CONC_SEED=number in the environment makes those of a failed run again."""
    seed = int(os.environ.get("CONC_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    request.node.add_report_section("call", "seed", f"CONC_SEED={seed}")
    return Dice(seed)


@pytest.fixture
def run(watchdog: Watchdog) -> Callable[..., Any]:
    """`conc.run`, under the eyes of the watchdog, on 3 workers unless told otherwise."""

    def run(main: Callable[..., Any], *args: Any, workers: int = 3, **options: Any) -> Any:
        runtime = conc.Runtime(workers=workers, **options)
        watchdog.runtimes.append(runtime)
        try:
            return runtime.run(main, *args)
        finally:
            watchdog.runtimes.remove(runtime)

    return run
