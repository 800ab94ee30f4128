"""The best poller of this system."""

from __future__ import annotations

import select

from conc._os.poller import Poller


def default_poller() -> Poller:
    """A new poller: over epoll, kqueue or, where there is neither, poll or select."""
    # Imported where they are known to exist: each file speaks of things that other systems lack.
    if hasattr(select, "epoll"):
        from conc._os.epoll import EpollPoller  # noqa: PLC0415

        return EpollPoller()
    if hasattr(select, "kqueue"):
        from conc._os.kqueue import KqueuePoller  # noqa: PLC0415

        return KqueuePoller()
    from conc._os.select_poller import SelectPoller  # noqa: PLC0415

    return SelectPoller()
