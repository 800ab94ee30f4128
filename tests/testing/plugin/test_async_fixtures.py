"""Async fixtures: of all scopes, in one task each, alive while the tests run, and found however they are asked for."""

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
