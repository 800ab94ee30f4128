"""Running a program to its end."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conc
from conc import process
from conc.errors import LimitExceeded
from conc.process import DEVNULL, PIPE, STDOUT, CompletedProcess
from tests.process.support import nothing_left, run, sh

LARGE = bytes(range(256)) * 4 * 4096  # 4 MiB: more than any pipe holds


async def test_it_returns_the_exit_code_and_what_was_captured() -> None:
    completed = await process.run(sh("echo out; echo err >&2; exit 3"), capture_output=True)

    assert completed == CompletedProcess(tuple(sh("echo out; echo err >&2; exit 3")), 3, b"out\n", b"err\n")
    assert (completed.stdout, completed.stderr) == (b"out\n", b"err\n")


async def test_one_pipe_may_be_captured_alone() -> None:
    assert (await process.run(sh("echo out"), stdout=PIPE)).stdout == b"out\n"
    assert (await process.run(sh("echo err >&2"), stderr=PIPE)).stderr == b"err\n"


async def test_what_was_not_captured_is_an_error_to_ask_for() -> None:
    completed = await process.run(["true"])

    with pytest.raises(RuntimeError, match="stdout was not captured"):
        completed.stdout  # noqa: B018
    with pytest.raises(RuntimeError, match="stderr was not captured"):
        completed.stderr  # noqa: B018
    assert "returncode=0" in repr(completed)


async def test_input_and_output_larger_than_the_pipes_do_not_wait_for_each_other() -> None:
    assert (await process.run(["cat"], input=LARGE, capture_output=True)).stdout == LARGE


async def test_output_and_errors_are_read_at_the_same_time() -> None:
    code = "import sys\nfor _ in range(64): sys.stderr.write('e' * 65536); sys.stdout.write('o' * 65536)"
    completed = await process.run([sys.executable, "-c", code], capture_output=True)

    assert (completed.stdout, completed.stderr) == (b"o" * (64 * 65536), b"e" * (64 * 65536))


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=200_000))
def test_every_byte_goes_through(data: bytes) -> None:
    with nothing_left():
        assert run(lambda: process.run(["cat"], input=data, stdout=PIPE)).stdout == data


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), memoryview(b"axbxcx")[::2].tobytes(), b""])
async def test_input_may_be_any_buffer(data: Any) -> None:
    assert (await process.run(["cat"], input=data, stdout=PIPE)).stdout == bytes(data)


async def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert (await process.run(["true"], input=LARGE, capture_output=True)).returncode == 0
    assert (await process.run(sh("head -c 3"), input=LARGE, stdout=PIPE)).stdout == LARGE[:3]


async def test_check_raises_what_subprocess_raises_with_the_errors_in_a_note() -> None:
    line = "echo some; echo 'no such branch' >&2; exit 4"
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero exit status 4") as caught:
        await process.run(sh(line), capture_output=True, check=True)

    assert caught.value.cmd == sh(line)
    assert (caught.value.stdout, caught.value.stderr) == (b"some\n", b"no such branch\n")
    assert caught.value.__notes__ == ["stderr: no such branch"]


async def test_check_names_the_signal_that_ended_it() -> None:
    with pytest.raises(subprocess.CalledProcessError, match=r"died with <Signals\.SIGKILL: 9>") as caught:
        await process.run(sh("kill -9 $$"), check=True)

    assert caught.value.returncode == -9
    assert not hasattr(caught.value, "__notes__")


async def test_a_long_text_of_errors_is_quoted_from_its_end() -> None:
    completed = CompletedProcess(("x",), 1, None, b"begin" + b"." * 10_000 + b"end\xff")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        completed.check()

    (note,) = caught.value.__notes__
    assert note.startswith("stderr: ... .") and note.endswith("end\N{REPLACEMENT CHARACTER}") and len(note) < 5_000


async def test_success_is_checked_quietly() -> None:
    assert (await process.run(["true"], check=True)).returncode == 0


@pytest.mark.parametrize("captured", [{"stdout": PIPE}, {"capture_output": True}, {"stderr": PIPE, "stdout": DEVNULL}])
async def test_output_without_end_is_refused_at_the_limit(captured: dict[str, Any]) -> None:
    line = "yes >&2" if "stderr" in captured else "yes"
    with pytest.raises(LimitExceeded, match="wrote more than 100000 bytes") as caught:
        await process.run(sh(line), limit=100_000, **captured)

    assert caught.value.limit == 100_000


async def test_exactly_the_limit_is_allowed_and_none_has_no_limit() -> None:
    assert (await process.run(sh("printf abc"), stdout=PIPE, limit=3)).stdout == b"abc"
    assert (await process.run(["true"], stdout=PIPE, limit=0)).stdout == b""
    assert len((await process.run(["cat"], input=LARGE, stdout=PIPE, limit=None)).stdout) == len(LARGE)


async def test_errors_can_go_where_the_output_goes() -> None:
    completed = await process.run(sh("echo out; echo err >&2"), stdout=PIPE, stderr=STDOUT)

    assert completed.stdout == b"out\nerr\n"
    assert completed.errors is None


async def test_files_and_descriptors_take_the_place_of_pipes(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"from a file")
    with source.open("rb") as reads, target.open("wb") as writes:
        await process.run(["cat"], stdin=reads, stdout=writes.fileno(), check=True)

    assert target.read_bytes() == b"from a file"
    assert (await process.run(["cat"], stdin=DEVNULL, stdout=PIPE)).stdout == b""


async def test_a_full_disk_is_the_error_of_the_program() -> None:
    with open("/dev/full", "wb") as full:
        completed = await process.run(["echo", "x"], stdout=full, stderr=PIPE)

    assert completed.returncode == 1
    assert b"No space left on device" in completed.stderr


async def test_directory_and_environment_are_those_that_were_given(tmp_path: Path) -> None:
    completed = await process.run(sh("pwd; echo $MOOD"), cwd=tmp_path, env={"MOOD": "good"}, stdout=PIPE)

    assert completed.stdout.decode().splitlines() == [os.path.realpath(tmp_path), "good"]


async def test_a_line_of_shell_has_to_be_asked_for() -> None:
    assert (await process.run("echo a | tr a b", shell=True, stdout=PIPE)).stdout == b"b\n"
    with pytest.raises(TypeError, match="shell=True"):
        await process.run("echo a | tr a b")
    with pytest.raises(TypeError, match="with shell=True, argv is one command line"):
        await process.run(["echo", "a"], shell=True)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"argv": []}, ValueError, "argv is empty"),
        ({"argv": 3}, TypeError, "argv must be a list"),
        ({"argv": ["echo", 3]}, TypeError, "argv must be strings"),
        ({"argv": ["echo", "a\0b"]}, ValueError, "zero bytes"),
        ({"argv": Path("/bin/true")}, TypeError, "argv must be a list"),
        ({"input": b"", "stdin": DEVNULL}, ValueError, "input and stdin"),
        ({"input": "text"}, TypeError, "bytes"),
        ({"capture_output": True, "stdout": PIPE}, ValueError, "capture_output"),
        ({"limit": -1}, ValueError, "limit must be at least 0"),
        ({"limit": 1.5}, TypeError, "limit must be a number"),
        ({"stdin": STDOUT}, ValueError, "stdin must be None, PIPE, DEVNULL, a"),
        ({"stdout": "file"}, ValueError, "stdout must be"),
        ({"stderr": -7}, ValueError, "stderr must be None, PIPE, DEVNULL, STDOUT"),
        ({"env": {"a=b": "c"}}, ValueError, "env"),
        ({"env": {"a": 1}}, TypeError, "env must map strings"),
        ({"env": {"a": "\0"}}, ValueError, "env"),
        ({"grace": -1}, ValueError, "grace must be at least 0"),
        ({"grace": "1"}, TypeError, "grace must be a number"),
        ({"kill_group": True}, ValueError, "kill_group=True needs"),
    ],
)
async def test_a_bad_argument_is_named_before_anything_happens(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await process.run(**({"argv": ["true"]} | arguments))


async def test_a_cancelled_run_returns_nothing_and_leaves_no_process() -> None:
    with conc.CancelScope() as scope:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(_cancel_soon, scope)
            await process.run(["sleep", "60"], capture_output=True)
            raise AssertionError("it returned")

    assert scope.cancelled_caught


async def test_a_cancelled_input_does_not_look_complete(tmp_path: Path) -> None:
    file = tmp_path / "what"
    line = f"trap '' TERM; echo begun > {file}; cat > /dev/null && echo complete > {file}"
    with conc.CancelScope() as scope:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_there, scope, file)
            await process.run(sh(line), input=bytes(200_000_000), grace=0.05)

    assert file.read_text() == "begun\n"


async def _cancel_soon(scope: conc.CancelScope) -> None:
    await conc.checkpoint()
    scope.cancel()


async def _cancel_when_there(scope: conc.CancelScope, file: Path) -> None:
    while not (file.exists() and file.read_text()):
        await conc.checkpoint()
    scope.cancel()
