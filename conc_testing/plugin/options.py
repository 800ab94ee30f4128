"""How a test is run: its marks, the settings of the configuration, and the options of the command line."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass, fields
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, Final, Literal, TypeVar

import pytest

MODES: Final = ("strict", "auto")
LEAVINGS: Final = ("error", "warn", "ignore")
MARKS_OF_OTHERS: Final = ("anyio", "asyncio", "trio", "tornado", "twisted")
ORIGINAL: Final = "conc_test"  # attribute of what stands in for the inner test of Hypothesis, from its first run on
SEED: Final = pytest.StashKey[int]()

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """``pytest.mark.conc``: on which runtime a test runs."""

    clock: Literal["virtual", "real"] = "virtual"
    workers: int | Literal["auto"] = 1
    timeout: float | None = None
    leaks: Literal["error", "warn", "ignore"] = "error"

    @classmethod
    def of(cls, item: pytest.Item) -> Options:
        """Those of a test; of several marks the closest decides."""
        config = item.config
        defaults = {"timeout": float(config.getini("conc_timeout")), "leaks": config.getini("conc_leaks")}
        options = from_marks(cls, item, "conc", defaults)
        where = f"{item.nodeid}: pytest.mark.conc"
        check_choice(options.clock, "clock", ("virtual", "real"), where)
        check_choice(options.leaks, "leaks", LEAVINGS, where)
        if item.get_closest_marker("explore") is not None:
            if options.clock != "virtual" or options.workers != 1:
                raise pytest.UsageError(f"{where}: an explored test runs on virtual time, with workers=1")
            if options.leaks == "warn":
                raise pytest.UsageError(f'{where}: leaks is "error" or "ignore" for an explored test, not "warn"')
            if item.get_closest_marker("deadlock_ok") is not None:
                raise pytest.UsageError(f"{item.nodeid}: pytest.mark.deadlock_ok is for tests that run once")
        if config.getoption("conc_real"):
            return cls("real", options.workers, options.timeout, options.leaks)
        return options

    @property
    def seconds(self) -> float | None:
        """The time limit; None for none."""
        return self.timeout or None


@dataclass(frozen=True)
class Exploration:
    """``pytest.mark.explore``: how the runs of a test are searched. None leaves it to `conc_testing.explore`."""

    runs: int | None = None
    seconds: float | None = None
    plan: tuple[str, ...] | str | None = None
    cancel: Literal["sweep"] | None = None
    faults: Literal["sweep"] | None = None
    time: Literal["calm", "racing"] = "calm"

    @classmethod
    def of(cls, item: pytest.Item) -> Exploration | None:
        """That of a test, with what the command line says instead; None if it is not explored."""
        if item.get_closest_marker("explore") is None:
            return None
        given = from_marks(cls, item, "explore", {})
        option = item.config.getoption
        plan = option("conc_plan") or given.plan
        return cls(
            runs=option("conc_runs") or given.runs,
            seconds=option("conc_seconds") or given.seconds,
            plan=tuple(plan.split(",")) if isinstance(plan, str) else None if plan is None else tuple(plan),
            cancel=given.cancel,
            faults=given.faults,
            time=given.time,
        )


def from_marks(cls: type[T], item: pytest.Item, name: str, defaults: dict[str, Any]) -> T:
    """The arguments of all marks of a name, the closest last, as a `cls`.

    Raises:
        pytest.UsageError: there are others than that has.
    """
    given = dict(defaults)
    words = ", ".join(one.name for one in fields(cls))  # type: ignore[arg-type]
    for mark in reversed(list(item.iter_markers(name))):
        if mark.args:
            raise pytest.UsageError(f"{item.nodeid}: pytest.mark.{name}: the arguments have names: {words}")
        given.update(mark.kwargs)
    try:
        return cls(**given)
    except TypeError as error:
        raise pytest.UsageError(f"{item.nodeid}: pytest.mark.{name}: {error}; it takes {words}") from None


def check_choice(value: object, name: str, choices: tuple[str, ...], where: str) -> None:
    """Raise pytest.UsageError unless `value` is one of the choices."""
    if value not in choices:
        words = ", ".join(f'"{one}"' for one in choices[:-1])
        raise pytest.UsageError(f'{where}: {name} is {words} or "{choices[-1]}", not {value!r}')


# ---- whose tests ------------------------------------------------------------------------------------------------


def is_async(function: object) -> bool:
    """Whether it is an async function or an async generator function."""
    return iscoroutinefunction(function) or isasyncgenfunction(function)


def inner_test(test: Any) -> Any:
    """The async function that Hypothesis wraps in a test; None if it wraps none."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", None)
    inner = getattr(inner, ORIGINAL, inner)
    return inner if iscoroutinefunction(inner) else None


def is_claimed_by_others(item: pytest.Item) -> bool:
    """Whether another library runs this test, if it is async."""
    return (
        any(item.get_closest_marker(name) for name in MARKS_OF_OTHERS)
        or "anyio_backend" in getattr(item, "fixturenames", ())
        or setting_of_others(item.config, "trio_mode") is True
    )


def setting_of_others(config: pytest.Config, name: str) -> object:
    """A setting of another plugin; None if that is not there."""
    try:
        return config.getini(name)
    except (KeyError, ValueError):
        return None


def belongs_to_conc(item: pytest.Item) -> bool:
    """Whether conc runs this test if it is async, and its async fixtures in any case."""
    if item.get_closest_marker("conc") is not None or item.get_closest_marker("explore") is not None:
        return True
    return item.config.getini("conc_mode") == "auto" and not is_claimed_by_others(item)


def is_explored(item: pytest.Item) -> bool:
    """Whether the runs of this test are searched. On real time there is nothing to search: it runs once."""
    return (
        isinstance(item, pytest.Function)
        and item.get_closest_marker("explore") is not None
        and iscoroutinefunction(item.obj)
        and not item.config.getoption("conc_real")
    )


def runs_often(item: pytest.Item) -> bool:
    """Whether a test of conc may run more than once, each time with fixtures of its own: explored, or by Hypothesis."""
    return (
        isinstance(item, pytest.Function)
        and belongs_to_conc(item)
        and (is_explored(item) or inner_test(item.obj) is not None)
    )


# ---- seeds ------------------------------------------------------------------------------------------------------


def session_seed(config: pytest.Config) -> int:
    """The seed of this run of pytest: as given, or as the other processes of it have it, or a fresh one."""
    if SEED not in config.stash:
        given = config.getoption("conc_seed")
        if given is None:
            given = getattr(config, "workerinput", {}).get("conc_seed")  # of pytest-xdist
        config.stash[SEED] = secrets.randbelow(10**9) if given is None else int(given)
    return config.stash[SEED]


def seed_of(item: pytest.Item) -> int:
    """The seed of a test: the same wherever and in whatever order the tests run."""
    return session_seed(item.config) ^ zlib.crc32(item.nodeid.encode())
