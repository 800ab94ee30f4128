"""Tokens against a tree of names: who is cancelled by whom, whatever was dropped, and what becomes of who waits."""

from __future__ import annotations

import outcome
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.sync import CancellationToken
from tests.kernel.support import Driven


class Model:
    """A tree, sequentially. Tokens and tasks are named by number; `ends` tells whether a task heard of its token."""

    def __init__(self) -> None:
        self.parents: list[int | None] = []
        self.reasons: dict[int, str] = {}
        self.tokens: list[int] = []  # of each task
        self.ends: dict[int, bool] = {}

    def add(self, parent: int | None) -> None:
        if parent in self.reasons:
            self.reasons[len(self.parents)] = self.reasons[parent]
        self.parents.append(parent)

    def cancel(self, token: int, reason: str) -> None:
        if token not in self.reasons:
            self.reasons[token] = reason
            for child, parent in enumerate(self.parents):
                if parent == token:
                    self.cancel(child, reason)
        self.settle()

    def follow(self, token: int) -> None:
        self.tokens.append(token)
        self.settle()

    def settle(self) -> None:
        for task, token in enumerate(self.tokens):
            if token in self.reasons:
                self.ends.setdefault(task, True)

    def cancel_task(self, task: int) -> None:
        self.ends.setdefault(task, False)


class TokenMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.tokens: list[CancellationToken | None] = []
        self.tasks: list[conc.Task[None]] = []
        self.in_scope: set[int] = set()
        self.model = Model()

    def pick(self, choice: int) -> tuple[int, CancellationToken] | None:
        alive = [(number, token) for number, token in enumerate(self.tokens) if token is not None]
        return alive[choice % len(alive)] if alive else None

    @rule()
    def add_root(self) -> None:
        self.tokens.append(CancellationToken())
        self.model.add(None)

    @rule(choice=st.integers(0, 1000))
    def add_child(self, choice: int) -> None:
        picked = self.pick(choice)
        if picked is not None:
            self.tokens.append(picked[1].child_token())
            self.model.add(picked[0])

    @rule(choice=st.integers(0, 1000))
    def drop(self, choice: int) -> None:
        picked = self.pick(choice)
        if picked is not None:
            self.tokens[picked[0]] = None

    @rule(choice=st.integers(0, 1000), reason=st.sampled_from(["this", "that"]))
    def cancel(self, choice: int, reason: str) -> None:
        picked = self.pick(choice)
        if picked is not None:
            self.driven.do(lambda: picked[1].cancel(reason))
            self.model.cancel(picked[0], reason)

    async def _wait(self, token: CancellationToken) -> None:
        await token.wait()

    async def _run_in_scope(self, token: CancellationToken) -> None:
        with token.scope() as scope:
            await conc.sleep_forever()
        assert scope.cancelled_caught

    @rule(choice=st.integers(0, 1000), in_scope=st.booleans())
    def follow(self, choice: int, in_scope: bool) -> None:
        picked = self.pick(choice)
        if picked is not None:
            if in_scope:
                self.in_scope.add(len(self.tasks))
            self.tasks.append(self.driven.start(self._run_in_scope if in_scope else self._wait, picked[1]))
            self.model.follow(picked[0])

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel_task(self, choice: int) -> None:
        task = choice % len(self.tasks)
        if task in self.in_scope:
            self.driven.settle()  # of two scopes that are cancelled before the task runs the outer one would tell
        self.driven.do(self.tasks[task].cancel)
        self.model.cancel_task(task)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for number, task in enumerate(self.tasks):
            ended = task.outcome
            heard = None if ended is None else isinstance(ended, outcome.Value)
            assert heard == self.model.ends.get(number), f"task {number}"

    @invariant()
    def the_reasons_agree(self) -> None:
        for number, token in enumerate(self.tokens):
            if token is not None:
                token._check()
                assert token.reason == self.model.reasons.get(number)

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestTokens = TokenMachine.TestCase
TestTokens.settings = settings(stateful_step_count=40)
