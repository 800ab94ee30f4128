"""Sizes, shortcuts and test names over the whole repository, and that each rule finds who breaks it."""

import pytest

from tests.repo.sizes import (
    FILE_LINES,
    FUNCTION_LINES,
    LONGER,
    MODEL_LINES,
    long_models,
    shortcuts,
    too_long,
    unclear_test_names,
)
from tests.repo.sources import assert_holds, planted, read_folder

PACKAGES = ("conc", "conc_testing")
FOLDERS = (*PACKAGES, "benchmarks", "examples", "tests")


def test_every_file_and_function_is_short() -> None:
    assert_holds(too_long([source for folder in FOLDERS for source in read_folder(folder)], LONGER))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_take_no_shortcut(package: str) -> None:
    assert_holds(shortcuts(read_folder(package)))


def test_every_test_name_is_a_claim() -> None:
    assert_holds(unclear_test_names(read_folder("tests")))


def test_every_sequential_model_is_shorter_than_what_it_checks() -> None:
    assert_holds(long_models(read_folder("tests")))


def function_of(lines: int, docstring: str = "") -> str:
    return "def f():\n" + docstring + "    x = 1\n" * (lines - 1)


def test_a_function_may_be_as_long_as_the_limit_without_its_docstring() -> None:
    docstring = '    """One.\n\n    Three.\n    """\n'

    assert list(too_long([planted("conc.a", function_of(FUNCTION_LINES, docstring))], {})) == []


def test_a_longer_function_is_named() -> None:
    (message,) = too_long([planted("conc.a", function_of(FUNCTION_LINES + 1))], {})

    assert message.startswith("conc/a.py::f has 71 lines")


def test_a_longer_file_is_named() -> None:
    (message,) = too_long([planted("conc.a", "x = 1\n" * (FILE_LINES + 1))], {})

    assert message.startswith("conc/a.py has 451 lines")


@pytest.mark.parametrize(("allowed", "named"), [(72, "grew from 72 to 73"), (74, "shrank from 74 to 73"), (73, None)])
def test_an_exception_may_stay_and_only_shrink(allowed: int, named: str | None) -> None:
    messages = list(too_long([planted("conc.a", function_of(73))], {"conc/a.py::f": allowed}))

    assert (named is None and messages == []) or (named is not None and named in messages[0])


def test_an_exception_that_is_not_needed_must_go() -> None:
    (message,) = too_long([planted("conc.a", function_of(10))], {"conc/a.py::f": 73})

    assert "take it out" in message


@pytest.mark.parametrize(("inherited", "named"), [(0, None), (1, "LineModel has 41 lines")])
def test_a_model_that_is_too_long_with_what_it_inherits_is_named(inherited: int, named: str | None) -> None:
    parent = "class Line:\n" + '    """Not counted."""\n\n' + "    x = 1\n" * (9 + inherited)
    text = f"from hypothesis.stateful import rule\n{parent}class LineModel(Line):\n" + "    y = 1\n" * (
        MODEL_LINES - 11
    )

    messages = list(long_models([planted("tests.a", text)]))

    assert (named is None and messages == []) or (named is not None and named in messages[0])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("from conc.errors import *", "star import"),
        ("try:\n    f()\nexcept:\n    pass", "bare except"),
        ("print('x')", "prints nothing"),
        ("import time\ntime.sleep(1)", "blocks the worker"),
    ],
)
def test_a_shortcut_is_named(text: str, named: str) -> None:
    (message,) = shortcuts([planted("conc.a", text)])

    assert named in message


@pytest.mark.parametrize(
    ("name", "named"),
    [("test_semaphore", "makes no claim"), ("test_close_twice", "makes no claim"), ("test_event_is_set_2", "number")],
)
def test_an_unclear_test_name_is_named(name: str, named: str) -> None:
    (message,) = unclear_test_names([planted("tests.a", f"class T:\n    async def {name}(self): ...")])

    assert named in message


def test_a_name_that_is_a_claim_is_no_violation() -> None:
    source = planted("tests.a", "def test_a_cancelled_acquire_takes_nothing(): ...\ndef helper2(): ...")

    assert list(unclear_test_names([source])) == []
