"""What holds for every test: conc's plugin is there, and Hypothesis does not judge by the clock and looks ten times
longer when soaking."""

import gc
import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("test", deadline=None, max_examples=100, print_blob=True)
settings.register_profile("soak", settings.get_profile("test"), max_examples=1000)
settings.load_profile("soak" if os.environ.get("CONC_SOAK") else "test")

# A shell starts what runs in its background deaf to Ctrl-C, which some tests are about.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    if not pluginmanager.has_plugin("conc_testing"):  # conc is on the path, but not installed
        pluginmanager.import_plugin("conc_testing.pytest_plugin")


def pytest_collection_finish() -> None:
    # Thousands of tests are there now and stay. Many tests look for garbage thoroughly, and need not look at those.
    gc.collect()
    gc.freeze()
