"""What Hypothesis comes to: the error, and the smallest example that it found, as it shows it."""

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

QUIET = settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=500,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    print_blob=False,
    report_multiple_bugs=False,
    stateful_step_count=8,
    suppress_health_check=list(HealthCheck),
)


def failure(test: Callable[[], object]) -> BaseException:
    """The error of a test that has to fail."""
    try:
        test()
    except (Exception, BaseExceptionGroup) as error:
        return error
    raise AssertionError("Hypothesis found nothing")


def shown(error: BaseException) -> list[str]:
    """The smallest example: the arguments of the test, or the steps of the machine without those that each has."""
    lines = [line.strip() for note in getattr(error, "__notes__", []) for line in note.splitlines()]
    steps = [line for line in lines if line.startswith("state.") or " = state." in line]
    if steps:
        return [step.replace("state.", "", 1) for step in steps if step != "state.teardown()"]
    return [line.removesuffix(",") for line in lines if line.endswith(",") and "=" in line]


def check(machine: type[RuleBasedStateMachine], wanted: settings = QUIET) -> None:
    """Let Hypothesis run a machine."""
    run_state_machine_as_test(machine, settings=wanted)


def smallest(machine: type[RuleBasedStateMachine]) -> tuple[BaseException, list[str]]:
    """The failure of a machine that has to fail, and its steps."""
    error = failure(lambda: check(machine))
    return error, shown(error)
