"""Where a second Ctrl-C may be raised: not where a lock of conc may be held."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from types import FrameType, SimpleNamespace
from typing import cast

import pytest

from conc._kernel.interrupts import Interrupts


@pytest.mark.parametrize(
    ("modules", "raised"),
    [
        (["conc._kernel.worker", "application"], True),
        (["conc._kernel.worker", "application", "threading", "socket"], True),
        (["conc._kernel.worker", "__main__", "concurrency"], True),
        (["conc._kernel.worker"], False),
        (["conc._kernel.worker", "application", "conc.sync.event"], False),
        (["conc._kernel.worker", "application", "conc._kernel.asyncgens", "_weakrefset"], False),
    ],
)
def test_a_second_ctrl_c_is_raised_in_no_call_that_conc_made_to_the_standard_library(
    modules: list[str], raised: bool
) -> None:
    handler = Interrupts()
    posted: list[object] = []
    handler.attach(None, SimpleNamespace(post=posted.append), "first", "second")  # type: ignore[arg-type]

    def called_by(module: str, then: Callable[[FrameType], object]) -> Callable[[FrameType], object]:
        scope = {"__name__": module, "then": then, "here": sys._getframe}
        exec("def call(frame): then(here())", scope)
        return cast("Callable[[FrameType], object]", scope["call"])

    call: Callable[[FrameType], object] = lambda frame: handler._handle(signal.SIGINT, frame)  # noqa: E731
    for module in reversed(modules):
        call = called_by(module, call)

    call(sys._getframe())
    with pytest.raises(KeyboardInterrupt) if raised else nullcontext():
        call(sys._getframe())
    assert posted == ["first", "second"]
