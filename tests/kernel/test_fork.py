"""A fork: the runtime that the child inherits is refused there, and a new one works."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import conc
from conc.io import open_pipe
from conc.lowlevel import wait_readable
from conc.sync import Event


async def count_to(steps: int) -> str:
    for _ in range(steps):
        await conc.checkpoint()
    return f"counted to {steps}"


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """What waits for longer in this process is killed: a child that hangs must not outlive the test."""
    signal.alarm(seconds)
    yield
    signal.alarm(0)


def in_child(check: Callable[[], str]) -> str:
    """What `check` returned in a fork of this process, or the traceback of what it raised."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests may have left threads of a pool
        child = os.fork()
    if child == 0:
        try:
            with limited(20):
                result = check()
        except BaseException:
            result = traceback.format_exc()
        os.write(writing, result.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return result


def attempt(call: Callable[[], object]) -> str:
    try:
        return f"no error, but {call()!r}"
    except RuntimeError as error:
        return str(error)


INHERITED = "made in another process and inherited over a fork"


def test_an_inherited_runtime_refuses_to_run_start_or_step_in_the_child() -> None:
    fresh, begun = conc.Runtime(), conc.Runtime()
    main = begun.start(count_to, 5)
    begun.step()
    calls: list[Callable[[], object]] = [
        lambda: fresh.run(count_to, 1),
        lambda: fresh.start(count_to, 1),
        fresh.__enter__,
        begun.step,
        lambda: begun.run_until(lambda: False),
    ]

    answers = in_child(lambda: "\n".join(map(attempt, calls))).splitlines()

    assert len(answers) == len(calls)
    assert all(INHERITED in answer for answer in answers), answers
    begun.run_until(lambda: False)
    assert main.join_nowait() == "counted to 5"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_child_of_a_running_program_runs_one_of_its_own_and_the_parent_goes_on(workers: int) -> None:
    async def program() -> str:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            async with conc.open_nursery(parallel=True) as nursery:
                nursery.start_soon(count_to, 10)
                nursery.start_soon(wait_readable, reading)
                await conc.sleep(0.001)
                os.write(writing, b"!")
        finally:
            os.close(reading)
            os.close(writing)
        return "ran"

    async def main() -> list[str]:
        answers = [in_child(lambda: attempt(conc.current_time))]
        answers.append(in_child(lambda: conc.run(program, workers=workers)))
        answers.append(await program())
        return answers

    outside, inside, here = conc.run(main)

    assert "this needs a running conc program" in outside
    assert (inside, here) == ("ran", "ran")


def test_closing_an_inherited_runtime_in_the_child_does_nothing() -> None:
    with conc.Runtime(workers=2) as inherited:

        def check() -> str:
            inherited.close()
            return conc.run(count_to, 2)

        task = inherited.start(wait_for_nothing)
        inherited.step()
        assert in_child(check) == "counted to 2"
        assert task.outcome is None


def test_a_child_that_leaves_the_blocks_of_its_parent_takes_nothing_from_it() -> None:
    async def main() -> list[bytes]:
        reader, writer = open_pipe()
        async with reader, writer:

            async def write_soon() -> None:
                await conc.sleep(0.01)
                await writer.write_all(b"x")

            async def read() -> bytes:
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(write_soon)
                    await wait_readable(reader._fd)
                return reader.read_nowait(1)

            before = await read()  # only what was waited for once is registered

            def leave() -> str:
                reader._close()
                writer._close()
                return "left"

            assert in_child(leave) == "left"
            with conc.fail_after(10):
                after = await read()
        return [before, after]

    assert conc.run(main) == [b"x", b"x"]


async def wait_for_nothing() -> None:
    with conc.move_on_after(3600.0):
        await Event().wait()
