"""A runtime that is stepped from synchronous code: who gets control when, and several of them."""

import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import sniffio

import conc
from conc.lowlevel import current_runtime
from conc.sync import Event
from conc_testing import VirtualClock


@pytest.fixture
def runtime(clock: VirtualClock) -> Iterator[conc.Runtime]:
    with conc.Runtime(clock=clock) as runtime:
        yield runtime


class Counter:
    """An async function that counts its steps."""

    def __init__(self, steps: float = float("inf")) -> None:
        self.count = 0
        self._steps = steps

    async def __call__(self) -> str:
        while self.count < self._steps:
            self.count += 1
            await conc.checkpoint()
        return f"counted to {self.count}"


# ---- who gets control when --------------------------------------------------------------------------------------


def test_nothing_of_the_program_runs_before_the_first_step(runtime: conc.Runtime) -> None:
    counter = Counter()
    runtime.start(counter)

    assert counter.count == 0
    assert not runtime.idle
    runtime.step()
    assert counter.count == 1


@pytest.mark.parametrize("steps", [1, 2, 10, 61])
def test_a_step_runs_as_many_steps_as_were_asked_for(runtime: conc.Runtime, steps: int) -> None:
    counter = Counter()
    runtime.start(counter)

    for done in range(1, 20):
        runtime.step(steps)
        assert done * min(steps, 1) <= counter.count <= done * steps


def test_the_result_is_in_the_main_task_and_the_last_step_returns_false(runtime: conc.Runtime) -> None:
    main = runtime.start(Counter(3))

    going_on = [runtime.step() for _ in range(4)]

    assert going_on == [True, True, True, False]
    assert main.join_nowait() == "counted to 3"
    assert runtime.idle


def test_an_error_of_the_main_task_is_in_the_task(runtime: conc.Runtime) -> None:
    async def fail() -> None:
        await conc.checkpoint()
        raise ValueError("mine")

    main = runtime.start(fail)
    runtime.run_until(lambda: False)

    with pytest.raises(conc.TaskFailed) as caught:
        main.join_nowait()
    assert repr(caught.value.__cause__) == "ValueError('mine')"


def test_a_step_gives_control_back_when_everybody_waits_and_the_next_one_waits(
    runtime: conc.Runtime, clock: VirtualClock
) -> None:
    runtime.start(conc.sleep, 5.0)

    assert runtime.step()
    assert runtime.idle
    assert clock.now() == 0.0
    assert runtime.run_until(lambda: clock.now() == 5.0)
    assert not runtime.run_until(lambda: False)


def test_run_until_asks_between_two_steps_and_stops_there(runtime: conc.Runtime) -> None:
    counter = Counter()
    runtime.start(counter)

    assert runtime.run_until(lambda: counter.count == 7)
    assert counter.count == 7
    assert runtime.run_until(lambda: counter.count == 7)
    assert counter.count == 7


def test_run_until_something_that_never_happens_ends_with_the_run(runtime: conc.Runtime) -> None:
    runtime.start(conc.sleep, 5.0)

    assert not runtime.run_until(lambda: False)


def test_run_until_idle_runs_all_that_is_ready_and_waits_for_nothing(
    runtime: conc.Runtime, clock: VirtualClock
) -> None:
    counters = [Counter(steps) for steps in (1, 50, 1000)]
    awake = Event()

    async def main() -> None:
        async with conc.open_nursery() as nursery, conc.open_nursery(parallel=True) as strands:
            for counter in counters:
                nursery.start_soon(counter)
                strands.start_soon(conc.sleep, 1.0)
            await awake.wait()

    runtime.start(main)

    assert runtime.run_until_idle()
    assert [counter.count for counter in counters] == [1, 50, 1000]
    assert clock.now() == 0.0

    awake.set()
    assert not runtime.idle
    assert runtime.run_until_idle()
    assert not runtime.run_until(lambda: False)
    assert clock.now() == 1.0


def test_a_deadlock_is_raised_by_the_step_that_ends_the_run(runtime: conc.Runtime) -> None:
    cleaned_up = []

    async def hang() -> None:
        try:
            await conc.sleep_forever()
        finally:
            cleaned_up.append("hang")

    runtime.start(hang)
    with pytest.raises(conc.Deadlock, match="hang"):
        runtime.run_until(lambda: False)

    assert cleaned_up == ["hang"]
    assert runtime.run(Counter(2)) == "counted to 2"


def test_closing_cancels_what_is_left_and_runs_it_to_its_end(clock: VirtualClock) -> None:
    log = []

    async def main() -> None:
        try:
            await conc.sleep_forever()
        except conc.Cancelled as cancelled:
            log.append(str(cancelled))
            with conc.CancelScope(shield=True):
                await conc.sleep(3.0)
            log.append("cleaned up")
            raise

    with conc.Runtime(clock=clock) as runtime:
        task = runtime.start(main)
        runtime.step()

    assert log == ["cancelled (shutdown): the Runtime was closed", "cleaned up"]
    assert clock.now() == 3.0
    with pytest.raises(conc.TaskCancelled):
        task.join_nowait()


def test_stepping_with_several_workers_reaches_the_end_of_strands_elsewhere(clock: VirtualClock) -> None:
    counters = [Counter(100) for _ in range(6)]

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for counter in counters:
                nursery.start_soon(counter)

    with conc.Runtime(clock=clock, workers=3) as runtime:
        runtime.start(main)
        assert not runtime.run_until(lambda: False)

    assert [counter.count for counter in counters] == [100] * 6


# ---- several, and again -----------------------------------------------------------------------------------------


def test_several_runtimes_take_turns_without_meeting() -> None:
    clocks = [VirtualClock(start=100.0 * number) for number in range(3)]
    runtimes = [conc.Runtime(clock=clock) for clock in clocks]
    seen: list[list[tuple[conc.Runtime, float]]] = [[], [], []]

    async def main(number: int) -> None:
        for _ in range(5):
            await conc.sleep(1.0)
            seen[number].append((current_runtime(), conc.current_time()))

    for number, runtime in enumerate(runtimes):
        runtime.start(main, number)
    running = runtimes
    while running:
        running = [runtime for runtime in running if runtime.step()]
        with pytest.raises(RuntimeError, match="needs a running conc program"):
            conc.current_time()

    for number, runtime in enumerate(runtimes):
        assert seen[number] == [(runtime, 100.0 * number + second) for second in range(1, 6)]


def test_between_two_steps_the_thread_is_as_it_was(runtime: conc.Runtime) -> None:
    hooks = sys.get_asyncgen_hooks()
    libraries = []

    async def main() -> None:
        libraries.append(sniffio.current_async_library())
        await conc.checkpoint()
        libraries.append(sniffio.current_async_library())

    runtime.start(main)
    runtime.step()

    assert sys.get_asyncgen_hooks() == hooks
    with pytest.raises(sniffio.AsyncLibraryNotFoundError):
        sniffio.current_async_library()
    runtime.run_until(lambda: False)
    assert libraries == ["conc", "conc"]


@pytest.mark.filterwarnings("ignore:the async generator:ResourceWarning")
def test_an_async_generator_of_one_runtime_is_closed_there_while_another_is_stepped() -> None:
    closed = []

    async def generator() -> AsyncIterator[None]:
        try:
            yield
        finally:
            closed.append(current_runtime())

    async def main() -> None:
        async for _ in generator():
            break
        await conc.sleep_forever()

    with conc.Runtime(clock=VirtualClock()) as first, conc.Runtime(clock=VirtualClock()) as second:
        first.start(main)
        second.start(Counter())
        first.step()
        second.step()
        first.run_until_idle()

        assert closed == [first]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_runtime_runs_again_after_a_run_an_error_and_a_deadlock(workers: int) -> None:
    async def fail() -> None:
        raise ValueError

    with conc.Runtime(clock=VirtualClock(), workers=workers) as runtime:
        assert runtime.run(Counter(3)) == "counted to 3"
        with pytest.raises(ValueError, match=r"^$"):
            runtime.run(fail)
        with pytest.raises(conc.Deadlock):
            runtime.run(conc.sleep_forever)
        runtime.start(Counter())
        runtime.step()
        runtime.close()
        assert runtime.run(Counter(3)) == "counted to 3"


def test_runs_leave_no_descriptor_behind() -> None:
    descriptors = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    conc.run(conc.sleep, 0.0, workers=2)
    gc.collect()
    before = len(os.listdir(descriptors))

    for _ in range(20):
        conc.run(conc.sleep, 0.0, workers=2)

    gc.collect()
    assert len(os.listdir(descriptors)) == before


# ---- misuse -----------------------------------------------------------------------------------------------------


def test_stepping_before_the_start_and_after_the_end_is_refused(runtime: conc.Runtime) -> None:
    with pytest.raises(RuntimeError, match=r"nothing to step: call Runtime\.start"):
        runtime.step()
    runtime.run(Counter(1))
    with pytest.raises(RuntimeError, match=r"nothing to step: call Runtime\.start"):
        runtime.step()


@pytest.mark.parametrize("again", ["start", "run"])
def test_starting_twice_is_refused_and_harms_nothing(runtime: conc.Runtime, again: str) -> None:
    counter = Counter(5)
    main = runtime.start(counter)
    runtime.step()

    with pytest.raises(RuntimeError, match="running already"):
        getattr(runtime, again)(Counter())

    runtime.run_until(lambda: False)
    assert main.join_nowait() == "counted to 5"


@pytest.mark.parametrize("inside", ["start", "run", "step", "close"])
def test_a_runtime_inside_a_running_one_is_refused_by_everything_that_would_run_it(
    runtime: conc.Runtime, inside: str
) -> None:
    other = conc.Runtime()
    if inside in {"step", "close"}:
        other.start(Counter())
    arguments = (Counter(1),) if inside in {"start", "run"} else ()

    async def main() -> str:
        with pytest.raises(RuntimeError, match="inside a running conc program"):
            getattr(other, inside)(*arguments)
        await conc.checkpoint()
        return sniffio.current_async_library()

    assert runtime.run(main) == "conc"
    other.close()


@pytest.mark.parametrize("given", [None, "name", conc.sleep(0.0)])
def test_what_is_no_async_function_is_refused_before_anything_begins(runtime: conc.Runtime, given: object) -> None:
    with pytest.raises(TypeError):
        runtime.start(given)  # type: ignore[arg-type]

    assert runtime.run(Counter(1)) == "counted to 1"
