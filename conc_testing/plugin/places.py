"""Which runtime a test and its async fixtures run in.

A test without async fixtures has a run of its own, from its beginning to its end. If it has some, it runs in a `Home`:
fixtures of a function are at home in one of their own, which ends with the test. Those of a wider scope share one, as
long as any of them lives; each test that uses one of them runs there, and so do its fixtures of a function. It has one
clock, real or virtual, so there may be two, and each test has to agree with its fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest

from conc.lowlevel import MonotonicClock
from conc_testing.clock import VirtualClock
from conc_testing.plugin.clocks import HeldClock, HeldRealClock
from conc_testing.plugin.fixture import Fixture
from conc_testing.plugin.home import Home
from conc_testing.plugin.leaks import LeakCheck
from conc_testing.plugin.options import Options, seed_of, session_seed
from conc_testing.plugin.runlog import LOG
from conc_testing.timelimit import TimeLimit
from conc_testing.world import World

LIMITS: Final = pytest.StashKey[list[TimeLimit]]()
PLACES: Final = pytest.StashKey["Places"]()
PLACE: Final = pytest.StashKey["Place"]()
PROVIDED: Final = "conc_testing.plugin.provided"

Kind = tuple[str, Any]


class Resident:
    """A fixture that lives in a shared home.

    Attributes:
        fixture: that.
        home: where.
        scope: ``"module"``, say.
        since: the test for which it was set up.
    """

    def __init__(self, fixture: Fixture, home: Home, scope: str, since: str) -> None:
        self.fixture = fixture
        self.home = home
        self.scope = scope
        self.since = since


class Places:
    """The homes that tests share, and who lives in them.

    Invariant: a home is in `homes` as long as one of the `residents` lives there, or is about to.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.homes: dict[Kind, Home] = {}
        self.residents: dict[Any, Resident] = {}  # by the definition of the fixture

    def home_for(self, item: pytest.Item) -> Home:
        """The shared home for fixtures that `item` is the first to use."""
        kind = kind_of(item)
        home = self.homes.get(kind)
        if home is None or home.over is not None:
            home = self.homes[kind] = new_home(item, session_seed(self.config))
        return home

    def settle_in(self, definition: Any, resident: Resident) -> None:
        """A fixture lives in its home from now on."""
        self.residents[definition] = resident

    def move_out(self, definition: Any, home: Home) -> None:
        """A fixture has ended. The last one closes the door.

        Raises:
            BaseException: what goes wrong at the end of a runtime.
        """
        self.residents.pop(definition, None)
        if all(other.home is not home for other in self.residents.values()):
            for kind in [kind for kind, one in self.homes.items() if one is home]:
                del self.homes[kind]
            home.close()


class Place:
    """Where one test runs.

    Attributes:
        item: the test.
        own: the home of its own fixtures, if it has some and they do not live in a shared one.
        fixtures: its own, of its function, in order, by their definitions.
        world: the simulated world that it has asked for, None if it has not.

    Invariant: a test with a home of its own uses no fixture that lives in a shared one.
    """

    def __init__(self, item: pytest.Function) -> None:
        self.item = item
        self.own: Home | None = None
        self.fixtures: dict[Any, Fixture] = {}
        make_world = world_factory(item)
        self.world: Any = None if make_world is None else make_world()
        self._clock: VirtualClock | None = None

    @property
    def clock(self) -> VirtualClock:
        """The virtual clock of the test."""
        shared = self.shared()
        if shared is not None and isinstance(shared.clock, VirtualClock):
            return shared.clock
        if self._clock is None:
            self._clock = HeldClock()
        return self._clock

    @property
    def run_clock(self) -> VirtualClock | MonotonicClock:
        """The clock for a run of its own."""
        return MonotonicClock() if Options.of(self.item).clock == "real" else self.clock

    def shared(self) -> Home | None:
        """The shared home in which the fixtures live that this test uses; None if it uses none of a wider scope.

        Raises:
            pytest.fail.Exception: they do not agree with the test, or with what it has begun without them.
        """
        __tracebackhide__ = True
        residents = self.residents()
        if not residents:
            return None
        kind = kind_of(self.item)
        if self.world is not None:
            pytest.fail(
                f"{self.item.nodeid} takes place in a world of its own, and uses the fixture "
                f"{residents[0].fixture.name!r}, which lives in the runtime of its {residents[0].scope}, outside of "
                'that world. Give the fixture scope="function"',
                pytrace=False,
            )
        for one in residents:
            if self._places.homes.get(kind) is not one.home or one.home.over is not None:
                refuse_place(self.item, one, kind, self._places)
            if self.own is not None or self._clock is not None:
                pytest.fail(
                    f"the fixture {one.fixture.name!r} lives in the runtime of its {one.scope}, and this test has "
                    "begun one of its own, for its other fixtures, before it asked for that. Name it as an argument "
                    "of the test, or in pytest.mark.usefixtures: then it comes first",
                    pytrace=False,
                )
        return residents[0].home

    def home(self) -> Home | None:
        """The home in which the test runs; None if it has a run of its own."""
        return self.shared() or self.own

    def home_for_fixture(self) -> Home:
        """The home for fixtures of its function."""
        home = self.home()
        if home is None:
            clock = self.run_clock
            self.own = home = new_home(
                self.item, seed_of(self.item), clock if isinstance(clock, HeldClock) else None, self.world
            )
            self.item.addfinalizer(home.close)
        return home

    def used(self) -> list[Fixture]:
        """All async fixtures that the test uses."""
        return [*(one.fixture for one in self.residents()), *self.fixtures.values()]

    def is_home_of(self, definition: Any) -> bool:
        """Whether a fixture that was set up lives in a runtime."""
        return definition in self.fixtures or definition in self._places.residents

    def residents(self) -> list[Resident]:
        """The fixtures of wider scopes that the test uses."""
        residents = self._places.residents
        return [residents[one] for one in definitions_used(self.item) if one in residents]

    @property
    def _places(self) -> Places:
        return self.item.config.stash[PLACES]


def place_of(item: pytest.Function) -> Place:
    """Where this test runs."""
    if PLACE not in item.stash:
        item.stash[PLACE] = Place(item)
    return item.stash[PLACE]


def kind_of(item: pytest.Item) -> Kind:
    """What a test and its fixtures of wider scopes must agree in."""
    options = Options.of(item)
    return options.clock, options.workers


def new_home(item: pytest.Item, seed: int, clock: HeldClock | None = None, world: Any = None) -> Home:
    """A home that suits a test."""
    options = Options.of(item)
    held = HeldRealClock() if options.clock == "real" else clock or HeldClock()
    log = item.config.stash[LOG]
    return Home(
        held,
        options.workers,
        seed,
        world,
        partial(limited_in, item.config),
        LeakCheck(options.leaks),
        None if log is None else log.watch(item.nodeid, held, options.workers),
    )


def world_factory(item: pytest.Function) -> Callable[[], Any] | None:
    """What makes the simulated world that a test asks for; None if it asks for none, or not for conc's."""
    for name in ("world", "net"):
        definitions = item._fixtureinfo.name2fixturedefs.get(name, ())
        if definitions and definitions[-1].func.__module__ == PROVIDED:
            return World
    return None


@contextmanager
def limited_in(config: pytest.Config, limit: TimeLimit) -> Iterator[TimeLimit]:
    """Enter a limit, and keep it where a debugger finds it."""
    config.stash[LIMITS].append(limit)
    try:
        with limit:
            yield limit
    finally:
        config.stash[LIMITS].remove(limit)


def definitions_used(item: pytest.Function) -> list[Any]:
    """The definitions of all fixtures that a test uses so far, also by way of others and by getfixturevalue."""
    info = item._fixtureinfo
    found: dict[Any, None] = {}
    todo = list(item._request._fixture_defs.values())
    while todo:
        definition = todo.pop()
        if definition in found:
            continue
        found[definition] = None
        for name in definition.argnames:
            levels = list(info.name2fixturedefs.get(name, ()))
            if name == definition.argname and definition in levels:  # it overrides the one that it asks for
                levels = levels[: levels.index(definition)]
            todo.extend(levels[-1:])
    return list(found)


def refuse_place(item: pytest.Item, resident: Resident, kind: Kind, places: Places) -> None:
    """Fail: a fixture lives in another kind of runtime than the test wants."""
    __tracebackhide__ = True
    clock, workers = kind
    if resident.home.over is not None:
        why = f"its runtime has ended: {resident.home.over}"
    else:
        theirs = next(one for one, home in places.homes.items() if home is resident.home)
        why = f"it runs with clock={theirs[0]!r} and workers={theirs[1]!r}, like {resident.since}, which used it first"
    pytest.fail(
        f"{item.nodeid} runs with clock={clock!r} and workers={workers!r}, and uses the fixture "
        f"{resident.fixture.name!r} of its {resident.scope}, but {why}. Tests that share an async fixture share its "
        "runtime: give them the same pytest.mark.conc(clock=, workers=), by pytestmark in the module, say",
        pytrace=False,
    )
