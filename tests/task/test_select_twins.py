"""Whatever waits in one line has a twin for select, and the refusal of a coroutine knows them all."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import conc
import conc.channels
import conc.sync
import conc.task
import conc.time
from conc.channels import broadcast
from conc.sync import Barrier, Semaphore
from conc.task.selects import TWINS
from tests.kernel.support import run

PACKAGES = (conc, conc.channels, conc.sync, conc.task, conc.time)


def public() -> Iterator[tuple[str, Any, str, Any]]:
    """Public functions and methods: their full names, where they are, their names."""
    for package in PACKAGES:
        for exported in package.__all__:
            thing = getattr(package, exported)
            if inspect.isfunction(thing):
                yield f"{package.__name__}.{exported}", package, exported, thing
            elif inspect.isclass(thing):
                for name, method in inspect.getmembers(thing, inspect.isfunction):
                    if not name.startswith("_"):
                        yield f"{exported}.{name}", thing, name, method


OPERATIONS = {
    label: (place, name)
    for label, place, name, function in public()
    if "Operation[" in str(inspect.signature(function).return_annotation)
}


def test_there_are_operations_of_primitives_channels_tasks_and_times() -> None:
    assert {"Semaphore.acquiring", "Receiver.receiving", "Task.joining", "conc.time.after"} <= OPERATIONS.keys()


@pytest.mark.parametrize("label", OPERATIONS)
def test_each_operation_is_known_as_the_twin_of_what_waits_for_it_alone(label: str) -> None:
    place, twin = OPERATIONS[label]
    alone = [name for name, other in TWINS.items() if other == twin and hasattr(place, name)]

    assert alone
    assert all(inspect.iscoroutinefunction(getattr(place, name)) for name in alone)


@pytest.mark.parametrize(("alone", "twin"), TWINS.items())
def test_each_twin_that_a_refusal_names_exists(alone: str, twin: str) -> None:
    assert any(name == twin and hasattr(place, alone) for place, name in OPERATIONS.values())


def test_a_coroutine_without_a_twin_is_refused_without_naming_one() -> None:
    class Gate:
        async def wait(self) -> None:
            """Like the method of an Event, but there is no operation of it."""

    async def main() -> None:
        with pytest.raises(TypeError, match=r"In place of .*Gate\.wait.* a method that ends in -ing"):
            await conc.select(Semaphore(1).acquiring(), Gate().wait())  # type: ignore[arg-type]

    run(main)


def test_what_is_no_operation_is_refused_with_what_to_write_in_its_place() -> None:
    sender, receiver = broadcast[int](1)
    wrong: list[tuple[Any, str]] = [
        (receiver, r"operations of it are made by receiving\(\.\.\.\)"),
        (sender, r"operations of it are made by closing\(\.\.\.\)"),
        (receiver.receiving, r"call it: .*\.receiving\(\.\.\.\)"),
        ([receiver.receiving()], r"write select\(\*operations\)"),
    ]

    async def main() -> None:
        with sender, receiver:
            for thing, remedy in wrong:
                with pytest.raises(TypeError, match=remedy):
                    await conc.select(thing)
            with pytest.raises(TypeError, match=r"write BroadcastSender\.closing\(\.\.\.\)"):
                await conc.select(sender.closed())  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"There is no operation of Barrier\.wait\(\.\.\.\)"):
                await conc.select(Barrier(1).wait())  # type: ignore[arg-type]

    run(main)
