"""Where a run took place: everything that a number means nothing without."""

import os
import platform
import sys
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, gil_is_on, is_free_threaded_build


def describe(load_generator: str) -> dict[str, Any]:
    """Python, GIL, processor, system, the version of each library, and what makes the load for servers."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "build": "free-threaded" if is_free_threaded_build() else "with a GIL",
        "gil": gil_is_on(),
        "compiler": platform.python_compiler(),
        "processor": _processor(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.release()}",
        "load_generator": load_generator,
        "libraries": _versions(),
    }


def _versions() -> dict[str, str]:
    """The version of each library that is there, or why it is not."""
    told = {}
    for library in LIBRARIES.values():
        if library.name not in ("C", "tonio+context"):
            told[library.name] = library.missing() or library.version() or f"of Python {platform.python_version()}"
    return told


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.machine()
