"""Tests that run many times, explored or with Hypothesis: each run has fixtures of its own, and its own limit."""

import pytest

from tests.testing.plugin.support import Run, failing

pytest_plugins = ["pytester"]


def test_each_run_makes_its_fixtures_anew_and_ends_them(run: Run) -> None:
    result = run(
        """
from contextvars import ContextVar
made, ended, user = [], [], ContextVar("user", default=None)

@pytest.fixture
async def numbers(clock):
    assert clock is conc.lowlevel.current_runtime().clock
    user.set("ada")
    async with conc.open_nursery() as nursery:
        nursery.start_soon(conc.sleep_forever)
        value = []
        made.append(value)
        yield value
        await conc.sleep(1.0)
        nursery.cancel_scope.cancel()
        ended.append(value)

@pytest.fixture
def plain(numbers):
    yield (numbers,)
    numbers.append("plain has ended")

@pytest.fixture
def any_of_them(request):
    return request.getfixturevalue("plain")

@pytest.fixture
async def returned(any_of_them):
    await conc.sleep(1.0)
    return any_of_them

@pytest.mark.explore(runs=20, plan="random")
async def test_it(numbers, returned, plain, nursery, history, clock, tape):
    assert returned is plain
    assert returned == (numbers,) and numbers == []
    assert user.get() == "ada"
    assert conc.current_time() == clock.now() == 1.0
    numbers.append("used")
    nursery.start_soon(conc.sleep, 1.0)
    nursery.start_soon(conc.sleep, 1.0)
    await conc.sleep(2.0)

def test_count():
    assert len(made) == len(ended) == 20
    assert all(value == ["used", "plain has ended"] for value in made)
"""
    )

    result.assert_outcomes(passed=2)


def test_each_example_of_hypothesis_makes_its_fixtures_anew(run: Run) -> None:
    result = run(
        """
from hypothesis import HealthCheck, given, settings, strategies as st
made = []

@pytest.fixture
async def numbers(clock):
    made.append([])
    yield made[-1]

class TestExamples:
    @pytest.mark.parametrize("name", ["a", "b"])
    @given(st.floats(1, 1000))
    @settings(max_examples=20, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_sleep(self, name, numbers, nursery, clock, world, request, seconds):
        assert numbers == []
        assert name in request.node.name
        numbers.append(seconds)
        nursery.start_soon(conc.sleep, seconds)
        await conc.sleep(seconds)
        assert conc.current_time() == clock.now() == seconds

def test_made(): assert len(made) >= 40
"""
    )

    result.assert_outcomes(passed=3)


def test_the_mark_is_refused_to_a_test_of_hypothesis(run: Run) -> None:
    result = run(
        """
from hypothesis import given, strategies as st

@pytest.mark.explore
@given(st.integers())
async def test_it(number): ...
"""
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*with conc_testing.hypothesis.schedules*"])


def test_an_error_in_a_fixture_of_a_run_names_it(run: Run) -> None:
    result = run(
        """
@pytest.fixture
async def bad(nursery):
    yield
    raise ValueError("no luck")

@pytest.mark.explore(runs=20)
async def test_it(bad):
    assert 1 == 2

@pytest.mark.explore(runs=20)
async def test_breaks(nursery):
    async def fail():
        raise OSError("broken")
    nursery.start_soon(fail)
    await conc.sleep(1.0)
"""
    )

    result.assert_outcomes(failed=2)
    text = result.stdout.str()
    assert "errors in a test and in its fixtures" in text
    assert "raised by the fixture 'bad' in its tear-down" in text
    assert "OSError: broken" in text


def test_a_fixture_of_a_wider_scope_is_refused_however_it_came(run: Run) -> None:
    result = run(
        """
@pytest.fixture(scope="session")
async def wide():
    yield

@pytest.mark.explore
async def test_first(wide): ...

async def test_plain(wide): ...

@pytest.mark.explore
async def test_set_up_before(wide): ...
"""
    )

    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(
        ["*runs many times, each time in a new runtime, and the async fixture 'wide' of its session*"] * 2
    )


def test_the_value_of_a_fixture_is_not_there_before_the_run(run: Run) -> None:
    result = run(
        """
@pytest.fixture
async def service():
    return []

@pytest.fixture
def early(request):
    request.getfixturevalue("service").append(1)

@pytest.mark.explore
async def test_it(early): ...
"""
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*service.append: this test runs many times, and each run makes the fixture*"])


def test_a_skip_in_a_run_skips_the_test(run: Run) -> None:
    result = run("@pytest.mark.explore\nasync def test_it(nursery):\n    pytest.skip('not today')")

    result.assert_outcomes(skipped=1)


def test_an_expected_failure_may_be_searched_for(run: Run) -> None:
    result = run(failing().replace("@pytest.mark.explore", "@pytest.mark.xfail(strict=True)\n@pytest.mark.explore"))

    result.assert_outcomes(xfailed=1)


def test_a_run_that_takes_too_long_shows_its_tasks(run: Run) -> None:
    result = run(
        """
@pytest.mark.explore
async def test_it(nursery):
    while True:
        await conc.checkpoint()
        time.sleep(0.001)
""",
        ini="conc_timeout = 0.2",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["a run of the test did not end within 0.2 s of real time*", "*fixture nursery*"])


def test_a_run_that_blocks_is_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conc_testing.timelimit.GRACE", 0.05)
    monkeypatch.setattr("conc_testing.timelimit.INSIST", 0.1)
    result = run("@pytest.mark.explore\nasync def test_it():\n    time.sleep(30.0)", ini="conc_timeout = 0.1")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["a run of the test did not end within 0.1 s of real time*", "*time.sleep(30.0)*"])


@pytest.mark.parametrize(
    ("marks", "named"),
    [
        ("@pytest.mark.explore(run=3)", "it takes runs, seconds, plan, cancel, faults, time"),
        ("@pytest.mark.explore(3)", "the arguments have names: runs, seconds, plan, cancel, faults, time"),
        ("@pytest.mark.explore(cancel='all')", 'cancel must be "sweep" or None'),
        ("@pytest.mark.explore(runs=0)", "runs must be at least 1"),
        ("@pytest.mark.explore\n@pytest.mark.conc(clock='real')", "on virtual time, with workers=1"),
        ("@pytest.mark.explore\n@pytest.mark.conc(workers=2)", "on virtual time, with workers=1"),
        ("@pytest.mark.explore\n@pytest.mark.conc(leaks='warn')", 'leaks is "error" or "ignore"'),
        ("@pytest.mark.explore\n@pytest.mark.deadlock_ok", "deadlock_ok is for tests that run once"),
    ],
)
def test_a_mark_that_makes_no_sense_is_named(run: Run, marks: str, named: str) -> None:
    result = run(f"{marks}\nasync def test_it(): ...")

    assert result.ret != 0
    assert named in result.stdout.str() + result.stderr.str()
