"""Rule: conc/_os is the only door to the operating system, so that a test can put another world behind it."""

import ast
from collections.abc import Iterable, Iterator

from tests.repo.sources import Source, type_checking_nodes

DOOR = "conc._os"

# What reads a clock, draws entropy, waits, makes a thread, a process, a descriptor or an event loop; and what could
# import any of these unseen.
FORBIDDEN_MODULES = frozenset(
    {
        *("time", "datetime", "sched", "random", "_random", "secrets", "uuid"),
        *("select", "_select", "selectors", "_socket", "fcntl", "signal", "_signal", "asyncio"),
        *("threading", "_thread", "queue", "_queue", "multiprocessing"),
        *("subprocess", "_posixsubprocess", "posix", "nt", "pty", "shutil", "tempfile", "mmap", "ctypes", "resource"),
        *("importlib", "runpy"),
    }
)
FORBIDDEN_BUILTINS = frozenset({"open", "input", "breakpoint", "__import__"})

# Modules with a harmless part: names and constants that ask the system nothing.
HARMLESS_NAMES = {
    "os": frozenset({"PathLike", "fsdecode", "fsencode", "fspath", "strerror"}),
    "concurrent.futures": frozenset({"CancelledError", "Future", "InvalidStateError", "TimeoutError"}),
    "socket": frozenset({"AddressFamily", "AddressInfo", "SocketKind", "gaierror", "herror"}),
}
SOCKET_CONSTANTS = (
    *("AF_", "AI_", "EAI_", "INADDR_", "IP_", "IPPROTO_", "IPV6_", "MSG_", "NI_"),
    *("SHUT_", "SO_", "SOCK_", "SOL_", "TCP_"),
)


def doors_bypassed(sources: Iterable[Source]) -> Iterator[str]:
    """Every use of the operating system outside conc/_os. What stands under TYPE_CHECKING or in annotations is none."""
    for source in sources:
        if source.module != DOOR and not source.module.startswith(DOOR + "."):
            for node, what in _uses(source):
                yield f"{source.at(node)}: {what} reaches the operating system; only conc/_os may, so put it there"


def _uses(source: Source) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    exempt = type_checking_nodes(source.tree) | _descriptions(source.tree)
    origins: dict[str, str] = {}  # what each imported name stands for, as a dotted name
    running = [node for node in ast.walk(source.tree) if node not in exempt]
    for node in running:
        if isinstance(node, ast.Import):
            origins.update(_origin(alias) for alias in node.names)
            yield from ((node, alias.name) for alias in node.names if _is_forbidden(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                origins[alias.asname or alias.name] = name = f"{node.module}.{alias.name}"
                if _is_forbidden(name):
                    yield node, name
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_BUILTINS:
            yield node, f"{node.func.id}()"

    inner = {node.value for node in running if isinstance(node, ast.Attribute)}
    for node in running:
        if isinstance(node, ast.Attribute | ast.Name) and node not in inner:
            name = _dotted_name(node, origins)
            if name in HARMLESS_NAMES:
                yield node, f"the module {name}, used as a value,"
            elif isinstance(node, ast.Attribute) and _is_forbidden(name):
                yield node, name


def _origin(alias: ast.alias) -> tuple[str, str]:
    """`import a.b` binds a, and `import a.b as c` binds c to a.b."""
    first = alias.name.partition(".")[0]
    return (alias.asname, alias.name) if alias.asname else (first, first)


def _dotted_name(node: ast.expr, origins: dict[str, str]) -> str:
    """`futures.Future` as "concurrent.futures.Future"; "" for what does not start at an imported name."""
    if isinstance(node, ast.Name):
        return origins.get(node.id, "")
    if isinstance(node, ast.Attribute) and (base := _dotted_name(node.value, origins)):
        return f"{base}.{node.attr}"
    return ""


def _is_forbidden(name: str) -> bool:
    if name.partition(".")[0] in FORBIDDEN_MODULES:
        return True
    for module, harmless in HARMLESS_NAMES.items():
        if name.startswith(module + "."):
            part = name.removeprefix(module + ".").partition(".")[0]
            return part not in harmless and not (module == "socket" and part.startswith(SOCKET_CONSTANTS))
    return False


def _descriptions(tree: ast.AST) -> set[ast.AST]:
    """What only describes: annotations, and the second argument of isinstance."""
    descriptions: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            descriptions.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            descriptions.append(node.returns)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            descriptions.extend(node.args[1:])
    return {inner for description in descriptions if description is not None for inner in ast.walk(description)}
