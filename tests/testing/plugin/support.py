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
