"""What the tests of the plugin share: pytest, run on a file of tests."""

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

ALONE = tuple(f"-pno:{name}" for name in ("cacheprovider", "asyncio", "trio", "anyio", "xdist"))

CONFTEST = """
def pytest_addoption(pluginmanager):
    if not pluginmanager.has_plugin("conc_testing"):  # conc is on the path, but not installed
        pluginmanager.import_plugin("conc_testing.pytest_plugin")
"""

# Right on the calm course, and wrong in another order.
LOST_UPDATE = """
class Counter:
    def __init__(self):
        self.value = 0

    async def add(self):
        before = self.value
        await conc.checkpoint()
        self.value = before + 1
"""


def failing(mark: str = "explore(runs=100, seconds=20)") -> str:
    """A file with one test, which fails in some order of its tasks."""
    return (
        LOST_UPDATE
        + f"""
@pytest.mark.{mark}
async def test_counts(nursery, tape):
    counter = Counter()
    async with conc.open_nursery() as workers:
        workers.start_soon(counter.add)
        await conc.checkpoint()
        await conc.checkpoint()
        workers.start_soon(counter.add)
    assert counter.value == 2
"""
    )
