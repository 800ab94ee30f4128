"""Several calls of rules at the same time: how they are drawn, and how they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple

import conc
from conc_testing.hypothesis.stage import Following, steers
from conc_testing.hypothesis.strategies import FEW, sparse
from conc_testing.sim.schedule import Schedule

DEPTH = 2  # deviations within one batch; a machine starts many

_SCHEDULE = sparse(DEPTH, 4, FEW)


class Machine(Protocol):
    """What is known here of an `AsyncStateMachine`."""

    _concurrent: ClassVar[dict[str, Rule]]

    def bundle(self, name: str) -> list[Any]:
        """The values of a bundle."""


@dataclass(frozen=True, eq=False)
class Rule:
    """An async rule as its author wrote it.

    Attributes:
        function: of the machine and the arguments.
        strategies: of the arguments.
        targets: the bundles that get what it returns.
        max_tasks: how many calls a batch may have that it begins, itself included; 1 if it runs beside no other.
        conditions: what has to be true of the machine.
    """

    function: Callable[..., Any]
    strategies: Mapping[str, Any]
    targets: tuple[Bundle[Any], ...]
    max_tasks: int = 1
    conditions: tuple[Callable[[Any], bool], ...] = ()

    @property
    def name(self) -> str:
        """As in the class."""
        return self.function.__name__

    @cached_property
    def arguments(self) -> st.SearchStrategy[dict[str, Any]]:
        """A strategy for all arguments."""
        return st.fixed_dictionaries(dict(self.strategies))

    def holds(self, machine: Machine) -> bool:
        """Whether its conditions are true."""
        return all(condition(machine) for condition in self.conditions)

    def may_join(self, leader: Rule, machine: Machine) -> bool:
        """Whether it may be called beside `leader` now."""
        return (
            (not self.targets or self.targets == leader.targets)
            and all(machine.bundle(one.name) for one in self.strategies.values() if isinstance(one, Bundle))
            and self.holds(machine)
        )


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a rule with its arguments."""

    rule: Rule
    arguments: Mapping[str, Any]

    async def run(self, machine: Machine) -> list[Any]:
        """Carry it out, unless others have made its conditions false; returns what is for its targets."""
        if not self.rule.holds(machine):
            return []
        try:
            result = self.rule.function(machine, **self.arguments)
            if isinstance(result, Awaitable):
                result = await result
        except BaseException as error:
            error.add_note(f"raised by {self!r}")
            raise
        if isinstance(result, type(multiple())):
            return list(result)
        return [result] if self.rule.targets or result is not None else []

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For Hypothesis, which knows the names of values that came from bundles."""
        printer.text(f"{self.rule.name}(")
        for index, (name, value) in enumerate(self.arguments.items()):
            printer.text(f"{', ' * (index > 0)}{name}=")
            printer.pretty(value)
        printer.text(")")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.rule.name}({arguments})"


@dataclass(frozen=True, eq=False)
class Company:
    """The calls that run beside another one, and how all of them are interleaved."""

    calls: tuple[Call, ...] = ()
    schedule: Schedule = field(default_factory=Schedule)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.pretty(list(self.calls))
        if self.schedule.deviations:
            printer.text(f", {self.schedule!r}")


def company(name: str, others: int) -> st.SearchStrategy[Company]:
    """A strategy: who runs beside a call of the rule `name`, up to `others`. The simplest is nobody."""
    return _company(st.lists(_companion(name), max_size=others))


@st.composite
def _company(draw: st.DrawFn, companions: st.SearchStrategy[list[Call | None]]) -> Company:
    calls = tuple(call for call in draw(companions) if call is not None)
    return Company(calls, draw(_SCHEDULE) if calls else Schedule())


@st.composite
def _companion(draw: st.DrawFn, name: str) -> Call | None:
    """A call of a rule that may run now; None if there is no such rule: those before have used up what it needs."""
    machine: Machine = draw(st.runner())
    leader = machine._concurrent[name]
    eligible = [rule for rule in machine._concurrent.values() if rule.may_join(leader, machine)]
    if not eligible:
        return None
    rule = draw(st.sampled_from(eligible))
    return Call(rule, draw(rule.arguments))


async def together(machine: Machine, calls: list[Call], order: Following, schedule: Schedule) -> Any:
    """Run calls beside one another, and wait for all; returns what Hypothesis wants of a rule.

    Raises:
        BaseException: the first error of a call, with notes of the others. But that by which Hypothesis steers the test
            goes before.
    """
    group: BaseExceptionGroup[BaseException] | None = None
    tasks: list[conc.Task[list[Any]]] = []
    order.follow(schedule)
    try:
        async with conc.open_nursery() as nursery:
            tasks += [nursery.start_soon(call.run, machine, name=repr(call)) for call in calls]
    except BaseExceptionGroup as raised:
        group = raised
    finally:
        order.follow(Schedule())
    if group is not None:
        error = _decisive(group.exceptions)
        try:
            raise error  # here, and not above: to Hypothesis it is the same failure as that of one call alone
        finally:
            del error, group
    results = [result for task in tasks for result in task.join_nowait()]
    return multiple(*results) if calls[0].rule.targets else next(iter(results), None)


def _decisive(errors: Sequence[BaseException]) -> BaseException:
    """Which of the errors of several calls is raised."""
    for error in errors:
        if steers(error):
            return error
    first, *others = errors
    for other in others:
        first.add_note(f"then {other!r} was {' and '.join(getattr(other, '__notes__', []))}")
    return first
