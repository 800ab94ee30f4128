"""The programs of the page about pytest are files of tests: pytest runs them, with the outcome that the page tells."""

import re

import pytest

from tests.repo.programs import Block, blocks
from tests.repo.sources import ROOT
from tests.testing.plugin.support import Run

pytest_plugins = ["pytester"]

PAGE = ROOT / "docs" / "tutorial" / "pytest.md"
FAILS = re.compile(r"<!-- fails: (?P<text>.+) -->")
FILES = [block for block in blocks(PAGE.name, PAGE.read_text(encoding="utf-8")) if block.info == "python"]


@pytest.mark.parametrize("block", FILES, ids=lambda block: block.place)
def test_a_file_of_tests_on_the_page_does_what_the_page_says(run: Run, block: Block) -> None:
    fails = FAILS.fullmatch(block.line_before)

    result = run(block.text)

    outcomes = result.parseoutcomes()
    if fails is None:
        assert set(outcomes) == {"passed"}
    else:
        assert set(outcomes) == {"failed"}
        assert fails["text"] in result.stdout.str()
