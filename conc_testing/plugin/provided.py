"""The fixtures that conc brings. One of the same name in a conftest or in a test module wins.

In a test that runs many times each run makes them anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NoReturn

import pytest

import conc
from conc.lowlevel import MonotonicClock, current_runtime
from conc_testing.clock import VirtualClock
from conc_testing.history.history import History
from conc_testing.plugin.options import Options
from conc_testing.plugin.places import place_of
from conc_testing.ports import PortFactory
from conc_testing.sim.choices import choose, fault


def clock_of_test(request: pytest.FixtureRequest) -> Any:
    """The clock of the test: virtual time, which moves when the test has come to rest."""
    try:
        return current_runtime().clock  # this is one of many runs
    except RuntimeError:
        pass
    item = request.node
    if not isinstance(item, pytest.Function):
        return VirtualClock()
    if item.config.getoption("conc_real"):
        return RealTime()
    if Options.of(item).clock == "real":
        raise pytest.UsageError(f"{item.nodeid} runs on real time, which has no fixture")
    return place_of(item).clock


async def nursery_of_test() -> AsyncIterator[conc.Nursery]:
    """A nursery that is open while the test runs, and cancelled when it has ended. An error in it fails the test."""
    async with conc.open_nursery() as nursery:
        yield nursery
        nursery.cancel_scope.cancel("the test has ended")


async def world_of_test(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """The simulated world of the test, a `conc_testing.World`. Its programs run as long as the test does."""
    world = place_of(request.node).world
    if world is None:
        pytest.fail(
            f"{request.node.nodeid} asks for a world when its run has begun without one: name `world` or `net` as an "
            "argument of the test or of a fixture, or in pytest.mark.usefixtures",
            pytrace=False,
        )
    async with world.running():
        yield world


def net_of_test(world: Any) -> Any:
    """The network of the simulated world of the test."""
    return world.net


def history_of_test() -> History:
    """A new `conc_testing.History`."""
    return History()


def tape_of_test() -> TestTape:
    """What the run leaves open, decided by the search: ``tape.choose(site, n)``, ``tape.fault(site)``."""
    return TestTape()


def free_port(free_port_factory: Callable[[], int]) -> int:
    """The number of a TCP port that nobody has at the moment, on the loopback addresses."""
    return free_port_factory()


def free_port_factory() -> PortFactory:
    """Gives one such number after another, never one twice."""
    return PortFactory()


world_of_test.is_world = True  # type: ignore[attr-defined]  # a search makes the world, and runs it

MADE_ANEW: Final = frozenset({clock_of_test, history_of_test})

clock = pytest.fixture(name="clock")(clock_of_test)
nursery = pytest.fixture(name="nursery")(nursery_of_test)
world = pytest.fixture(name="world")(world_of_test)
net = pytest.fixture(name="net")(net_of_test)
history = pytest.fixture(name="history")(history_of_test)
tape = pytest.fixture(name="tape")(tape_of_test)
port = pytest.fixture(name="free_port")(free_port)
port_factory = pytest.fixture(name="free_port_factory", scope="session")(free_port_factory)


class TestTape:
    """Lets a test ask the search, as the models of the outside world do. Outside of a search all is calm."""

    __test__ = False

    def choose(self, site: str, n: int) -> int:
        """One of `n` alternatives, of which 0 is the calm one. See `conc_testing.choose`."""
        return choose(site, n)

    def fault(self, site: str) -> bool:
        """Whether something fails now. See `conc_testing.fault`."""
        return fault(site)


class RealTime:
    """The fixture `clock` of a test on real time: it tells the time, and a test that wants to move it is skipped."""

    virtual = False

    def now(self) -> float:
        """The time in seconds."""
        return MonotonicClock.now()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        pytest.skip(f"--conc-real: clock.{name} needs virtual time")
