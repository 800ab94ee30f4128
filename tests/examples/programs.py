"""Examples as programs: started, talked to by real clients, and ended as users end them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.repo.sources import ROOT

PATIENCE_S = 30


@contextmanager
def running(module: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An example that serves, and the first line that it printed. It must end by Ctrl-C in good order."""
    command = [sys.executable, "-W", "error", "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
        assert output.endswith("stopped\n")
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.wait()


def said_by(*command: str, given: str = "") -> str:
    """What a program prints that ends by itself."""
    done = subprocess.run(
        command, cwd=ROOT, input=given, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    return done.stdout
