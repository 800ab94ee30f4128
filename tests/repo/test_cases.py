"""The page of what is tested has each case, each with tests that exist; and the rule finds what is missing."""

import pytest

from tests.repo.cases import CASES, missing, names_of_tests
from tests.repo.sources import ROOT, assert_holds, planted, read_folder

PAGE = ROOT / "docs" / "decisions" / "0007-what-is-tested.md"
KNOWN = {"tests/a.py": {"test_it_holds", "TestIt", "CASE"}}
HEAD = "| row | what | while it waits | in the window |\n|---|---|---|---|\n"
COMPLETE = HEAD + "".join(f"| {case} | it | `tests/a.py::test_it_holds` | `tests/a.py::TestIt` |\n" for case in CASES)


def test_each_case_is_tested_by_tests_that_exist() -> None:
    assert_holds(missing(PAGE.read_text(encoding="utf-8"), names_of_tests(read_folder("tests"))))


def test_the_page_names_each_case_of_the_zoo() -> None:
    page = PAGE.read_text(encoding="utf-8")
    zoo = [path for path, names in names_of_tests(read_folder("tests/zoo")).items() if "CASE" in names]

    assert zoo, "there is no case in the zoo"
    assert [path for path in zoo if f"`{path}::CASE`" not in page] == []


def test_tests_are_functions_and_state_machines_and_cases_of_the_zoo() -> None:
    text = "def test_it_holds(): ...\nclass M: ...\nTestIt = M.TestCase\nCASE = Case('N7')\nTEST = 1\ndef helper(): ..."

    assert names_of_tests([planted("tests.a", text)]) == KNOWN


def test_a_page_with_all_cases_is_no_violation() -> None:
    assert list(missing(COMPLETE, KNOWN)) == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (
            "| N7 | it | `tests/a.py::test_it_holds` | `tests/a.py::test_it` |",
            "tests/a.py::test_it, which does not exist",
        ),
        (
            "| N7 | it | `tests/b.py::test_it_holds` | `tests/a.py::TestIt` |",
            "tests/b.py::test_it_holds, which does not",
        ),
        ("| N7 | it | `tests/a.py::test_it_holds` | by hand |", "N7 names no test"),
        ("| N7 | it | does not apply: no such thing | does not apply: nobody waits |", None),
        ("| M7 | it | `tests/a.py::test_it_holds` | `tests/a.py::TestIt` |", "case N7 has 0 rows"),
        ("| N8 | it | `tests/a.py::test_it_holds` | `tests/a.py::TestIt` |", "case N8 has 2 rows"),
    ],
)
def test_what_is_missing_in_a_row_is_named(line: str, named: str | None) -> None:
    lines = [line if row.startswith("| N7 ") else row for row in COMPLETE.splitlines()]

    messages = list(missing("\n".join(lines), KNOWN))

    assert (named is None and messages == []) or any(named in message for message in messages if named is not None)
