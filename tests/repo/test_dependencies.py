"""What conc imports from elsewhere is declared, and what is declared is imported."""

import sys
import tomllib
from collections.abc import Iterable

from tests.repo.layers import imports_of
from tests.repo.sources import ROOT, Source, assert_holds, planted, read_folder


def undeclared_and_unused(sources: Iterable[Source], declared: set[str]) -> list[str]:
    """Imports of what is neither in the standard library nor declared; and declared packages nobody imports."""
    places: dict[str, str] = {}
    for source in sources:
        for found in imports_of(source, ()):
            places.setdefault(found.target.partition(".")[0], found.place)
    foreign = {name for name in places if name != "conc" and name not in sys.stdlib_module_names}
    undeclared = [
        f"{places[name]}: {name} is imported and no dependency in pyproject.toml" for name in foreign - declared
    ]
    return undeclared + [f"pyproject.toml: {name} is a dependency and never imported" for name in declared - foreign]


def test_conc_imports_exactly_the_dependencies_it_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {requirement.partition(">")[0].strip() for requirement in project["dependencies"]}

    assert_holds(undeclared_and_unused(read_folder("conc"), declared))


def test_an_undeclared_and_an_unused_dependency_are_named() -> None:
    source = planted("conc.a", "import os\nimport conc.errors\nfrom numpy import array")

    undeclared, unused = undeclared_and_unused([source], {"outcome"})

    assert undeclared == "conc/a.py:3: numpy is imported and no dependency in pyproject.toml"
    assert "outcome is a dependency and never imported" in unused
