"""Rule: imports go down the layers, never up, and form no circle; conc_testing sees only what users see."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from tests.repo.sources import Source, type_checking_nodes

# From the ground up; a layer imports from itself and from those to its left.
LAYERS = (
    *("conc.errors", "conc._os", "conc._kernel", "conc.time", "conc.sync", "conc.channels", "conc.task"),
    *("conc.threads", "conc.io", "conc.net", "conc.fs", "conc.process", "conc.signals", "conc.codec"),
    *("conc.lowlevel", "conc"),
)
KERNEL = "conc._kernel"


@dataclass(frozen=True)
class Import:
    """One module that another one imports, and what for."""

    importer: str
    target: str
    names: tuple[str, ...]
    for_types_only: bool
    place: str


def imports_of(source: Source, modules: Iterable[str]) -> Iterator[Import]:
    """Everything a module imports, at its top or inside functions. `from package import part` is an import of the part
    where `modules` has one of that name, else of the package."""
    guarded = type_checking_nodes(source.tree)
    known = set(modules)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source.module, alias.name, (), node in guarded, source.at(node))
        elif isinstance(node, ast.ImportFrom):
            base = _absolute_name(node, source)
            for alias in node.names:
                part = f"{base}.{alias.name}"
                target, names = (part, ()) if part in known else (base, (alias.name,))
                yield Import(source.module, target, names, node in guarded, source.at(node))


def _absolute_name(node: ast.ImportFrom, source: Source) -> str:
    if node.level == 0:
        return node.module or ""
    package = source.module.split(".")
    parents = package[: len(package) - node.level + source.is_package]
    return ".".join([*parents, node.module] if node.module else parents)


def layer_of(module: str) -> str | None:
    """The layer that a module of conc belongs to; None if it has none."""
    if module == "conc":
        return "conc"
    return next((layer for layer in LAYERS[:-1] if module == layer or module.startswith(layer + ".")), None)


def upward_imports(sources: Iterable[Source]) -> Iterator[str]:
    """Imports that go up. Types may look upward within the kernel, where a slot must name what is put into it."""
    sources = tuple(sources)
    for source in sources:
        own = layer_of(source.module)
        if own is None:
            yield f"{source.path}: {source.module} belongs to no layer; LAYERS of tests/repo/layers.py has to know it"
            continue
        for found in imports_of(source, [other.module for other in sources]):
            if _root(found.target) == "conc_testing":
                yield f"{found.place}: {source.module} imports {found.target}; conc knows nothing of conc_testing"
            if _root(found.target) != "conc":
                continue
            other = layer_of(found.target)
            if other is None:
                yield f"{found.place}: {source.module} imports {found.target}, which belongs to no layer"
            elif LAYERS.index(other) > LAYERS.index(own):
                yield (
                    f"{found.place}: {source.module} imports {found.target}, but {other} lies above {own}; "
                    "move what is shared down, or let the upper one hand it in"
                )


def circles(sources: Iterable[Source]) -> Iterator[str]:
    """A circle of imports, if there is one; one is enough to show where to cut."""
    sources = tuple(sources)
    modules = [source.module for source in sources]
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for source in sources:
        for found in imports_of(source, modules):
            if found.target in graph and not (found.for_types_only and _both_in_kernel(found)):
                graph[source.module].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        path: list[str] = error.args[1][::-1]
        yield "imports form a circle: " + " -> ".join(path)


def private_imports(sources: Iterable[Source], conc_modules: Iterable[str]) -> Iterator[str]:
    """What users of conc may not import: anything of conc whose name, or whose module's, starts with an underscore."""
    conc_modules = tuple(conc_modules)
    for source in sources:
        for found in imports_of(source, conc_modules):
            parts = [*found.target.split("."), *found.names]
            if parts[0] == "conc" and any(part.startswith("_") and not part.startswith("__") for part in parts):
                yield (
                    f"{found.place}: {source.module} imports {'.'.join(parts)}, which is private; "
                    "use conc's public API or conc.lowlevel"
                )


def _root(module: str) -> str:
    return module.partition(".")[0]


def _both_in_kernel(found: Import) -> bool:
    return layer_of(found.importer) == KERNEL and layer_of(found.target) == KERNEL
