"""Async fixtures: of all scopes, in one task each, alive while the tests run; and what happens when they break."""

import pytest

from tests.testing.plugin.support import Run

pytest_plugins = ["pytester"]

SCOPES = ("function", "class", "module", "package", "session")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_fixture_of_any_scope_is_set_up_and_torn_down_in_one_task(run: Run, scope: str) -> None:
    result = run(
        f"""
from conc.lowlevel import current_task
tasks = []

@pytest.fixture(scope="{scope}")
async def generated():
    tasks.append(current_task())
    await conc.sleep(1.0)
    yield "value"
    tasks.append(current_task())
    await conc.sleep(1.0)
    print("torn down")

@pytest.fixture(scope="{scope}")
async def returned(generated):
    await conc.sleep(1.0)
    return generated + "s"

class TestBoth:
    async def test_values(self, generated, returned):
        assert (generated, returned) == ("value", "values")
        assert conc.current_time() == 2.0
        await conc.sleep(1.0)

    async def test_again(self, returned):
        assert returned == "values"
        assert conc.current_time() == {2.0 if scope == "function" else 3.0}

def test_one_task(request):
    if "{scope}" in ("function", "class"):
        assert len(tasks) == {4 if scope == "function" else 2}
        assert tasks[0] is tasks[1] and tasks[0].ended
""",
        "-s",
    )

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*torn down*"])


@pytest.mark.parametrize("scope", SCOPES)
def test_a_nursery_of_a_fixture_is_open_while_the_tests_run(run: Run, scope: str) -> None:
    result = run(
        f"""
from conc.channels import mpsc

@pytest.fixture(scope="{scope}")
async def service():
    requests, line = mpsc[int](1)
    replies, answers = mpsc[int](1)
    async def serve():
        async for number in line:
            await conc.sleep(1.0)
            await replies.send(number + 1)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(serve)
        async def ask(number):
            await requests.send(number)
            return await answers.receive()
        yield ask
        nursery.cancel_scope.cancel()

async def test_first(service):
    assert await service(1) == 2

async def test_second(service):
    assert await service(5) == 6
"""
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("scope", ["function", "module"])
def test_context_variables_and_scopes_of_a_fixture_survive(run: Run, scope: str) -> None:
    result = run(
        f"""
from contextvars import ContextVar
user = ContextVar("user", default="nobody")
place = ContextVar("place", default="nowhere")

@pytest.fixture(scope="{scope}")
async def as_ada():
    token = user.set("ada")
    with conc.CancelScope() as scope:
        yield scope
        assert user.get() == "ada"
        await conc.checkpoint()
    user.reset(token)
    assert user.get() == "nobody"

@pytest.fixture(scope="{scope}")
async def in_london(as_ada):
    assert user.get() == "ada"
    place.set("london")

@pytest.fixture
def plain():
    place_before.set("plain")
    return None
place_before = ContextVar("place_before", default=None)

async def test_seen(plain, in_london):
    assert (user.get(), place.get(), place_before.get()) == ("ada", "london", "plain")
    user.set("grace")

async def test_unchanged(in_london):
    assert user.get() == "ada"

async def test_unseen():
    assert user.get() == "nobody"
"""
    )

    result.assert_outcomes(passed=3)


def test_fixtures_of_one_scope_may_end_out_of_order(run: Run) -> None:
    result = run(
        """
log = []

@pytest.fixture(scope="session", params=[1, 2])
async def inner(request):
    async with conc.open_nursery() as nursery:
        nursery.start_soon(conc.sleep_forever)
        yield request.param
        log.append(f"end of {request.param}")
        nursery.cancel_scope.cancel()

@pytest.fixture(scope="session")
async def outer():
    async with conc.open_nursery() as nursery:
        nursery.start_soon(conc.sleep_forever)
        yield "outer"
        log.append("end of outer")
        nursery.cancel_scope.cancel()

async def test_both(inner, outer):
    await conc.sleep(1.0)
    log.append(f"test {inner}")

def test_order():
    assert log == ["test 1", "end of 1", "test 2"]
"""
    )

    result.assert_outcomes(passed=3)


def test_fixtures_of_wider_scopes_share_a_runtime_with_the_tests_that_use_them(run: Run) -> None:
    result = run(
        """
from conc.lowlevel import current_runtime

@pytest.fixture(scope="session")
async def of_session():
    return current_runtime()

@pytest.fixture(scope="module")
async def of_module(of_session):
    yield current_runtime()

@pytest.fixture
async def of_function(of_module):
    return current_runtime()

async def test_all(of_session, of_module, of_function, clock, nursery):
    here = current_runtime()
    assert of_session is of_module is of_function is here
    assert here.clock is clock
    clock.auto = False
    nursery.start_soon(conc.sleep, 2.0)
    await clock.advance(2.0)

async def test_none_of_them():
    assert conc.current_time() == 0.0

async def test_some(of_session):
    assert of_session is current_runtime()
    assert conc.current_time() == 2.0
    await conc.sleep(1.0)
"""
    )

    result.assert_outcomes(passed=3)


def test_fixtures_of_a_function_live_in_a_runtime_of_their_test(run: Run) -> None:
    result = run(
        """
from conc.lowlevel import current_runtime

@pytest.fixture
async def runtime():
    await conc.sleep(5.0)
    return current_runtime()

async def test_same(runtime, clock):
    assert runtime is current_runtime()
    assert runtime.clock is clock
    assert conc.current_time() == 5.0

@pytest.mark.conc(workers=2)
async def test_workers(runtime):
    assert "2 workers" in repr(runtime)

@pytest.mark.conc(clock="real")
async def test_real():
    assert not current_runtime().clock.virtual
"""
    )

    result.assert_outcomes(passed=3)


def test_fixtures_are_found_by_every_way_of_asking(run: Run) -> None:
    result = run(
        """
log = []

@pytest.fixture
async def first():
    log.append("up")
    yield "first"
    log.append("down")

@pytest.fixture(scope="module")
async def wide():
    yield "wide"

@pytest.fixture(params=["first", "wide"])
def any_of_them(request):
    return request.getfixturevalue(request.param)

@pytest.fixture
def plain(first):
    return first.upper()

@pytest.mark.usefixtures("first")
async def test_used():
    assert log == ["up"]

async def test_after():
    assert log == ["up", "down"]

async def test_dynamic(any_of_them, request):
    assert any_of_them == request.node.callspec.params["any_of_them"]

async def test_by_way_of_a_plain_one(plain):
    assert plain == "FIRST"

def test_sync(first, wide):
    assert (first, wide) == ("first", "wide")

async def test_got_before(first, request):
    assert request.getfixturevalue("first") is first
"""
    )

    result.assert_outcomes(passed=7)


def test_autouse_fixtures_and_methods_are_run(run: Run) -> None:
    result = run(
        """
@pytest.fixture(autouse=True, scope="module")
async def always():
    global started
    started = True
    yield

class TestMethods:
    @pytest.fixture
    async def own(self):
        self.mine = "mine"
        return self

    async def test_instance(self, own):
        assert own is self and self.mine == "mine"
        assert started

def test_sync():
    assert started
"""
    )

    result.assert_outcomes(passed=2)


def test_a_fixture_that_is_overridden_counts_as_used(run: Run) -> None:
    result = run(
        """
from conc.lowlevel import current_runtime

@pytest.fixture(scope="session")
async def service():
    return current_runtime()

class TestNarrow:
    @pytest.fixture
    def service(self, service):
        return service

    async def test_it(self, service):
        assert service is current_runtime()
"""
    )

    result.assert_outcomes(passed=1)


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
    while True:
        try:
            await conc.checkpoint()
        except BaseException:
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
