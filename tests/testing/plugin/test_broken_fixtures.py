"""Async fixtures that break, disagree with their tests, or do not end: whose error it is, and what goes on."""

import pytest

from tests.testing.plugin.support import Run

pytest_plugins = ["pytester"]


# ---- what goes wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["function", "session"])
def test_an_error_in_a_set_up_is_an_error_of_the_test_and_names_the_fixture(run: Run, scope: str) -> None:
    result = run(
        f"""
@pytest.fixture(scope="{scope}")
async def bad():
    await conc.sleep(1.0)
    raise ValueError("no luck")

@pytest.fixture(scope="{scope}")
async def bad_generator():
    raise ValueError("no luck")
    yield

async def test_one(bad): ...
async def test_other(bad_generator): ...
async def test_good(): ...
"""
    )

    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of test_one*", "*ValueError: no luck", "*raised by the fixture 'bad' in its set-up*"]
    )
    result.stdout.no_fnmatch_line("*_kernel*")


@pytest.mark.parametrize("scope", ["function", "session"])
def test_an_error_in_a_tear_down_is_an_error_and_the_test_passes(run: Run, scope: str) -> None:
    result = run(
        f"""
@pytest.fixture(scope="{scope}")
async def bad():
    yield 1
    await conc.sleep(1.0)
    raise ValueError("no luck")

async def test_it(bad):
    assert bad == 1
"""
    )

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_it*", "*ValueError: no luck", "*in its tear-down*"])


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_fixture_that_breaks_cancels_its_test_and_is_an_error(run: Run, scope: str) -> None:
    result = run(
        f"""
@pytest.fixture(scope="{scope}")
async def server():
    async def crash():
        await conc.sleep(1.0)
        raise OSError("the server has crashed")
    async with conc.open_nursery() as nursery:
        nursery.start_soon(crash)
        yield nursery
        nursery.cancel_scope.cancel()

@pytest.fixture(scope="{scope}")
async def bystander():
    yield
    await conc.sleep(1.0)
    print("the bystander ended well")

async def test_cut_short(bystander, server):
    await conc.sleep(100.0)
    print("never")

async def test_next(server):
    await conc.sleep(0.5)

async def test_unconcerned(): ...
""",
        "-s",
    )

    if scope == "function":
        result.assert_outcomes(failed=1, errors=1, passed=2)
    else:
        result.assert_outcomes(failed=1, errors=2, passed=1)
        result.stdout.fnmatch_lines(["*the test was given up: the fixture 'server' broke, with ExceptionGroup*"])
    text = result.stdout.str()
    assert text.count("the bystander ended well") == 1
    assert "never" not in text.replace('print("never")', "")
    assert "cancelled: the fixture 'server' broke while the test ran; see its own ERROR" in text
    assert "ERROR at teardown of test_cut_short" in text
    assert "raised by the fixture 'server' while it was in use" in text
    assert "OSError: the server has crashed" in text


def test_a_fixture_that_breaks_unseen_is_an_error_in_its_tear_down(run: Run) -> None:
    result = run(
        """
@pytest.fixture(scope="module")
async def server():
    async def crash():
        await conc.sleep(1.0)
        raise OSError("the server has crashed")
    async with conc.open_nursery() as nursery:
        nursery.start_soon(crash)
        yield nursery

@pytest.fixture(scope="module")
async def other():
    yield

async def test_in_the_same_runtime(server, other):
    pass

async def test_that_does_not_use_it(other):
    await conc.sleep(2.0)
"""
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_that_does_not_use_it*"])


def test_a_set_up_is_given_up_when_a_fixture_that_it_may_use_breaks(run: Run) -> None:
    result = run(
        """
@pytest.fixture
async def server():
    async def crash():
        await conc.sleep(1.0)
        raise OSError("the server has crashed")
    async with conc.open_nursery() as nursery:
        nursery.start_soon(crash)
        yield

@pytest.fixture
async def client(server):
    await conc.sleep(5.0)
    yield

async def test_it(client): ...
"""
    )

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_it*",
            "the set-up of the fixture 'client' was given up: the fixture 'server' broke, with ExceptionGroup*",
            "*ERROR at teardown of test_it*",
            "*OSError: the server has crashed*",
        ]
    )


def test_a_fixture_may_end_quietly_before_the_test_does(run: Run) -> None:
    result = run(
        """
@pytest.fixture
async def briefly():
    with conc.move_on_after(1.0):
        yield

async def test_goes_on(briefly, nursery):
    nursery.start_soon(conc.sleep_forever)
    nursery.cancel_scope.cancel()
    await conc.sleep(2.0)
"""
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("body", "named"),
    [("if False: yield", "a fixture has to yield a value, once"), ("yield 1; yield 2", "not a second time")],
)
def test_a_fixture_that_does_not_yield_once_is_named(run: Run, body: str, named: str) -> None:
    result = run(f"@pytest.fixture\nasync def odd():\n    {body}\n\nasync def test_it(odd): ...")

    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines([f"*{named}*", "*raised by the fixture 'odd'*"])


def test_a_test_that_does_not_agree_with_its_fixture_on_the_clock_is_an_error(run: Run) -> None:
    result = run(
        """
@pytest.fixture(scope="session")
async def service():
    yield

async def test_virtual(service): ...

@pytest.mark.conc(clock="real")
async def test_real(service): ...

@pytest.mark.conc(workers=2)
async def test_workers(service): ...
"""
    )

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        ["*runs with clock='real' and workers=1, and uses the fixture 'service' of its session, but it runs with*"]
    )


def test_a_fixture_of_a_wider_scope_on_real_time_has_a_runtime_on_real_time(run: Run) -> None:
    result = run(
        """
pytestmark = pytest.mark.conc(clock="real")

@pytest.fixture(scope="module")
async def service():
    assert not conc.lowlevel.current_runtime().clock.virtual
    async with conc.open_nursery() as nursery:
        yield nursery

async def test_it(service):
    service.start_soon(conc.sleep, 0.01)
    before = time.monotonic()
    await conc.sleep(0.02)
    assert time.monotonic() - before >= 0.02
"""
    )

    result.assert_outcomes(passed=1)


def test_a_fixture_cannot_be_set_up_inside_a_running_test(run: Run) -> None:
    result = run(
        """
@pytest.fixture
async def late():
    yield

async def test_it(request):
    with pytest.raises(RuntimeError, match="set-up of the fixture 'late': this is inside a running test"):
        request.getfixturevalue("late")
"""
    )

    result.assert_outcomes(passed=1)


def test_a_wider_fixture_asked_for_too_late_says_how_to_ask(run: Run) -> None:
    result = run(
        """
@pytest.fixture(scope="session")
async def wide():
    yield

@pytest.fixture
def too_late(clock, request):
    return request.getfixturevalue("wide")

async def test_it(too_late): ...
"""
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Name it as an argument of the test, or in pytest.mark.usefixtures*"])


def test_skips_in_fixtures_skip_the_test(run: Run) -> None:
    result = run(
        """
@pytest.fixture(scope="module")
async def service():
    pytest.skip("no service here")

@pytest.fixture
async def own():
    pytest.skip("not today")
    yield

async def test_one(service): ...
async def test_two(own): ...
"""
    )

    result.assert_outcomes(skipped=2)


# ---- what does not end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_deadlock_of_a_test_leaves_its_fixtures_alive(run: Run, scope: str) -> None:
    result = run(
        f"""
from conc.sync import Event

@pytest.fixture(scope="{scope}")
async def service():
    async with conc.open_nursery() as nursery:
        nursery.start_soon(conc.sleep_forever)
        yield 1
        await conc.sleep(1.0)
        print("ended well")
        nursery.cancel_scope.cancel()

async def test_stuck(service):
    await Event().wait()

async def test_next(service):
    await conc.sleep(1.0)
""",
        "-s",
    )

    result.assert_outcomes(failed=1, passed=1)
    assert result.stdout.str().count("ended well") == (2 if scope == "function" else 1)
    result.stdout.fnmatch_lines(["*nothing can wake any task any more*", "*test_stuck #*: waits for Event.wait*"])
    result.stdout.no_fnmatch_line("*All traceback entries*")


def test_a_deadlock_in_a_set_up_or_tear_down_is_an_error(run: Run) -> None:
    result = run(
        """
from conc.sync import Event

@pytest.fixture
async def stuck():
    await Event().wait()

@pytest.fixture
async def stuck_later():
    yield
    await Event().wait()

async def test_one(stuck): ...
async def test_two(stuck_later): ...
"""
    )

    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_one*", "*fixture stuck #*: waits for Event.wait*"])
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_two*", "*fixture stuck_later #*: waits for Event.wait*"])


def test_the_time_limit_holds_for_fixtures_and_for_tests_that_use_them(run: Run) -> None:
    result = run(
        """
@pytest.fixture
async def slow():
    while True:
        await conc.checkpoint()

@pytest.fixture
async def slow_later():
    yield
    while True:
        await conc.checkpoint()

@pytest.fixture(scope="session")
async def good():
    yield
    await conc.sleep(1.0)
    print("ended well")

async def test_one(slow): ...
async def test_two(slow_later): ...
async def test_three(good):
    while True:
        await conc.checkpoint()
async def test_four(good): ...
""",
        "-s",
        ini="conc_timeout = 0.1",
    )

    result.assert_outcomes(errors=2, passed=2, failed=1)
    result.stdout.fnmatch_lines(["the set-up of the fixture 'slow' did not end within 0.1 s of real time*"])
    result.stdout.fnmatch_lines(["the tear-down of the fixture 'slow_later' did not end within 0.1 s of real time*"])
    result.stdout.fnmatch_lines(["the test did not end within 0.1 s of real time*", "*test_three #*"])
    assert "ended well" in result.stdout.str()


def test_a_test_that_refuses_to_end_takes_its_runtime_along(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conc_testing.timelimit.GRACE", 0.05)
    monkeypatch.setattr("conc_testing.timelimit.INSIST", 0.1)
    result = run(
        """
@pytest.fixture(scope="module")
async def service():
    yield

@pytest.mark.conc(timeout=0.1)
async def test_stubborn(service):
    with conc.CancelScope(shield=True):
        while True:
            try:
                while True:
                    await conc.checkpoint()
            except KeyboardInterrupt:
                pass

async def test_next(service): ...

@pytest.mark.conc(timeout=0.1)
async def test_blocking(nursery):
    time.sleep(30.0)

async def test_that_the_session_goes_on(nursery): ...
""",
    )

    result.assert_outcomes(failed=2, errors=1, passed=1)
    result.stdout.fnmatch_lines(["*test_next runs with*its runtime has ended: stopped, because the test did not end*"])
