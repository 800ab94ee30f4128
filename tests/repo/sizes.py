"""Rules: a file, a function and a model fit in a head; no shortcut that hides a failure; a test's name is a claim."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from tests.repo.sources import FunctionNode, Source, functions

FILE_LINES = 450
FUNCTION_LINES = 70
MODEL_LINES = 40  # of what a state machine is compared with: more, and it would need a test of its own

# What is longer, with its length; an entry may only shrink, and goes when it is no longer needed.
# A file is named by its path, a function as "path::name".
LONGER: dict[str, int] = {}


def lengths(sources: Iterable[Source]) -> Iterator[tuple[str, int, int]]:
    """Each file and function: what it is called in LONGER, its length in lines, and the most it may have. A docstring
    does not count in a function."""
    for source in sources:
        yield source.path, len(source.text.splitlines()), FILE_LINES
        for node in functions(source.tree):
            yield f"{source.path}::{node.name}", _lines_without_docstring(node), FUNCTION_LINES


def too_long(sources: Iterable[Source], longer: Mapping[str, int]) -> Iterator[str]:
    """What is longer than it may be, and entries of `longer` that could shrink or go."""
    exceeding: dict[str, int] = {}
    for label, length, limit in lengths(sources):
        if length > limit:
            exceeding[label] = max(length, exceeding.get(label, 0))
            if label not in longer:
                yield f"{label} has {length} lines, {limit} at most: it may have become two ideas"
    for label, allowed in longer.items():
        if label not in exceeding:
            yield f"{label} is no longer too long: take it out of LONGER in tests/repo/sizes.py"
        elif exceeding[label] > allowed:
            yield f"{label} grew from {allowed} to {exceeding[label]} lines: it may only shrink"
        elif exceeding[label] < allowed:
            yield f"{label} shrank from {allowed} to {exceeding[label]} lines: say so in LONGER in tests/repo/sizes.py"


def long_models(sources: Iterable[Source]) -> Iterator[str]:
    """Models of Hypothesis's state machines that are too long, with what they inherit in their file."""
    for source in sources:
        if "hypothesis.stateful" not in source.text:
            continue
        classes = {node.name: node for node in source.tree.body if isinstance(node, ast.ClassDef)}
        for name, node in classes.items():
            family = [
                node,
                *(classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes),
            ]
            lines = sum(_lines_of_code(source, one) for one in family)
            if name.endswith("Model") and lines > MODEL_LINES:
                yield f"{source.at(node)}: {name} has {lines} lines, {MODEL_LINES} at most: simpler than the code?"


def _lines_of_code(source: Source, node: ast.ClassDef) -> int:
    """Neither blank lines nor docstrings."""
    lines = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for inner in ast.walk(node):
        if isinstance(inner, ast.ClassDef | FunctionNode) and ast.get_docstring(inner) is not None:
            text = inner.body[0]
            lines -= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    written = source.text.splitlines()
    return sum(bool(written[line - 1].strip()) for line in lines)


def _lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        text = node.body[0]
        length -= (text.end_lineno or text.lineno) - text.lineno + 1
    return length


def shortcuts(sources: Iterable[Source]) -> Iterator[str]:
    """Star imports, bare excepts, prints and blocking sleeps."""
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                yield f"{source.at(node)}: a star import hides where names come from"
            elif isinstance(node, ast.ExceptHandler) and node.type is None:
                yield f"{source.path}:{node.lineno}: a bare except does not say what it expects"
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield f"{source.at(node)}: a library prints nothing"
            elif isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep":
                yield f"{source.at(node)}: time.sleep blocks the worker and all its strands"


def unclear_test_names(sources: Iterable[Source]) -> Iterator[str]:
    """Tests whose name is a topic or a number and not a claim."""
    for source in sources:
        for node in functions(source.tree):
            if node.name.startswith("test_"):
                words = [word for word in node.name.removeprefix("test_").split("_") if word]
                if len(words) < 3:
                    yield f"{source.at(node)}: {node.name} makes no claim; say in three words or more what must hold"
                elif node.name[-1].isdigit():
                    yield f"{source.at(node)}: {node.name} ends in a number; say what sets it apart"
