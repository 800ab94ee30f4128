"""The process, and the fork that makes two of it."""

from __future__ import annotations

import os
from collections.abc import Callable

pid = os.getpid


def after_fork_in_child(fn: Callable[[], None]) -> None:
    """Call a function in each child that is forked from now on, before anything else runs there.

    It stays for the life of the process: meant for one call at import. Does nothing where there is no fork.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=fn)
