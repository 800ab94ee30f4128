"""Rule: every public name has one home, a docstring and annotations; what waits says when it yields and what a
cancellation leaves behind."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.repo.sources import FunctionNode, Source

FACADE = "conc"
RE_EXPORTERS = frozenset({FACADE, "conc.lowlevel"})
PROMISES = ("Checkpoint", "If cancelled")


@dataclass(frozen=True)
class PublicName:
    """A name, the module whose text defines it, and the modules that users may import it from."""

    name: str
    source: Source
    node: ast.stmt
    exporters: tuple[Source, ...]


def facade_violations(facade: Source) -> Iterator[str]:
    """The façade defines nothing: a docstring, imports, and one list that names exactly what they bring."""
    imported: dict[str, ast.stmt] = {}
    for position, node in enumerate(facade.tree.body):
        if isinstance(node, ast.ImportFrom):
            imported.update((alias.asname or alias.name, node) for alias in node.names)
        elif not (position == 0 and _is_text(node)) and not _defines(node, "__all__"):
            yield f"{facade.at(node)}: {facade.module} may only import and list names; give this a home of its own"
    listed = set(exported_names(facade) or ())
    for name, node in imported.items():
        if name not in listed:
            yield f"{facade.at(node)}: {facade.module} imports {name} and does not list it in __all__"
    for name in listed - set(imported):
        yield f"{facade.path}: {facade.module} lists {name} in __all__ and does not import it"


def exported_names(source: Source) -> tuple[str, ...] | None:
    """What `__all__` lists, or None where there is no such list."""
    for node in source.tree.body:
        if _defines(node, "__all__") and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            return tuple(ast.literal_eval(node.value))
    return None


def public_names(sources: Iterable[Source]) -> Iterator[PublicName]:
    """Every public name that a module of `sources` defines. A module is public if no part of its name starts with an
    underscore; a package that has a list speaks for its modules."""
    by_name = {source.module: source for source in sources}
    exporters: dict[tuple[str, str], list[Source]] = {}
    for source in by_name.values():
        if _is_public(source.module) and not _has_speaker(source, by_name):
            for name in exported_names(source) or _defined_names(source):
                home, defined_name = _find_definition(by_name, source, name)
                exporters.setdefault((home.module, defined_name), []).append(source)
    for (module, name), found in exporters.items():
        source = by_name[module]
        node = next((node for node in source.tree.body if _defines(node, name)), None)
        if node is not None:
            yield PublicName(name, source, node, tuple(found))


def home_violations(names: Iterable[PublicName]) -> Iterator[str]:
    """Public names that others than their package and the façades export too; and names with two homes. What a private
    module defines gets its home from the one public module that exports it."""
    for public in names:
        place = f"{public.source.at(public.node)}: {public.name}"
        for exporter in public.exporters:
            is_at_home = _is_within(public.source.module, exporter.module) or not _is_public(public.source.module)
            if not is_at_home and exporter.module not in RE_EXPORTERS:
                yield f"{place} is exported by {exporter.module} too; only its package, conc and conc.lowlevel may"
        homes = sorted(exporter.module for exporter in public.exporters if exporter.module != FACADE)
        if len(homes) > 1:
            yield f"{place} has {len(homes)} homes ({', '.join(homes)}); keep one"


def docstring_violations(names: Iterable[PublicName]) -> Iterator[str]:
    """Public names, and public methods of public classes, that do not say what they are or do; and coroutines that do
    not say *Checkpoint* and *If cancelled*."""
    for public in names:
        if isinstance(public.node, ast.ClassDef | FunctionNode):
            documented = [(public.name, public.node), *_public_methods(public.node)]
        elif not _has_text_below(public):
            documented = []
            yield f"{public.source.at(public.node)}: {public.name} has no docstring (a string on the line below it)"
        else:
            documented = []
        for label, node in documented:
            docstring = ast.get_docstring(node)
            if not docstring:
                yield f"{public.source.at(node)}: {label} has no docstring"
            elif isinstance(node, ast.AsyncFunctionDef):
                for promise in PROMISES:
                    if not re.search(rf"^\s*{promise}:", docstring, re.MULTILINE):
                        yield f"{public.source.at(node)}: the docstring of {label} does not say `{promise}:`"


def annotation_violations(names: Iterable[PublicName]) -> Iterator[str]:
    """Parameters and results of public functions and methods that have no annotation."""
    for public in names:
        node = public.node
        if isinstance(node, FunctionNode):
            yield from _missing_annotations(public, public.name, node, skip_first=False)
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, FunctionNode):
                    is_static = any(ast.unparse(decorator) == "staticmethod" for decorator in method.decorator_list)
                    yield from _missing_annotations(
                        public, f"{public.name}.{method.name}", method, skip_first=not is_static
                    )


def _missing_annotations(public: PublicName, label: str, node: FunctionNode, *, skip_first: bool) -> Iterator[str]:
    arguments = [*node.args.posonlyargs, *node.args.args][skip_first:] + node.args.kwonlyargs
    arguments += [argument for argument in (node.args.vararg, node.args.kwarg) if argument is not None]
    for argument in arguments:
        if argument.annotation is None:
            yield f"{public.source.at(node)}: the parameter {argument.arg} of {label} has no annotation"
    if node.returns is None:
        yield f"{public.source.at(node)}: the result of {label} has no annotation"


def _public_methods(node: ast.stmt) -> Iterator[tuple[str, FunctionNode]]:
    """Methods with a public name. Setters and overloads share the docstring of what they belong to."""
    if isinstance(node, ast.ClassDef):
        for method in node.body:
            if isinstance(method, FunctionNode) and not method.name.startswith("_"):
                decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in method.decorator_list}
                if not decorators & {"setter", "deleter", "overload"}:
                    yield f"{node.name}.{method.name}", method


def _find_definition(by_name: dict[str, Source], source: Source, name: str) -> tuple[Source, str]:
    """Follow `from ... import` to the module whose text defines the name, and its name there; no name for a module."""
    for node in source.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module in by_name:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    part = by_name.get(f"{node.module}.{alias.name}")
                    return (part, "") if part else _find_definition(by_name, by_name[node.module], alias.name)
    return source, name


def _defined_names(source: Source) -> list[str]:
    return [name for node in source.tree.body for name in _names_of(node) if not name.startswith("_")]


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | FunctionNode):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _defines(node: ast.stmt, name: str) -> bool:
    return name in _names_of(node)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _has_text_below(public: PublicName) -> bool:
    body = public.source.tree.body
    below = body.index(public.node) + 1
    return below < len(body) and _is_text(body[below])


def _is_public(module: str) -> bool:
    return not any(part.startswith("_") for part in module.split("."))


def _has_speaker(source: Source, by_name: dict[str, Source]) -> bool:
    """Whether a package around this module, the façade apart, has an `__all__` that says what is public in it."""
    parts = source.module.split(".")
    packages = {".".join(parts[:length]) for length in range(1, len(parts))} - {FACADE}
    return any(package in by_name and exported_names(by_name[package]) is not None for package in packages)


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")
