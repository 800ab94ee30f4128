"""What a scenario is, and who competes in it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.libraries import ASYNCIO_LOOPS, LIBRARIES, TONIO_MODES, Library

Figures = dict[str, float]
"""What one run gives; names end in the unit: `_ns`, `_bytes`, `_per_s`, `_share`."""

Role = Literal["conc", "peer", "limit"]
"""`limit` is what no Python can be expected to reach (C): shown, and never taken for the fastest peer."""

TITLES = {"anyio": "anyio (asyncio)"}
"""How a library is shown where its name alone would leave something out: anyio runs on its asyncio backend."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of doing the work of a scenario: `main` on `library`, shown as `label`."""

    label: str
    library: str
    main: Callable[..., Any]

    @property
    def role(self) -> Role:
        """What it is compared as."""
        if self.library == "conc":
            return "conc"
        return "limit" if self.library == "C" else "peer"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of work, with everyone who does it.

    `size` is the number of operations of a run (for servers: the milliseconds that are measured), `quick_size` the same
    for a quick run. `figure` is what contestants are ranked by; smaller is better. `excused` says of libraries why they
    do not take part. `notes` tell how the versions were written, for the report. `family` is the file it comes from.
    `uses_network` says that it needs what libraries have for that.
    """

    name: str
    title: str
    unit: str
    size: int
    contestants: tuple[Contestant, ...]
    measure: Callable[["Scenario", Contestant, Library, int], Figures]
    family: str = ""
    figure: str = "wall_ns"
    quick_size: int = 0
    uses_network: bool = False
    excused: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""

    def operations(self, quick: bool) -> int:
        """The size of one run."""
        return (self.quick_size or self.size // 10) if quick else self.size

    def contestant(self, label: str) -> Contestant:
        """The contestant called `label`. Raises: LookupError."""
        for contestant in self.contestants:
            if contestant.label == label:
                return contestant
        raise LookupError(f"nobody is called {label!r} in {self.name}: {[each.label for each in self.contestants]}")


def contestants(mains: Mapping[str, Callable[..., Any]]) -> tuple[Contestant, ...]:
    """Contestants from a main function for each library. What is written for asyncio runs under each of its loops."""
    runs_on = {"asyncio": ASYNCIO_LOOPS, "tonio": TONIO_MODES}
    return tuple(
        Contestant(TITLES.get(library, library), library, main)
        for written_for, main in mains.items()
        for library in runs_on.get(written_for, (written_for,))
    )


def on_every_asyncio_loop(what: str, main: Callable[..., Any]) -> Iterable[Contestant]:
    """`main` under each asyncio loop, labelled with what part of asyncio it uses ("uvloop streams")."""
    return (Contestant(f"{library} {what}", library, main) for library in ASYNCIO_LOOPS)


def only_from(chosen: Iterable[str], all_contestants: Iterable[Contestant]) -> tuple[Contestant, ...]:
    """Those whose library is in `chosen`; conc and the limits always stay. An empty choice keeps everyone."""
    names = set(chosen)
    unknown = names - set(LIBRARIES)
    if unknown:
        raise ValueError(f"unknown peers: {', '.join(sorted(unknown))}; known: {', '.join(LIBRARIES)}")
    return tuple(each for each in all_contestants if not names or each.role != "peer" or each.library in names)
