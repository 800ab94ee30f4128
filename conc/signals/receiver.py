"""Signals for the tasks of one block."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from conc._kernel.current import charge, current_task, current_worker
from conc._kernel.operation import LATER, QueueOperation, perform, perform_nowait
from conc._kernel.suspend import Marker, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc._os.signals import send_again, signal_name
from conc._os.sync import Deque
from conc.errors import ClosedResource, WouldBlock
from conc.signals.handlers import checked, install, restore, watch_of

if TYPE_CHECKING:
    from conc._kernel.crew import Crew
    from conc._kernel.strand import Strand

CLOSED: Final = Marker("CLOSED")  # what a waiter is granted when its receiver is closed


def open_receiver(*signals: int) -> SignalReceiver:
    """Receive signals instead of what they do otherwise: ``with open_receiver(SIGTERM, SIGHUP) as received:``.

    Inside the block ``async for signum in received`` gives each signal that comes. The first receiver of a signal puts
    itself in the place of the handler that is there, and the last one puts that back. While there is a receiver for
    SIGINT, Ctrl-C goes to it and does not cancel the main task.

    Python handles signals on the main thread only. So a receiver may be opened on the main thread, or in any strand of
    a runtime whose main task runs there. In the latter case entering the block waits for the main thread to reach the
    end of its step, with this thread and all its strands. A runtime that runs on another thread altogether can receive
    what the main thread did `prepare`.

    Args:
        signals: one or more, as ``signal.SIGTERM``.

    Raises:
        ValueError: none is given; or one that the system has not, or that nobody can handle (SIGKILL, SIGSTOP) or
            Python cannot (SIGSEGV, SIGFPE, SIGILL).
        TypeError: what is no signal.

    Checkpoint: never.
    """
    return SignalReceiver(signals)


class SignalReceiver:
    """Signals for the tasks of one block: see `open_receiver`.

    Signals of one kind that come before they are received count once; those of different kinds are received in the
    order in which the first of each came. Several receivers of one signal all get it. Several tasks may wait in one
    receiver: each signal is given to one of them, first come, first served.

    A task that waits in an open receiver is no Deadlock: somebody may send a signal at any time. On a virtual clock
    nobody from outside is waited for, as ever; `conc.lowlevel.expect_wakeup` says otherwise.

    Raises:
        RuntimeError: when it is entered: outside of a task; a second time; or in a runtime that does not run on the
            main thread, for signals that were not prepared there.
        RunFinished: when it is entered: the run has ended meanwhile.

    Invariant: a number is in `_known` if it is in `_arrived`, and there it is once.
    Invariant: `_quiet` holds one thing, or a message to `_strand` is on its way, which looks at `_arrived`.
    """

    __slots__ = ("_arrived", "_closed", "_crew", "_known", "_quiet", "_signals", "_strand", "_waiters")

    def __init__(self, signals: Iterable[int]) -> None:
        self._signals = checked(tuple(signals), "open_receiver")
        self._waiters = WaitQueue(f"a signal ({', '.join(map(signal_name, self._signals.values()))})")
        self._arrived: Deque[int] = Deque()
        self._known: dict[int, object] = {}
        self._quiet: Deque[None] = Deque([None])
        self._strand: Strand | None = None
        self._crew: Crew | None = None
        self._closed = False

    @property
    def signals(self) -> tuple[int, ...]:
        """What it receives, each once."""
        return tuple(self._signals.values())

    def __enter__(self) -> Self:
        if self._strand is not None:
            raise RuntimeError(f"{self!r} was entered before; open another one")
        self._strand = current_task().strand
        worker = current_worker()
        self._crew = crew = worker.crew
        watches = [watch_of(number) for number in self._signals]
        for watch in watches:
            watch.receivers[self] = None
        try:
            install(watches, worker)
        except BaseException:
            self._close()
            raise
        crew.wakers[self] = self
        crew.at_end.append(self._close)  # a run that is stopped leaves no block
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    async def receive(self) -> int:
        """Wait for a signal: its number, as a member of `signal.Signals` where there is one.

        Raises:
            ClosedResource: the block of the receiver was left.

        Checkpoint: always a cancel point; it waits only if no signal has come.
        If cancelled: no signal was taken.
        """
        charge() or await toll()
        return await perform(self.receiving())

    def receive_nowait(self) -> int:
        """As `receive`, if a signal has come.

        Raises:
            WouldBlock: none has.
            ClosedResource: the block of the receiver was left.

        Checkpoint: never.
        """
        return perform_nowait(self.receiving())

    def receiving(self) -> QueueOperation[int]:
        """`receive`, for `conc.select`."""
        if self._strand is None:
            raise RuntimeError("receive inside the block: with conc.signals.open_receiver(...) as received:")
        return _Receive(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        return await self.receive()

    # ---- for the kernel: a `Waker` --------------------------------------------------------------------------------

    @property
    def reason(self) -> str:
        """Who may wake a task, in words."""
        return self._waiters.reason

    @property
    def may_wake(self) -> bool:
        """Whether somebody waits, and time is real."""
        return len(self._waiters) > 0 and self._crew is not None and not self._crew.clock.virtual

    @property
    def task(self) -> object:
        """No one task: whoever waits."""
        return None

    def abandon(self) -> None:
        """Whoever waits has left the line."""

    # ---- what comes -----------------------------------------------------------------------------------------------

    def note(self, number: int) -> None:
        """A signal has come. In the signal handler: takes no lock, and another handler may come in between."""
        token = object()
        if self._known.setdefault(number, token) is not token:
            return
        self._arrived.append(number)
        if self._closed:  # on another thread, since the handler looked who receives
            self._send_left_again()
            return
        try:
            self._quiet.popleft()
        except IndexError:
            return
        self._strand.post(self._hear)  # type: ignore[union-attr]  # it was entered

    def _hear(self) -> None:
        """The message has arrived, on the worker of the strand."""
        self._quiet.append(None)  # first: what comes from here on sends a message of its own
        self._serve()

    def _serve(self) -> None:
        """Give what has come to those who wait."""
        woken: list[Waiter] = []
        waiters = self._waiters
        with waiters.lock:
            while waiters.head() is not None and (number := self._take()) is not None:
                waiter = waiters.grant(number)
                if waiter is None:
                    self._put_back(number)
                    break
                woken.append(waiter)
        resume_all(woken)

    def _take(self) -> int | None:
        """The first signal that has come, which is not known any more from here on. Under the lock while it is open."""
        try:
            number = self._arrived.popleft()
        except IndexError:
            return None
        del self._known[number]
        return number

    def _put_back(self, number: int) -> None:
        """A signal that nobody got is the first again, unless it has come once more. Under the lock."""
        token = object()
        if self._known.setdefault(number, token) is token:
            self._arrived.appendleft(number)

    def _close(self) -> None:
        """Idempotent; on any thread."""
        waiters = self._waiters
        watches = [watch_of(number) for number in self._signals]
        for watch in watches:
            watch.receivers.pop(self, None)
        with waiters.lock:
            self._closed = True
            woken = waiters.grant_all(CLOSED)
        resume_all(woken)
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.wakers.pop(self, None)
            if self._close in crew.at_end:
                crew.at_end.remove(self._close)
            restore(watches, crew)
        self._send_left_again()

    def _send_left_again(self) -> None:
        """The block was left: what has come and nobody received comes once more. From any thread, and from a handler.

        It needs no lock: nobody else but the others who are here takes anything any more, and each takes another one.
        """
        while (number := self._take()) is not None:
            if not watch_of(number).receivers:
                send_again(number)

    def __repr__(self) -> str:
        state = " (closed)" if self._closed else ""
        return f"<SignalReceiver of {', '.join(map(signal_name, self._signals.values()))}{state}>"

    def _check(self) -> None:
        self._waiters._check()
        assert len(set(self._arrived)) == len(self._arrived), "a signal that has come once is there twice"
        assert set(self._arrived) <= set(self._known), "a signal that has come is not known"
        assert len(self._quiet) <= 1, "more messages than one were on their way"


class _Receive(QueueOperation[int]):
    __slots__ = ("_receiver",)

    def __init__(self, receiver: SignalReceiver) -> None:
        super().__init__(receiver._waiters)
        self._receiver = receiver

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        receiver = self._receiver
        if receiver._closed:
            return CLOSED
        if self.queue.head() is not None:
            return LATER
        number = receiver._take()
        return LATER if number is None else number

    def finish(self, granted: Any) -> int:
        if granted is CLOSED:
            raise ClosedResource(f"the block of {self._receiver!r} was left")
        return self._receiver._signals[granted]

    def give_back(self, granted: Any) -> None:
        if granted is not CLOSED:
            with self.queue.lock:
                self._receiver._put_back(granted)
            if self._receiver._closed:  # between the grant and now
                self._receiver._send_left_again()
            else:
                self._receiver._serve()

    def would_block(self) -> WouldBlock:
        return WouldBlock(f"no signal has come to {self._receiver!r}")
