"""The tape of a run as a token: it comes back whole, or is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conc_testing import Deviation, TokenMismatch
from conc_testing.sim.tape import CANCEL, RUN, TIME, TIMER, Tape

PATHS = st.text(min_size=0, max_size=20)
DEVIATIONS = st.builds(
    Deviation,
    site=st.sampled_from([RUN, TIME, TIMER, CANCEL, "net.latency", "fault.io"]) | st.text(min_size=1, max_size=9),
    path=PATHS,
    nth=st.integers(0, 10**9),
    choice=st.integers(0, 2**63) | PATHS,
)
TAPES = st.builds(
    Tape,
    deviations=st.lists(DEVIATIONS, max_size=20).map(tuple),
    scenario=st.text(max_size=30),
    seed=st.integers(-(2**64), 2**64),
    time=st.sampled_from(["calm", "racing"]),
    faults=st.booleans(),
)


@given(TAPES)
def test_a_tape_comes_back_from_its_token_as_it_was(tape: Tape) -> None:
    assert Tape.from_token(tape.token) == tape


@given(TAPES)
def test_a_token_is_one_word_that_may_stand_anywhere(tape: Tape) -> None:
    assert re.fullmatch(r"conc1:[\w-]+", tape.token, re.ASCII)
    assert Tape.from_token(f"  {tape.token}\n") == tape


@given(tape=TAPES, data=st.data())
def test_a_token_with_an_end_missing_is_refused(tape: Tape, data: st.DataObject) -> None:
    token = tape.token
    length = data.draw(st.integers(0, len(token) - 2))
    with pytest.raises(TokenMismatch):
        Tape.from_token(token[:length])


@given(tape=TAPES, data=st.data())
def test_a_token_with_a_wrong_letter_is_refused_or_means_the_same(tape: Tape, data: st.DataObject) -> None:
    token = tape.token
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("aZ0_-:! "))
    try:
        read = Tape.from_token(token[:place] + letter + token[place + 1 :])
    except TokenMismatch:
        return
    assert read == tape


@given(st.text())
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenMismatch):
        Tape.from_token(text)


@pytest.mark.parametrize("version", ["0", "2", "01", "10", "9" * 5_000])
def test_a_token_of_another_version_is_refused_and_the_error_says_which(version: str) -> None:
    body = Tape().token.partition(":")[2]
    with pytest.raises(TokenMismatch, match=f"is of version {version[:20]}.* reads version 1"):
        Tape.from_token(f"conc{version}:{body}")


@pytest.mark.parametrize("head", ["conc", "conc²", "conc-1", "conc1.0", "Conc1", "1", ""])
def test_a_head_that_names_no_version_is_no_token(head: str) -> None:
    with pytest.raises(TokenMismatch, match="is no token; one looks like conc1:"):
        Tape.from_token(f"{head}:{Tape().token.partition(':')[2]}")


def test_a_damaged_token_says_what_may_have_gone_wrong() -> None:
    with pytest.raises(TokenMismatch, match=r"damaged .* copied from its first character to its last"):
        Tape.from_token("conc1:abc")


@pytest.mark.parametrize("token", [None, 5, b"conc1:abc"])
def test_what_is_no_string_is_refused_and_named(token: str) -> None:
    with pytest.raises(TypeError, match="token must be a string"):
        Tape.from_token(token)


def test_an_empty_tape_is_the_calm_run() -> None:
    tape = Tape()
    assert len(tape) == 0
    assert list(tape) == []
    assert Tape.from_token(tape.token).deviations == ()


@given(tape=TAPES, deviations=st.lists(DEVIATIONS, max_size=3))
def test_other_deviations_leave_the_circumstances_as_they_are(tape: Tape, deviations: list[Deviation]) -> None:
    other = tape.with_deviations(deviations)
    assert list(other) == deviations
    assert other.with_deviations(tape) == tape


@pytest.mark.parametrize(
    ("deviation", "words"),
    [
        (Deviation(RUN, "main/0:a", 3, "main/1:b"), ["main/1:b", "main/0:a", "3"]),
        (Deviation(CANCEL, "main/0:a", 2, 1), ["main/0:a is cancelled when it comes to step 2"]),
        (Deviation(CANCEL, "main/0:a", 2, 2), ["main/0:a is cancelled at the beginning of step 2"]),
        (Deviation(TIME, "main/0:a", 1, 1), ["time passes by a deadline", "main/0:a"]),
        (Deviation(TIME, "", 0, 1), ["time passes by a deadline", "nothing"]),
        (Deviation("net.latency", "main/0:a", 4, 2), ["net.latency 4 of main/0:a is 2"]),
        (Deviation(TIMER, "", 4, 1), ["timer 4 is 1"]),
    ],
)
def test_a_deviation_in_words_tells_what_where_and_when(deviation: Deviation, words: list[str]) -> None:
    assert all(word in str(deviation) for word in words)
