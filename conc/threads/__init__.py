"""Between tasks and threads: blocking functions, calls back from them, and portals for threads of others."""

from conc.threads import from_thread
from conc.threads.portal import Portal, open_portal
from conc.threads.to_thread import to_thread

__all__ = ["Portal", "from_thread", "open_portal", "to_thread"]
