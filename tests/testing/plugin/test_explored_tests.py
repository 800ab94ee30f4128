"""Tests that are explored: what is searched, what is made anew in each run, and what is kept of a failure."""

import json
import re
from pathlib import Path

import pytest

from tests.testing.plugin.support import ALONE, Run, failing

pytest_plugins = ["pytester"]


def token_in(result: pytest.RunResult) -> str:
    found = re.search(r"--conc-replay=(\S+)", result.stdout.str())
    assert found is not None, "the text of the failure has no token"
    return found[1]


def stored(pytester: pytest.Pytester) -> list[Path]:
    return sorted((pytester.path / ".conc" / "failures").glob("*.json"))


# ---- failing ----------------------------------------------------------------------------------------------------


def test_a_failure_shows_the_error_the_steps_and_ends_with_the_command(run: Run) -> None:
    result = run(failing())

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E * assert 1 == 2", "*- explored -*", "*--conc-seed=*", "The calm course, except that", "token:  conc*"]
    )
    lines = [line for line in result.stdout.lines if line.startswith("replay: ")]
    assert len(lines) == 1
    assert re.fullmatch(r"replay: pytest \S+\.py::test_counts --conc-replay=conc\S+", lines[0])
    after = result.stdout.lines[result.stdout.lines.index(lines[0]) + 1]
    assert after.startswith("===")
    result.stdout.no_fnmatch_line("*conc_testing/plugin*")


def test_a_token_replays_exactly_that_run(run: Run, pytester: pytest.Pytester) -> None:
    first = run(failing())
    stored(pytester)[0].unlink()

    again = pytester.runpytest_inprocess(*ALONE, f"--conc-replay={token_in(first)}")

    again.assert_outcomes(failed=1)
    assert token_in(again) == token_in(first)
    again.stdout.fnmatch_lines(["E * assert 1 == 2", "(found in run 1)"])


def test_a_failure_is_kept_and_run_first_next_time(run: Run, pytester: pytest.Pytester) -> None:
    first = run(failing("explore(runs=200, seconds=20, plan='random')"), "--conc-seed=1")
    (path,) = stored(pytester)
    kept = json.loads(path.read_text())
    assert kept["token"] == token_in(first)
    assert kept["test"].endswith("::test_counts")
    assert kept["error"].startswith("AssertionError")
    assert kept["seed"] == 1
    assert (pytester.path / ".conc" / ".gitignore").read_text().endswith("*\n")

    again = pytester.runpytest_inprocess(*ALONE, "--conc-runs=1")

    again.assert_outcomes(failed=1)
    assert token_in(again) == token_in(first)


def test_a_failure_that_passes_is_forgotten_and_the_search_goes_on(run: Run, pytester: pytest.Pytester) -> None:
    run(failing())
    assert len(stored(pytester)) == 1

    result = run(failing().replace("== 2", "in (1, 2)"), "-v")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_counts: explored: * runs, * contested decisions, * tasks*"])
    assert stored(pytester) == []


def test_a_kept_failure_that_cannot_be_read_or_followed_is_no_failure(run: Run, pytester: pytest.Pytester) -> None:
    source = failing("explore(runs=20)").replace("== 2", "in (1, 2)")
    run(failing())
    (path,) = stored(pytester)
    kept = json.loads(path.read_text())
    for text in ("{", "[]", json.dumps({**kept, "token": "conc1:AAAA"}), json.dumps({**kept, "test": "another"})):
        path.write_text(text)
        run(source).assert_outcomes(passed=1)


def test_a_seed_repeats_a_search(run: Run) -> None:
    texts = []
    for _ in range(2):
        result = run(failing("explore(runs=200, plan='random')"), "--conc-seed=7")
        result.stdout.fnmatch_lines(["conc: mode=auto, seed=7 (--conc-seed=7 repeats it)"])
        texts.append([line for line in result.stdout.lines if line.startswith(("(found", "token:"))])
        for path in Path(".conc", "failures").glob("*"):
            path.unlink()

    assert texts[0] == texts[1]
    assert texts[0]


def test_options_of_the_command_line_prevail(run: Run, pytester: pytest.Pytester) -> None:
    source = failing().replace("== 2", "in (1, 2)")

    one = run(source, "-v", "--conc-runs=1", "--conc-plan=random")
    several = run(source, "-v", "--conc-seconds=10", "--conc-plan=delay<=1,pct:d=2", "--conc-jobs=2")
    wrong = run(source, "--conc-plan=sometimes")

    one.assert_outcomes(passed=1)
    one.stdout.fnmatch_lines(["*explored: 1 runs*"])
    several.assert_outcomes(passed=1)
    several.stdout.fnmatch_lines(["*to the end: delay<=1*"])
    wrong.stdout.fnmatch_lines(["*pytest.mark.explore: plan: there is no 'sometimes'*"])


def test_a_search_that_decides_nothing_is_a_failure(run: Run) -> None:
    result = run("@pytest.mark.explore\nasync def test_it():\n    await conc.sleep(1.0)")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*inconclusive*", "This shows nothing*"])


def test_sweeps_and_faults_and_racing_time_are_asked_for_by_the_mark(run: Run) -> None:
    result = run(
        """
from conc.sync import Semaphore

@pytest.mark.explore(cancel="sweep", plan="random", runs=100)
async def test_swept(nursery):
    semaphore = Semaphore(1)
    async def work():
        await semaphore.acquire()
        await conc.checkpoint()
        semaphore.release()
    async with conc.open_nursery() as workers:
        workers.start_soon(work)
        workers.start_soon(work)

@pytest.mark.explore(faults="sweep", runs=100)
async def test_failing(tape, nursery):
    async def work():
        assert not tape.fault("fault.io")
    nursery.start_soon(work)
    nursery.start_soon(work)
    await conc.sleep(1)

@pytest.mark.explore(time="racing", plan="random", runs=100)
async def test_racing():
    async def work():
        for _ in range(3):
            await conc.checkpoint()
        done.append(1)
    done = []
    with conc.move_on_after(5):
        await conc.join(work(), work())
    assert len(done) == 2
"""
    )

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*is cancelled*", "*fault.io*", "*time passes*"])


def test_an_assertion_of_the_tape_is_searched_for(run: Run) -> None:
    result = run(
        """
@pytest.mark.explore(runs=50)
async def test_it(tape):
    assert tape.choose("net.delay", 3) != 2

async def test_calm(tape):
    assert tape.choose("net.delay", 3) == 0 and not tape.fault("fault.io")
"""
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*net.delay 0 of main is 2*"])


# ---- options ----------------------------------------------------------------------------------------------------


def test_a_token_is_of_one_test(run: Run) -> None:
    result = run(
        "@pytest.mark.explore\nasync def test_a(): ...\n@pytest.mark.explore\nasync def test_b(): ...",
        "--conc-replay=conc1:AAAA",
    )

    result.stderr.fnmatch_lines(["*--conc-replay runs one explored test, and here are 2*"])


def test_a_damaged_token_is_named(run: Run) -> None:
    result = run(failing(), "--conc-replay=conc1:AAAA")

    assert result.ret != 0
    assert "--conc-replay: " in result.stdout.str() + result.stderr.str()


def test_a_program_that_does_not_do_the_same_each_time_is_found(run: Run) -> None:
    result = run(
        """
numbers = iter(range(1000))

@pytest.mark.explore
async def test_it():
    async def work():
        await conc.sleep(next(numbers))
    await conc.join(work(), work())
""",
        "--conc-check-determinism",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*does not do the same each time*", "  first: *", "  second: *"])


def test_a_program_that_does_the_same_each_time_passes_the_check(run: Run) -> None:
    result = run(failing().replace("== 2", "in (1, 2)"), "--conc-check-determinism")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("option", "suffix", "within"), [("--conc-trace", "txt", "|"), ("--conc-trace=html", "html", "<svg")]
)
@pytest.mark.parametrize("wanted", ["== 2", "in (1, 2)"])
def test_a_trace_is_written_where_the_summary_says(
    run: Run, pytester: pytest.Pytester, option: str, suffix: str, within: str, wanted: str
) -> None:
    result = run(failing().replace("== 2", wanted), option)

    (path,) = (pytester.path / ".conc" / "traces").glob(f"*.{suffix}")
    assert within in path.read_text()
    result.stdout.fnmatch_lines([f"*test_counts: trace: .conc/traces/{path.name}"])


def test_a_log_of_all_runs_is_the_same_in_two_sessions(run: Run, pytester: pytest.Pytester) -> None:
    source = (
        failing("explore(runs=5)").replace("== 2", "in (1, 2)")
        + """
from conc.sync import Event

async def test_alone():
    event = Event()
    async def work():
        await conc.to_thread(len, "abc")
        event.set()
    await conc.join(work(), event.wait())

async def test_at_home(nursery):
    nursery.start_soon(conc.sleep, 2.0)
    await conc.sleep(1.0)

@pytest.mark.conc(clock="real")
async def test_not_logged(): ...
"""
    )
    texts = []
    for name in ("first", "second"):
        run(source, f"--conc-log={name}", "--conc-seed=3").assert_outcomes(passed=4)
        texts.append((pytester.path / name).read_text())

    assert texts[0] == texts[1]
    assert [line.split()[0].partition("::")[2] for line in texts[0].splitlines()] == [
        "test_counts",
        "test_alone",
        "test_at_home",
    ]
