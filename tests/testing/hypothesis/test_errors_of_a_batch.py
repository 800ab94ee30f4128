"""What comes of errors of rules that run beside each other."""

import pytest
from hypothesis import settings
from hypothesis.errors import UnsatisfiedAssumption

import conc
from conc_testing import Schedule
from conc_testing.hypothesis import AsyncStateMachine, arule, concurrent
from conc_testing.hypothesis.batch import Call
from tests.testing.hypothesis.minimal import QUIET, check, smallest

FEW = settings(QUIET, max_examples=60, stateful_step_count=10)


def test_the_error_of_one_call_ends_the_others_and_comes_without_a_group() -> None:
    ends: list[str] = []

    class Machine(AsyncStateMachine):
        @concurrent()
        @arule()
        async def fail(self) -> None:
            await conc.sleep(1)
            raise LookupError("nothing there")

        @concurrent()
        @arule()
        async def wait(self) -> None:
            try:
                await conc.sleep(2)
            except conc.Cancelled:
                ends.append("cancelled")
                raise
            ends.append("in time")

    machine = Machine()
    calls = [Call(machine._concurrent[name], {}) for name in ("wait", "fail", "wait")]
    with pytest.raises(LookupError, match="nothing there") as caught:
        machine._perform_together(calls, Schedule())
    machine.teardown()

    assert caught.value.__context__ is None
    assert caught.value.__notes__ == ["raised by fail()"]
    assert ends == ["cancelled", "cancelled"]
    assert smallest(Machine)[1] == ["fail(with_=[])"]


def test_errors_of_several_calls_are_all_told() -> None:
    class Machine(AsyncStateMachine):
        @concurrent()
        @arule()
        async def fail(self, n: int) -> None:
            try:
                await conc.sleep(n)
            finally:
                raise LookupError(n)

    machine = Machine()
    fail = machine._concurrent["fail"]
    with pytest.raises(LookupError, match="1") as caught:
        machine._perform_together([Call(fail, {"n": n}) for n in (2, 1, 3)], Schedule())
    machine.teardown()

    assert caught.value.__notes__ == [
        "raised by fail(n=1)",
        "then LookupError(2) was raised by fail(n=2)",
        "then LookupError(3) was raised by fail(n=3)",
    ]


def test_what_hypothesis_steers_by_goes_before_what_a_call_raised() -> None:
    class Machine(AsyncStateMachine):
        @concurrent()
        @arule()
        async def fail(self) -> None:
            raise LookupError("nothing there")

        @concurrent()
        @arule()
        async def give_up(self) -> None:
            try:
                await conc.sleep_forever()
            finally:
                raise UnsatisfiedAssumption  # as assume(False)

    machine = Machine()
    calls = [Call(machine._concurrent[name], {}) for name in ("fail", "give_up")]
    with pytest.raises(UnsatisfiedAssumption):
        machine._perform_together(calls, Schedule())
    machine.teardown()


def test_a_result_without_a_target_is_what_hypothesis_complains_of() -> None:
    class Machine(AsyncStateMachine):
        @concurrent()
        @arule()
        async def make(self) -> int:
            await conc.checkpoint()
            return 3

    with pytest.raises(Exception, match=r"Rules should return None if .*make returned 3"):
        check(Machine, settings(FEW, suppress_health_check=[]))
