"""How tests end that are not let end by themselves: by Ctrl-C, with something left behind, with the clock held."""

import pytest

from tests.testing.plugin.support import ALONE, Run

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("fixture", ["", "service"])
def test_ctrl_c_ends_the_test_and_then_the_session_with_all_clean_up(run: Run, fixture: str) -> None:
    result = run(
        f"""
import signal

@pytest.fixture(scope="session")
async def service():
    async with conc.open_nursery() as nursery:
        nursery.start_soon(conc.sleep_forever)
        yield
        await conc.sleep(1.0)
        nursery.cancel_scope.cancel()
    print("the service ended well")

async def test_interrupted({fixture}):
    try:
        signal.raise_signal(signal.SIGINT)
        await conc.sleep(10.0)
        print("never")
    finally:
        with conc.CancelScope(shield=True):
            await conc.sleep(1.0)
        print("the test cleaned up")

async def test_next():
    print("never")
""",
        "-s",
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = result.stdout.str()
    assert "the test cleaned up" in text
    assert ("the service ended well" in text) == bool(fixture)
    assert "\nnever" not in text


def test_a_second_ctrl_c_ends_a_test_that_goes_on(run: Run) -> None:
    result = run(
        """
import signal

@pytest.fixture
async def service():
    yield

async def test_interrupted(service):
    with conc.CancelScope(shield=True):
        while True:
            await conc.checkpoint()
            signal.raise_signal(signal.SIGINT)
"""
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_ctrl_c_reaches_a_test_that_waits_for_a_thread_or_for_real_time(run: Run) -> None:
    result = run(
        """
import signal

def interrupt():
    time.sleep(0.1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

@pytest.fixture
async def service():
    yield

async def test_waiting(service):
    await conc.join(conc.to_thread(interrupt), conc.sleep(1000.0))
    while True:
        await conc.sleep(1000.0)
        await conc.to_thread(time.sleep, 0.01)
"""
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("fixture", ["", "nursery"])
@pytest.mark.parametrize("leaks", ["error", "warn", "ignore"])
def test_what_a_test_leaves_behind_is_an_error_unless_it_says_otherwise(run: Run, fixture: str, leaks: str) -> None:
    result = run(
        f"""
from conc.sync import Event
release = threading.Event()

@pytest.mark.conc(leaks="{leaks}")
async def test_it({fixture}):
    threading.Thread(target=release.wait, name="left alone", daemon=True).start()
    started = Event()
    async def linger():
        started.set()
        await conc.sleep_forever()
    conc.lowlevel.current_runtime().portal.start_soon(linger)
    await started.wait()

def test_release():
    release.set()
""",
        "-Wdefault",
    )

    outcomes = result.parseoutcomes()
    if leaks == "error":
        assert (outcomes.get("failed", 0), outcomes.get("errors", 0)) == ((0, 1) if fixture else (1, 0))
    else:
        assert outcomes["passed"] == 2
    assert outcomes.get("warnings", 0) == (leaks == "warn")
    if leaks != "ignore":
        result.stdout.fnmatch_lines(["*left at the end of the test*", "*task *linger* still runs*"])
        result.stdout.fnmatch_lines(["*thread left alone still runs*"])


def test_what_is_left_is_told_for_all_tests_by_the_configuration(run: Run) -> None:
    source = """
from conc.sync import Event

async def test_it():
    started = Event()
    async def linger():
        started.set()
        await conc.sleep_forever()
    conc.lowlevel.current_runtime().portal.start_soon(linger)
    await started.wait()
"""
    run(source).assert_outcomes(failed=1)
    run(source, ini="conc_leaks = ignore").assert_outcomes(passed=1)
    assert "leaks is" in run(source, ini="conc_leaks = perhaps").stdout.str()


def test_a_world_that_is_left_with_open_sockets_is_an_error(run: Run) -> None:
    result = run(
        """
from conc.net import listen_tcp

async def serve():
    await listen_tcp("0.0.0.0", 80)
    await conc.sleep_forever()

async def test_it(world):
    world.host("web", serve)
    await conc.sleep(1.0)
"""
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*socket of host 'web' * is open*"])


def test_a_deadlock_under_a_held_clock_names_the_hold(run: Run) -> None:
    result = run(
        """
async def test_held(clock, nursery):
    with clock.hold("backup"):
        await conc.sleep(1.0)
"""
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*virtual time is held: hold("backup")*'])


def test_time_that_waits_for_a_thread_names_its_function_when_the_limit_is_over(run: Run) -> None:
    result = run(
        """
release = threading.Event()

def load_page():
    release.wait()

@pytest.mark.conc(timeout=0.1)
async def test_waits(nursery):
    async def wait():
        await conc.sleep(1.0)
    nursery.start_soon(wait)
    try:
        await conc.to_thread(load_page, abandon_on_cancel=True)
    finally:
        release.set()
"""
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["the test did not end within 0.1 s of real time*", "Virtual time stood still for to_thread(load_page)."]
    )


def test_a_test_that_is_run_again_begins_anew(run: Run, pytester: pytest.Pytester) -> None:
    result = run(
        """
from _pytest.runner import runtestprotocol
times = []

@pytest.fixture
async def value():
    await conc.sleep(1.0)
    yield conc.current_time()

async def test_it(value, nursery, clock):
    times.append(value)

def test_again(request):
    (first,) = [item for item in request.session.items if item.name == "test_it"]
    assert times == [1.0]
"""
    )

    result.assert_outcomes(passed=2)
    again = pytester.runpytest_inprocess(*ALONE, "--deselect", "nothing")
    again.assert_outcomes(passed=2)
