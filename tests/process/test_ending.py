"""How a block ends its process: by asking, then by force; and what becomes of those that it started."""

import os
import signal
from pathlib import Path

import pytest

import conc
from conc import process
from conc.lowlevel import current_runtime
from conc.process import PIPE, Process
from tests.process.support import POLITE, STUBBORN, ends_soon, has_children, is_running, run, sh, until_ready


async def test_an_error_ends_the_process_which_may_clean_up(means: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Process(sh(POLITE), stdin=PIPE, stdout=PIPE) as polite:
            await until_ready(polite)
            raise ZeroDivisionError

    assert polite.returncode == 5


async def test_who_ignores_being_asked_is_killed_after_the_grace(means: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Process(sh(STUBBORN), stdout=PIPE, grace=0.05) as stubborn:
            await until_ready(stubborn)
            raise ZeroDivisionError

    assert stubborn.returncode == -signal.SIGKILL


def test_the_grace_is_waited_for_and_no_longer_than_needed(means: str) -> None:
    async def take(line: str, grace: float) -> float:
        start = conc.current_time()
        with conc.CancelScope() as scope:
            async with Process(sh(line), stdin=PIPE, stdout=PIPE, grace=grace) as started:
                await until_ready(started)
                start = conc.current_time()
                scope.cancel()
                await conc.checkpoint()
        return conc.current_time() - start

    assert run(take, STUBBORN, 0.2) >= 0.2
    assert run(take, POLITE, 15.0) < 10


def test_a_process_that_sleeps_is_ended_when_its_task_is_cancelled(means: str) -> None:
    async def main() -> None:
        with conc.move_on_after(0.02) as scope:
            await process.run(["sleep", "60"])
        assert scope.cancelled_caught

    run(main)


def test_a_cancellation_at_any_moment_leaves_no_process() -> None:
    async def main(turns: int) -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(cancel_after, nursery.cancel_scope, turns)
            for _ in range(3):
                await process.run(sh("read word; echo $word"), input=b"word\n", capture_output=True)
                async with Process(["cat"], stdin=PIPE, stdout=PIPE) as cat:
                    await cat.stdin.write_all(b"x")
                    await cat.stdout.read(1)

    async def cancel_after(scope: conc.CancelScope, turns: int) -> None:
        for _ in range(turns):
            await conc.checkpoint()
        scope.cancel()

    for turns in (*range(24), *range(24, 400, 25), 1000, 3000, 9000):
        run(main, turns)
        assert not has_children()


def test_a_cancellation_while_the_block_waits_for_the_end_ends_the_process() -> None:
    async def main() -> int | None:
        with conc.move_on_after(0.02):
            async with Process(["sleep", "60"]) as sleeper:
                pass
        return sleeper.returncode

    assert run(main) == -signal.SIGTERM


def test_a_cancellation_during_the_grace_does_not_cut_it_short() -> None:
    async def main() -> int | None:
        with conc.move_on_after(0.1), conc.CancelScope() as scope:
            async with Process(sh("trap 'sleep 0.3; exit 7' TERM; echo ready; while :; do read line; done"),
                               stdin=PIPE, stdout=PIPE) as slow:  # fmt: skip
                await until_ready(slow)
                scope.cancel()
                await conc.checkpoint()
        return slow.returncode

    assert run(main) == 7


async def test_a_grandchild_that_keeps_the_pipe_does_not_keep_the_wait() -> None:
    async with Process(sh("sleep 60 & echo $!"), stdout=PIPE, process_group=True) as parent:
        grandchild = int(await parent.stdout.read(99))
        assert await parent.wait() == 0
        assert is_running(grandchild)
        os.kill(grandchild, signal.SIGKILL)
        assert await parent.stdout.read(1) == b""


def test_a_run_that_reads_what_a_grandchild_keeps_open_ends_by_its_cancellation() -> None:
    async def main() -> None:
        with conc.move_on_after(0.05) as scope:
            await process.run(sh("sleep 60 & exit 0"), stdout=PIPE, process_group=True)
        assert scope.cancelled_caught

    run(main)


async def test_by_an_error_the_whole_group_is_ended(means: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Process(sh("sleep 60 & echo $!; wait"), stdout=PIPE, process_group=True) as parent:
            grandchild = int(await parent.stdout.read(99))
            raise ZeroDivisionError

    assert parent.returncode == -signal.SIGTERM
    assert ends_soon(grandchild)


@pytest.mark.parametrize("means", ["pidfd", "older kernel", "thread"], indirect=True)
async def test_those_of_the_group_who_ignore_being_asked_are_killed(means: str) -> None:
    line = "(trap '' TERM; echo; exec sleep 60) & echo $!; wait"
    with pytest.raises(ZeroDivisionError):
        async with Process(sh(line), stdout=PIPE, new_session=True, grace=0.05) as parent:
            written = b""
            while written.count(b"\n") < 2:
                written += await parent.stdout.read(99)
            raise ZeroDivisionError

    assert ends_soon(int(written))


async def test_those_of_the_group_may_clean_up_after_their_leader_has_ended(tmp_path: Path) -> None:
    note = tmp_path / "note"
    careful = f"(trap 'sleep 0.1; echo done > {note}; exit' TERM; echo; while :; do sleep 0.01; done) &"
    with pytest.raises(ZeroDivisionError):
        async with Process(sh(f"{careful} wait"), stdout=PIPE, process_group=True) as parent:
            await parent.stdout.read(1)
            raise ZeroDivisionError

    assert parent.returncode == -signal.SIGTERM
    assert note.read_text() == "done\n"


async def test_the_group_of_a_leader_that_has_ended_is_ended_too() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Process(sh("sleep 60 & echo $!"), stdout=PIPE, process_group=True) as parent:
            grandchild = int(await parent.stdout.read(99))
            await parent.wait()
            raise ZeroDivisionError

    assert ends_soon(grandchild)


async def test_others_of_the_group_are_left_alone_if_that_is_asked_for() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Process(sh("sleep 60 & echo $!; wait"), stdout=PIPE, process_group=True, kill_group=False) as parent:
            grandchild = int(await parent.stdout.read(99))
            raise ZeroDivisionError

    assert is_running(grandchild)
    os.kill(grandchild, signal.SIGKILL)


async def test_a_daemon_that_left_group_and_session_outlives_the_block() -> None:
    line = "setsid sh -c 'echo $$; exec sleep 60 > /dev/null' & wait"
    with pytest.raises(ZeroDivisionError):
        async with Process(sh(line), stdout=PIPE, process_group=True) as parent:
            daemon = int(await parent.stdout.read(99))
            raise ZeroDivisionError

    assert is_running(daemon)
    os.kill(daemon, signal.SIGKILL)


async def test_signals_go_to_the_group_if_that_is_asked_for() -> None:
    async with Process(sh("sleep 60 & echo $!; wait"), stdout=PIPE, process_group=True) as parent:
        grandchild = int(await parent.stdout.read(99))
        parent.terminate(group=True)
        assert await parent.wait() == -signal.SIGTERM
        assert await parent.stdout.read(1) == b""

    assert ends_soon(grandchild)


def test_a_run_that_is_stopped_by_force_kills_its_processes() -> None:
    async def beside(pids: list[int]) -> None:
        async with Process(sh(STUBBORN), stdout=PIPE, grace=60.0) as stubborn:
            await until_ready(stubborn)
            pids.append(stubborn.pid)
            await conc.sleep_forever()

    async def main() -> None:
        pids: list[int] = []
        current_runtime().root_nursery.start_soon(beside, pids)
        while not pids:
            await conc.checkpoint()

    with pytest.raises(RuntimeError, match="beside"):
        run(main, shutdown_timeout=0.05)
    assert not has_children()


async def test_a_process_that_was_never_left_is_killed_with_a_warning() -> None:
    lost = [Process(["sleep", "60"], stdin=PIPE)]
    await lost[0].__aenter__()
    pid = lost[0].pid
    with pytest.warns(ResourceWarning, match="was never left"):
        lost.clear()

    assert not is_running(pid)


async def test_a_process_that_may_not_be_signalled_does_not_hold_up_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with pytest.raises(PermissionError) as caught, monkeypatch.context() as patched:
        async with Process(["sleep", "0.4"]) as foreign:
            patched.setattr(signal, "pidfd_send_signal", refuse)
            raise ZeroDivisionError
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert foreign.returncode is None
    os.waitpid(foreign.pid, 0)
