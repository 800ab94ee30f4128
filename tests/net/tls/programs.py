"""The openssl program as the other end of a connection."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conc import to_thread

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not here")


class Program:
    """A running ``openssl``: lines go in and come out."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.seen = b""

    async def type(self, line: str) -> None:
        """Type a line; a single letter at its beginning may be a command."""
        stdin = self._process.stdin
        assert stdin is not None
        await to_thread(lambda: (stdin.write(line.encode() + b"\n"), stdin.flush()))

    async def wait_for(self, text: bytes) -> bytes:
        """Wait until a line with this comes out, and return that line."""
        stdout = self._process.stdout
        assert stdout is not None
        while line := await to_thread(stdout.readline):
            self.seen += line
            if text in line:
                return line
        raise AssertionError(f"openssl ended, and has not said {text!r} but {self.seen!r}")


@contextmanager
def openssl(*arguments: str | Path) -> Iterator[Program]:
    """Run it for as long as the block lasts."""
    with subprocess.Popen(
        ["openssl", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
