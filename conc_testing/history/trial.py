"""One program on one primitive, as an async function that is run again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, TypeAlias

import conc
from conc.lowlevel import checkpoint_if_due
from conc.sync import Event
from conc_testing.clock import settle
from conc_testing.history.history import History
from conc_testing.history.linearizability import assert_linearizable
from conc_testing.history.model import Model
from conc_testing.history.programs import CANCEL, Program, Step
from conc_testing.history.watched import call

Functions: TypeAlias = "Mapping[str, Callable[..., Any]]"


class Trial:
    """Lets tasks run a program on a primitive that is made anew, and checks what they saw.

    Args:
        program: what each task does.
        spec: what the primitive should do.
        make: makes it.
        functions: what the operations call, by name.
        timeout: seconds after which an operation is given up; None for never.
        close: called at the end.

    Attributes:
        history: of the last run.
    """

    def __init__(
        self,
        program: Program,
        spec: Model,
        make: Callable[[], Any],
        functions: Functions,
        timeout: float | None,
        close: Callable[[Any], object] | None,
    ) -> None:
        self.program = program
        self.history = History()
        self._spec = spec
        self._make = make
        self._functions = functions
        self._timeout = timeout
        self._close = close
        self.__qualname__ = f"{spec!r}"

    async def __call__(self) -> None:
        """One run.

        Raises:
            NotLinearizable: the model does not allow what happened.
            AssertionError: an invariant of the primitive does not hold.

        Checkpoint: always.
        If cancelled: so are the tasks.
        """
        primitive = self._make()
        try:
            await self._play(primitive)
            look_at(primitive)
        finally:
            if self._close is not None:
                self._close(primitive)

    async def _play(self, primitive: Any) -> None:
        actors = _Actors(primitive, self._functions, inf if self._timeout is None else self._timeout)
        self.history = actors.history
        problem: Exception | None = None
        async with conc.open_nursery() as nursery:
            for name, steps in self.program.tasks:
                nursery.start_soon(actors.act, name, steps, name=name)
            try:
                if self._timeout is not None:
                    await conc.sleep(self._timeout * (1 + max(len(steps) for _, steps in self.program.tasks)))
                await settle()
                actors.history.at_rest()
                look_at(primitive)
                assert_linearizable(actors.history, self._spec)
            except Exception as error:
                problem = error  # it is the error of the run, and not one in the group of the nursery
            finally:
                actors.dismissed.set()
            nursery.cancel_scope.cancel("the check is over")
        if problem is not None:
            raise problem

    def __repr__(self) -> str:
        return f"<Trial of {self._spec!r}:\n{self.program}>"


class _Actors:
    """The tasks of one run, and what each of them is at."""

    def __init__(self, primitive: Any, functions: Functions, timeout: float) -> None:
        self.history = History(exact_cancel=True)
        self.dismissed = Event()
        self._primitive = primitive
        self._functions = functions
        self._timeout = timeout
        self._scopes: dict[str, conc.CancelScope] = {}

    async def act(self, name: str, steps: Sequence[Step]) -> None:
        """Do one thing after the other; then stay, so that nothing is lost that the task holds."""
        try:
            for step in steps:
                if step.name == CANCEL:
                    self._cancel(name, *step.args)
                else:
                    await self._do(name, step)
                await checkpoint_if_due()  # others may come between any two steps
        finally:
            with conc.CancelScope(shield=True):
                await self.dismissed.wait()

    def _cancel(self, name: str, other: str) -> None:
        scope = self._scopes.get(other)
        if scope is not None:
            scope.cancel(f"by {name}")

    async def _do(self, name: str, step: Step) -> None:
        with conc.move_on_after(self._timeout) as self._scopes[name]:
            with self.history.op(step.name, *step.args, errors=(Exception,), by=name) as op:
                op.returns(await call(self._functions[step.name], (self._primitive, *step.args), op.suspended))


def look_at(primitive: Any) -> None:
    """Ask a primitive for its invariants, or the parts of one that is a tuple.

    Raises:
        AssertionError: one does not hold.
    """
    for part in primitive if isinstance(primitive, tuple) else (primitive,):
        check = getattr(part, "_check", None)
        if check is not None:
            check()
        audit = getattr(part, "audit", None)
        if audit is not None and (words := audit()):
            raise AssertionError(f"{part!r}: {words}")
