"""What the report of a time limit says of functions that run in threads."""

import threading

import conc
from conc_testing import VirtualClock
from conc_testing.timelimit import TimeLimit
from tests.testing.sim.baton import simulated

PATIENCE = 10.0  # seconds until something that does not happen is a failure


def report_on(runtime: conc.Runtime) -> str:
    """What the limit of a run says whose only function does not return until it has."""
    limit = TimeLimit(0.1)

    async def main() -> None:
        with limit.begin(runtime):
            await conc.to_thread(wait_for_page, limit)

    with limit:
        runtime.run(main)
    assert limit.report is not None
    return limit.report


def wait_for_page(limit: TimeLimit) -> None:
    """A blocking function."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if limit.report is not None:
            return
        pause.wait(0.01)


def test_a_report_names_who_holds_virtual_time_and_shows_where_the_thread_stands() -> None:
    report = report_on(conc.Runtime(clock=VirtualClock()))

    assert "Virtual time stood still for to_thread(wait_for_page)." in report
    assert "conc-thread-1, which runs a function for to_thread, is busy here:\n" in report
    assert "in wait_for_page" in report


def test_a_report_shows_where_the_thread_of_a_simulated_run_stands_that_the_worker_waits_for() -> None:
    report = report_on(simulated())

    assert "Virtual time stood still" not in report
    assert "The thread of the run is busy here:\n" in report
    assert "conc-thread-1, which runs a function for to_thread, is busy here:\n" in report
    assert "in wait_for_page" in report
