"""Fixtures of the tests of files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fs.support import _gated_write, nothing_left_open

__all__ = ["_gated_write"]


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    with nothing_left_open():
        yield
