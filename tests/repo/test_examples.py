"""Every example runs as it is, ends by itself, and prints what its docstring says it prints."""

import ast
from pathlib import Path

import pytest

from tests.repo.programs import Program, complaints
from tests.repo.sources import ROOT, Source, read_folder

# Examples that take long or need arguments, and the tests that run them instead.
SERVERS = ("chat", "http/client", "http/server", "proxy", "websocket_echo")
TESTED_ELSEWHERE = {f"examples/{name}.py": "tests/examples" for name in ("demo", *SERVERS)}


def example_of(source: Source) -> Program | None:
    """The program of a file that has a main part. The last paragraph of its docstring, if it starts with "Prints:",
    shows the output."""
    if 'if __name__ == "__main__":' not in source.text:
        return None
    _, _, shown = (ast.get_docstring(source.tree) or "").partition("\nPrints:\n")
    lines = [line.removeprefix("    ") + "\n" for line in shown.strip("\n").splitlines()]
    return Program(source.path, source.text, "".join(lines) or None)


EXAMPLES = [
    example
    for source in read_folder("examples")
    if source.path not in TESTED_ELSEWHERE and (example := example_of(source)) is not None
]


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.place for example in EXAMPLES])
def test_an_example_does_what_its_docstring_says(example: Program, tmp_path: Path) -> None:
    assert complaints(example, tmp_path) == []


@pytest.mark.parametrize(("example", "tests"), TESTED_ELSEWHERE.items())
def test_an_example_that_is_tested_elsewhere_is_so(example: str, tests: str) -> None:
    assert (ROOT / example).exists()
    assert list((ROOT / tests).rglob("test_*.py"))


def test_what_an_example_prints_is_read_from_its_docstring() -> None:
    text = '"""Count.\n\nPrints:\n\n    1\n    2\n"""\n\nif __name__ == "__main__":\n    print(1)\n    print(2)\n'

    example = example_of(Source("examples.count", "examples/count.py", text))

    assert example == Program("examples/count.py", text, prints="1\n2\n")


def test_a_file_without_a_main_part_is_no_example() -> None:
    assert example_of(Source("examples.parts", "examples/parts.py", "x = 1\n")) is None
