"""The picture of the lock service's failing run in the docs: `python -m tests.examples.draw_lock_service` draws it."""

from conc_testing import Failure
from conc_testing.sim.timeline import picture
from examples.lock_service.__main__ import search
from examples.lock_service.server import HastyLockService
from tests.repo.sources import ROOT

PICTURE = ROOT / "docs" / "tutorial" / "lock_service.svg"


def failing_run() -> Failure:
    """What the search finds in the service of that week."""
    failure = search(HastyLockService).failure
    assert failure is not None, "the search found nothing"
    return failure


def drawn(failure: Failure) -> str:
    """The picture: from the step before the first worker begins."""
    begin = next(number for number, step in enumerate(failure.steps) if step.path.endswith(":print_a_page"))
    return picture(failure.steps[begin - 1 :]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn(failing_run()), encoding="utf-8")
