"""Variables that threads look at without a lock, on a machine that shows them late.

Of each variable counts here only whether it is true. With a GIL, to look is one step, and shows what is. Without it a
thread may see a variable as it was before: not before what it has seen or said itself, nor before what those had seen
from whom it has taken over a lock. That is all that is promised: news of one variable come without those of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.model.explorer import Steps, Wait
from tests.model.state import Shared


@dataclass(slots=True, eq=False, repr=False)
class Memory(Shared):
    """What was in each variable, and how far each thread has seen that; of a lock, how far who had it last had."""

    gil: bool
    constant: frozenset[str]  # variables that nobody changes: to look at them is no step
    history: dict[str, str]  # of each variable: "010" is true after it was false, and false again
    seen: dict[str, dict[str, int]] = field(default_factory=dict)  # of each thread and lock: which part of each history
    looks: dict[str, str] = field(default_factory=dict)  # of each thread: at which variable it is about to look

    def is_now(self, name: str) -> bool:
        return self.history[name][-1] == "1"

    def look(self, thread: str, name: str) -> Steps[bool]:
        """A bare load."""
        if name in self.constant:
            return self.is_now(name)
        if not self.gil:
            self.looks[thread] = name
        yield f"look at {name}"
        if not self.gil:
            self.looks[thread] = ""
        return self.sees(thread, name)

    def sees(self, thread: str, name: str) -> bool:
        return self.history[name][-1 if self.gil else self.seen[thread][name]] == "1"

    def news(self, thread: str) -> Steps[None]:
        """Those of the variable that the thread is about to look at: when else they come makes no difference."""
        while True:
            yield Wait("news", lambda: self._is_behind(thread, self.looks[thread]))
            self.seen[thread][self.looks[thread]] += 1
            self._forget()

    def _is_behind(self, thread: str, name: str) -> bool:
        return bool(name) and self.seen[thread][name] + 1 < len(self.history[name])

    def write(self, thread: str, name: str, value: object) -> None:
        """A bare store. There is one writer at a time."""
        now = "1" if value else "0"
        if self.gil or name in self.constant:
            self.history[name] = now
        else:
            if self.history[name][-1] != now:
                self.history[name] += now
            self.seen[thread][name] = len(self.history[name]) - 1
            self._forget()

    def change(self, thread: str, name: str, value: object) -> None:
        """As `write`, of a variable that has a lock of its own, which is taken for this one step."""
        self.take_over(thread, name)
        self.write(thread, name, value)
        self.hand_on(thread, name)

    def ask(self, thread: str, name: str) -> bool:
        """What such a variable is, with its lock."""
        self.change(thread, name, self.is_now(name))
        return self.is_now(name)

    def take_over(self, thread: str, lock: str) -> None:
        if not self.gil:
            theirs = self.seen[lock]
            self.seen[thread] = {name: max(seen, theirs[name]) for name, seen in self.seen[thread].items()}
            self._forget()

    def hand_on(self, thread: str, lock: str) -> None:
        if not self.gil:
            self.seen[lock] = dict(self.seen[thread])
            self._forget()

    def end(self, thread: str) -> None:
        """The thread will look at nothing any more."""
        if not self.gil:
            self.seen[thread] = {name: len(self.history[name]) - 1 for name in self.seen[thread]}
            self._forget()

    def _forget(self) -> None:
        """What nobody can see any more is no part of the state."""
        for name, history in self.history.items():
            if len(history) > 1:
                oldest = min([seen[name] for seen in self.seen.values()])
                if oldest:
                    self.history[name] = history[oldest:]
                    for seen in self.seen.values():
                        seen[name] -= oldest


def memory(
    gil: bool, first: dict[str, bool], constant: frozenset[str], threads: Iterable[str], locks: Iterable[str]
) -> Memory:
    """As it is at first."""
    made = Memory("memory", gil, constant, {name: "1" if value else "0" for name, value in first.items()})
    if not gil:
        made.looks = dict.fromkeys(threads, "")
        made.seen = {viewer: {name: 0 for name in first if name not in constant} for viewer in (*made.looks, *locks)}
    return made
