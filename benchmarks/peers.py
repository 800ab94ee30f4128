"""The libraries under the names by which scenarios call them; each process loads only the one that it measures.

An import costs memory and time, and some extension modules switch the GIL on: a process that measures conc must not
carry trio along. So `load` runs first, then the scenarios are imported and find the names here.
"""

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import aiochannel
    import aiofiles
    import aiologic
    import anyio
    import anyio.abc
    import anyio.from_thread
    import anyio.lowlevel
    import anyio.streams.buffered
    import anyio.streams.tls
    import anyio.to_thread
    import janus
    import rloop
    import tinyio
    import tonio
    import tonio.colored
    import tonio.colored.net.socket
    import tonio.colored.sync.channel
    import trio
    import uvloop
    import zuvloop

    import conc
    import conc.channels
    import conc.fs
    import conc.io
    import conc.lowlevel
    import conc.net
    import conc.process
    import conc.sync
else:

    class _Unloaded:
        """Stands where a library that does not take part in this process would stand."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> NoReturn:
            raise AttributeError(f"{self._name}.{attribute} was used in a process that did not load {self._name}")

    aiochannel = _Unloaded("aiochannel")
    aiofiles = _Unloaded("aiofiles")
    aiologic = _Unloaded("aiologic")
    anyio = _Unloaded("anyio")
    conc = _Unloaded("conc")
    janus = _Unloaded("janus")
    rloop = _Unloaded("rloop")
    tinyio = _Unloaded("tinyio")
    tonio = _Unloaded("tonio")
    trio = _Unloaded("trio")
    uvloop = _Unloaded("uvloop")
    zuvloop = _Unloaded("zuvloop")

__all__ = [
    "aiochannel",
    "aiofiles",
    "aiologic",
    "anyio",
    "conc",
    "janus",
    "load",
    "rloop",
    "tinyio",
    "tonio",
    "trio",
    "uvloop",
    "zuvloop",
]


def load(modules: Iterable[str]) -> None:
    """Import `modules` (dotted names) and put their top-level packages under their names here.

    Raises: ImportError where one is not installed.
    """
    for name in modules:
        importlib.import_module(name)
        package = name.partition(".")[0]
        globals()[package] = importlib.import_module(package)
