"""A strand: tasks that never run at the same time, and the mailbox through which others reach them.

A strand stands in a worker's inbox in place of a task when it has mail: what the worker runs then is reading it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from conc._kernel.suspend import PARKED, Marker

if TYPE_CHECKING:
    from conc._kernel.cancel import CancelScope
    from conc._kernel.task import Task
    from conc._kernel.worker import Worker

LETTERS = 16  # messages that are read in one step


class Strand:
    """One line of execution: a root task, its descendants in ordinary nurseries, and their mail.

    Its worker is set once, by the worker that starts it, and never changes.

    Messages are functions without arguments, called by the owner between two steps, in the order in which they were
    posted. A message that must be answered has a method ``refuse()``, called in place of it when the runtime has ended.

    Posting means: append, then read the owner and tell it. Taking an unstarted strand means: publish the owner, then
    look into the mailbox. So a message is seen by the one or told by the other.
    """

    __slots__ = ("__weakref__", "mail", "root", "scope", "since", "worker")

    is_task: ClassVar[bool] = False

    def __init__(self, worker: Worker | None, scope: CancelScope) -> None:
        self.worker = worker
        self.scope = scope  # around the root task: the outermost of the strand
        self.mail: list[Callable[[], object]] = []
        self.root: Task[Any] | None = None

    @property
    def strand(self) -> Strand:
        """Itself: while mail is read, this is the running strand."""
        return self

    def post(self, message: Callable[[], object]) -> None:
        """Let the owner call `message`. From any thread, a signal handler or a finaliser: takes no lock."""
        self.mail.append(message)
        worker = self.worker
        if worker is not None:
            worker.deliver(self)

    @property
    def context(self) -> Strand:
        """In the place of a task's context: what the worker calls ``run`` of."""
        return self

    coro = context

    def send(self, _: None) -> Marker:
        """In the place of a coroutine's ``send``."""
        return self.read_mail()

    def run(self, send: object, _: None) -> Marker:
        """In the place of one step: read the mail."""
        return self.read_mail()

    def read_mail(self) -> Marker:
        """Call the first messages, in order. By the owner, between two steps. Each message has put the strand into the
        inbox, so what is left is read soon, and who posts without end keeps nobody out."""
        mail = self.mail
        batch = mail[:LETTERS]
        del mail[: len(batch)]
        for position, message in enumerate(batch):
            try:
                message()
            except BaseException:
                mail[:0] = batch[position + 1 :]  # what was not called is not lost with the error
                raise
        return PARKED

    def refuse(self) -> None:
        """Answer what is left in the mailbox: the runtime has ended. From any thread; each message is answered once."""
        while True:
            try:
                message = self.mail.pop(0)
            except IndexError:
                return
            refuse = getattr(message, "refuse", None)
            if refuse is not None:
                refuse()
