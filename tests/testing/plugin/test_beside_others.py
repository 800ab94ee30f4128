"""In one project with the plugins of other async libraries, and with pytest-xdist: real ones, each in a process."""

import pytest

from tests.testing.plugin.support import CONFTEST

pytest_plugins = ["pytester"]

PREFIX = """
import conc, pytest, sniffio

def library():
    return sniffio.current_async_library()
"""


@pytest.fixture(autouse=True)
def file_of_tests(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)


def run_beside(pytester: pytest.Pytester, text: str, ini: str, *arguments: str) -> pytest.RunResult:
    """Run a file of tests in a process of its own, with all plugins that are installed."""
    pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}\n")
    pytester.makepyfile(PREFIX + text)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


ASYNCIO_TESTS = """
import asyncio, pytest_asyncio

@pytest_asyncio.fixture
async def number():
    await asyncio.sleep(0)
    yield 1

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wide():
    await asyncio.sleep(0)
    return 2

class TestAsyncio:
    pytestmark = pytest.mark.asyncio

    async def test_asyncio(self, number):
        await asyncio.sleep(0)
        assert (library(), number) == ("asyncio", 1)

    @pytest.mark.asyncio(loop_scope="module")
    async def test_wide(self, wide):
        assert (library(), wide) == ("asyncio", 2)
"""

CONC_TESTS = """
@pytest.fixture
async def ours(nursery):
    assert library() == "conc"
    nursery.start_soon(conc.sleep, 1.0)
    yield 3

@pytest.fixture(scope="module")
async def ours_too():
    assert library() == "conc"
    yield 4

{mark}
async def test_conc(ours, nursery, clock):
    await conc.sleep(1.0)
    assert (library(), ours) == ("conc", 3)

{mark}
async def test_conc_wide(ours, ours_too):
    assert (library(), ours_too) == ("conc", 4)

{mark}
@pytest.mark.explore(runs=5)
async def test_conc_explored(ours):
    await conc.join(conc.sleep(1), conc.sleep(1))
    assert library() == "conc"
"""


@pytest.mark.parametrize(
    ("conc_mode", "asyncio_mode", "mark"),
    [
        ("auto", "strict", ""),
        ("strict", "strict", "@pytest.mark.conc"),
        ("strict", "auto", "@pytest.mark.conc"),
    ],
)
def test_the_tests_and_fixtures_of_pytest_asyncio_are_its_own(
    pytester: pytest.Pytester, conc_mode: str, asyncio_mode: str, mark: str
) -> None:
    pytest.importorskip("pytest_asyncio", reason="the extra `test` has it")
    ini = f"conc_mode = {conc_mode}\nasyncio_mode = {asyncio_mode}"
    result = run_beside(pytester, ASYNCIO_TESTS + CONC_TESTS.format(mark=mark), ini)

    result.assert_outcomes(passed=5)


def test_where_both_are_automatic_pytest_asyncio_has_what_conc_is_not_marked_on(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio", reason="the extra `test` has it")
    text = """
import asyncio

@pytest.fixture
async def number():
    await asyncio.sleep(0)
    return library()

async def test_unmarked(number):
    assert number == library() == "asyncio"
""" + CONC_TESTS.format(mark="@pytest.mark.conc")
    result = run_beside(pytester, text, "conc_mode = auto\nasyncio_mode = auto")

    result.assert_outcomes(passed=4)


TRIO_TESTS = """
import trio

@pytest.fixture
async def number(nursery, autojump_clock):
    nursery.start_soon(trio.sleep, 1000.0)
    yield 1

@pytest.mark.trio
async def test_trio(number, nursery, autojump_clock):
    assert type(nursery).__module__.startswith("trio")
    await trio.sleep(10.0)
    assert (library(), number) == ("trio", 1)
    nursery.cancel_scope.cancel()
"""


@pytest.mark.parametrize(("conc_mode", "mark"), [("auto", ""), ("strict", "@pytest.mark.conc")])
def test_the_tests_and_fixtures_of_pytest_trio_are_its_own(
    pytester: pytest.Pytester, conc_mode: str, mark: str
) -> None:
    pytest.importorskip("pytest_trio", reason="the extra `test` has it")
    result = run_beside(pytester, TRIO_TESTS + CONC_TESTS.format(mark=mark), f"conc_mode = {conc_mode}")

    result.assert_outcomes(passed=4)


def test_where_pytest_trio_is_automatic_conc_has_what_is_marked_for_it(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_trio", reason="the extra `test` has it")
    text = (
        TRIO_TESTS.replace("@pytest.mark.trio\n", "")
        + """
@pytest.mark.conc
async def test_conc():
    await conc.sleep(1.0)
    assert library() == "conc"
"""
    )
    result = run_beside(pytester, text, "conc_mode = auto\ntrio_mode = true")

    result.assert_outcomes(passed=2)


ANYIO_TESTS = """
import anyio

@pytest.fixture
async def number(anyio_backend):
    await anyio.sleep(0)
    yield anyio_backend

@pytest.mark.anyio
async def test_anyio(number, anyio_backend_name):
    await anyio.sleep(0)
    assert library() == number == anyio_backend_name
"""


@pytest.mark.parametrize(("conc_mode", "mark"), [("auto", ""), ("strict", "@pytest.mark.conc")])
def test_the_tests_and_fixtures_of_anyio_are_its_own(pytester: pytest.Pytester, conc_mode: str, mark: str) -> None:
    pytest.importorskip("anyio", reason="the extra `test` has it")
    pytest.importorskip("trio", reason="the extra `test` has it")
    result = run_beside(pytester, ANYIO_TESTS + CONC_TESTS.format(mark=mark), f"conc_mode = {conc_mode}")

    result.assert_outcomes(passed=5)


def test_where_anyio_is_automatic_conc_has_what_is_marked_for_it(pytester: pytest.Pytester) -> None:
    pytest.importorskip("anyio", reason="the extra `test` has it")
    text = (
        ANYIO_TESTS.replace("@pytest.mark.anyio\n", "@pytest.mark.parametrize('anyio_backend', ['asyncio'])\n")
        + """
@pytest.mark.conc
async def test_conc():
    await conc.sleep(1.0)
    assert library() == "conc"
"""
    )
    result = run_beside(pytester, text, "conc_mode = auto\nanyio_mode = auto")

    assert result.ret == 0


# ---- pytest-xdist -----------------------------------------------------------------------------------------------


def test_the_processes_of_xdist_share_the_seed_and_tell_what_was_explored(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="the extra `test` has it")
    text = (
        CONC_TESTS.format(mark="")
        + """
@pytest.mark.parametrize("number", range(4))
async def test_seed(number, request):
    from conc_testing.plugin.options import session_seed
    assert session_seed(request.config) == 12345

@pytest.mark.explore(runs=100)
async def test_failing():
    done = []
    async def work(number):
        await conc.checkpoint()
        done.append(number)
    await conc.join(work(1), work(2))
    assert done == [1, 2]
"""
    )
    result = run_beside(pytester, text, "conc_mode = auto", "-n2", "-v", "--conc-seed=12345")

    result.assert_outcomes(passed=7, failed=1)
    result.stdout.fnmatch_lines(["*replay: pytest *::test_failing --conc-replay=conc1:*"])
    result.stdout.fnmatch_lines(["*::test_conc_explored: explored: * runs*"])


def test_the_processes_of_xdist_share_a_fresh_seed(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="the extra `test` has it")
    result = run_beside(
        pytester,
        """
@pytest.mark.parametrize("number", range(4))
async def test_seed(number, request):
    from conc_testing.plugin.options import session_seed
    with open(f"seed-{number}", "w") as file:
        file.write(str(session_seed(request.config)))
""",
        "conc_mode = auto",
        "-n2",
    )

    result.assert_outcomes(passed=4)
    seeds = {(pytester.path / f"seed-{number}").read_text() for number in range(4)}
    (seed,) = seeds
    result.stdout.fnmatch_lines([f"conc: mode=auto, seed={seed} *"])
