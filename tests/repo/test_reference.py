"""The reference on the site has every public name."""

import re
from collections.abc import Iterable

import pytest

from tests.repo.public_names import PublicName, public_names
from tests.repo.sources import ROOT, assert_holds, planted, read_folder

DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)


def not_in_reference(names: Iterable[PublicName], shown: set[str]) -> list[str]:
    """Names that have no place: neither they themselves are shown, nor a module that exports them."""
    return [
        f"{public.source.at(public.node)}: {public.name} is not in docs/reference"
        for public in names
        if not any({exporter.module, f"{exporter.module}.{public.name}"} & shown for exporter in public.exporters)
    ]


@pytest.mark.parametrize("package", ["conc", "conc_testing"])
def test_every_public_name_is_in_the_reference(package: str) -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    shown = {name for page in pages for name in DIRECTIVE.findall(page.read_text(encoding="utf-8"))}

    assert_holds(not_in_reference(public_names(read_folder(package)), shown))


def test_a_name_without_a_place_is_named() -> None:
    names = list(public_names([planted("conc.errors", "class Lost: ...")]))

    assert not_in_reference(names, {"conc.errors"}) == not_in_reference(names, {"conc.errors.Lost"}) == []
    assert not_in_reference(names, {"conc.sync"}) == ["conc/errors.py:1: Lost is not in docs/reference"]
