"""The fixtures that conc brings, those of users that take their place, and options that change what they are."""

import socket

import pytest

from conc_testing.ports import PortFactory
from tests.testing.plugin.support import CONFTEST, Run

pytest_plugins = ["pytester"]

NAMES = ("clock", "nursery", "world", "net", "history", "tape", "free_port", "free_port_factory")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["module", "conftest"])
def test_a_fixture_of_the_user_of_the_same_name_wins(
    run: Run, pytester: pytest.Pytester, name: str, where: str
) -> None:
    own = f"import pytest\n@pytest.fixture\ndef {name}():\n    return 'mine'\n"
    if where == "conftest":
        pytester.makeconftest(CONFTEST + own)
    result = run(
        (own if where == "module" else "")
        + f"""
async def test_async({name}):
    assert {name} == "mine"
    await conc.sleep(1.0)
    assert conc.current_time() == 1.0

def test_sync({name}):
    assert {name} == "mine"

@pytest.mark.explore(runs=2)
async def test_explored({name}):
    assert {name} == "mine"
    await conc.join(conc.sleep(1), conc.sleep(1))
"""
    )

    result.assert_outcomes(passed=3)


def test_a_fixture_of_another_plugin_keeps_its_tests(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(other="import pytest\n@pytest.fixture\ndef history():\n    return 'theirs'\n")
    pytester.syspathinsert()
    result = run(
        """
import conc_testing
def test_sync(history):
    assert history == "theirs"

async def test_ours(history):
    assert isinstance(history, conc_testing.History)
""",
        "-p",
        "other",
    )

    result.assert_outcomes(passed=2)


def test_the_nursery_may_be_used_by_async_fixtures_and_the_test_goes_on_when_it_is_cancelled(run: Run) -> None:
    result = run(
        """
@pytest.fixture
async def ticks(nursery):
    ticks = []
    async def tick():
        while True:
            await conc.sleep(1.0)
            ticks.append(conc.current_time())
    nursery.start_soon(tick)
    return ticks

async def test_it(ticks, nursery):
    await conc.sleep(2.5)
    nursery.cancel_scope.cancel()
    await conc.sleep(2.0)
    assert ticks == [1.0, 2.0]
"""
    )

    result.assert_outcomes(passed=1)


def test_a_plain_fixture_that_asks_for_the_nursery_may_start_tasks_in_it(run: Run) -> None:
    result = run(
        """
@pytest.fixture
def server(nursery):
    task = nursery.start_soon(conc.sleep_forever)
    yield task
    task.cancel()

async def test_plain(server, nursery):
    await conc.sleep(1.0)
    assert list(nursery.children) == [server]

@pytest.mark.explore(runs=5)
async def test_explored(server, nursery):
    await conc.join(conc.sleep(1), conc.sleep(1))
    assert list(nursery.children) == [server]
"""
    )

    result.assert_outcomes(passed=2)


def test_a_test_takes_place_in_its_world(run: Run) -> None:
    result = run(
        """
from conc.io import BufReader
from conc.net import connect_tcp, listen_tcp

async def serve():
    async def echo(stream):
        while data := await stream.read(100):
            await stream.write_all(data)
    async with await listen_tcp("0.0.0.0", 80) as listener:
        await listener.serve(echo)

async def ask(net):
    stream = await connect_tcp("web", 80)
    await stream.write_all(b"hello")
    answer = await BufReader(stream).read_exact(5)
    await stream.aclose()
    assert net.netstat("web")
    return answer

@pytest.fixture
def web(world):
    return world.host("web", serve)

@pytest.fixture
async def answer(web, net):
    await conc.sleep(1.0)
    return await ask(net)

async def test_plain(nursery, world, net, answer):
    assert net is world.net is conc.lowlevel.current_runtime().network
    assert answer == b"hello"

@pytest.mark.explore(runs=10)
async def test_explored(nursery, world, net, answer):
    assert net is world.net is conc.lowlevel.current_runtime().network
    assert answer == b"hello"
"""
    )

    result.assert_outcomes(passed=2)


def test_a_world_and_a_fixture_of_a_wider_scope_do_not_go_together(run: Run) -> None:
    result = run(
        """
@pytest.fixture(scope="module")
async def wide():
    yield

async def test_it(wide, world): ...
"""
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*takes place in a world of its own, and uses the fixture 'wide'*"])


def test_a_world_that_is_asked_for_in_passing_says_how_to_ask(run: Run) -> None:
    result = run(
        """
@pytest.fixture
def late(request):
    return request.getfixturevalue("net")

async def test_it(late): ...
"""
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*name `world` or `net` as an argument*"])


def test_free_ports_are_free_and_never_the_same(run: Run) -> None:
    result = run(
        """
from conc.net import connect_tcp, listen_tcp

@pytest.mark.conc(clock="real")
async def test_listen(free_port, free_port_factory):
    assert free_port_factory() != free_port
    listener = await listen_tcp("127.0.0.1", free_port)
    assert listener.port == free_port
    await listener.aclose()

def test_sync(free_port):
    assert 0 < free_port < 65536
"""
    )

    result.assert_outcomes(passed=2)


def test_a_factory_gives_no_port_twice_and_none_that_is_taken() -> None:
    factory = PortFactory()
    ports = [factory() for _ in range(50)]

    assert len(set(ports)) == 50
    with socket.socket() as one:
        one.bind(("127.0.0.1", ports[0]))


def test_a_factory_that_finds_none_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = PortFactory()
    port = factory()
    monkeypatch.setattr("conc_testing.ports.free_on_loopback", lambda: port)

    with pytest.raises(RuntimeError, match="no free port was found in 1000 tries, after 1"):
        factory()


# ---- on real time -----------------------------------------------------------------------------------------------


def test_all_tests_can_be_run_on_the_real_clock_and_network(run: Run) -> None:
    result = run(
        """
import conc_testing
runs = []

async def test_real(nursery, history, tape):
    assert not conc.lowlevel.current_runtime().clock.virtual
    assert tape.choose("net.x", 2) == 0
    await conc.sleep(0.001)

async def test_time(clock):
    assert abs(clock.now() - time.monotonic()) < 10
    assert not clock.virtual

async def test_moves_time(clock):
    await clock.advance(10.0)

async def test_sets_it(clock):
    clock.auto = False
    await clock.settle()

async def test_settles():
    await conc_testing.settle()

async def test_settles_at_home(nursery):
    await conc_testing.settle()

async def test_in_a_world(net): ...

@pytest.fixture
async def value():
    return conc.lowlevel.current_runtime()

@pytest.mark.explore(runs=50, cancel="sweep")
async def test_explored(nursery, value):
    assert value is conc.lowlevel.current_runtime()
    runs.append(1)

def test_once():
    assert runs == [1]
""",
        "--conc-real",
        "-rs",
    )

    result.assert_outcomes(passed=4, skipped=5)
    result.stdout.fnmatch_lines(
        [
            "*--conc-real: clock.advance needs virtual time",
            "*--conc-real: clock.settle needs virtual time",
            "*--conc-real: settle() needs virtual time*",
            "*--conc-real: this test takes place in a simulated world",
        ]
    )


def test_a_test_that_may_end_in_a_deadlock_passes_with_one_and_without(run: Run) -> None:
    result = run(
        """
from conc.sync import Event

@pytest.mark.deadlock_ok
async def test_stuck():
    await Event().wait()

@pytest.mark.deadlock_ok
async def test_stuck_at_home(nursery):
    await Event().wait()

@pytest.mark.deadlock_ok
async def test_not_stuck(): ...

@pytest.mark.deadlock_ok
async def test_wrong():
    assert 1 == 2
"""
    )

    result.assert_outcomes(passed=3, failed=1)
