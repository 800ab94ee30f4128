"""One value that changes: receivers see the latest, and are told when there is one that they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from conc._kernel.asyncfn import call_plain, check_plain
from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform_blocking, perform_nowait
from conc._kernel.suspend import GRANTED, PARK, toll
from conc._kernel.waitqueue import Waiter, resume_all
from conc.channels.audience import Listener, Next, Speaker
from conc.channels.board import Board, Version, WatchStatistics
from conc.channels.ends import calling_line
from conc.errors import EndOfChannel

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class watch(tuple["WatchSender[T]", "WatchReceiver[T]"]):  # noqa: N801  # used like a function
    """``sender, receiver = watch(settings)``: a value that changes now and then, and those who follow it.

    Only the latest value is kept. A receiver looks at it with `borrow`, and waits for another one with `changed`; what
    was sent in between it misses. More receivers come from ``sender.subscribe()`` and ``receiver.clone()``.

    Args:
        initial: the first value, which all receivers have seen.

    Checkpoint: never.
    """

    __slots__ = ()

    def __new__(cls, initial: T) -> tuple[WatchSender[T], WatchReceiver[T]]:  # type: ignore[misc]
        board = Board(initial)
        made_at = calling_line()
        return WatchSender(board, made_at), WatchReceiver(board, board.seat_at(0), made_at)


class WatchSender(Speaker, Generic[T]):
    """Replaces the value of a watch. Made by `watch`, and by `clone`.

    May be used from any strand; all but `closed` from any thread. A context manager, which closes this end. Replace the
    value, and do not change it in place: receivers may be looking at it.
    """

    __slots__ = ()

    _channel: Board

    # ---- replacing the value --------------------------------------------------------------------------------------

    def send_nowait(self, value: T) -> None:
        """Replace the value, and tell all receivers. It never waits.

        Raises:
            ChannelClosed: all receivers are closed; the value was not replaced. `send_replace` does it all the same.
            ClosedResource: this sender is closed.

        Checkpoint: never.
        Cost: O(receivers that wait).
        """
        board = self._channel
        woken: list[Waiter] = []
        board.lock.acquire()
        try:
            if not board.receivers or not self._open:
                raise self._refusal()
            replaced = board.replace(value, woken)
        finally:
            board.lock.release()
        if woken:
            resume_all(woken)
        del replaced  # not before: this may run a finaliser of the value

    def send_replace(self, value: T) -> T:
        """As `send_nowait`, also when there is no receiver; returns the value that was replaced.

        Raises:
            ClosedResource: this sender is closed.

        Checkpoint: never.
        Cost: O(receivers that wait).
        """
        while (replaced := self._replace(self._channel.current, value)) is None:
            pass  # another sender came between
        return replaced.value  # type: ignore[no-any-return]

    def send_modify(self, fn: Callable[[T], T]) -> None:
        """Replace the value by what `fn` makes of it, also when there is no receiver.

        Args:
            fn: given the value, returns the new one. If another sender comes between, it is called again.

        Raises:
            ClosedResource: this sender is closed.
            Exception: what `fn` raised; the value was not replaced.

        Checkpoint: never.
        Cost: O(receivers that wait).
        """
        check_plain(fn, "fn")
        replaced = None
        while replaced is None:
            current = self._channel.current
            replaced = self._replace(current, call_plain(fn, current.value))

    def send_if_modified(self, fn: Callable[[T], T]) -> bool:
        """As `send_modify`, but if `fn` returns the very object that it was given, nothing is replaced or told.

        Args:
            fn: given the value, returns it, or a new one. If another sender comes between, it is called again.

        Returns:
            Whether the value was replaced.

        Raises:
            ClosedResource: this sender is closed.
            Exception: what `fn` raised; the value was not replaced.

        Checkpoint: never.
        Cost: O(receivers that wait).
        """
        check_plain(fn, "fn")
        replaced = None
        while replaced is None:
            current = self._channel.current
            value = call_plain(fn, current.value)
            if value is current.value:
                self._check_open()
                return False
            replaced = self._replace(current, value)
        return True

    def _replace(self, expected: Version, value: T) -> Version | None:
        """Replace the value, and return what was replaced; None if that is not what was expected any more."""
        board = self._channel
        replaced = None
        woken: list[Waiter] = []
        with board.lock:
            self._check_open()
            if board.current is expected:
                replaced = board.replace(value, woken)
        if woken:
            resume_all(woken)
        return replaced

    # ---- looking, and other ends ----------------------------------------------------------------------------------

    def borrow(self) -> T:
        """The value. From any thread. Checkpoint: never."""
        return self._channel.current.value  # type: ignore[no-any-return]

    def subscribe(self) -> WatchReceiver[T]:
        """Another receiver, which has seen the present value. From any thread.

        Raises:
            ClosedResource: this sender is closed.

        Checkpoint: never.
        """
        board = self._channel
        with board.lock:
            self._check_open()
            return WatchReceiver(board, board.seat_at(board.current.number), calling_line())

    def clone(self) -> WatchSender[T]:
        """Another sender of the same channel, for another producer. From any thread.

        Raises:
            ClosedResource: this sender is closed.

        Checkpoint: never.
        """
        board = self._channel
        with board.lock:
            self._check_open()
            board.senders += 1
            return WatchSender(board, calling_line())

    def statistics(self) -> WatchStatistics:
        """How the channel stands at this moment. Checkpoint: never."""
        with self._channel.lock:
            return self._channel.statistics()

    def __repr__(self) -> str:
        return f"<WatchSender{'' if self._open else ' (closed)'} of {self._channel!r}>"


class WatchReceiver(Listener[T_co]):
    """Sees the value of a watch, and waits for new ones. Made by `watch`, `WatchSender.subscribe`, and `clone`.

    Each receiver remembers which value it has seen. ``async for value in receiver:`` gives each new value that it comes
    to see, until the end of the channel. To wait is for one task at a time: make a clone for each. May be used from any
    strand; all but `changed` and `wait_for` from any thread. A context manager, which closes this end.
    """

    __slots__ = ()

    _channel: Board

    # ---- looking --------------------------------------------------------------------------------------------------

    def borrow(self) -> T_co:
        """The value; whether it counts as seen stays as it is. Checkpoint: never.

        Raises:
            ClosedResource: this receiver is closed.
        """
        self._check_open()
        return self._channel.current.value  # type: ignore[no-any-return]

    def borrow_and_update(self) -> T_co:
        """The value, which counts as seen from now on. Checkpoint: never.

        Raises:
            ClosedResource: this receiver is closed.
        """
        self._check_open()
        return self._see()

    def has_changed(self) -> bool:
        """Whether there is a value that this receiver has not seen. Checkpoint: never.

        Raises:
            ClosedResource: this receiver is closed.
        """
        self._check_open()
        return self._seat.at != self._channel.current.number

    def mark_changed(self) -> None:
        """Count the value as not seen: the next `changed` gives it. Checkpoint: never.

        Raises:
            ClosedResource: this receiver is closed.
        """
        board = self._channel
        with board.lock:
            self._check_open()
            waiter = board.mark_changed(self._seat)
        if waiter is not None:
            waiter.resume()

    def mark_unchanged(self) -> None:
        """Count the value as seen: the next `changed` waits for another. Checkpoint: never.

        Raises:
            ClosedResource: this receiver is closed.
        """
        self.borrow_and_update()

    # ---- waiting --------------------------------------------------------------------------------------------------

    async def changed(self) -> T_co:
        """Wait until there is a value that this receiver has not seen; returns the latest, which then counts as seen.

        A value that was sent before the last sender closed is still given. That it differs from the one before is not
        said: to send an equal value is a change, too.

        Raises:
            EndOfChannel: all senders are closed, and this receiver has seen the last value.
            ClosedResource: this receiver is closed, or was closed meanwhile.
            BusyResource: another task waits in this receiver.

        Checkpoint: always a cancel point; it waits only if the value was seen.
        If cancelled: nothing happened, and no value counts as seen.
        """
        task = charge() or await toll()
        board = self._channel
        if board.lost_senders.places:
            board.lost_senders.warn(board.senders, waits=self._seat.at == board.current.number)
        board.lock.acquire()
        try:
            granted = self._take()
            if granted is LATER:
                self._seat.enlist(task)
        finally:
            board.lock.release()
        if granted is LATER:  # as `perform`, in a frame less
            try:
                await PARK
            except BaseException:
                if task.wait is GRANTED:  # the run is stopped by force
                    task.wait = None
                    Next(self).give_back(task.value)
                raise
            task.wait = None
            granted, task.value = task.value, None
        del task
        return self._got(granted)

    def changed_nowait(self) -> T_co:
        """The value, if this receiver has not seen it, which then counts as seen. From any thread.

        Raises:
            ChannelEmpty: it was seen.
            EndOfChannel, ClosedResource, BusyResource: as `changed`.

        Checkpoint: never.
        """
        return perform_nowait(Next(self))

    def changed_blocking(self, timeout: float | None = None) -> T_co:
        """As `changed`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: there was no such value in time.
            EndOfChannel, ClosedResource, BusyResource: as `changed`.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        return perform_blocking(Next(self), timeout, "WatchReceiver.changed")

    def changing(self) -> QueueOperation[T_co]:
        """`changed`, for `conc.select`."""
        return Next(self)

    def _got(self, granted: Any) -> T_co:
        if granted.__class__ is not Version:
            raise self._refusal(granted)
        if granted is self._channel.current:
            return granted.value  # type: ignore[no-any-return]
        return self._see()  # a newer one came before the task ran: it need not be told of both

    async def wait_for(self, predicate: Callable[[T_co], bool]) -> T_co:
        """Wait for a value for which `predicate` is true; returns it. It looks at the present value first.

        Args:
            predicate: called by this task with each value that it comes to see, which then counts as seen.

        Raises:
            EndOfChannel: all senders are closed, and the last value was not it.
            ClosedResource, BusyResource: as `changed`.
            Exception: what `predicate` raised; others do not notice.

        Checkpoint: always a cancel point; it waits only if the present value is not the one.
        If cancelled: nothing happened, but that values count as seen for which `predicate` was false.
        """
        check_plain(predicate, "predicate")
        charge() or await toll()
        value = self.borrow_and_update()
        while not call_plain(predicate, value):
            value = await self.changed()
        return value

    def __aiter__(self) -> WatchReceiver[T_co]:
        return self

    async def __anext__(self) -> T_co:
        try:
            return await self.changed()
        except EndOfChannel:
            raise StopAsyncIteration from None

    # ---- other receivers, and the end -----------------------------------------------------------------------------

    def clone(self) -> WatchReceiver[T_co]:
        """Another receiver, which has seen what this one has. From any thread.

        Raises:
            ClosedResource: this receiver is closed.

        Checkpoint: never.
        """
        board = self._channel
        with board.lock:
            self._check_open()
            return WatchReceiver(board, board.seat_at(self._seat.at), calling_line())

    def close(self) -> None:
        """Look no more. Idempotent; from any thread.

        A task that waits in this receiver gets ClosedResource. If it is the last one, `send_nowait` is refused.

        Checkpoint: never.
        """
        woken: list[Waiter] = []
        with self._channel.lock:
            if self._open:
                self._open = False
                woken = self._channel.close_receiver(self._seat)
        resume_all(woken)

    def statistics(self) -> WatchStatistics:
        """How the channel stands at this moment. Checkpoint: never."""
        with self._channel.lock:
            return self._channel.statistics()

    def _see(self) -> T_co:
        board = self._channel
        with board.lock:
            current = board.current
            self._seat.at = current.number
        return current.value  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        seen = "seen" if self._seat.at == self._channel.current.number else "not seen"
        return f"<WatchReceiver{'' if self._open else ' (closed)'}, {seen}, of {self._channel!r}>"

    def _check(self) -> None:
        super()._check()
        self._seat._check()
        assert self._seat.at <= self._channel.current.number, "this receiver has seen what was not sent"
        assert self._seat.at == self._channel.current.number or self._seat.head() is None, (
            "somebody waits beside a value that was not seen"
        )
