"""What is written above the methods of an `AsyncStateMachine`: Hypothesis' own decorators, for async methods too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from inspect import getattr_static
from typing import Any, Final, TypeVar, cast

from hypothesis import stateful
from hypothesis.stateful import Bundle
from hypothesis.strategies import SearchStrategy

from conc_testing.hypothesis.batch import Call, Company, Rule, company

Method = TypeVar("Method", bound=Callable[..., Any])

# What we note on a method. Decorators on top of it, Hypothesis' too, hand it on: they use functools.wraps.
RULE: Final = "conc_testing_rule"
CONDITIONS: Final = "conc_testing_conditions"
COMPANY: Final = "with_"  # Hypothesis draws in the order of names: what a rule consumes it has before the others

# Their overloads tell `targets` and `target` apart; ours take both, as Hypothesis does.
_rule: Any = stateful.rule
_initialize: Any = stateful.initialize


def arule(
    *, targets: Sequence[Bundle[Any]] = (), target: Bundle[Any] | None = None, **arguments: SearchStrategy[Any]
) -> Callable[[Method], Method]:
    """As `hypothesis.stateful.rule`, for a method that may be async: a rule of an `AsyncStateMachine`.

    It runs inside the machine's runtime, in the one task of all rules: what it leaves open or locked, the next rule
    finds so. From another rule it is called as any method: ``await self.put(1)``.

    Args:
        targets: the bundles that get what it returns.
        target: the same, if it is one.
        arguments: a strategy for each argument; bundles may be among them.
    """

    def decorate(method: Method) -> Method:
        where = (target,) if target is not None else tuple(targets)
        rule = Rule(method, arguments, where)
        decorated = _rule(targets=targets, target=target, **arguments)(_face(method))
        setattr(decorated, RULE, (rule, decorated))
        return cast(Method, decorated)

    return decorate


def ainitialize(
    *, targets: Sequence[Bundle[Any]] = (), target: Bundle[Any] | None = None, **arguments: SearchStrategy[Any]
) -> Callable[[Method], Method]:
    """As `hypothesis.stateful.initialize`, for a method that may be async: called once, before any rule.

    Args:
        targets: as for `arule`.
        target: as for `arule`.
        arguments: as for `arule`.
    """

    def decorate(method: Method) -> Method:
        return cast(Method, _initialize(targets=targets, target=target, **arguments)(_face(method)))

    return decorate


def ainvariant(*, check_during_init: bool = False) -> Callable[[Method], Method]:
    """As `hypothesis.stateful.invariant`, for a method that may be async: checked after each rule.

    Other tasks of the machine stand where they stood when the rule ended; ``await settle()`` lets them come to rest.

    Args:
        check_during_init: whether it is checked before all `ainitialize` methods have run, too.
    """

    def decorate(method: Method) -> Method:
        return cast(Method, stateful.invariant(check_during_init=check_during_init)(_face(method)))

    return decorate


def aprecondition(condition: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """As `hypothesis.stateful.precondition`, and asked for each call of a batch (see `concurrent`).

    Args:
        condition: called with the machine; the rule, or invariant, is left out while it is false.
    """

    def decorate(method: Method) -> Method:
        decorated = stateful.precondition(condition)(method)
        setattr(decorated, CONDITIONS, (*getattr(method, CONDITIONS, ()), condition))
        return decorated

    return decorate


def concurrent(*, max_tasks: int = 3) -> Callable[[Method], Method]:
    """Let an `arule` run beside other calls of such rules. It stands directly on top of ``@arule``.

    A step of the machine then is a batch: a call of this rule and up to ``max_tasks - 1`` further ones, of this rule or
    others that are ``@concurrent``. Each is a task; Hypothesis draws who they are and how they are interleaved, and
    every operation of conc is a point where it may let another one run. The step ends when all have ended. A failing
    batch shrinks to the calls and the switches that matter, and to the plain rule where it fails alone:
    ``state.put(n=1, with_=[take()], Schedule(((0, 1),)))``.

    What a call raises cancels the others, and is raised by the step with notes of what they raised then. With targets,
    the results of all go there; so only rules with the same targets, or none, run beside each other. An `aprecondition`
    is asked before the batch is drawn, and again when the call begins: one for which it is false by then is left out.

    Args:
        max_tasks: how many calls a batch has, at most.

    Raises:
        ValueError, TypeError: a bad argument, or a method that is no `arule`.
    """
    if isinstance(max_tasks, bool) or not isinstance(max_tasks, int):
        raise TypeError(f"max_tasks must be a whole number, not {max_tasks!r}")
    if max_tasks < 2:
        raise ValueError(f"max_tasks must be at least 2, not {max_tasks}: one call alone is no batch")

    def decorate(method: Method) -> Method:
        noted: tuple[Rule, object] | None = getattr(method, RULE, None)
        if noted is None or noted[1] is not method:
            raise TypeError(
                f"@concurrent on {method!r}: it stands directly on top of @arule, other decorators above it"
            )
        rule = noted[0]
        if COMPANY in rule.strategies:
            raise ValueError(f"@concurrent on {rule.name}: the argument {COMPANY!r} is taken, for the other calls")
        rule = replace(rule, max_tasks=max_tasks)
        strategies = {**rule.strategies, COMPANY: company(rule.name, max_tasks - 1)}
        result = _rule(targets=rule.targets, **strategies)(_face_of_batch(rule))
        setattr(result, RULE, (rule, result))
        return cast(Method, result)

    return decorate


def concurrent_rules(machine: type) -> dict[str, Rule]:
    """The concurrent rules of a class, by name, with all their conditions."""
    found = {}
    for name in dir(machine):
        method = getattr_static(machine, name)  # Hypothesis makes its TestCase of the settings when it is looked at
        noted: tuple[Rule, object] | None = getattr(method, RULE, None)
        if noted is not None and noted[0].max_tasks > 1:
            rule = noted[0]
            found[rule.name] = replace(rule, conditions=getattr(method, CONDITIONS, ()))
    return found


def _face(method: Callable[..., Any]) -> Callable[..., Any]:
    """What Hypothesis calls: it does not return before the method has ended. Called from inside, it is the method."""

    @wraps(method)
    def face(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        _check_machine(self, method)
        if self._inside:
            return method(self, *args, **kwargs)
        return self._perform(lambda: method(self, *args, **kwargs), method.__name__)

    return face


def _face_of_batch(rule: Rule) -> Callable[..., Any]:
    """The same, for a method that is called beside others."""

    @wraps(rule.function)
    def face(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        _check_machine(self, rule.function)
        others: Company | None = kwargs.pop(COMPANY, None)
        if self._inside:
            return rule.function(self, *args, **kwargs)
        if others is None or not others.calls:
            return self._perform(lambda: rule.function(self, *args, **kwargs), rule.name)
        calls = [Call(self._concurrent[rule.name], kwargs), *others.calls]
        return self._perform_together(calls, others.schedule)

    return face


def _check_machine(machine: object, method: Callable[..., Any]) -> None:
    if not hasattr(machine, "_perform"):
        raise TypeError(f"{method.__name__} is async, and {type(machine).__name__} is no AsyncStateMachine")
