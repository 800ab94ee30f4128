"""Schedules and state machines in a file of tests, with the plugin of conc_testing at work."""

import pytest

from tests.testing.plugin.support import CONFTEST

pytest_plugins = ["pytester"]

FILE = """
import conc, conc_testing
from conc_testing.hypothesis import AsyncStateMachine, arule, concurrent, schedules
from hypothesis import Phase, given, settings, strategies as st

settings.register_profile(
    "here", database=None, derandomize=True, deadline=None, max_examples=50, stateful_step_count=5,
    phases=[Phase.generate, Phase.shrink],
)
settings.load_profile("here")

async def race():
    seen = []
    async with conc.open_nursery() as nursery:
        nursery.start_soon(note, seen, 1)
        nursery.start_soon(note, seen, 2)
    assert seen == [1, 2]

async def note(seen, number):
    seen.append(number)

@given(sched=schedules())
def test_race(sched):
    conc_testing.run(race, schedule=sched)

@given(seconds=st.integers(1, 9))
async def test_sleep(seconds):
    await conc.sleep(seconds)
    assert conc.current_time() == seconds

class CounterMachine(AsyncStateMachine):
    value = 0

    @concurrent()
    @arule()
    async def count(self):
        before = self.value
        await conc.checkpoint()
        self.value = before + 1
        assert not self.nursery.children

class BrokenMachine(CounterMachine):
    @arule()
    async def look(self):
        assert self.value < 2

TestCounter = CounterMachine.TestCase
TestBroken = BrokenMachine.TestCase
"""


def test_they_run_beside_async_tests_and_show_what_they_found(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nconc_mode = auto\n")
    pytester.makepyfile(FILE)

    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2, failed=2)
    text = result.stdout.str()
    assert "sched=Schedule(((0, 1),))," in text
    assert "state.count(with_=[])" in text and "state.look()" in text
    assert "assert self.value < 2" in text and "_serve" not in text, "what is shown of a failure is the user's own"
