"""Recording what several tasks did to one object, so that it can be compared with a model afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock, current_thread
from types import TracebackType
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import conc
from conc.lowlevel import Task, current_task
from conc_testing.history.operation import Fate, Operation, Raised
from conc_testing.history.timeline import timeline

T = TypeVar("T")
Errors: TypeAlias = "type[Exception] | tuple[type[Exception], ...]"


class History:
    """The operations on one object, by all who use it, with what became of each.

    ::

        history = conc_testing.History()

        async def client(kv, key):
            async with history.op("cas", key, 1, 2) as op:
                op.returns(await kv.cas(key, 1, 2))

    The block is the operation: it is called where the block begins and ends with `Recording.returns`, or with the
    block. A block that ends without either has returned None. One that an error ends leaves the operation *open*:
    nobody knows whether it happened, as after a timeout. Errors that are answers are listed in ``errors=``.

    From any task, strand or thread.

    Args:
        exact_cancel: what a cancelled operation means. False: it is open. True: it certainly did not happen, as the
            operations of conc's own primitives promise.

    Invariant: the moments of all operations differ, and who saw one end before it called another has the smaller one.
    """

    def __init__(self, *, exact_cancel: bool = False) -> None:
        self._exact_cancel = exact_cancel
        self._operations: list[Operation] = []
        self._lock = Lock()  # of the list, the moments and the names
        self._moment = 0
        self._names: WeakKeyDictionary[Task[Any], str] = WeakKeyDictionary()
        self._taken: dict[str, int] = {}  # how many tasks there were of a name

    def op(self, name: str, *args: Any, errors: Errors = (), by: str | None = None) -> Recording:
        """Record an operation: ``async with history.op("get", key) as op: op.returns(await kv.get(key))``, or with
        a plain ``with``.

        Args:
            name: what is asked, in the words of the model.
            args: with which arguments.
            errors: errors that are answers: one of these ends the block, is recorded as the result, and goes no
                further.
            by: who asks; the name of the task, unless given.
        """
        return Recording(self, name, args, errors, by)

    def at_rest(self) -> None:
        """All who were to take part have come to rest: operations that are under way now wait for good.

        A model that knows when an operation has to wait then finds those that wait although they need not: lost
        wake-ups. Call it after `conc_testing.settle`.
        """
        with self._lock:
            for operation in self._operations:
                if operation.fate == "open" and operation.ended is None:
                    operation.fate = "waiting"

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What was recorded so far, in the order of the calls."""
        with self._lock:
            return tuple(self._operations)

    def __len__(self) -> int:
        return len(self._operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __str__(self) -> str:
        return timeline(self.operations)

    def __repr__(self) -> str:
        return f"<History of {len(self)} operation(s)>"

    # ---- for recordings -------------------------------------------------------------------------------------------

    def _begin(self, name: str, args: tuple[Any, ...], by: str | None) -> Operation:
        task = _running_task()
        time = None if task is None else conc.current_time()
        with self._lock:
            process = by or self._name_of(task)
            operation = Operation(len(self._operations), name, args, process, self._next(), time)
            self._operations.append(operation)
        return operation

    def _suspend(self, operation: Operation) -> None:
        with self._lock:
            if operation.suspended is None and operation.ended is None:
                operation.suspended = self._next()

    def _end(self, operation: Operation, fate: Fate, result: Any = None) -> None:
        with self._lock:
            if operation.ended is not None:
                return  # it has ended; what the block does then is not part of it
            operation.ended = self._next()
            if operation.fate == "waiting":
                return  # all had come to rest: it was told to end by whoever clears up
            operation.fate = fate
            if fate == "returned":
                operation.result = result

    def _next(self) -> int:
        self._moment += 1
        return self._moment

    def _name_of(self, task: Task[Any] | None) -> str:
        if task is None:
            return current_thread().name
        if task not in self._names:
            name = task.name
            number = self._taken[name] = self._taken.get(name, 0) + 1
            self._names[task] = name if number == 1 else f"{name}#{number}"
        return self._names[task]


class Recording:
    """The block in which an operation happens: what ``history.op(...) as op`` gives."""

    def __init__(self, history: History, name: str, args: tuple[Any, ...], errors: Errors, by: str | None) -> None:
        self._history = history
        self._asked = (name, args, by)
        self._errors = errors
        self._operation: Operation | None = None

    def returns(self, value: T) -> T:
        """The operation has returned this value, just now. Returns it too."""
        self._end("returned", value)
        return value

    def raises(self, error: BaseException) -> None:
        """The operation has answered with this error, just now."""
        self._end("returned", Raised(error))

    def cancelled(self) -> None:
        """The operation was cancelled, and certainly did not happen."""
        self._end("cancelled")

    def suspended(self) -> None:
        """The operation is seen to wait: its request has been heard. What comes later stands behind it in line."""
        self._history._suspend(self._entered())

    def __enter__(self) -> Recording:
        if self._operation is not None:
            raise RuntimeError("this operation is recorded already: call history.op(...) anew for each")
        self._operation = self._history._begin(*self._asked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            self._end("returned", None)
        elif isinstance(error, self._errors):
            self._end("returned", Raised(error))
            return True
        elif isinstance(error, conc.Cancelled) and self._history._exact_cancel:
            self._end("cancelled")
        else:
            self._end("open")
        return False

    async def __aenter__(self) -> Recording:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return self.__exit__(kind, error, traceback)

    def _end(self, fate: Fate, result: Any = None) -> None:
        self._history._end(self._entered(), fate, result)

    def _entered(self) -> Operation:
        if self._operation is None:
            raise RuntimeError("the operation has not begun: use it as `with history.op(...) as op:`")
        return self._operation


def _running_task() -> Task[Any] | None:
    try:
        return current_task()
    except RuntimeError:
        return None
