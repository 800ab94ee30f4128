"""What programs may expect of real threads they find in simulated runs: tests of `conc.threads`, run there."""

import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

import conc
from tests.testing.sim import baton
from tests.threads import (
    test_cancelling,
    test_from_thread,
    test_from_thread_cancelling,
    test_limiter,
    test_to_thread,
    test_waiting_threads,
)

real_run = conc.run

CLAIMS: list[Callable[[], object]] = [
    test_to_thread.test_the_value_comes_back,
    test_to_thread.test_the_error_comes_back_with_the_place_where_it_was_raised,
    partial(test_to_thread.test_an_exit_raised_in_the_thread_leaves_the_run, SystemExit),
    test_to_thread.test_stop_iteration_becomes_a_runtime_error,
    test_to_thread.test_the_function_sees_the_context_variables_of_the_task,
    test_to_thread.test_what_the_function_sets_stays_with_it,
    test_to_thread.test_sniffio_finds_no_library_in_the_thread,
    test_to_thread.test_a_thread_may_have_a_runtime_of_its_own,
    test_to_thread.test_calls_that_follow_one_another_use_one_thread,
    test_to_thread.test_a_program_with_a_thread_warns_of_nothing,
    test_from_thread.test_run_gives_the_value_of_the_async_function,
    test_from_thread.test_run_sync_gives_the_value_of_the_function,
    test_from_thread.test_errors_come_to_the_thread_which_may_catch_them,
    test_from_thread.test_calls_run_in_the_task_that_waits_and_on_its_thread,
    test_from_thread.test_the_task_tree_shows_the_call_where_the_task_stands,
    test_from_thread.test_a_call_may_wait_for_a_thread_of_its_own,
    test_from_thread.test_errors_make_no_circles_of_references,
    test_from_thread.test_calls_see_the_context_variables_of_the_thread,
    partial(test_from_thread.test_what_calls_set_does_not_reach_the_task_nor_the_thread, "red"),
    test_from_thread.test_context_is_right_again_after_a_call_that_failed,
    test_from_thread.test_a_program_inside_the_thread_is_not_held_up,
    partial(test_from_thread_cancelling.test_the_scopes_of_the_task_hold_for_calls, False),
    test_from_thread_cancelling.test_a_call_after_the_cancellation_is_cancelled_at_its_first_cancel_point,
    test_from_thread_cancelling.test_check_cancelled_raises_only_when_the_task_is_cancelled,
    test_from_thread_cancelling.test_check_cancelled_hears_of_a_cancellation_from_outside,
    partial(test_cancelling.test_a_call_in_a_cancelled_scope_never_runs, True),
    test_cancelling.test_the_error_of_a_call_is_raised_although_its_task_is_cancelled,
    test_limiter.test_as_many_calls_run_at_a_time_as_there_are_tokens,
    partial(test_limiter.test_the_token_is_held_during_the_call_and_is_back_when_its_task_goes_on, int),
    test_limiter.test_the_call_borrows_and_not_its_task,
    test_limiter.test_a_call_cancelled_while_it_waits_for_a_token_never_runs,
    test_limiter.test_tokens_are_conserved_among_calls_that_return_fail_are_cancelled_and_abandoned,
    partial(test_waiting_threads.test_virtual_time_passes_while_a_thread_waits_for_its_task_to_sleep, 1),
    partial(test_waiting_threads.test_a_call_in_line_behind_threads_that_wait_holds_no_time, 1),
]


def name_of(claim: Any) -> str:
    return str(getattr(claim, "func", claim).__name__)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("claim", CLAIMS, ids=name_of)
def test_a_claim_about_threads_holds_in_simulated_runs(
    claim: Callable[[], object], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = 0

    def run(main: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        nonlocal simulated
        if threading.current_thread() is not threading.main_thread():
            return real_run(main, *args, **options)
        simulated += 1
        return baton.run(main, *args, **{**options, "seed": seed, "workers": 1})

    monkeypatch.setattr(conc, "run", run)
    claim()

    assert simulated
