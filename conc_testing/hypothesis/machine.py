"""Hypothesis' state machines, for async programs."""

from __future__ import annotations

import sys
from typing import Any, ClassVar, final

from hypothesis.stateful import RuleBasedStateMachine

import conc
from conc_testing.hypothesis.batch import Call, Rule, together
from conc_testing.hypothesis.rules import concurrent_rules
from conc_testing.hypothesis.stage import Job, Stage
from conc_testing.sim.clock import SimulatedClock
from conc_testing.sim.schedule import Schedule


class AsyncStateMachine(RuleBasedStateMachine):
    """A `hypothesis.stateful.RuleBasedStateMachine` whose rules may be async: `arule`, `ainitialize`, `ainvariant`.

    Each example has one runtime from its first rule to its end, on virtual time: tasks, nurseries, channels and locks
    live from rule to rule. All rules run in one task, so a lock taken by one may be released by another. Between two
    rules nothing runs and no time passes: what a rule has set going goes on when the next one waits, or settles
    (``await conc_testing.settle()``).

    A rule that can never end is a `conc.Deadlock`, with the tree of who waits for what. An error in a task of
    ``self.nursery`` fails the rule that is under way. At the end ``self.nursery`` is cancelled; tasks that run outside
    of it, and nurseries that no rule has left, are errors. All else is as Hypothesis has it: ``TestCase``,
    ``settings``, bundles, ``multiple``, preconditions, and plain rules that are not async.

    Attributes:
        clock: moves by itself when all tasks wait, and by ``await self.clock.advance(seconds)``.
        nursery: open for the life of the machine, inside its rules.
        network: of the runtime, see `conc.run`. To be set in the class, or in ``__init__``.
        seed: of the runtime. The same in each example, or none could be repeated.
        steps_per_rule: how many steps of tasks a rule may take: more is an error, since it might never end.
    """

    network: Any = None
    seed: int = 0
    steps_per_rule: int = 10_000
    _concurrent: ClassVar[dict[str, Rule]] = {}  # the rules that run beside others, by name

    def __init__(self) -> None:
        super().__init__()
        self.clock = SimulatedClock()
        self._stage: Stage | None = None
        self._raised_before = sys.exc_info()[1]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._concurrent = concurrent_rules(cls)
        if cls.teardown is not AsyncStateMachine.teardown:
            raise TypeError(f"{cls.__qualname__}.teardown: name it ateardown, which is async and runs as rules do")

    @property
    def nursery(self) -> conc.Nursery:
        """Open for the life of the machine, for what runs inside: its rules and invariants.

        Raises:
            RuntimeError: no rule is under way.
        """
        stage = self._stage
        if stage is None or stage.nursery is None or not stage.busy:
            raise RuntimeError("self.nursery is for what runs inside: methods with arule, ainitialize or ainvariant")
        return stage.nursery

    async def ateardown(self) -> None:
        """Called at the end of each example, for clean-up. Does nothing unless overridden.

        Checkpoint: as it is written.
        If cancelled: it is not.
        """

    @final
    def teardown(self) -> None:
        """Called by Hypothesis: `ateardown`, then the end of the nursery, and a look at what is left."""
        if self._stage is None and type(self).ateardown is AsyncStateMachine.ateardown:
            return
        stage = self._get_stage()
        failed = sys.exc_info()[1]
        if failed is self._raised_before:
            failed = None
        try:
            if not stage.stuck:
                self._perform(self.ateardown, "ateardown")
            if failed is None:
                stage.finish()
        except Exception as error:
            if failed is None:
                raise
            failed.add_note(f"then the teardown of {type(self).__name__} raised {error!r}")
        finally:
            stage.abort()

    @property
    def _inside(self) -> bool:
        """Whether a rule is under way: whoever asks is part of it."""
        return self._stage is not None and self._stage.busy

    def _get_stage(self) -> Stage:
        if self._stage is None:
            self._stage = Stage(type(self).__name__, self.clock, self.network, self.seed)
        return self._stage

    def _perform(self, job: Job, name: str) -> Any:
        __tracebackhide__ = True
        return self._get_stage().perform(job, f"{type(self).__name__}.{name}", self.steps_per_rule)

    def _perform_together(self, calls: list[Call], schedule: Schedule) -> Any:
        __tracebackhide__ = True
        order = self._get_stage().order
        return self._perform(lambda: together(self, calls, order, schedule), " with ".join(map(repr, calls)))
