"""Every Python block of the README and of the documentation is a complete program that does what the page says."""

from pathlib import Path

import pytest

from tests.repo.programs import Program, complaints, programs
from tests.repo.sources import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = [
    program
    for page in PAGES
    for program in programs(page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.place for program in PROGRAMS])
def test_a_program_in_the_docs_does_what_the_page_says(program: Program, tmp_path: Path) -> None:
    assert complaints(program, tmp_path) == []


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/", "docs/concepts/"])
def test_every_part_of_the_docs_shows_programs(page: str) -> None:
    assert any(program.place.startswith(page) for program in PROGRAMS)


PAGE = """
Some text.

```python
print("one")
```

```text title="prints"
one
```

1. In a list, and it fails:

    <!-- exits 3: goodbye -->
    ```python
    import sys
    sys.stderr.write("goodbye")
    sys.exit(3)
    ```

```text
no program
```
"""


def test_programs_are_found_with_what_they_must_do() -> None:
    first, second = programs("page.md", PAGE)

    assert first == Program("page.md:4", 'print("one")\n', prints="one\n")
    assert second.text.startswith("import sys\n")
    assert (second.place, second.exit_code, second.error_text) == ("page.md:15", 3, "goodbye")


def test_a_block_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"page.md:2: this block has no end"):
        programs("page.md", "\n```python\nprint()\n")


def test_a_program_that_keeps_its_word_gives_no_complaint(tmp_path: Path) -> None:
    assert [complaints(program, tmp_path) for program in programs("page.md", PAGE)] == [[], []]


@pytest.mark.parametrize(
    ("program", "named"),
    [
        (Program("p", "print(1)", prints="2\n"), "prints"),
        (Program("p", "raise ValueError('no')"), "exits 1, not 0"),
        (Program("p", "import sys; sys.exit('no')", exit_code=1, error_text="yes"), "other errors than 'yes'"),
        (Program("p", "import sys; sys.stderr.write('oh')"), "other errors than ''"),
        (Program("p", "import warnings; warnings.warn('oh')"), "exits 1, not 0"),
    ],
)
def test_a_program_that_breaks_its_word_is_named(program: Program, named: str, tmp_path: Path) -> None:
    (complaint,) = complaints(program, tmp_path)

    assert named in complaint


def test_a_program_that_hangs_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.repo.programs.SECONDS_AT_MOST", 0.2)

    (complaint,) = complaints(Program("p", "while True: pass"), tmp_path)

    assert "did not end" in complaint
