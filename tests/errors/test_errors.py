"""The exceptions: their family, their text, and that they survive a journey to another process."""

from __future__ import annotations

import inspect
import pickle

import pytest

import conc
from conc import errors

ALL = [getattr(errors, name) for name in errors.__all__]
ORDINARY = [error for error in ALL if error not in (errors.Cancelled, errors.ConcError)]

MADE: list[BaseException] = [
    errors.Cancelled("explicit"),
    errors.Cancelled("deadline", "the words"),
    errors.IncompleteRead("4 of 10 bytes", b"four"),
    errors.LimitExceeded("more than 10 bytes", 10),
    *(error("the words") for error in ORDINARY if error not in (errors.IncompleteRead, errors.LimitExceeded)),
]


def test_a_cancellation_passes_handlers_of_ordinary_errors() -> None:
    assert issubclass(errors.Cancelled, BaseException)
    assert not issubclass(errors.Cancelled, Exception)


@pytest.mark.parametrize("error", ORDINARY)
def test_all_other_errors_are_of_one_family(error: type[BaseException]) -> None:
    assert issubclass(error, errors.ConcError)
    assert issubclass(error, Exception)


def test_everything_in_the_module_is_public_and_documented() -> None:
    classes = {name: thing for name, thing in vars(errors).items() if inspect.isclass(thing)}
    defined = {name for name, thing in classes.items() if thing.__module__ == errors.__name__}

    assert defined == set(errors.__all__)
    for error in ALL:
        assert inspect.getdoc(error), error
        assert error.__doc__ != (error.__base__.__doc__ or ""), error


@pytest.mark.parametrize("name", ["Cancelled", "Deadlock", "TaskCancelled", "TaskFailed"])
def test_the_errors_of_every_day_are_in_the_facade(name: str) -> None:
    assert getattr(conc, name) is getattr(errors, name)


@pytest.mark.parametrize(
    ("source", "reason", "text"),
    [
        ("explicit", None, "cancelled (explicit)"),
        ("deadline", "too slow", "cancelled (deadline): too slow"),
        ("task", "", "cancelled (task): "),
    ],
)
def test_the_text_of_a_cancellation_gives_source_and_reason(source: str, reason: str | None, text: str) -> None:
    cancelled = errors.Cancelled(source, reason)

    assert (cancelled.source, cancelled.reason, str(cancelled)) == (source, reason, text)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_is_the_same_after_pickling(error: BaseException, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_read_that_ended_early_keeps_what_did_come() -> None:
    error = errors.IncompleteRead("4 of 10 bytes", b"four")

    assert (str(error), error.partial) == ("4 of 10 bytes", b"four")


def test_a_limit_is_named_by_the_error() -> None:
    error = errors.LimitExceeded("more than 10 bytes", 10)

    assert (str(error), error.limit) == ("more than 10 bytes", 10)


def test_an_error_may_carry_notes_and_be_part_of_a_group() -> None:
    error = errors.WouldBlock("words")
    error.add_note("more words")
    group = ExceptionGroup("group", [error])

    assert group.subgroup(errors.ConcError) is not None
    assert pickle.loads(pickle.dumps(group)).exceptions[0].__notes__ == ["more words"]
