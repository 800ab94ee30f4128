"""Tests that the plugin runs: which, with what, on what runtime, and how those are ended that do not end."""

import pytest

from tests.testing.plugin.support import CONFTEST, Run

pytest_plugins = ["pytester"]


# ---- which tests ------------------------------------------------------------------------------------------------


def test_in_automatic_mode_every_async_test_is_run_on_virtual_time(run: Run) -> None:
    result = run(
        """
async def test_function():
    await conc.sleep(1e6)
    assert conc.current_time() == 1e6

class TestMethods:
    async def test_method(self):
        await test_function()

    @pytest.mark.parametrize("seconds", [1.0, 2.0])
    async def test_parameters(self, seconds):
        await conc.sleep(seconds)

def test_sync(): ...

async def test_failure():
    await conc.sleep(1.0)
    assert conc.current_time() == 2.0
"""
    )

    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["E * assert 1.0 == 2.0"])


def test_in_strict_mode_only_marked_tests_are_run(run: Run) -> None:
    result = run(
        """
@pytest.mark.conc
async def test_marked():
    await conc.sleep(1.0)

async def test_unmarked(): ...
""",
        mode="strict",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_a_mark_on_a_module_leaves_its_sync_tests_alone(run: Run) -> None:
    result = run(
        """
pytestmark = pytest.mark.conc
async def test_async(): await conc.checkpoint()
def test_sync():
    with pytest.raises(RuntimeError):
        conc.current_time()
""",
        mode="strict",
    )

    result.assert_outcomes(passed=2)


def test_tests_that_another_library_has_marked_are_left_to_it(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        CONFTEST
        + """
import pytest
def pytest_configure(config):
    for name in ("asyncio", "trio"):
        config.addinivalue_line("markers", name)

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if any(pyfuncitem.get_closest_marker(name) for name in ("asyncio", "trio")):
        try:
            pyfuncitem.obj().send(None)
        except StopIteration as end:
            assert end.value == "not conc's"
            return True
"""
    )
    result = run(
        """
import sniffio
def library():
    try:
        return sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return "not conc's"

@pytest.mark.asyncio
async def test_asyncio(): return library()

@pytest.mark.trio
async def test_trio(): return library()

async def test_conc(): assert library() == "conc"
"""
    )

    result.assert_outcomes(passed=3)


# ---- fixtures ---------------------------------------------------------------------------------------------------


def test_the_clock_is_that_of_the_run_for_sync_fixtures_too(run: Run) -> None:
    result = run(
        """
@pytest.fixture
def late(clock):
    clock.jump(50.0)
    return clock

async def test_clock(clock):
    await conc.sleep(10.0)
    assert clock.now() == conc.current_time() == 10.0

async def test_indirect(late):
    assert conc.current_time() == 50.0
    assert conc.lowlevel.current_runtime().clock is late

def test_sync(clock):
    conc.run(conc.sleep, 3.0, clock=clock)
    assert clock.now() == 3.0
"""
    )

    result.assert_outcomes(passed=3)


def test_the_nursery_is_open_in_the_test_and_cancelled_afterwards(run: Run) -> None:
    result = run(
        """
log = []

async def child():
    try:
        await conc.sleep_forever()
    finally:
        log.append("cancelled")

async def test_children(nursery, clock):
    nursery.start_soon(child)
    await conc.sleep(1.0)
    assert log == []

def test_afterwards():
    assert log == ["cancelled"]
"""
    )

    result.assert_outcomes(passed=2)


def test_errors_of_the_test_leave_bare_and_those_of_children_in_a_group(run: Run) -> None:
    result = run(
        """
async def fail():
    raise ValueError("child")

async def test_own_error(nursery):
    assert 1 == 2

async def test_child(nursery):
    nursery.start_soon(fail)
    await conc.sleep(1.0)

async def test_both(nursery):
    nursery.start_soon(fail)
    try:
        await conc.sleep(1.0)
    finally:
        raise KeyError("own")

async def test_skipped(nursery):
    pytest.skip("not today")

@pytest.mark.xfail(raises=ZeroDivisionError, strict=True)
async def test_expected(nursery):
    1 / 0
"""
    )

    result.assert_outcomes(failed=3, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(
        ["E * assert 1 == 2", "*ValueError: child*", "*errors in a test and in its nursery*", "*KeyError: 'own'*"]
    )


def test_each_example_of_hypothesis_is_a_run_of_its_own(run: Run) -> None:
    result = run(
        """
from hypothesis import given, settings, strategies as st
seen = []

@given(st.floats(1, 1000))
@settings(max_examples=20, database=None)
async def test_sleep(seconds):
    assert conc.current_time() == 0.0
    await conc.sleep(seconds)
    assert conc.current_time() == seconds
    seen.append(seconds)

def test_seen(): assert len(seen) >= 20
""",
        mode="auto",
    )

    result.assert_outcomes(passed=2)


# ---- options ----------------------------------------------------------------------------------------------------


def test_options_of_the_marker_choose_workers_and_real_time(run: Run) -> None:
    result = run(
        """
from conc.lowlevel import current_runtime

@pytest.mark.conc(workers=3)
class TestMany:
    async def test_inherited(self):
        assert "3 workers" in repr(current_runtime())

    @pytest.mark.conc(clock="real")
    async def test_closer(self):
        assert "3 workers" in repr(current_runtime())
        before = time.monotonic()
        await conc.sleep(0.01)
        assert time.monotonic() - before >= 0.01
""",
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("mark", "named"),
    [
        ("conc(worker=2)", "worker"),
        ("conc(2)", "the arguments have names"),
        ("conc(clock='wrong')", 'clock is "virtual" or "real"'),
        ("conc(workers=0)", "workers must be at least 1"),
    ],
)
def test_a_bad_option_is_named(run: Run, mark: str, named: str) -> None:
    result = run(f"@pytest.mark.{mark}\nasync def test_it(): ...")

    assert result.ret != 0
    assert named in result.stdout.str() + result.stderr.str()


def test_the_fixture_of_virtual_time_is_refused_to_a_test_on_real_time(run: Run) -> None:
    result = run("@pytest.mark.conc(clock='real')\nasync def test_it(clock): ...")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*runs on real time*"])


def test_an_unknown_mode_is_named(run: Run) -> None:
    result = run("", mode="sometimes")

    result.stderr.fnmatch_lines(["*conc_mode is one of strict, auto, not 'sometimes'*"])


# ---- tests that do not end --------------------------------------------------------------------------------------


def test_a_deadlock_fails_with_the_tree_and_no_frames_of_conc(run: Run) -> None:
    result = run(
        """
from conc.sync import Event
async def test_it():
    await Event().wait()
"""
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*nothing can wake any task*", "*test_it #*: waits for Event.wait*", "*test_it *.py:5"]
    )
    result.stdout.no_fnmatch_line("*_kernel*")


def test_a_test_that_never_rests_fails_at_its_limit_with_the_tree(run: Run) -> None:
    result = run(
        """
async def waiter():
    await conc.sleep(1.0)

async def test_it(nursery):
    nursery.start_soon(waiter)
    while True:
        await conc.checkpoint()
""",
        ini="conc_timeout = 0.2",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["the test did not end within 0.2 s of real time*", "*waiter #*: waits for a moment in time*", "*test_it #*"]
    )


def test_a_test_that_blocks_its_thread_is_interrupted_and_shown_where_it_stands(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conc_testing.timelimit.GRACE", 0.05)
    monkeypatch.setattr("conc_testing.timelimit.INSIST", 0.4)
    result = run(
        """
@pytest.mark.conc(timeout=0.1)
async def test_blocking():
    time.sleep(30.0)

@pytest.mark.conc(timeout=0.1)
async def test_shielded():
    with conc.CancelScope(shield=True):
        while True:
            await conc.checkpoint()

@pytest.mark.conc(timeout=0.1, workers=2)
async def test_on_another_worker():
    released = threading.Event()
    async def block():
        released.wait(1.0)
    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(block)
        nursery.start_soon(block)

async def test_that_the_session_goes_on():
    await conc.sleep(1.0)
"""
    )

    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        ["*test_blocking #*: running*", "The thread of the run is busy here:", "*time.sleep(30.0)"]
    )


def test_a_limit_may_be_lifted_for_one_test(run: Run) -> None:
    result = run(
        """
@pytest.mark.conc(timeout=None)
async def test_it():
    time.sleep(0.2)
""",
        ini="conc_timeout = 0.05",
    )

    result.assert_outcomes(passed=1)


def test_a_debugger_lifts_the_limit(run: Run) -> None:
    result = run(
        """
async def test_it(pytestconfig):
    pytestconfig.hook.pytest_enter_pdb(config=pytestconfig, pdb=None)
    time.sleep(0.2)
""",
        ini="conc_timeout = 0.1",
    )

    result.assert_outcomes(passed=1)
