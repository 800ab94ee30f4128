"""Linearizability by trying everything: slow, and so simple that it is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from conc_testing import Done, Model, Operation
from conc_testing.history.model import transitions


@dataclass(frozen=True)
class World:
    """What may be so at one moment: the state, and who has asked, who is over, and who is leaving, by ticket."""

    state: Any
    requested: frozenset[int] = frozenset()
    over: frozenset[int] = frozenset()
    leaving: frozenset[int] = frozenset()


def is_linearizable(operations: Iterable[Operation], model: Model) -> bool:
    """Go through the moments of the history, one by one, with all worlds that are possible between two of them."""
    by_ticket = {operation.ticket: operation for operation in operations}
    moments = sorted(
        moment for one in by_ticket.values() for moment in (one.called, one.suspended, one.ended) if moment
    )
    worlds = {World(model.init())}
    called: set[int] = set()
    for moment in moments:
        called |= {one.ticket for one in by_ticket.values() if one.called == moment}
        worlds = {world for world in worlds if all(_may_be(world, one, moment) for one in by_ticket.values())}
        worlds = _closed(worlds, called, by_ticket, model)
    return any(all(_may_remain(world, one, model) for one in by_ticket.values()) for world in worlds)


def _may_be(world: World, one: Operation, moment: int) -> bool:
    """Whether a world fits what is seen of an operation at this moment."""
    ticket = one.ticket
    if one.suspended == moment and one.fate != "open":
        return ticket in world.requested
    if one.ended == moment:
        if one.fate == "cancelled" and one.suspended is None:
            return True
        return one.fate == "open" or ticket in world.over
    return True


def _may_remain(world: World, one: Operation, model: Model) -> bool:
    if one.fate == "waiting":
        rests = not transitions(model.followup(world.state, one.ticket))
        return rests and one.ticket in world.requested - world.over
    return one.fate != "returned" or one.ticket in world.over


def _closed(worlds: set[World], called: set[int], by_ticket: dict[int, Operation], model: Model) -> set[World]:
    """These worlds, and all to which any number of points leads."""
    todo = list(worlds)
    found = set(worlds)
    for world in todo:
        for after in _points(world, called, by_ticket, model):
            if after not in found:
                found.add(after)
                todo.append(after)
    return found


def _points(world: World, called: set[int], by_ticket: dict[int, Operation], model: Model) -> Iterator[World]:
    for ticket in called:
        one = by_ticket[ticket]
        if ticket not in world.requested:
            for state, answer in transitions(model.request(world.state, one)):
                after = replace(world, state=state, requested=world.requested | {ticket})
                yield from _ended(after, one, isinstance(answer, Done), answer, by_ticket)
            continue
        if ticket in world.over:
            continue
        for state, answer in transitions(model.followup(world.state, ticket)) if one.fate != "waiting" else ():
            after = replace(world, state=state)
            if ticket in world.leaving and isinstance(answer, Done):
                yield from _resumed(replace(after, over=world.over | {ticket}), answer, by_ticket)
            else:
                yield from _ended(after, one, isinstance(answer, Done), answer, by_ticket)
        if one.fate in {"cancelled", "open"} and ticket not in world.leaving:
            for state, answer in transitions(model.cancelled(world.state, ticket)):
                leaving = replace(world, state=state, leaving=world.leaving | {ticket})
                over = replace(leaving, over=world.over | {ticket})
                yield from _resumed(over if isinstance(answer, Done) else leaving, answer, by_ticket)


def _ended(
    world: World, one: Operation, is_done: bool, answer: Any, by_ticket: dict[int, Operation]
) -> Iterator[World]:
    if not is_done:
        yield from _resumed(world, answer, by_ticket)
    elif one.fate in {"returned", "open"} and one.result == answer.value:
        yield from _resumed(replace(world, over=world.over | {one.ticket}), answer, by_ticket)


def _resumed(world: World, answer: Any, by_ticket: dict[int, Operation]) -> Iterator[World]:
    """The world after all were resumed whom an answer resumes; none if one of them cannot have been."""
    for ticket, value in answer.woken:
        one = by_ticket[ticket]
        leaving = one.fate == "cancelled" and ticket in world.leaving
        if not leaving and (one.fate not in {"returned", "open"} or one.result != value):
            return
        world = replace(world, over=world.over | {ticket})
    yield world
