"""Every scenario, in the order in which they run and are reported. One file is one kind of work."""

from collections.abc import Iterable
from importlib import import_module

from benchmarks.scenario import Scenario

FAMILIES = (
    "yield_many",
    "ping_pong",
    "spawn_join",
    "million_coroutines",
    "chained_spawn",
    "sleeps",
    "timeout_scopes",
    "mpsc",
    "mpsc_ping_pong",
    "receive_many",
    "request_reply",
    "broadcast",
    "watch",
    "mutex",
    "semaphore",
    "notify",
    "select_two",
    "join_100",
    "from_thread",
    "tcp_echo",
    "tcp_lines",
    "tcp_bulk",
    "tcp_split_write",
    "tcp_proxy",
    "unix_echo",
    "udp_echo",
    "tls",
    "http_plaintext",
    "accept_close",
    "to_thread",
    "file_reads",
    "processes",
    "memory_per_task",
    "startup",
    "sleep_lateness",
    "simulated_steps",
)
"""The modules of this package. What a process imports here must come after `peers.load`."""


def all_scenarios() -> tuple[Scenario, ...]:
    """Every scenario of every family."""
    return tuple(scenario for family in FAMILIES for scenario in import_module(f"{__name__}.{family}").SCENARIOS)


def chosen(names: Iterable[str]) -> tuple[Scenario, ...]:
    """The scenarios called so, by full name or by family (`tcp_echo` is all four); all of them if no name is given.

    Raises: ValueError that lists what there is.
    """
    wanted = list(names)
    known = all_scenarios()
    unknown = [name for name in wanted if not any(name in (each.name, each.family) for each in known)]
    if unknown:
        raise ValueError(f"unknown scenarios: {', '.join(unknown)}; known: {', '.join(each.name for each in known)}")
    return tuple(each for each in known if not wanted or each.name in wanted or each.family in wanted)


def scenario(name: str) -> Scenario:
    """The scenario with this full name. Raises: LookupError."""
    for each in all_scenarios():
        if each.name == name:
            return each
    raise LookupError(f"no scenario is called {name!r}")
