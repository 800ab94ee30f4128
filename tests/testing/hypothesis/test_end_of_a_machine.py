"""How a state machine ends: its teardown, its nursery, and what may not be left behind."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

import conc
from conc.io import BufReader
from conc.lowlevel import current_runtime
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc.sync import Event
from conc_testing import Leak, settle
from conc_testing.hypothesis import AsyncStateMachine, ainitialize, ainvariant, arule, concurrent
from conc_testing.world import World
from tests.testing.hypothesis.minimal import QUIET, check, smallest

FEW = settings(QUIET, max_examples=20, stateful_step_count=5)


def test_the_nursery_is_cancelled_at_the_end_and_clean_up_runs() -> None:
    ends: list[str] = []

    class Machine(AsyncStateMachine):
        async def serve(self) -> None:
            try:
                await conc.sleep_forever()
            except conc.Cancelled as cancelled:
                ends.append(str(cancelled))
                with conc.CancelScope(shield=True):
                    await conc.sleep(1)
                ends.append("cleaned up")
                raise

        @ainitialize()
        async def begin(self) -> None:
            self.nursery.start_soon(self.serve)
            await conc.sleep(1)

        @arule()
        async def work(self) -> None:
            assert not ends or ends[-1] == "cleaned up"

    check(Machine, FEW)

    assert len(ends) > 10 and ends[1::2] == ["cleaned up"] * (len(ends) // 2)
    assert all("the state machine has ended" in end for end in ends[0::2])


def test_ateardown_is_async_and_runs_where_the_rules_ran() -> None:
    runtimes: list[tuple[Any, Any]] = []

    class Machine(AsyncStateMachine):
        runtime: Any = None

        @arule()
        async def work(self) -> None:
            self.runtime = current_runtime()

        async def ateardown(self) -> None:
            await conc.sleep(1)
            self.nursery.start_soon(conc.sleep_forever)
            runtimes.append((current_runtime(), self.runtime))

    check(Machine, FEW)

    assert runtimes
    assert all(at_the_end is before for at_the_end, before in runtimes)


def test_ateardown_runs_although_no_rule_was_async() -> None:
    calls: list[str] = []

    class Machine(AsyncStateMachine):
        @rule()
        def work(self) -> None: ...

        async def ateardown(self) -> None:
            await super().ateardown()
            calls.append("end")

    check(Machine, FEW)

    assert calls


def test_an_error_of_ateardown_fails_the_example() -> None:
    class Machine(AsyncStateMachine):
        worked = 0

        @arule()
        async def work(self) -> None:
            self.worked += 1

        async def ateardown(self) -> None:
            await conc.checkpoint()
            assert self.worked < 2, "too much work"

    error, steps = smallest(Machine)

    assert "too much work" in str(error)
    assert steps == ["work()", "work()"]


def test_what_a_rule_raised_comes_before_what_the_teardown_raises_then() -> None:
    class Machine(AsyncStateMachine):
        @rule()
        def work(self) -> None:
            raise LookupError("the first error")

        async def ateardown(self) -> None:
            raise ValueError("the second error")

    error, steps = smallest(Machine)

    assert repr(error) == "LookupError('the first error')"
    assert "then the teardown of Machine raised ValueError('the second error')" in error.__notes__
    assert steps == ["work()"]


def test_an_error_in_the_nursery_at_the_end_fails_the_example() -> None:
    class Machine(AsyncStateMachine):
        async def serve(self) -> None:
            try:
                await conc.sleep_forever()
            finally:
                raise LookupError("while it was cancelled")

        @arule()
        async def begin(self) -> None:
            self.nursery.start_soon(self.serve)

    error, steps = smallest(Machine)

    assert isinstance(error, ExceptionGroup)
    assert {repr(one) for one in error.exceptions} == {"LookupError('while it was cancelled')"}
    assert steps[-1] == "begin()"


def test_a_task_beside_the_rules_is_a_leak_with_the_line_that_started_it() -> None:
    class Machine(AsyncStateMachine):
        @arule(forever=st.booleans())
        async def start_beside(self, forever: bool) -> None:
            nursery = current_runtime().root_nursery
            nursery.start_soon(conc.sleep_forever if forever else conc.checkpoint)

    error, steps = smallest(Machine)

    assert isinstance(error, Leak)
    assert "left at the end of Machine:\n- task beside/0:sleep_forever still runs, started in test_end_of" in str(error)
    assert steps == ["start_beside(forever=True)"]


def test_a_nursery_that_no_rule_has_left_is_an_error() -> None:
    class Machine(AsyncStateMachine):
        @arule()
        async def open(self) -> None:
            await conc.open_nursery().__aenter__()

    error, steps = smallest(Machine)

    assert isinstance(error, RuntimeError)
    assert "a rule has opened a nursery that was never left" in str(error)
    assert steps == ["open()"]


def test_a_nursery_may_be_open_from_one_rule_to_another() -> None:
    ended: list[str] = []

    class Machine(AsyncStateMachine):
        @ainitialize()
        async def open(self) -> None:
            self.stack = AsyncExitStack()
            self.inner = await self.stack.enter_async_context(conc.open_nursery())
            self.event = Event()
            self.inner.start_soon(self.wait)

        async def wait(self) -> None:
            await self.event.wait()
            ended.append("waited")

        @arule()
        async def work(self) -> None:
            self.inner.start_soon(self.wait)

        async def ateardown(self) -> None:
            if hasattr(self, "stack"):
                self.event.set()
                await self.stack.aclose()
                assert not self.inner.children

    check(Machine, FEW)

    assert ended


class EchoMachine(AsyncStateMachine):
    """A world of hosts that lives as long as the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.network = self.world.net
        self.stack = AsyncExitStack()

    @ainitialize()
    async def begin(self) -> None:
        self.world.host("server", self.serve)
        await self.stack.enter_async_context(self.world.running())
        await settle()

    async def serve(self) -> None:
        async with await listen_tcp("server", 7) as listener:
            await listener.serve(self.echo)

    async def echo(self, stream: TcpStream) -> None:
        while data := await stream.read(1000):
            await stream.write_all(data)

    @concurrent()
    @arule(data=st.binary(min_size=1, max_size=100))
    async def ask(self, data: bytes) -> None:
        stream = await connect_tcp("server", 7)
        try:
            await stream.write_all(data)
            assert await BufReader(stream).read_exact(len(data)) == data
        finally:
            await stream.aclose()

    async def ateardown(self) -> None:
        await self.stack.aclose()


TestEcho = EchoMachine.TestCase
TestEcho.settings = FEW


def test_an_open_socket_of_the_simulated_network_is_a_leak() -> None:
    class Machine(EchoMachine):
        async def serve(self) -> None:
            await listen_tcp("server", 7)
            await conc.sleep_forever()

        async def ask(self, data: bytes) -> None: ...

        @arule()
        async def do_nothing(self) -> None: ...

    error, _ = smallest(Machine)

    assert isinstance(error, Leak) and "(LISTEN) is open" in str(error)


def test_what_never_ends_at_the_end_is_a_deadlock() -> None:
    class Machine(AsyncStateMachine):
        async def refuse_to_die(self) -> None:
            with conc.CancelScope(shield=True):
                await conc.sleep_forever()

        @arule()
        async def begin(self) -> None:
            self.nursery.start_soon(self.refuse_to_die)

    error, steps = smallest(Machine)

    assert isinstance(error, conc.Deadlock) and "refuse_to_die" in str(error)
    assert steps[-1] == "begin()"


def test_a_machine_without_a_rule_that_ran_leaves_nothing_behind() -> None:
    class Machine(AsyncStateMachine):
        @arule()
        async def work(self) -> None: ...

    Machine().teardown()


def test_after_the_end_a_machine_can_only_be_torn_down_again() -> None:
    class Machine(AsyncStateMachine):
        @arule()
        async def work(self) -> None:
            await conc.checkpoint()

    machine = Machine()
    results: list[object] = [machine.work()]
    machine.teardown()
    machine.teardown()

    assert results == [None]
    with pytest.raises(RuntimeError, match=r"Machine\.work: .* there can be no other"):
        results.append(machine.work())


def test_teardown_is_not_to_be_overridden() -> None:
    with pytest.raises(TypeError, match=r"Machine\.teardown: name it ateardown"):

        class Machine(AsyncStateMachine):
            async def teardown(self) -> None: ...  # type: ignore[misc, override]


def test_the_name_of_a_machine_is_that_of_its_main_task() -> None:
    names = []

    class Machine(AsyncStateMachine):
        @ainvariant()
        async def look(self) -> None:
            names.append(conc.lowlevel.current_task().name)

        @arule()
        async def work(self) -> None: ...

    check(Machine, FEW)

    assert set(names) == {"Machine"}
    assert issubclass(Machine, RuleBasedStateMachine)
