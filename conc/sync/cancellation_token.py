"""A token that tells many tasks, wherever they are, to stop."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR
from types import TracebackType
from typing import Any, NamedTuple
from weakref import ref

from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform_blocking
from conc._kernel.suspend import PARK, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all


class CancellationTokenStatistics(NamedTuple):
    """A `CancellationToken` at one moment."""

    is_cancelled: bool
    """Whether it is cancelled."""
    tasks_waiting: int
    """How many wait in `CancellationToken.wait`."""
    scopes: int
    """How many blocks of `CancellationToken.scope` are entered."""
    children: int
    """How many child tokens are alive."""


class CancellationToken:
    """A word to stop that is handed to many: they wait for it, look at it, or run in a scope that it cancels.

    A cancel scope cancels a block and what was started in it, a token whatever was told to follow it, in any nursery
    and any strand. Tokens form trees: ``child_token()`` is cancelled with its parent, and not the other way round. To
    share a token, hand over the token itself.

    May be used from any strand; all but `wait` and `scope` from any thread.

    Invariant: a cancelled token has no parent, no waiters, no children and no scopes: all of them were told.
    Invariant: the keys of `_children` are weak references to the living children, whose `_parent` is this token. So a
    child that is dropped costs nothing, and one whose parent was dropped still hears of what cancels that.
    """

    __slots__ = ("__weakref__", "_cancelled", "_children", "_parent", "_reason", "_scopes", "_waiters")

    def __init__(self) -> None:
        self._cancelled = False
        self._reason: str | None = None
        self._parent: CancellationToken | None = None
        self._children: dict[ref[CancellationToken], None] = {}  # a dict: they are cancelled in the order of birth
        self._scopes: dict[CancelScope, None] = {}
        self._waiters = WaitQueue("CancellationToken.wait")

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called, here or further up."""
        return self._cancelled

    @property
    def reason(self) -> str | None:
        """The words given with the cancellation; None if there were none, or it is not cancelled."""
        return self._reason

    def child_token(self) -> CancellationToken:
        """A new token that is cancelled with this one, at once if this one is. From any thread.

        Checkpoint: never.
        """
        child = CancellationToken()
        with self._waiters.lock:
            if not self._cancelled:
                child._parent = self
                self._children[ref(child, _discard_from(self._children))] = None
                return child
        child._reason, child._cancelled = self._reason, True
        return child

    def cancel(self, reason: str | None = None) -> None:
        """Cancel this token and all below it: who waits goes on, the scopes are cancelled. From any thread. Idempotent.

        Args:
            reason: words for people, part of the text of each `Cancelled`. The first cancellation's stay.

        Raises:
            TypeError: the reason is not a string.

        Checkpoint: never.
        Cost: O(waiters, scopes and tokens below).
        """
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"reason must be a string, not {reason!r}")
        tokens = [self]
        for token in tokens:  # grows while it runs: no recursion, so depth does not matter
            tokens += token._cancel_alone(reason)

    def _cancel_alone(self, reason: str | None) -> list[CancellationToken]:
        """Cancel this token; its children, which are to be cancelled next, are returned."""
        waiters = self._waiters
        with waiters.lock:
            if self._cancelled:
                return []
            self._reason, self._cancelled = reason, True  # in this order, for those who look without the lock
            self._parent = None
            woken = waiters.grant_all()
            scopes = list(self._scopes)
            self._scopes.clear()
            children = [child for reference in list(self._children) if (child := reference()) is not None]
            self._children.clear()
        resume_all(woken)
        for scope in scopes:
            scope.cancel(reason)
        return children

    def scope(self) -> CancelScope:
        """A cancel scope that is cancelled with the token, at once if the token is: ``with token.scope() as scope:``.

        It is left as every `CancelScope`: ``scope.cancelled_caught`` says whether the block was cut short.

        Cost: O(1), without waiting for anybody, if the token is never cancelled.
        """
        return TokenScope(self)

    async def wait(self) -> None:
        """Wait until the token is cancelled.

        Checkpoint: always a cancel point; it waits only if the token is not cancelled.
        If cancelled: nothing happened.
        """
        task = charge() or await toll()
        if self._cancelled:
            return
        waiters = self._waiters
        waiters.lock.acquire()
        if self._cancelled:
            waiters.lock.release()
            return
        waiters.enlist(task)
        waiters.lock.release()
        await PARK
        task.wait = None

    def wait_blocking(self, timeout: float | None = None) -> None:
        """As `wait`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: it was not cancelled in time.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Wait(self), timeout, "CancellationToken.wait")

    def waiting(self) -> QueueOperation[None]:
        """`wait`, for `conc.select`."""
        return _Wait(self)

    def statistics(self) -> CancellationTokenStatistics:
        """How it stands at this moment."""
        return CancellationTokenStatistics(self._cancelled, len(self._waiters), len(self._scopes), len(self._children))

    def __bool__(self) -> bool:
        raise TypeError("a CancellationToken has no truth value; did you mean token.is_cancelled?")

    def __repr__(self) -> str:
        if not self._cancelled:
            return f"<CancellationToken not cancelled, {len(self._waiters)} waiting>"
        return (
            "<CancellationToken cancelled>"
            if self._reason is None
            else f"<CancellationToken cancelled: {self._reason}>"
        )

    def _check(self) -> None:
        self._waiters._check()
        if self._cancelled:
            assert not self._waiters.head(), "somebody waits for a token that is cancelled"
            assert not self._scopes, "a scope of a cancelled token was not told"
            assert not self._children, "a child of a cancelled token was not told"
            assert self._parent is None, "a cancelled token has a parent"
        for reference in list(self._children):
            child = reference()
            assert child is None or child._cancelled or child._parent is self, "a child has another parent"


class _Wait(QueueOperation[None]):
    __slots__ = ("_token",)

    def __init__(self, token: CancellationToken) -> None:
        super().__init__(token._waiters)
        self._token = token

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return None if self._token._cancelled else LATER


class TokenScope(CancelScope):
    """The block of a token: entered in its books for as long as somebody is inside."""

    __slots__ = ("_token",)

    def __init__(self, token: CancellationToken) -> None:
        super().__init__()
        self._token = token

    def __enter__(self) -> CancelScope:
        self._enter(sys._getframe(1).f_code.co_flags & CO_ASYNC_GENERATOR)
        token = self._token
        lock = token._waiters.lock
        lock.acquire()
        if not token._cancelled:
            token._scopes[self] = None
            lock.release()
        else:
            lock.release()
            self.cancel(token._reason)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._token._scopes.pop(self, None)  # one step, which no other thread divides
        return super().__exit__(kind, error, traceback)


def _discard_from(children: dict[ref[CancellationToken], None]) -> Callable[[ref[CancellationToken]], None]:
    """What is called when a child was dropped: as a finaliser, on any thread, so that it may not take a lock."""

    def discard(reference: ref[CancellationToken]) -> None:
        children.pop(reference, None)

    return discard
