"""Running small programs that use their standard streams."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.repo.sources import ROOT

BEGIN = """
import os, sys
import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io import BufReader, copy, stderr, stdin, stdout
"""
NOT_ANEW = """
import conc._os.shared_files
conc._os.shared_files._open_anew = lambda *args: None
"""


@contextmanager
def program(text: str, *, anew: bool = True, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run the body of ``async def main()`` in a process of its own; it has to end well.

    Args:
        text: the body.
        anew: whether pipes and terminals can be opened anew.
        streams: arguments of `Popen`.
    """
    body = textwrap.indent(textwrap.dedent(text), "    ")
    source = f"{BEGIN}{'' if anew else NOT_ANEW}\nasync def main():\n{body}\n\nconc.run(main)\n"
    with subprocess.Popen([sys.executable, "-W", "error", "-c", source], cwd=ROOT, **streams) as process:
        try:
            yield process
            status = process.wait(timeout=20)
        finally:
            process.kill()
    assert status == 0, f"the program ended with {status}"


def is_blocking(fd: int) -> bool:
    """Whether the open file behind a descriptor, which others may share, blocks."""
    return not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK
