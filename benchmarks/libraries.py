"""Who may take part, what each is called where it is published, and how each runs a main function."""

import asyncio
import importlib.metadata
import importlib.util
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import peers


@dataclass(frozen=True, slots=True)
class Library:
    """One library as the harness sees it.

    `run(main, *args)` runs a main function to its end and returns its value. `modules` are what it imports, and
    `network_modules` what it imports besides where servers are measured. `needs` is what a Python must be for it to
    install, told when it is missing. `generators` is true where tasks are plain generators. `flags` are given to the
    Python that runs it. `guest` is true of a library without a loop of its own: it takes part only where it brings
    something that its host has not.
    """

    name: str
    run: Callable[..., Any]
    modules: tuple[str, ...] = ()
    distribution: str = ""
    network_modules: tuple[str, ...] = ()
    needs: str = ""
    generators: bool = False
    flags: tuple[str, ...] = ()
    guest: bool = False

    def missing(self) -> str | None:
        """Why it cannot take part here, or None. Looks without importing."""
        for module in self.modules:
            if importlib.util.find_spec(module.partition(".")[0]) is None:
                return f"not installed (it needs {self.needs})" if self.needs else "not installed"
        return None

    def version(self) -> str:
        """The version that is installed, or "" for what comes with Python or with this repository's sources."""
        try:
            return importlib.metadata.version(self.distribution) if self.distribution else ""
        except importlib.metadata.PackageNotFoundError:
            return "from the source tree" if self.missing() is None else ""


def _run_conc(main: Callable[..., Any], *args: Any) -> Any:
    return peers.conc.run(main, *args)


def _run_asyncio(main: Callable[..., Any], *args: Any) -> Any:
    with asyncio.Runner() as runner:
        return runner.run(main(*args))


def _run_uvloop(main: Callable[..., Any], *args: Any) -> Any:
    with asyncio.Runner(loop_factory=peers.uvloop.new_event_loop) as runner:
        return runner.run(main(*args))


def _run_rloop(main: Callable[..., Any], *args: Any) -> Any:
    with asyncio.Runner(loop_factory=peers.rloop.new_event_loop) as runner:
        return runner.run(main(*args))


def _run_zuvloop(main: Callable[..., Any], *args: Any) -> Any:
    with asyncio.Runner(loop_factory=peers.zuvloop.new_event_loop) as runner:
        return runner.run(main(*args))


def _run_trio(main: Callable[..., Any], *args: Any) -> Any:
    return peers.trio.run(main, *args)


def _run_anyio(main: Callable[..., Any], *args: Any) -> Any:
    return peers.anyio.run(main, *args, backend="asyncio")


def _run_tinyio(main: Callable[..., Any], *args: Any) -> Any:
    return peers.tinyio.Loop().run(main(*args))


def _run_tonio(main: Callable[..., Any], *args: Any) -> Any:
    # One thread that runs tasks; it has a second one, which polls. No contextvars: that is its default.
    return peers.tonio.colored.runtime(threads=1).run_until_complete(main(*args))


def _run_tonio_with_context(main: Callable[..., Any], *args: Any) -> Any:
    return peers.tonio.colored.runtime(threads=1, context=True).run_until_complete(main(*args))


def _run_native(main: Callable[..., Any], *args: Any) -> Any:
    raise RuntimeError("a C program is started by the scenario that compares with it, not run as a Python function")


_CONC = ("conc", "conc.channels", "conc.lowlevel", "conc.sync")
_CONC_OUTSIDE = ("conc.fs", "conc.io", "conc.net", "conc.process")
_ANYIO = ("anyio", "anyio.from_thread", "anyio.lowlevel", "anyio.to_thread")
_ANYIO_OUTSIDE = ("anyio.abc", "anyio.streams.buffered", "anyio.streams.tls")
_TONIO = ("tonio", "tonio.colored", "tonio.colored.sync.channel")
_TONIO_NETWORK = ("tonio.colored.net.socket",)
_TONIO_NEEDS = "a free-threaded Python 3.14 or later"

LIBRARIES = {
    library.name: library
    for library in (
        Library("conc", _run_conc, _CONC, "conc-runtime", _CONC_OUTSIDE),
        Library("asyncio", _run_asyncio),
        Library("uvloop", _run_uvloop, ("uvloop",), "uvloop"),
        Library("rloop", _run_rloop, ("rloop",), "rloop"),
        Library("zuvloop", _run_zuvloop, ("zuvloop",), "zuvloop", needs="Python 3.14 or later"),
        Library("trio", _run_trio, ("trio",), "trio"),
        Library("anyio", _run_anyio, _ANYIO, "anyio", _ANYIO_OUTSIDE),
        # Without -O an assertion in its step looks through the results of all tasks that have ended, one by one.
        Library("tinyio", _run_tinyio, ("tinyio",), "tinyio", generators=True, flags=("-O",)),
        Library("tonio", _run_tonio, _TONIO, "tonio", _TONIO_NETWORK, needs=_TONIO_NEEDS),
        Library("tonio+context", _run_tonio_with_context, _TONIO, "tonio", _TONIO_NETWORK, needs=_TONIO_NEEDS),
        Library("aiochannel", _run_asyncio, ("aiochannel",), "aiochannel", guest=True),
        Library("aiofiles", _run_asyncio, ("aiofiles",), "aiofiles", guest=True),
        Library("aiologic", _run_asyncio, ("aiologic",), "aiologic", guest=True),
        Library("janus", _run_asyncio, ("janus",), "janus", guest=True),
        Library("C", _run_native),
    )
}

ASYNCIO_LOOPS = ("asyncio", "uvloop", "rloop", "zuvloop")
"""Those that run one and the same asyncio program: asyncio's own loop first."""

TONIO_MODES = ("tonio", "tonio+context")
"""tonio as it comes, and with the contextvars that every other library has switched on."""


def gil_is_on() -> bool:
    """Whether this process has a GIL now: a free-threaded build may switch it on for an extension module."""
    probe = getattr(sys, "_is_gil_enabled", None)
    return True if probe is None else bool(probe())


def is_free_threaded_build() -> bool:
    """Whether this Python was built to run without a GIL."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
