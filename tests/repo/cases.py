"""Rules for the page that says where each case is tested: no case is missing, and each test that is named exists."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from tests.repo.sources import Source, functions

ROWS = range(1, 38)  # operations that are cancelled
CASES = [*map(str, ROWS), *(f"N{number}" for number in range(1, 25))]

NAMED = re.compile(r"`(?P<path>tests/[\w/]+\.py)::(?P<name>\w+)`")
MAKES_A_TEST = re.compile(r"\w+\.TestCase$|Case\(")  # of Hypothesis; of the zoo
NOT_HERE = "does not apply: "


def rows(page: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of the tables, without their heads: the line, and the cells."""
    lines = page.splitlines()
    for number, line in enumerate(lines, start=1):
        is_head = number < len(lines) and lines[number].startswith("|---")
        if line.startswith("| ") and not is_head:
            yield number, [cell.strip() for cell in line.strip("|").split(" | ")]


def names_of_tests(sources: Iterable[Source]) -> dict[str, set[str]]:
    """The tests of each file: functions, what Hypothesis makes of a state machine, and the cases of the zoo."""
    return {source.path: set(_tests_of(source.tree)) for source in sources}


def _tests_of(tree: ast.Module) -> Iterator[str]:
    yield from (node.name for node in functions(tree) if node.name.startswith("test_"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and MAKES_A_TEST.match(ast.unparse(node.value)):
            yield from map(ast.unparse, node.targets)


def missing(page: str, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Cases without a row, rows with a cell that names no test, and tests that do not exist."""
    told = [cells[0] for _, cells in rows(page)]
    yield from (f"case {case} has {told.count(case)} rows, not 1" for case in CASES if told.count(case) != 1)
    for number, cells in rows(page):
        for cell in cells[2:] or cells[1:]:
            named = [match.group("path", "name") for match in NAMED.finditer(cell)]
            if not named and not cell.startswith(NOT_HERE):
                yield f"line {number}: {cells[0]} names no test, nor why there is none: {cell!r}"
            for path, name in named:
                if name not in known.get(path, ()):
                    yield f"line {number}: {cells[0]} names {path}::{name}, which does not exist"
