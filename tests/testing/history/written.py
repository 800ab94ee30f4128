"""Histories that are written down, not recorded."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from conc_testing import Model, NotLinearizable, Operation, assert_linearizable
from conc_testing.history.operation import UNKNOWN, Fate


class Written:
    """A history to be written: each line is an operation, with the moments at which it was called and ended."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._tickets = count()

    def returned(
        self, by: str, called: int, ended: int, name: str, *args: Any, value: Any = None, waits: int | None = None
    ) -> Operation:
        """One that returned `value`; it was seen to wait at the moment `waits`."""
        return self._add(by, called, ended, name, args, "returned", value, waits)

    def cancelled(self, by: str, called: int, ended: int, name: str, *args: Any, waits: int | None = None) -> Operation:
        """One that was cancelled."""
        return self._add(by, called, ended, name, args, "cancelled", UNKNOWN, waits)

    def waiting(self, by: str, called: int, name: str, *args: Any, waits: int | None = None) -> Operation:
        """One that still waits at the end."""
        return self._add(by, called, None, name, args, "waiting", UNKNOWN, waits)

    def open(self, by: str, called: int, name: str, *args: Any) -> Operation:
        """One of which nobody knows."""
        return self._add(by, called, None, name, args, "open", UNKNOWN, None)

    def _add(
        self,
        by: str,
        called: int,
        ended: int | None,
        name: str,
        args: tuple[Any, ...],
        fate: Fate,
        value: Any,
        waits: int | None,
    ) -> Operation:
        operation = Operation(next(self._tickets), name, args, by, called, None, waits, ended, fate, value)
        self.operations.append(operation)
        return operation


def refused(history: Written, model: Model) -> NotLinearizable:
    """What is said of a history that its model does not allow."""
    with pytest.raises(NotLinearizable) as caught:
        assert_linearizable(history.operations, model)
    return caught.value
