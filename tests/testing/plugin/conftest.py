import pytest

from tests.testing.plugin.support import ALONE, CONFTEST, Run


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Runs pytest on a file of tests, without the plugins of other async libraries."""
    pytester.makeconftest(CONFTEST)

    def run_file(text: str, *arguments: str, mode: str = "auto", ini: str = "") -> pytest.RunResult:
        pytester.makeini(f"[pytest]\nconc_mode = {mode}\n{ini}\n")
        pytester.makepyfile("import conc, pytest, threading, time\n" + text)
        return pytester.runpytest_inprocess(*ALONE, *arguments, no_reraise_ctrlc=True)

    return run_file
