"""Every public name has one home, a docstring and annotations; and each rule finds who breaks it."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.repo.public_names import (
    PublicName,
    annotation_violations,
    docstring_violations,
    exported_names,
    facade_violations,
    home_violations,
    public_names,
)
from tests.repo.sources import ROOT, Source, assert_holds, planted, read_folder

Rule = Callable[[Iterable[PublicName]], Iterator[str]]
PACKAGES = ("conc", "conc_testing")


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("rule", [home_violations, docstring_violations, annotation_violations])
def test_every_public_name_keeps_the_rule(package: str, rule: Rule) -> None:
    names = list(public_names(read_folder(package)))

    assert names, f"{package} has no public name"
    assert_holds(rule(names))


def test_the_facade_of_conc_defines_nothing() -> None:
    assert_holds(facade_violations(_module("conc", "conc")))


def test_what_import_conc_loads_it_lists_too() -> None:
    """So that no package can be used by accident, without an import, until another module stops importing it."""
    program = (
        "import sys, conc\n"
        "parts = [name.split('.') for name in sys.modules if name.startswith('conc.')]\n"
        "print(*sorted({part[1] for part in parts if not part[1].startswith('_')} - set(conc.__all__)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ended.stdout == "\n", "conc/__init__.py loads these packages and does not list them"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_listed_name_can_be_imported(package: str) -> None:
    listed = {source.module: exported_names(source) for source in read_folder(package)}

    assert listed[package], f"{package} lists no names in __all__"
    for module, names in listed.items():
        for name in names or ():
            assert hasattr(importlib.import_module(module), name), f"{module} lists {name} and has none"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def _module(folder: str, module: str) -> Source:
    return next(source for source in read_folder(folder) if source.module == module)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('from conc.a import f\n__all__ = ["f"]\nx = 1', "may only import and list names"),
        ('from conc.a import f\n__all__ = ["f"]\ndef g(): ...', "may only import and list names"),
        ("from conc.a import f\n__all__ = []", "imports f and does not list it"),
        ('__all__ = ["f"]', "lists f in __all__ and does not import it"),
    ],
)
def test_a_facade_that_does_more_than_list_is_named(text: str, named: str) -> None:
    (message,) = facade_violations(planted("conc.__init__", text))

    assert named in message


def test_a_facade_that_only_lists_is_no_violation() -> None:
    text = '"""Chapters."""\nfrom conc import a\nfrom conc.a import f, g as h\n__all__ = ["a", "f", "h"]'

    assert list(facade_violations(planted("conc.__init__", text))) == []


EVENT = 'class Event:\n    """A flag."""'


def test_a_package_and_the_facade_may_both_list_a_name() -> None:
    names = public_names(
        [
            planted("conc.__init__", 'from conc.sync import Event\n__all__ = ["Event"]'),
            planted("conc.sync.__init__", 'from conc.sync.event import Event\n__all__ = ["Event"]'),
            planted("conc.sync.event", EVENT),
        ]
    )

    (public,) = names
    assert [exporter.module for exporter in public.exporters] == ["conc", "conc.sync"]
    assert list(home_violations([public])) == []


def test_a_name_that_two_packages_list_is_named() -> None:
    names = public_names(
        [
            planted("conc.net.__init__", 'from conc.sync import Event\n__all__ = ["Event"]'),
            planted("conc.sync.__init__", 'from conc.sync.event import Event\n__all__ = ["Event"]'),
            planted("conc.sync.event", EVENT),
        ]
    )

    stranger, two_homes = home_violations(names)

    assert "exported by conc.net too" in stranger
    assert "2 homes (conc.net, conc.sync)" in two_homes


def exporting_sleep(*modules: str) -> list[Source]:
    text = 'from conc._kernel.clock import sleep\n__all__ = ["sleep"]'
    return [planted("conc._kernel.clock", "async def sleep(): ..."), *(planted(module, text) for module in modules)]


@pytest.mark.parametrize("home", ["conc.lowlevel", "conc.time.__init__"])
def test_a_kernel_name_has_its_home_where_it_is_exported(home: str) -> None:
    (public,) = public_names(exporting_sleep("conc.__init__", home))

    assert public.source.module == "conc._kernel.clock"
    assert list(home_violations([public])) == []


def test_a_kernel_name_with_two_homes_is_named() -> None:
    (message,) = home_violations(public_names(exporting_sleep("conc.lowlevel", "conc.time.__init__")))

    assert "2 homes (conc.lowlevel, conc.time)" in message


def test_a_package_speaks_for_its_modules() -> None:
    names = public_names(
        [
            planted("conc_testing.__init__", 'from conc_testing.clock import VirtualClock\n__all__ = ["VirtualClock"]'),
            planted("conc_testing.clock", "class VirtualClock: ...\nclass Helper: ..."),
        ]
    )

    (public,) = names
    assert public.name == "VirtualClock"
    assert list(home_violations([public])) == []


def test_a_module_that_the_facade_lists_is_no_name_of_its_own() -> None:
    house = [planted("conc.__init__", 'from conc import sync\n__all__ = ["sync"]'), planted("conc.sync.__init__", "")]

    assert list(public_names(house)) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("def f(): ...", "f has no docstring"),
        ("class C: ...", "C has no docstring"),
        ('class C:\n    """C."""\n    def m(self): ...', "C.m has no docstring"),
        ("LIMIT = 1", "LIMIT has no docstring"),
        ('async def f():\n    """F.\n\n    Checkpoint: always.\n    """', "does not say `If cancelled:`"),
        ('async def f():\n    """F. If cancelled: gone.\n\n    If cancelled: gone.\n    """', "not say `Checkpoint:`"),
        (
            'class C:\n    """C."""\n    async def m(self):\n        """M.\n\n        Checkpoint: no."""',
            "of C.m does not",
        ),
    ],
)
def test_a_docstring_that_is_missing_or_silent_is_named(text: str, named: str) -> None:
    (message,) = docstring_violations(public_names([planted("conc.errors", text)]))

    assert named in message


@pytest.mark.parametrize(
    "text",
    [
        'LIMIT = 1\n"""Bytes."""',
        "def _f(): ...",
        'class C:\n    """C."""\n    def __enter__(self): ...\n    def _m(self): ...',
        'class C:\n    """C."""\n    @property\n    def p(self):\n        """."""\n    @p.setter\n    def p(self): ...',
        'async def f():\n    """F.\n\n    Checkpoint: always.\n    If cancelled: nothing happened.\n    """',
    ],
)
def test_a_documented_or_private_name_is_no_violation(text: str) -> None:
    assert list(docstring_violations(public_names([planted("conc.errors", text)]))) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("def f(a: int): ...", "the result of f"),
        ("def f(a) -> None: ...", "the parameter a of f"),
        ("def f(*, a) -> None: ...", "the parameter a of f"),
        ("def f(*a, b: int) -> None: ...", "the parameter a of f"),
        ("class C:\n    def __init__(self, a) -> None: ...", "the parameter a of C.__init__"),
        ("class C:\n    @staticmethod\n    def m(a) -> None: ...", "the parameter a of C.m"),
    ],
)
def test_a_missing_annotation_is_named(text: str, named: str) -> None:
    (message,) = annotation_violations(public_names([planted("conc.errors", text)]))

    assert named in message


def test_an_annotated_signature_is_no_violation() -> None:
    text = "class C:\n    def m(self, a: int, *b: int, c: int = 1, **d: int) -> None: ..."

    assert list(annotation_violations(public_names([planted("conc.errors", text)]))) == []
