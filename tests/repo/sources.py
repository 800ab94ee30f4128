"""The Python files of the repository, as the rules of this folder see them: text and syntax tree, never imported."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One module: its dotted name, its path from the root of the repository, and its text."""

    module: str
    path: str
    text: str
    tree: ast.Module = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", ast.parse(self.text, self.path))

    @property
    def is_package(self) -> bool:
        """Whether this is the __init__ of a package."""
        return self.path.endswith("__init__.py")

    def at(self, node: ast.stmt | ast.expr) -> str:
        """Where a node stands, as editors understand it."""
        return f"{self.path}:{node.lineno}"


@cache
def read_folder(folder: str) -> tuple[Source, ...]:
    """Every Python file under a folder of the repository; an empty or missing one is an error, so that no rule holds
    only because it looked at nothing."""
    sources = tuple(_read_file(path) for path in sorted((ROOT / folder).rglob("*.py")))
    if not sources:
        raise FileNotFoundError(f"there is no Python file under {folder}/, so its rules cannot be checked")
    return sources


def _read_file(path: Path) -> Source:
    relative = path.relative_to(ROOT)
    parts = relative.with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Source(module, relative.as_posix(), path.read_text(encoding="utf-8"))


def planted(module: str, text: str) -> Source:
    """A module that exists only in a test of a rule. A name that ends in `.__init__` makes a package."""
    return Source(module.removesuffix(".__init__"), module.replace(".", "/") + ".py", text)


def functions(tree: ast.AST) -> Iterator[FunctionNode]:
    """Every function and method, wherever it is defined."""
    return (node for node in ast.walk(tree) if isinstance(node, FunctionNode))


def type_checking_nodes(tree: ast.AST) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:` and therefore never runs."""
    guarded: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            guarded.update(inner for statement in node.body for inner in ast.walk(statement))
    return guarded


def assert_holds(violations: Iterable[str]) -> None:
    """Fail with one line a violation."""
    found = sorted(violations)
    assert not found, "\n" + "\n".join(found)
