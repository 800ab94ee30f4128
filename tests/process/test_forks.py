"""A fork of the program has a copy of each Process, and no right to end it."""

import os

import pytest

from conc._os.children import Child
from conc.process import PIPE, Process
from tests.process.support import run


def test_a_fork_that_leaves_the_block_ends_nothing() -> None:
    here = os.getpid()

    async def main() -> bytes:
        async with Process(["cat"], stdin=PIPE, stdout=PIPE) as cat:
            fork = os.fork()
            if not fork:
                raise SystemExit
            os.waitpid(fork, 0)
            await cat.stdin.write_all(b"alive")
            return await cat.stdout.read(5)
        raise AssertionError

    try:
        assert run(main) == b"alive"
    finally:
        if os.getpid() != here:
            os._exit(0)


async def test_a_child_of_another_process_is_not_abandoned_with_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    async with Process(["cat"], stdin=PIPE, process_group=True) as cat:
        child = cat._child
        assert child is not None
        with monkeypatch.context() as patch:
            patch.setattr(Child, "send", lambda self, signum, group: sent.append(signum))
            patch.setattr(os, "getpid", lambda: -1)
            child.abandon(group=True)
        assert sent == []

    assert cat.returncode == 0
