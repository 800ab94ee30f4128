"""No exit code is lost, and none is made up."""

import os
import subprocess

import pytest

import conc
from conc import process
from conc._os.select_poller import SelectPoller
from conc.errors import BrokenResource
from conc.process import Process
from tests.process.support import run, sh


def test_a_hundred_children_at_once_keep_their_exit_codes(means: str) -> None:
    async def main() -> list[int]:
        codes = [-1] * 100

        async def one(number: int) -> None:
            codes[number] = (await process.run(sh(f"exit {number}"))).returncode

        async with conc.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(one, number)
        return codes

    assert run(main) == list(range(100))


def test_a_hundred_children_that_run_at_the_same_time_keep_their_exit_codes() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            reader, writer = os.pipe()
            tasks = [nursery.start_soon(one, number, reader) for number in range(100)]
            while any(task.wait is None for task in tasks):
                await conc.checkpoint()
            os.close(reader)
            os.close(writer)  # all end now
        assert [task.join_nowait() for task in tasks] == list(range(100))

    async def one(number: int, gate: int) -> int:
        return (await process.run(sh(f"read line; exit {number}"), stdin=gate)).returncode

    run(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_children_of_several_workers_keep_their_exit_codes(workers: int, means: str) -> None:
    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(30):
                nursery.start_soon(one, number)

    async def one(number: int) -> None:
        assert (await process.run(sh(f"exit {number}"))).returncode == number

    run(main, workers=workers)


def test_a_level_triggered_poller_hears_of_the_end(means: str) -> None:
    async def main() -> None:
        async with Process(["cat"], stdin=process.PIPE) as cat:
            with conc.move_on_after(0.01):
                await cat.wait()
            await cat.stdin.aclose()
            assert await cat.wait() == 0
        assert (await process.run(["cat"], input=b"x" * 300_000, stdout=process.PIPE)).stdout == b"x" * 300_000

    run(main, poller=SelectPoller)


@pytest.mark.parametrize("means", ["pidfd", "older kernel", "thread"], indirect=True)
async def test_an_exit_code_that_somebody_else_fetched_is_said_to_be_lost(means: str) -> None:
    with pytest.raises(BrokenResource, match=r"exit code of 'true' \(process \d+\) is lost: .*os.wait"):
        async with Process(["true"]) as robbed:
            os.waitpid(robbed.pid, 0)

    with pytest.raises(BrokenResource, match="is lost"):
        robbed.returncode  # noqa: B018
    robbed.kill()


@pytest.mark.parametrize("means", ["pidfd", "older kernel", "thread"], indirect=True)
async def test_a_thief_does_not_hide_the_error_of_the_block(means: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Process(["true"]) as robbed:
            os.waitpid(robbed.pid, 0)
            raise ZeroDivisionError


async def test_processes_of_the_standard_library_live_beside_ours() -> None:
    theirs = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert (await process.run(sh("exit 2"))).returncode == 2
    theirs.communicate()

    assert theirs.returncode == 0
