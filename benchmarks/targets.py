"""What conc has promised, on a build with a GIL and with one worker: the only place where such a number stands.

A target is a comparison, never a result: results come from a run.
"""

from dataclasses import dataclass

FASTEST_PEER = "the fastest peer"
ABSOLUTE = ""


@dataclass(frozen=True, slots=True)
class Target:
    """In `scenario`, conc's median `figure` is at most `at_most` times that of `against` (a contestant's label, or
    FASTEST_PEER), or, against ABSOLUTE, at most `at_most` in the unit of the figure."""

    scenario: str
    figure: str
    against: str
    at_most: float


TARGETS = (
    Target("yield_many", "wall_ns", FASTEST_PEER, 0.45),
    Target("ping_pong", "wall_ns", FASTEST_PEER, 0.45),
    Target("spawn_join", "wall_ns", FASTEST_PEER, 0.60),
    Target("million_coroutines", "wall_ns", FASTEST_PEER, 0.60),
    Target("chained_spawn", "wall_ns", FASTEST_PEER, 0.60),
    Target("sleeps", "cpu_ns", FASTEST_PEER, 0.60),
    Target("timeout_scopes_empty", "wall_ns", "asyncio", 0.60),
    Target("timeout_scopes_checkpoint", "wall_ns", "asyncio", 0.60),
    Target("mpsc_100_from_1", "wall_ns", FASTEST_PEER, 0.80),
    Target("mpsc_100_from_5", "wall_ns", FASTEST_PEER, 0.80),
    Target("mpsc_unbounded_from_1", "wall_ns", FASTEST_PEER, 0.80),
    Target("mpsc_unbounded_from_5", "wall_ns", FASTEST_PEER, 0.80),
    Target("mpsc_ping_pong", "wall_ns", FASTEST_PEER, 0.60),
    Target("request_reply", "wall_ns", FASTEST_PEER, 0.60),
    Target("mutex_uncontended", "wall_ns", FASTEST_PEER, 1.0),
    Target("semaphore_uncontended", "wall_ns", FASTEST_PEER, 1.0),
    Target("mutex_contended", "wall_ns", FASTEST_PEER, 0.60),
    Target("semaphore_contended", "wall_ns", FASTEST_PEER, 0.60),
    Target("notify_waiters_100", "wall_ns", FASTEST_PEER, 0.60),
    Target("notify_one_100", "wall_ns", FASTEST_PEER, 0.60),
    Target("from_thread", "wall_ns", "janus", 0.50),
    Target("from_thread", "wall_ns", "asyncio", 0.50),
    Target("from_thread", "wall_ns", "uvloop", 0.50),
    Target("tcp_echo_1k_50", "cpu_ns", "uvloop streams", 0.75),
    Target("tcp_echo_1k_50", "cpu_ns", "C epoll", 1.4),
    *(
        Target(scenario, "cpu_ns", "uvloop streams", 0.80)
        for scenario in (
            *("tcp_lines", "tcp_split_write", "tcp_proxy", "unix_echo"),
            *("tcp_bulk_in_64k", "tcp_bulk_in_1024k", "tcp_bulk_out_64k", "tcp_bulk_out_1024k"),
        )
    ),
    Target("udp_echo", "cpu_ns", "uvloop Protocol", 0.80),
    Target("udp_echo", "cpu_ns", "asyncio sock_recvfrom", 0.80),
    *(
        Target(scenario, "cpu_ns", against, 0.90)
        for scenario in ("tls_echo_1k", "tls_echo_64k", "tls_bulk_in")
        for against in ("asyncio streams", "uvloop streams")
    ),
    Target("http_plaintext", "cpu_ns", "uvloop uvicorn", 0.80),
    Target("to_thread", "wall_ns", FASTEST_PEER, 0.70),
    Target("to_thread_100", "wall_ns", FASTEST_PEER, 0.70),
    Target("file_reads", "wall_ns", FASTEST_PEER, 0.70),
    Target("memory_per_task", "task_bytes", "asyncio", 1.0),
    Target("memory_million", "process_bytes", ABSOLUTE, 1e9),
    Target("sleep_lateness", "p99_beyond_ns", ABSOLUTE, 150_000),
    Target("simulated_steps", "wall_ns", ABSOLUTE, 10_000),
)
