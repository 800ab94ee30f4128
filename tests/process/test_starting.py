"""Starting a program, and failing to."""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

import conc
from conc import process
from conc._os import children
from conc.process import DEVNULL, PIPE, Process
from tests.process.support import has_children, nothing_left, run, sh


async def test_a_program_that_does_not_exist_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="cannot start 'no-such-program': No such file") as caught:
        await process.run(["no-such-program", "x"], capture_output=True)

    assert caught.value.filename == "no-such-program"


async def test_a_file_that_is_not_executable_is_named(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("not a program")
    with pytest.raises(PermissionError, match=rf"cannot start '{file}': .*not executable"):
        await process.run([file])
    file.chmod(0o755)
    with pytest.raises(OSError, match="names its interpreter in its first line") as caught:
        await process.run([file])

    assert caught.value.errno == errno.ENOEXEC


async def test_a_script_without_its_interpreter_is_explained(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(FileNotFoundError, match="the interpreter in the first line"):
        await process.run([script])


async def test_a_directory_that_does_not_exist_is_named_and_not_the_program(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError, match=rf"cannot start 'true' in '{missing}': .*no directory"):
        await process.run(["true"], cwd=missing)
    with pytest.raises(NotADirectoryError, match="cannot start 'true' in '/dev/null'"):
        await process.run(["true"], cwd="/dev/null")


async def test_too_many_arguments_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(OSError, match="large data is better given as input") as caught:
        await process.run(["true", *["x" * 100_000] * 100])

    assert caught.value.errno == errno.E2BIG


async def test_a_program_is_looked_for_in_the_path_that_it_gets(tmp_path: Path) -> None:
    own = tmp_path / "own-program"
    own.write_text("#!/bin/sh\necho mine\n")
    own.chmod(0o755)

    assert (await process.run(["own-program"], env={"PATH": str(tmp_path)}, stdout=PIPE)).stdout == b"mine\n"


@pytest.mark.parametrize("pipes", [{}, {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}, {"pty": True}])
def test_without_descriptors_nothing_is_started_or_left(pipes: dict[str, object], means: str) -> None:
    outcomes = []

    async def main(spare: int) -> None:
        with few_descriptors(spare):
            await _start_and_leave(pipes)

    for spare in range(14):
        with nothing_left():
            try:
                run(main, spare)
            except OSError as error:
                assert "cannot start 'true': Too many open files" in str(error)
                outcomes.append(error.errno)
            else:
                outcomes.append(0)

    assert outcomes[0] == errno.EMFILE
    assert outcomes[-1] == 0


def test_a_process_that_cannot_be_waited_for_is_killed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(children, "pidfd_open", refuse)
    with pytest.raises(OSError, match="cannot start 'sleep': Too many open files"):
        run(_start_and_leave, {"argv": ["sleep", "60"], "stdout": PIPE})


def test_without_a_thread_to_wait_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(children, "pidfd_open", None)
    monkeypatch.setattr(children, "start_daemon", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run(_start_and_leave, {"argv": ["sleep", "60"], "stdin": PIPE})


def test_a_system_that_knows_no_process_descriptors_is_served_by_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(pid: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(children, "pidfd_open", unknown)
    assert run(lambda: process.run(sh("exit 9"))).returncode == 9


def test_a_program_that_ignores_the_signal_of_its_children_is_told_so() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        for options in ({}, {"pty": True}):
            with pytest.raises(RuntimeError, match=r"signal.signal\(signal.SIGCHLD, signal.SIG_DFL\)"):
                run(_start_and_leave, options)
    finally:
        signal.signal(signal.SIGCHLD, before)


async def test_a_pending_cancellation_is_raised_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "start", None)
    with conc.CancelScope() as scope:
        scope.cancel()
        async with Process(["true"]):
            raise AssertionError("it was started")

    assert scope.cancelled_caught


async def test_descriptors_of_this_program_are_not_inherited() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        completed = await process.run(["ls", "/proc/self/fd"], stdout=PIPE, stdin=DEVNULL)
    finally:
        os.close(reader)
        os.close(writer)

    assert completed.stdout.split() == [b"0", b"1", b"2", b"3"]  # the last is that of the list


def test_many_threads_that_start_processes_inherit_nothing_from_one_another() -> None:
    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(start_some)

    async def start_some() -> None:
        for _ in range(10):
            completed = await process.run(["ls", "/proc/self/fd"], stdout=PIPE, stderr=PIPE, stdin=DEVNULL)
            assert completed.stdout.split() == [b"0", b"1", b"2", b"3"]

    run(main, workers=4)


async def test_signals_that_python_ignores_are_not_ignored_by_the_program() -> None:
    assert (await process.run(sh("kill -PIPE $$"))).returncode == -signal.SIGPIPE


@contextmanager
def few_descriptors(spare: int) -> Iterator[None]:
    """Let this process open `spare` descriptors more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    free = sorted(set(range(highest)).difference(int(name) for name in os.listdir("/proc/self/fd")))
    plugs = [os.open(os.devnull, os.O_RDONLY) for _ in free]
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for plug in plugs:
            os.close(plug)


async def _start_and_leave(options: dict[str, object]) -> None:
    argv = options.get("argv", ["true"])
    rest = {name: value for name, value in options.items() if name != "argv"}
    async with Process(argv, **rest) as started:  # type: ignore[arg-type]
        assert started.pid > 0
    assert not has_children()


async def test_others_run_between_the_starts_of_one_task() -> None:
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    async with conc.open_nursery() as nursery, AsyncExitStack() as stack:
        nursery.start_soon(other)
        for _ in range(5):
            await stack.enter_async_context(Process(["true"]))
            order.append("started")

    assert order.index("other") < 5


async def test_who_was_killed_but_had_not_ended_is_reaped_by_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    child, _ = children.start(
        ["sleep", "60"], None, None, None, cwd=None, env=None, process_group=False, new_session=False
    )
    with monkeypatch.context() as patch:
        patch.setattr(children.Child, "is_gone_within", lambda *_, **__: False)
        child.abandon(group=False)
    child.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not child.is_over

    await process.run(["true"])
    assert child.returncode == -signal.SIGKILL
