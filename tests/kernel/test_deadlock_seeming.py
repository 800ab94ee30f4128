"""What the workers decide when all seem to be asleep, staged: the moments at which it only seems so."""

import threading
from typing import Any

import pytest

import conc
from conc._kernel import worker as worker_module
from conc._kernel.crew import Crew
from conc._kernel.current import current_worker
from conc._kernel.worker import Worker
from conc._os.sync import Deque, is_empty


@pytest.mark.usefixtures("no_threads_of_others")
def test_a_run_that_ends_as_another_worker_falls_asleep_is_no_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    first, ended, decided = threading.current_thread(), threading.Event(), threading.Event()
    all_asleep = Crew.all_asleep

    async def main() -> str:
        workers.extend(current_worker().crew.workers)
        ended.set()
        return "value"

    def decide(crew: Crew, worker: Worker, looks: int) -> float:
        seconds = all_asleep(crew, worker, looks)
        if ended.is_set():
            decided.set()
        return seconds

    def is_empty_after_a_while(queue: Deque[Any]) -> bool:
        """The first worker comes to rest for the last time; as it looks, the other one falls asleep."""
        if ended.is_set() and threading.current_thread() is first and workers[0].asleep and not decided.is_set():
            workers[1].ring()
            assert decided.wait(10.0)
        return is_empty(queue)

    workers: list[Worker] = []
    monkeypatch.setattr(Crew, "all_asleep", decide)
    monkeypatch.setattr(worker_module, "is_empty", is_empty_after_a_while)
    assert conc.run(main, workers=2) == "value"
    assert decided.is_set()
