"""A program that runs beside this one: its pipes, its exit code, signals to it."""

import os
import signal
from typing import Any

import pytest

import conc
from conc._kernel.current import current_worker
from conc._kernel.suspend import GRANTED
from conc._os.poller import READ
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io import BufReader
from conc.process import DEVNULL, PIPE, Process
from tests.process.support import POLITE, STUBBORN, run, sh, until_parked, until_ready


async def test_a_program_is_talked_to_while_it_runs() -> None:
    async with Process(["cat"], stdin=PIPE, stdout=PIPE) as cat:
        lines = BufReader(cat.stdout)
        for word in (b"one\n", b"two\n"):
            await cat.stdin.write_all(word)
            assert await lines.read_line() == word
        assert cat.returncode is None
        await cat.stdin.aclose()
        assert await lines.read_line() == b""
        assert await cat.wait() == 0

    assert await cat.wait() == 0
    assert "ended with 0" in repr(cat)


async def test_leaving_the_block_ends_the_input_and_waits() -> None:
    async with Process(sh("cat > /dev/null; exit 6"), stdin=PIPE) as process:
        await process.stdin.write_all(b"some")

    assert process.returncode == 6


async def test_leaving_the_block_breaks_the_pipe_of_who_writes_what_nobody_reads() -> None:
    async with Process(["yes"], stdout=PIPE) as process:
        assert (await process.stdout.read(4)) == b"y\ny\n"

    assert process.returncode == -signal.SIGPIPE


async def test_streams_are_closed_with_the_block() -> None:
    async with Process(["cat"], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        pass

    with pytest.raises(ClosedResource):
        await process.stdin.write_all(b"x")
    for stream in (process.stdout, process.stderr):
        with pytest.raises(ClosedResource):
            await stream.read(1)


async def test_input_that_is_not_read_any_more_is_a_broken_pipe() -> None:
    async with Process(["true"], stdin=PIPE) as process:
        await process.wait()
        with pytest.raises(BrokenResource, match="PipeWriter"):
            await process.stdin.write_all(b"x")


async def test_several_tasks_wait_for_one_process() -> None:
    async with Process(["cat"], stdin=PIPE) as process:
        async with conc.open_nursery() as nursery:
            waiting = [nursery.start_soon(process.wait) for _ in range(5)]
            await until_parked(waiting[-1])
            waiting[0].cancel()  # who watches for the others
            waiting[3].cancel()
            await process.stdin.aclose()
        assert [task.join_nowait() for number, task in enumerate(waiting) if number not in {0, 3}] == [0, 0, 0]


async def test_a_wait_that_was_cancelled_may_be_repeated() -> None:
    async with Process(["cat"], stdin=PIPE) as process:
        with conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(_cancel_soon, scope)
                await process.wait()
        assert scope.cancelled_caught
        await process.stdin.aclose()
        assert await process.wait() == 0


async def test_a_cancellation_that_comes_with_the_end_is_raised_at_the_next_cancel_point() -> None:
    async with Process(["cat"], stdin=PIPE) as process:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(process.wait)
            await until_parked(task)
            await process.stdin.aclose()
            while process.returncode is None:
                pass
            current_worker().descriptors.notify([(process._ending._fd, READ)])  # granted, and not run yet
            task.cancel()
        assert task.join_nowait() == 0


async def test_a_false_alarm_does_not_end_a_wait() -> None:
    async with Process(["cat"], stdin=PIPE) as process:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(process.wait)
            for _ in range(3):
                await until_parked(task)
                current_worker().descriptors.notify([(process._ending._fd, READ)])
                assert task.wait is GRANTED
                while task.wait is GRANTED:
                    await conc.checkpoint()
                assert task.outcome is None
            await process.stdin.aclose()
        assert task.join_nowait() == 0


def test_tasks_of_several_strands_wait_for_one_process() -> None:
    async def main() -> None:
        async with Process(["cat"], stdin=PIPE, stdout=PIPE) as process:
            codes: list[int] = []
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(6):
                    nursery.start_soon(note, process, codes)
                nursery.start_soon(end, process)
            assert codes == [0] * 6

    async def note(process: Process, codes: list[int]) -> None:
        codes.append(await process.wait())

    async def end(process: Process) -> None:
        await process.stdin.write_all(b"x")
        assert await process.stdout.read(9) == b"x"
        await process.stdin.aclose()

    for _ in range(10):
        run(main, workers=3)


def test_a_process_is_handed_from_strand_to_strand() -> None:
    async def main() -> None:
        async with Process(["cat"], stdin=PIPE, stdout=PIPE) as process:
            for word in (b"a", b"b", b"c"):
                async with conc.open_nursery(parallel=True) as nursery:
                    nursery.start_soon(converse, process, word)
                with conc.move_on_after(0.001):
                    await process.wait()

    async def converse(process: Process, word: bytes) -> None:
        await process.stdin.write_all(word)
        assert await process.stdout.read(9) == word
        with conc.move_on_after(0.001):
            await process.wait()

    run(main, workers=2)


async def test_one_task_at_a_time_reads_a_pipe() -> None:
    async with Process(["cat"], stdin=PIPE, stdout=PIPE) as process:
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(process.stdout.read, 1)
            await until_parked(reading)
            with pytest.raises(BusyResource):
                await process.stdout.read(1)
            await process.stdin.aclose()
        assert reading.join_nowait() == b""


async def test_pipes_that_were_not_asked_for_are_explained() -> None:
    process = Process(["true"], stdin=DEVNULL)
    for name in ("stdin", "pid", "returncode"):
        with pytest.raises(RuntimeError, match="was not started yet"):
            getattr(process, name)
    with pytest.raises(RuntimeError, match="was not started yet"):
        await process.wait()
    async with process:
        for name, way in [("stdin", "stdin=PIPE"), ("stdout", "stdout=PIPE"), ("terminal", "pty=True")]:
            with pytest.raises(RuntimeError, match=rf"Process\(..., {way}\)"):
                getattr(process, name)


async def test_a_process_is_started_once() -> None:
    async with Process(["true"]) as process:
        assert os.getpid() != process.pid
    with pytest.raises(RuntimeError, match="make a Process for each block"):
        await process.__aenter__()


async def test_signals_reach_the_process_and_its_exit_code_tells() -> None:
    async with Process(sh(POLITE), stdin=PIPE, stdout=PIPE) as process:
        await until_ready(process)
        process.terminate()
        assert await process.wait() == 5
        assert await process.stdout.read(9) == b"bye\n"
    async with Process(sh(STUBBORN), stdout=PIPE) as process:
        await until_ready(process)
        process.send_signal(signal.SIGTERM)
        process.kill()
        assert await process.wait() == -signal.SIGKILL


async def test_a_signal_to_a_process_that_has_ended_reaches_nobody(means: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Process(["true"], process_group=True) as process:
        await process.wait()
        sent: list[Any] = []
        monkeypatch.setattr(os, "kill", lambda *arguments: sent.append(arguments))
        monkeypatch.setattr(os, "killpg", lambda *arguments: sent.append(arguments))
        process.kill()
        process.kill(group=True)
    process.kill()

    assert sent == []


async def test_what_is_no_signal_is_refused() -> None:
    async with Process(["cat"], stdin=PIPE) as process:
        with pytest.raises(ValueError, match="signal must be the number of a signal, not 4000"):
            process.send_signal(4000)
        with pytest.raises(ValueError, match="group=True needs"):
            process.terminate(group=True)


async def test_a_signal_that_is_not_permitted_is_an_error_that_names_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    async with Process(["cat"], stdin=PIPE) as process:
        with monkeypatch.context() as patched:
            patched.setattr(signal, "pidfd_send_signal", refuse)
            with pytest.raises(PermissionError, match=rf"cannot send signal 15 to 'cat' \(process {process.pid}\)"):
                process.terminate()


async def test_a_storm_of_signals_does_not_disturb_a_wait() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: heard.append(signum))
    try:
        async with Process(sh(f"for i in $(seq 300); do kill -USR1 {os.getpid()}; done; exit 8"), stdout=PIPE) as storm:
            assert await storm.stdout.read(1) == b""
            assert await storm.wait() == 8
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert heard


async def _cancel_soon(scope: conc.CancelScope) -> None:
    await conc.checkpoint()
    scope.cancel()
