"""Tracked files are finished and speak of no one machine, and the rule finds those that do not."""

import pytest

from tests.repo.sources import ROOT, assert_holds
from tests.repo.text import loose_ends, tracked_files


def test_tracked_files_have_no_loose_ends() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("which files are tracked is known in a git checkout only")
    texts = tracked_files()

    assert "pyproject.toml" in texts
    assert_holds(loose_ends(texts.items()))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("see " + "/home/" + "ada/notes.md", "one machine"),
        ("/ro" + "ot/.cache", "one machine"),
        ("path = '" + "/Users/" + "ada'", "one machine"),
        ("# TO" + "DO: later", "not finished"),
        ("FIX" + "ME", "not finished"),
    ],
)
def test_a_loose_end_is_named_with_its_line(line: str, named: str) -> None:
    (message,) = loose_ends([("notes.md", f"first\n{line}\n")])

    assert message.startswith("notes.md:2:")
    assert named in message


@pytest.mark.parametrize("line", ["docs/home/page.md", "https://example.org/home/ada", "a to-do list", "/usr/bin/env"])
def test_other_paths_and_words_are_no_violation(line: str) -> None:
    assert list(loose_ends([("notes.md", line)])) == []
