"""tenacity on conc: it waits on the program's clock, and a cancellation goes through it as through any other code."""

from __future__ import annotations

import math

import pytest
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    RetryError,
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_fixed,
)

import conc
from conc_testing import settle


class Flaky:
    """Fails the first few times, and knows when it was tried."""

    def __init__(self, failures: float, error: BaseException | None = None) -> None:
        self.failures = failures
        self.error = ConnectionError("busy") if error is None else error
        self.tried: list[float] = []

    async def __call__(self) -> int:
        self.tried.append(conc.current_time())
        await conc.checkpoint()
        if len(self.tried) <= self.failures:
            raise self.error
        return len(self.tried)


def retrying(attempts: int = 5, seconds: float = 1) -> AsyncRetrying:
    return AsyncRetrying(
        sleep=conc.sleep,
        retry=retry_if_exception_type(OSError),
        wait=wait_fixed(seconds),
        stop=stop_after_attempt(attempts),
        reraise=True,
    )


async def test_attempts_are_made_until_one_succeeds_and_the_waits_pass_on_the_clock_of_the_program() -> None:
    flaky = Flaky(failures=4)

    @retry(sleep=conc.sleep, wait=wait_exponential(multiplier=1))
    async def attempt() -> int:
        return await flaky()

    assert await attempt() == 5
    assert flaky.tried == [0, 1, 3, 7, 15]


async def test_without_a_wait_others_run_between_the_attempts() -> None:
    flaky = Flaky(failures=3)
    trace: list[int] = []

    async def other() -> None:
        for _ in range(3):
            trace.append(len(flaky.tried))
            await conc.checkpoint()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(other)
        await AsyncRetrying(sleep=conc.sleep)(flaky)

    assert trace == sorted(trace)
    assert trace[0] < trace[-1]
    assert conc.current_time() == 0


async def test_after_the_last_attempt_the_error_itself_leaves() -> None:
    flaky = Flaky(failures=math.inf)

    with pytest.raises(ConnectionError) as caught:
        await retrying(attempts=3)(flaky)

    assert caught.value is flaky.error
    assert flaky.tried == [0, 1, 2]


async def test_unless_told_otherwise_the_error_leaves_wrapped() -> None:
    flaky = Flaky(failures=math.inf)

    with pytest.raises(RetryError) as caught:
        await AsyncRetrying(sleep=conc.sleep, stop=stop_after_attempt(2))(flaky)

    assert caught.value.__cause__ is flaky.error


async def test_an_error_that_is_not_to_be_retried_leaves_at_once() -> None:
    flaky = Flaky(failures=math.inf, error=ValueError("a mistake"))

    with pytest.raises(ValueError, match="a mistake"):
        await retrying()(flaky)

    assert flaky.tried == [0]


async def test_a_deadline_around_it_all_ends_the_retries_between_two_attempts() -> None:
    flaky = Flaky(failures=math.inf)

    with pytest.raises(TimeoutError):
        with conc.fail_after(2.5):
            await retrying(attempts=100)(flaky)

    assert conc.current_time() == 2.5
    assert flaky.tried == [0, 1, 2]


async def test_a_deadline_around_each_attempt_is_an_error_of_that_attempt() -> None:
    tried: list[float] = []

    async def slow_at_first() -> str:
        tried.append(conc.current_time())
        with conc.fail_after(10):
            await conc.sleep(30 if len(tried) < 3 else 5)
        return "in time"

    assert await retrying()(slow_at_first) == "in time"
    assert tried == [0, 11, 22]
    assert conc.current_time() == 27


async def test_of_two_deadlines_the_one_around_it_all_is_not_retried() -> None:
    tried: list[float] = []

    async def too_slow() -> None:
        tried.append(conc.current_time())
        with conc.fail_after(10):
            await conc.sleep_forever()

    with pytest.raises(TimeoutError):
        with conc.fail_after(15):
            await retrying(attempts=100)(too_slow)

    assert tried == [0, 11]
    assert conc.current_time() == 15


async def test_a_cancellation_passes_through_a_retry_untouched() -> None:
    raised: list[conc.Cancelled] = []
    passed: list[BaseException] = []
    told: list[RetryCallState] = []

    async def attempt() -> None:
        try:
            await conc.sleep_forever()
        except conc.Cancelled as cancelled:
            raised.append(cancelled)
            raise

    async def caller() -> None:
        retries = AsyncRetrying(sleep=conc.sleep, before_sleep=told.append, after=told.append)
        try:
            await retries(attempt)
        except BaseException as error:
            passed.append(error)
            raise

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(caller)
        await settle()
        task.cancel("enough")

    assert passed == raised
    assert passed[0] is raised[0]
    assert raised[0].reason == "enough"
    assert told == []
    with pytest.raises(conc.TaskCancelled):
        task.join_nowait()


async def test_a_cancellation_between_two_attempts_makes_no_other_one() -> None:
    flaky = Flaky(failures=math.inf)

    with conc.move_on_after(1.5) as scope:
        await retrying(attempts=100)(flaky)

    assert scope.cancelled_caught
    assert flaky.tried == [0, 1]
    await conc.sleep(100)
    assert flaky.tried == [0, 1]


async def test_a_block_that_is_tried_again_lets_a_cancellation_pass_too() -> None:
    tried: list[float] = []
    reached: list[str] = []

    with conc.move_on_after(12) as scope:
        async for attempt in AsyncRetrying(sleep=conc.sleep, wait=wait_fixed(1)):
            with attempt:
                tried.append(conc.current_time())
                with conc.fail_after(5):
                    await conc.sleep_forever()
        reached.append("behind the loop")

    assert scope.cancelled_caught
    assert tried == [0, 6, 12]
    assert reached == []


async def test_tasks_that_share_a_decorated_function_have_attempts_of_their_own() -> None:
    @retry(sleep=conc.sleep, wait=wait_fixed(1), stop=stop_after_attempt(4), reraise=True)
    async def attempt(flaky: Flaky) -> int:
        return await flaky()

    async with conc.open_nursery() as nursery:
        tasks = [nursery.start_soon(attempt, Flaky(failures=number)) for number in (0, 1, 2, 3, 2, 1, 0)]

    assert [task.join_nowait() for task in tasks] == [1, 2, 3, 4, 3, 2, 1]
    assert conc.current_time() == 3


@pytest.mark.conc(workers=3)
async def test_strands_that_share_a_decorated_function_have_attempts_of_their_own() -> None:
    @retry(sleep=conc.sleep, wait=wait_fixed(1), stop=stop_after_attempt(4), reraise=True)
    async def attempt(flaky: Flaky) -> int:
        return await flaky()

    async with conc.open_nursery(parallel=True) as nursery:
        tasks = [nursery.start_soon(attempt, Flaky(failures=number % 4)) for number in range(60)]

    assert [task.join_nowait() for task in tasks] == [number % 4 + 1 for number in range(60)]
    assert conc.current_time() == 3
